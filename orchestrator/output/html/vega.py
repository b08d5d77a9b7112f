"""The library that draws the charts in a browser, Vega: bundled by vl-convert, which takes a second, and then kept."""

from __future__ import annotations

import os
from contextlib import suppress
from importlib import metadata

import vl_convert

from ...files import cache_directory, replace_file
from .templates import read

SNIPPET = "window.vegaEmbed = vegaEmbed;"


def bundle() -> str:
    """Return the JavaScript after its licences: it sets `window.vegaEmbed` and holds no `</script`."""
    return f"/*!\n{read('vega-licenses.txt')}*/\n{_minified()}"


def _minified() -> str:
    """Return the JavaScript alone; minifying dropped the comments with its licences."""
    kept = None
    if os.environ.get("HOME") or os.environ.get("XDG_CACHE_HOME"):  # elsewhere others could write
        kept = cache_directory() / f"vega-{metadata.version('vl-convert-python')}.js"
        with suppress(OSError, UnicodeError):
            return kept.read_text("utf-8")
    made = vl_convert.javascript_bundle(SNIPPET).replace("</script", "<\\/script").replace("<!--", "\\x3c!--")
    if kept:
        with suppress(OSError):  # a cache that can't be written costs a second each time
            kept.parent.mkdir(parents=True, exist_ok=True)
            replace_file(kept, made.encode())
    return made
