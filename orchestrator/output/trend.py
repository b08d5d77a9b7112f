"""A history for people and tools: a table per point, variant by variant, or a line for each entry."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from functools import partial
from typing import Literal

from rich.table import Table
from rich.text import Text

from .. import units
from ..analysis.history import Entry
from ..jsonl import lines
from ..text import printable
from .changes import STYLES
from .grid import fitting, printed, text_console

_HEADERS = ("variant", "run", "machine", "commit", "times the loop", "per batch", "change")

NOTE = (
    "How many times as long as the reference loop of its blocks a batch took. A change is one since the run before on "
    "the same machine, beyond {tolerance:.3g} %."
)


def as_table(entries: Sequence[Entry], *, tolerance: float, width: int, colour: bool) -> str:
    """Return the text: a table for each point, variant by variant, from the oldest run to the newest."""
    out, written = text_console(width, colour)
    for point, own in points(entries):
        out.print(Text(printable(point), style="bold"))
        out.print(fitting(out, partial(table, own), ("per batch", "commit")))
        out.print()
    out.print(Text(NOTE.format(tolerance=tolerance * 100), style="dim"))
    return printed(written)


def as_json(entries: Sequence[Entry]) -> str:
    """Return one JSON object a line."""
    return lines(entry.fields() for entry in entries)


def points(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """Return the label of every point, and its entries."""
    labels = {entry.point_id: entry.point for entry in entries}
    return [(label, [entry for entry in entries if entry.point_id == point]) for point, label in labels.items()]


def table(entries: Sequence[Entry], without: Collection[str] = ()) -> Table:
    """Return a row for each entry of a point, variant by variant, less the columns `without`."""
    drawn = Table(box=None, pad_edge=False, header_style="bold")
    shown = [header for header in _HEADERS if header not in without]
    for header in shown:
        justify: Literal["left", "right"] = "right" if header == "per batch" else "left"
        drawn.add_column(header, justify=justify, no_wrap=True, overflow="fold")
    for variant in dict.fromkeys(entry.variant for entry in entries):
        for entry in entries:
            if entry.variant == variant:
                cells = _cells(entry)
                drawn.add_row(*(cells[header] for header in shown))
    return drawn


def _cells(entry: Entry) -> dict[str, Text]:
    plain = {
        "variant": entry.variant,
        "run": entry.run_id,
        "machine": entry.hostname or "-",
        "commit": entry.commit or "-",
        "times the loop": units.ratio(entry.ratio, entry.ratio_low, entry.ratio_high),
        "per batch": units.duration(entry.wall_ns),
    }
    changed = Text(entry.change or "-", STYLES.get(entry.change or "", ""))
    return {header: Text(printable(text)) for header, text in plain.items()} | {"change": changed}
