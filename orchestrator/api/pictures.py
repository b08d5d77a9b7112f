"""A result as a picture that a notebook shows, and as a file."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..extras import need

if TYPE_CHECKING:
    from ..analysis.results import Results


@dataclass(frozen=True)
class Plot:
    """A chart of a run: a notebook shows it, and `svg` is its text."""

    title: str
    svg: str = field(repr=False)

    def _repr_svg_(self) -> str:
        return self.svg

    def save(self, path: str | Path) -> Path:
        """Write the chart to a file .svg, and return its path."""
        file = Path(path)
        if file.suffix != ".svg":
            raise BadInput(
                f"a plot is not saved as {file.suffix or 'a file without suffix'}", remedy="name a .svg file"
            )
        return _write(file, self.svg.encode())


def plot(results: Results, chart: str | None) -> Plot:
    """Return a chart of the page, the first one by default; raises BadInput."""
    need("a plot", "vl_convert")
    from ..output.html import charts, pictures

    found = {each.name: each for each in charts.charts(results)}
    if not found:
        raise BadInput("there is no finished block to draw", remedy="give the run more time")
    name = next(iter(found)) if chart is None else chart
    if name not in found:
        raise BadInput(f"no chart {name!r}", where="chart", remedy=f"name one of {', '.join(found)}")
    return Plot(found[name].title, pictures.drawn(found[name]).decode())


def save(results: Results, file: Path, text: str) -> Path:
    """Write a result to a file in the format of its suffix, and return its path; `text` is what .txt has."""
    from ..output.formats import files, render
    from ..spec.document import dump

    match file.suffix:
        case ".html":
            (content,) = files("html", results).values()
        case ".md":
            (content,) = files("markdown", results).values()
        case ".json" | ".jsonl":
            content = render("json", results).encode()
        case ".yaml" | ".yml":
            content = dump(results.plan.experiment.resolved()).encode()
        case ".txt":
            content = text.encode()
        case _:
            what = f"a result is not saved as {file.suffix or 'a file without suffix'}"
            raise BadInput(what, where=str(file), remedy="name a file .html, .md, .json, .yaml or .txt")
    return _write(file, content)


def _write(file: Path, content: bytes) -> Path:
    from ..files import replace_file

    try:
        replace_file(file, content)
    except OSError as error:
        raise BadInput(f"cannot write {file}: {error.strerror}", remedy="name another file") from error
    return file
