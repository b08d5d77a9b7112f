"""A history for people and tools: a table per point with a column for each variant, or a line for each entry."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from rich.table import Table
from rich.text import Text

from .. import units
from ..history import Entry
from ..journal import dumps
from .changes import STYLES
from .table import page

NOTE = (
    "How many times as long as the reference loop of its blocks a batch took. A change is one since the run before on "
    "the same machine, beyond {tolerance:.3g} %."
)


def as_table(entries: Sequence[Entry], *, tolerance: float, width: int, colour: bool) -> str:
    """Return the text: a table for each point, a row for each run, from old to new."""
    out, written = page(width, colour)
    for point, drawn in tables(entries):
        drawn.title, drawn.title_justify = point, "left"
        out.print(drawn)
        out.print()
    out.print(Text(NOTE.format(tolerance=tolerance * 100), style="dim"))
    return "".join(line.rstrip() + "\n" for line in written.getvalue().splitlines())


def as_json(entries: Sequence[Entry]) -> str:
    """Return one JSON object a line."""
    return "".join(dumps(entry.fields()).decode() + "\n" for entry in entries)


def tables(entries: Sequence[Entry]) -> list[tuple[str, Table]]:
    """Return the label of every point and its table."""
    points = {entry.point_id: entry.point for entry in entries}
    return [(label, _table([entry for entry in entries if entry.point_id == point])) for point, label in points.items()]


def _table(entries: Sequence[Entry]) -> Table:
    variants = list(dict.fromkeys(entry.variant for entry in entries))
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("run", "machine", "commit", *variants):
        justify: Literal["left", "right"] = "left"
        drawn.add_column(Text(header), justify=justify, overflow="fold")
    for run in dict.fromkeys(entry.run_id for entry in entries):
        own = {entry.variant: entry for entry in entries if entry.run_id == run}
        any_one = next(iter(own.values()))
        about = (f"{any_one.started[:10]} {any_one.started[11:16]}", any_one.hostname or "-", any_one.commit or "-")
        drawn.add_row(*map(Text, about), *(_cell(own.get(variant)) for variant in variants))
    return drawn


def _cell(entry: Entry | None) -> Text:
    if entry is None:
        return Text("-")
    text = Text(units.ratio(entry.ratio, entry.ratio_low, entry.ratio_high))
    if entry.change in ("slower", "faster"):
        text.append(f" {entry.change}", STYLES[entry.change])
    return text
