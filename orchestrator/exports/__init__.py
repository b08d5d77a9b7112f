"""Export formats: each a module with `render(results) -> {file name: bytes}`, one line here to register it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..results import Results

FORMATS = {
    "chrome-trace": "chrome_trace",
    "csv": "csv_tables",
    "hyperfine": "hyperfine",
    "markdown": "markdown",
    "pyperf": "pyperf",
}
"""What `--to` knows, and the module that renders it."""


def render(name: str, results: Results) -> dict[str, bytes]:
    """Return the files of the format `name`, one of `FORMATS`, by their paths; none where there is nothing to tell."""
    files: dict[str, bytes] = importlib.import_module(f"{__name__}.{FORMATS[name]}").render(results)
    return files
