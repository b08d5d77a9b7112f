"""Which point comes next: one with the fewest blocks, so that all points reach a look."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import anyio

from ..analysis import decide
from ..analysis.contest import Contest
from ..journal.event import Event
from ..journal.raw_events import BlockFinished, TrialFinished
from ..journal.window_events import WindowFinished
from ..spec.plan import Claim, Variant, is_accounted
from .trials import taken_ns

CHOICE = 16
"""Of this many points with the fewest blocks, a host gets the one it ran least often, so as not to repeat one point."""


@dataclass
class PointState:
    """One point in the queue: its running blocks, and the needs of the next one."""

    contest: Contest
    claims: Sequence[Claim]
    place: int
    """Its index in the plan."""
    running: dict[int, anyio.CancelScope] = field(default_factory=dict)
    given: Counter[str | None] = field(default_factory=Counter)
    """The number of blocks that each host was given."""
    losses: Counter[int] = field(default_factory=Counter)
    took_s: float | None = None
    """The time of the last block."""
    spared_s: float = 0.0
    """The part of it that the next block does not need."""
    wanted: Sequence[Variant] | None = None
    """The variants that the next block needs; None when they have to be determined again."""
    offered: int | None = None
    """The number of begun blocks with which it waits for a host; None when it does not wait."""

    @property
    def begun(self) -> int:
        """The number of blocks that have begun."""
        return len(self.contest.begun_numbers) + len(self.running)

    @property
    def next_number(self) -> int:
        """The first free block number; that of a cancelled or lost block is used again."""
        return next(n for n in range(self.begun + 1) if n not in self.contest.begun_numbers and n not in self.running)

    def blocks_s(self, blocks: int, hosts: int) -> float:
        """Return the time that this many blocks take on all hosts; 0 while the time of a block is unknown."""
        return math.ceil(blocks / max(1, hosts)) * max(0.0, (self.took_s or 0.0) - self.spared_s)

    def spare(self, events: Sequence[Event]) -> None:
        """Set what the next block saves of the time of one with these events: dropped variants, and diagnostics."""
        finished = next((event for event in events if isinstance(event, BlockFinished)), None)
        if finished is None:
            return
        wanted = {variant.label for variant in self.wanted or ()}
        trials = (event for event in events if isinstance(event, TrialFinished | WindowFinished))
        spared_ns = sum(taken_ns(trial) for trial in trials if trial.variant not in wanted)
        if not is_accounted(self.next_number, self.contest.rounds or 1):
            spared_ns += finished.diagnostics_ns
        self.spared_s = spared_ns / 1e9

    def to_look_s(self, hosts: int) -> float:
        """Return the time of the finished blocks that are missing to the next look."""
        return self.blocks_s((decide.next_look(self.contest) or 0) - self.contest.finished_blocks, hosts)

    def needs_s(self, hosts: int) -> float:
        """Return the time until the point is worth a look: one block before its first look, later all to the next."""
        missing = (decide.next_look(self.contest) or 0) - self.contest.finished_blocks - len(self.running)
        return self.blocks_s(max(1, missing) if self.contest.looks else 1, hosts)


class PointQueue:
    """All points; those that wait for a host are in a heap, so that finding the next one is fast.

    A point waits from when it is offered until it is taken, or does not need a block. It has to be offered again
    whenever that may have changed.
    """

    def __init__(self, states: Iterable[PointState]) -> None:
        self._all = list(states)
        self._waiting: list[tuple[int, int]] = []
        """A heap by begun blocks, then by place; an entry that differs from the point's `offered` is out of date."""
        for state in self._all:
            self.offer(state)

    def __iter__(self) -> Iterator[PointState]:
        return iter(self._all)

    def offer(self, state: PointState) -> None:
        """Put a point into the queue."""
        if state.offered != state.begun:
            state.offered = state.begun
            heappush(self._waiting, (state.begun, state.place))

    def offer_all(self) -> None:
        """Put all points into the queue."""
        for state in self._all:
            self.offer(state)

    def take(self, host: str | None, fits: Callable[[PointState], bool]) -> PointState | None:
        """Return the point with the fewest blocks that fits; of several, the one that the host has run least often."""
        found: list[PointState] = []
        while self._waiting and len(found) < CHOICE:
            begun, place = self._waiting[0]
            if found and begun > found[0].begun:
                break
            heappop(self._waiting)
            state = self._all[place]
            if state.offered == begun:
                state.offered = None
                if fits(state):
                    found.append(state)
        taken = min(found, key=lambda state: state.given[host], default=None)
        for state in found:
            if state is not taken:
                self.offer(state)
        return taken
