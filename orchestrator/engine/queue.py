"""Whose turn it is: the points with the fewest blocks first, so that all of them come to a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

import anyio

from ..analysis.contest import Contest
from ..spec.plan import Claim, Variant

CHOICE = 16
"""From so many points with the fewest blocks a host gets the one that it knows least."""


@dataclass
class PointState:
    """One point in the queue: its blocks that run, and what is known of the next one."""

    contest: Contest
    claims: Sequence[Claim]
    place: int
    """In the order of the plan."""
    running: dict[int, anyio.CancelScope] = field(default_factory=dict)
    given: Counter[str | None] = field(default_factory=Counter)
    """How many blocks each host was given."""
    losses: Counter[int] = field(default_factory=Counter)
    took_s: float | None = None
    wanted: Sequence[Variant] | None = None
    """What the next block needs; None: to be found out again."""
    offered: int | None = None
    """With how many blocks begun it waits for a host."""

    @property
    def begun(self) -> int:
        """How many blocks have begun."""
        return len(self.contest.begun_numbers) + len(self.running)

    @property
    def next_number(self) -> int:
        """The first number that no block has: one that was cancelled, or lost with its host, is given out again."""
        return next(n for n in range(self.begun + 1) if n not in self.contest.begun_numbers and n not in self.running)


class PointQueue:
    """All points, those that wait for a host in a heap: the next one costs no more where there are many.

    A point waits from when it is offered until it is taken, or found not to need a block now. It is to be offered
    again whenever that may have changed.
    """

    def __init__(self, states: Iterable[PointState]) -> None:
        self._all = list(states)
        self._waiting: list[tuple[int, int]] = []
        """By the blocks begun, then by place; what does not agree with the point's `offered` is out of date."""
        for state in self._all:
            self.offer(state)

    def __iter__(self) -> Iterator[PointState]:
        return iter(self._all)

    def offer(self, state: PointState) -> None:
        """Let a point wait for a host."""
        if state.offered != state.begun:
            state.offered = state.begun
            heappush(self._waiting, (state.begun, state.place))

    def offer_all(self) -> None:
        """Let all points wait for a host."""
        for state in self._all:
            self.offer(state)

    def take(self, host: str | None, fits: Callable[[PointState], bool]) -> PointState | None:
        """Return the point with the fewest blocks that fits; of several, the one that the host was given least.

        Were it the first of several, a host might never get another point than the one that it began with.
        """
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
