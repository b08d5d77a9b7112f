"""Report formats: each a module with `render(results, width, colour) -> str`, one line here to register it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..results import Results

FORMATS = {
    "advice": "advice",
    "json": "json_lines",
    "table": "table",
}
"""What `--format` knows, and the module that renders it."""


def render(name: str, results: Results, *, width: int = 100, colour: bool = False) -> str:
    """Return the results in the format `name`, one of `FORMATS`."""
    module = importlib.import_module(f"{__name__}.{FORMATS[name]}")
    text: str = module.render(results, width=width, colour=colour)
    return text
