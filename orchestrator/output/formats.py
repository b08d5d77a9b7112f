"""The output formats of a run, by name: one line here for each.

A text format is a function `(results, view) -> str`. A file format (kind "page" or "export") is a function of the
results that returns the contents of its files by path. `report` writes pages and pictures, `export` the files for
other tools.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Mapping
from dataclasses import replace as with_changes
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from ..errors import BadInput
from ..extras import installing, missing, need

if TYPE_CHECKING:
    from ..analysis.results import Results
    from .view import View

Kind = Literal["text", "page", "export"]

PAGE = "report.html"

PAGE_EXTRA = ("jinja2", "vl_convert")  # the packages that pages and pictures need


class Format(NamedTuple):
    """Where a format is rendered, what it is for, and the packages that it needs beyond the required ones."""

    kind: Kind
    module: str
    about: str
    function: str = "render"
    needs: tuple[str, ...] = ()
    of_batches: bool = False
    """Whether what reads it takes each value for the time of a run: latencies would be misread."""


FORMATS = {
    "table": Format("text", "text", "the verdict, then the variants"),
    "advice": Format("text", "text", "what to do, then the variants", "advise"),
    "json": Format("text", "json_lines", "the derived events as JSON lines"),
    "html": Format("page", "html.page", "the page", needs=PAGE_EXTRA),
    "png": Format("page", "html.pictures", "the charts as pictures", "png", needs=PAGE_EXTRA),
    "svg": Format("page", "html.pictures", "the charts as drawings", "svg", needs=PAGE_EXTRA),
    "chrome-trace": Format("export", "export.chrome_trace", "a timeline for ui.perfetto.dev"),
    "csv": Format("export", "export.csv_tables", "tables for spreadsheets"),
    "hyperfine": Format("export", "export.hyperfine", "times for its scripts", of_batches=True),
    "markdown": Format("export", "export.markdown", "a report for a pull request"),
    "parquet": Format("export", "export.parquet", "tables for pandas, polars and DuckDB", needs=("duckdb",)),
    "pyperf": Format("export", "export.pyperf", "times for pyperf compare_to", of_batches=True),
}


def names(*kinds: Kind) -> tuple[str, ...]:
    """Return the names of the formats of these kinds."""
    return tuple(name for name, about in FORMATS.items() if about.kind in kinds)


def render(name: str, results: Results, view: View | None = None, **changed: Any) -> str:
    """Return the results in a text format, drawn for a view; `changed` are fields of it."""
    from .view import View

    about = FORMATS[name]
    module = importlib.import_module(f"{__package__}.{about.module}")
    text: str = getattr(module, about.function)(results, with_changes(view or View(), **changed))
    return text


def files(name: str, results: Results) -> dict[str, bytes]:
    """Return the files of a format by their paths, none if there is nothing to show.

    Raises BadInput when the format needs a package that is not installed, or times of batches that the run lacks.
    """
    about = FORMATS[name]
    if about.of_batches and results.plan.experiment.arrivals:
        what = f"{name} compares the times of runs, and in {results.started.experiment} calls arrive at a rate"
        remedy = "their latencies are in --to csv and parquet (latencies.csv: percentiles, windows.csv: each call)"
        raise BadInput(what, where=f"--to {name}", remedy=remedy)
    need(f"the format {name}", *about.needs)
    module = importlib.import_module(f"{__package__}.{about.module}")
    made: dict[str, bytes] = getattr(module, about.function)(results)
    return made


def pages_lack() -> str:
    """Return which packages that pages need are not installed, with the remedy; empty if none."""
    absent = missing(*PAGE_EXTRA)
    return f"{' and '.join(absent)}; {installing(*PAGE_EXTRA)}" if absent else ""


def write(contents: Mapping[str, bytes], directory: Path, *, replace: bool, where: str = "--output") -> list[Path]:
    """Write files below a directory, which is made if absent, and return their paths.

    Raises BadInput, before anything is written, when a file exists and `replace` is false, and when the directory,
    named by the option `where`, can't be written.
    """
    from ..files import replace_file  # not at the start of every command, which needs only the names of the formats

    paths = [directory / name for name in contents]
    existing = [path for path in paths if os.path.lexists(path)]
    if existing and not replace:
        others = f", and {len(existing) - 1} more of the files" if len(existing) > 1 else ""
        raise BadInput(f"{existing[0]} exists{others}", remedy="name another directory, or overwrite with --force")
    try:
        directory.mkdir(parents=True, exist_ok=True)
        for path, content in zip(paths, contents.values(), strict=True):
            path.parent.mkdir(parents=True, exist_ok=True)
            replace_file(path, content)
    except OSError as error:
        what = f"cannot write to {directory}: {error.strerror}"
        raise BadInput(what, where=where, remedy="name another directory") from error
    return paths
