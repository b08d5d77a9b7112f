"""Reports as text or files: of one run each a module, one line here to register it; of several runs, beside them.

Of text, a module has `render(results, width, colour) -> str`. Files are rendered by a function of the results that
returns their contents by their names; what it imports is in the extra `report`.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from ..extras import missing, need

if TYPE_CHECKING:
    from ..analysis.results import Results

FORMATS = {
    "table": "table",
    "advice": "advice",
    "json": "json_lines",
}
"""What `--format` knows of text, and the module that renders it."""

FILES = {
    "html": ("html.page", "render"),
    "png": ("html.pictures", "png"),
    "svg": ("html.pictures", "svg"),
}
"""What `--format` knows of files, and the module and the function that render them."""

PAGE = "report.html"

EXTRA = ("altair", "jinja2", "vl_convert")
"""What pages and pictures need."""


def render(name: str, results: Results, *, width: int = 100, colour: bool = False) -> str:
    """Return the results in the format `name`, one of `FORMATS`."""
    module = importlib.import_module(f"{__package__}.{FORMATS[name]}")
    text: str = module.render(results, width=width, colour=colour)
    return text


def files(name: str, results: Results) -> dict[str, bytes]:
    """Return the files of the format `name`, one of `FILES`, by their names; raises BadInput without the extra."""
    need(f"the format {name}", *EXTRA)
    module, function = FILES[name]
    made: dict[str, bytes] = getattr(importlib.import_module(f"{__package__}.{module}"), function)(results)
    return made


def has_files() -> bool:
    """Return whether files can be made here: the extra is installed."""
    return not missing(*EXTRA)
