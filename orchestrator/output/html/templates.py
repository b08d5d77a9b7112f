"""The templates of the pages, filled: all text is escaped, and a page runs no script but its own."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup

from ...text import printable

HERE = Path(__file__).parent


def read(name: str) -> str:
    """Return a file that stands beside the templates."""
    return (HERE / name).read_text("utf-8")


def filled(template: str, style: str, scripts: Sequence[str], about: Mapping[str, Any]) -> bytes:
    """Return a page with its style; `about` is what the template shows, with the scripts where it has any."""
    made = _environment().get_template(template)
    return made.render(style=Markup(style), policy=_policy(scripts, style), **about).encode("utf-8", "backslashreplace")


def _environment() -> Environment:
    made = Environment(
        autoescape=True, loader=FileSystemLoader(HERE), undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    made.finalize = shown
    return made


def shown(value: Any) -> Any:
    """Return what the page shows of a value: text without what could steer a reader or the direction of writing."""
    return printable(value) if isinstance(value, str) and not isinstance(value, Markup) else value


def _policy(scripts: Sequence[str], style: str) -> Markup:
    """Return the content security policy: the scripts and the style of this page, and nothing else from anywhere."""
    allowed = " ".join(map(_hash, scripts)) or "'none'"
    return Markup(
        f"default-src 'none'; script-src {allowed}; style-src {_hash(style)}; img-src data:; base-uri 'none'; "
        "form-action 'none'"
    )


def _hash(text: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"
