"""What `compare` found between two runs: a table for people, lines for tools."""

from __future__ import annotations

from .. import units
from ..analysis.compare import Comparison
from ..journal.derived_events import VariantChanged
from ..jsonl import lines as as_lines
from .grid import Grid
from .terminal import Screen

STYLES = {"slower": "bold red", "faster": "green", "shifted": "yellow", "undecided": "yellow", "same": ""}
_WORDS = {"shifted": "shifted with the machine"}
PROOF = (
    "A regression of code is proved only where both versions compete in the same blocks: give `models` an entry for "
    "each, the old one with `path:` set to a worktree of it (docs/regressions.md)."
)
WITHOUT_LOOP = "note: the runs have not timed the same reference loop, so nothing can be decided"
ENOUGH_BLOCKS = 8
FEW_BLOCKS = (
    f"note: a run of fewer than {ENOUGH_BLOCKS} blocks shows a large change only; "
    f"for a smaller one give both runs measure.blocks={ENOUGH_BLOCKS}"
)


def table(found: Comparison, *, width: int, colour: bool) -> str:
    """Return the text: a row per variant and point, and what to do where something is slower or undecided."""
    screen = Screen(width, colour)
    for point in dict.fromkeys(change.point for change in found.changes):
        screen.grid(_grid(point, [change for change in found.changes if change.point == point]))
        screen.line()
    tolerance = f"{found.changes[0].tolerance * 100:.3g} %"
    note = f"Above 1 is slower; up to {tolerance} is no change. `by the loop`: relative to each block's reference loop."
    screen.line(note, "dim")
    if any(change.ratio is None for change in found.changes):
        screen.line(WITHOUT_LOOP, "yellow")
    if any(
        change.change == "undecided" and has_few_blocks(change.blocks_before, change.blocks_after)
        for change in found.changes
    ):
        screen.line(FEW_BLOCKS, "yellow")
    if found.regressions:
        screen.line(PROOF)
    return screen.text()


def has_few_blocks(before: int | None, after: int) -> bool:
    """Return whether one of two runs has too few blocks to show a small change; `before` is None without that run."""
    return before is not None and min(before, after) < ENOUGH_BLOCKS


def lines(found: Comparison) -> str:
    """Return one JSON object a line."""
    return as_lines(change.fields() for change in found.changes)


def _grid(point: str, changes: list[VariantChanged]) -> Grid:
    headers = ("variant", "before", "after", "by the clock", "by the loop", "change")
    rows = [
        [
            change.variant,
            units.duration(change.wall_ns_before),
            units.duration(change.wall_ns_after),
            units.ratio(change.wall_ratio, change.wall_ratio_low, change.wall_ratio_high),
            units.ratio(change.ratio, change.ratio_low, change.ratio_high),
            _WORDS.get(change.change, change.change),
        ]
        for change in changes
    ]
    styles = {_WORDS.get(word, word): style for word, style in STYLES.items()}
    return Grid(headers, rows, right=("before", "after"), title=point, styles=styles)
