"""What `compare` found between two runs: a table for people, lines for tools."""

from __future__ import annotations

from typing import Literal

from rich.table import Table
from rich.text import Text

from .. import units
from ..analysis.compare import Comparison
from ..journal.derived_events import VariantChanged
from ..jsonl import lines as as_lines
from .grid import printed, text_console

STYLES = {"slower": "bold red", "faster": "green", "shifted": "yellow", "undecided": "yellow", "same": ""}
_WORDS = {"shifted": "shifted with the machine"}
PROOF = (
    "A regression of code is proved only where both versions compete in the same blocks: give `models` an entry for "
    "each, the old one with `path:` set to a worktree of it (docs/regressions.md)."
)
WITHOUT_LOOP = "note: the runs have not timed the same reference loop, so nothing can be decided"


def table(found: Comparison, *, width: int, colour: bool) -> str:
    """Return the text: a row per variant and point, and what to do where something is slower or undecided."""
    out, written = text_console(width, colour)
    for point in dict.fromkeys(change.point for change in found.changes):
        rows = [change for change in found.changes if change.point == point]
        out.print(_table(point, rows))
        out.print()
    tolerance = f"{found.changes[0].tolerance * 100:.3g} %"
    note = (
        f"Above 1 is slower; up to {tolerance} is no change. `by the loop`: against the reference loop of each block."
    )
    out.print(Text(note, style="dim"))
    if any(change.ratio is None for change in found.changes):
        out.print(Text(WITHOUT_LOOP, style="yellow"))
    if found.regressions:
        out.print(Text(PROOF))
    return printed(written)


def lines(found: Comparison) -> str:
    """Return one JSON object a line."""
    return as_lines(change.fields() for change in found.changes)


def _table(point: str, rows: list[VariantChanged]) -> Table:
    made = Table(title=point, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for header in ("variant", "before", "after", "by the clock", "by the loop", "change"):
        justify: Literal["left", "right"] = "right" if header in ("before", "after") else "left"
        made.add_column(header, justify=justify, no_wrap=True, overflow="fold")
    for row in rows:
        made.add_row(
            row.variant,
            units.duration(row.wall_ns_before),
            units.duration(row.wall_ns_after),
            units.ratio(row.wall_ratio, row.wall_ratio_low, row.wall_ratio_high),
            units.ratio(row.ratio, row.ratio_low, row.ratio_high),
            Text(_WORDS.get(row.change, row.change), style=STYLES[row.change]),
        )
    return made
