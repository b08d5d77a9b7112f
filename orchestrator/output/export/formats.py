"""Export formats: each a module with `render(results) -> {file name: bytes}`, one line here to register it."""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from ...errors import BadInput
from ...extras import need

if TYPE_CHECKING:
    from ...analysis.results import Results

FORMATS = {
    "chrome-trace": "chrome_trace",
    "csv": "csv_tables",
    "hyperfine": "hyperfine",
    "markdown": "markdown",
    "parquet": "parquet",
    "pyperf": "pyperf",
}
"""What `--to` knows, and the module that renders it."""

NEEDS = {"parquet": ("duckdb",)}
"""The packages of the extra `report` that a format needs."""


def render(name: str, results: Results) -> dict[str, bytes]:
    """Return the files of the format `name`, one of `FORMATS`, by their paths; none where there is no data.

    Raises BadInput where that needs a package that is not installed.
    """
    need(f"the format {name}", *NEEDS.get(name, ()))
    files: dict[str, bytes] = importlib.import_module(f"{__package__}.{FORMATS[name]}").render(results)
    return files


def write(files: Mapping[str, bytes], directory: Path, *, replace: bool, where: str = "--output") -> list[Path]:
    """Write files below a directory, which is made if absent, and return their paths.

    Raises BadInput, before anything is written, when one of them exists and is not to be replaced; and when the
    directory, which the option `where` names, can't be written.
    """
    from ...files import (
        replace_file,  # not at the start of every command, for which the names of the formats are enough
    )

    paths = [directory / name for name in files]
    existing = [path for path in paths if os.path.lexists(path)]
    if existing and not replace:
        others = f", and {len(existing) - 1} more of the files" if len(existing) > 1 else ""
        raise BadInput(f"{existing[0]} exists{others}", remedy="name another directory, or overwrite with --force")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, files.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
    except OSError as error:
        what = f"cannot write to {directory}: {error.strerror}"
        raise BadInput(what, where=where, remedy="name another directory") from error
    return paths
