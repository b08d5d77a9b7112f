"""Live progress on a terminal: blocks so far, each contender's ratio, which variants are out, and the time left."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from typing import Protocol

from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.table import Table
from rich.text import Text

from .. import units
from ..analysis import decide
from ..analysis.contest import Contest
from ..analysis.expect import is_open
from ..analysis.stats import compare
from ..text import printable
from .conductor import Watcher
from .forecast import time_to_verdict

REFRESH_S = 0.5  # the shortest time between two drawings, each of which takes some milliseconds on a core


_shown_by: ContextVar[Callable[[], Watcher] | None] = ContextVar("shown_by", default=None)


class Screen(Protocol):
    """What a watcher draws on."""

    console: Console

    def update(self, renderable: RenderableType, *, refresh: bool = False) -> None:
        """Show this in the place of what was there."""


class Progress(Watcher):
    """A watcher that draws."""

    def __init__(self, live: Screen) -> None:
        self._live = live
        self._begun = time.monotonic()
        self._end: float | None = None
        self._expected = ""
        self._drawn = 0.0
        self._contests: Sequence[Contest] = ()

    def doing(self, contest: Contest, what: str) -> None:
        self._draw(f"{contest.point.label}, block {len(contest.begun_numbers) + 1}: {what}")

    def expected(self, win_s: float, tie_s: float, most_s: float) -> None:
        self._expected = f"{time_to_verdict(win_s, tie_s)}; at most {most_s:.0f} s"

    def block_ended(self, contests: Sequence[Contest], left_s: float) -> None:
        self._contests = contests
        self._end = time.monotonic() + left_s
        self._draw("")

    def _draw(self, doing: str) -> None:
        """Draw, at most every `REFRESH_S`."""
        if time.monotonic() - self._drawn < REFRESH_S:
            return
        elapsed_s = time.monotonic() - self._begun
        standings = [standing(contest) for contest in self._shown()]
        line = f"{elapsed_s:.0f} s{self._left(elapsed_s)}  {doing}"
        with suppress(OSError):  # the terminal may be gone, while the run goes on
            lines = [line, *[self._expected] * bool(self._expected)]
            self._live.update(Group(*standings, Text(printable("\n".join(lines)), style="dim")), refresh=True)
        self._drawn = time.monotonic()

    def _shown(self) -> Sequence[Contest]:
        """Return the points that have begun, as many as there is room for, undecided points first."""
        begun = [contest for contest in self._contests if contest.begun_numbers]
        lines = max((1 + len(contest.variants) for contest in begun), default=1)
        room = max(1, (self._live.console.height - 1) // lines)
        shown = sorted(begun, key=decide.is_decided)[:room]
        return [contest for contest in begun if contest in shown]

    def _left(self, elapsed_s: float) -> str:
        """Return the time to the next looks, at the pace so far, and to the cap."""
        if self._end is None:
            return ""
        finished = sum(len(contest.blocks) for contest in self._contests)
        missing = [m - len(contest.blocks) for contest in self._contests if (m := decide.next_look(contest))]
        cap = f", at most {max(0.0, self._end - time.monotonic()):.0f} s left"
        return f", next look in about {sum(missing) * elapsed_s / finished:.0f} s{cap}" if finished else cap


def standing(contest: Contest) -> Group:
    """Return the current ratios to the baseline at one point, for display only."""
    table = Table(box=None, show_header=False, pad_edge=False)
    times = [block.walls for block in contest.blocks]
    baseline = contest.plan.baseline.label
    for label in contest.variants:
        found = compare(times, label, baseline, contest.look_level) if label != baseline else None
        shown = units.ratio(found.value, found.low, found.high) if found else "1" if label == baseline else "-"
        table.add_row(f"  {label}", shown, _state(contest, label))
    return Group(Text(printable(f"{contest.point.label}: {stage(contest)}")), table)


def stage(contest: Contest) -> str:
    """Return how far a contest is: its blocks, its verdict once that is known, and what the next look is for."""
    blocks, following = units.count(len(contest.blocks), "block"), decide.next_look(contest)
    until = f", next look at {following}" if following else ""
    if not decide.is_decided(contest):
        return f"{blocks}{until}"
    found = decide.finding(contest)
    verb = "tie" if found.verdict == "tie" else "wins" if len(found.winners) == 1 else "win"
    known = f"{blocks}, {units.listed(found.winners)} {verb}"
    own = [claim for claim in contest.plan.claims if claim.point.id == contest.point.id and is_open(claim, contest)]
    asked = units.listed(sorted({claim.variant.label for claim in own}))
    return f"{known}; more blocks for what is expected of {asked}{until}" if own else known


def _state(contest: Contest, label: str) -> str:
    if label in contest.excluded:
        return "failed, excluded"
    if label in contest.dropped:
        return f"dropped after {units.count(contest.dropped[label], 'block')}"
    return units.count(contest.failures[label], "failure") if contest.failures[label] else ""


@contextmanager
def shown_by(begin: Callable[[], Watcher]) -> Iterator[None]:
    """Let the watcher that `begin` returns show a run in the `with` block, in the place of the terminal."""
    token = _shown_by.set(begin)
    try:
        yield
    finally:
        _shown_by.reset(token)


@contextmanager
def watching() -> Iterator[Watcher]:
    """Yield a live display on stderr when that is a terminal, else a watcher that does nothing."""
    if begin := _shown_by.get():
        yield begin()
        return
    console = Console(stderr=True)
    if not console.is_terminal:
        yield Watcher()
        return
    # drawn by hand between trials: a refreshing thread would take a core from what is measured
    live = Live(console=console, auto_refresh=False, transient=True)
    with suppress(OSError):
        live.start()
    try:
        yield Progress(live)
    finally:
        with suppress(OSError):
            live.stop()
