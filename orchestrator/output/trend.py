"""The history of an experiment: a table for each point, variant by variant, or a JSON line for each entry."""

from __future__ import annotations

from collections.abc import Sequence

from .. import units
from ..analysis.history import Entry
from ..jsonl import lines
from ..text import printable
from . import changes
from .changes import FEW_BLOCKS, STYLES
from .grid import Grid
from .terminal import Screen

_HEADERS = ("variant", "run", "machine", "commit", "times the loop", "per batch", "change")

NOTE = (
    "`times the loop`: the time of a batch divided by that of the reference loop in the same blocks. `change`: since "
    "the previous run on the same machine, beyond {tolerance:.3g} %."
)


def as_table(entries: Sequence[Entry], *, tolerance: float, width: int, colour: bool) -> str:
    """Return the text: a table for each point, variant by variant, from the oldest run to the newest."""
    screen = Screen(width, colour)
    for point, own in points(entries):
        screen.line(printable(point), "bold")
        screen.grid(grid(own))
        screen.line()
    screen.line(NOTE.format(tolerance=tolerance * 100), "dim")
    if has_few_blocks(entries):
        screen.line(FEW_BLOCKS, "yellow")
    return screen.text()


def has_few_blocks(entries: Sequence[Entry]) -> bool:
    """Return whether a change is undecided because its two runs have too few blocks."""
    return any(
        entry.change == "undecided" and changes.has_few_blocks(entry.blocks_before, entry.blocks) for entry in entries
    )


def as_json(entries: Sequence[Entry]) -> str:
    """Return one JSON object a line."""
    return lines(entry.fields() for entry in entries)


def points(entries: Sequence[Entry]) -> list[tuple[str, list[Entry]]]:
    """Return the label of every point, and its entries."""
    labels = {entry.point_id: entry.point for entry in entries}
    return [(label, [entry for entry in entries if entry.point_id == point]) for point, label in labels.items()]


def grid(entries: Sequence[Entry]) -> Grid:
    """Return a row for each entry of a point, variant by variant."""
    variants = dict.fromkeys(entry.variant for entry in entries)
    rows = [_row(entry) for variant in variants for entry in entries if entry.variant == variant]
    return Grid(_HEADERS, rows, right=("per batch",), spare=("per batch", "commit"), styles=STYLES)


def _row(entry: Entry) -> list[str]:
    texts = (
        entry.variant,
        entry.run_id,
        entry.hostname or "-",
        entry.commit or "-",
        units.ratio(entry.ratio, entry.ratio_low, entry.ratio_high),
        units.duration(entry.wall_ns),
        entry.change or "-",
    )
    return [printable(text) for text in texts]
