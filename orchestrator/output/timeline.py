"""What every worker did in one instrumented batch, call by call and piece by piece. Pure.

Only how long a call was on a core, waiting or blocked is known, not when: its pieces are laid one after the other, in
the order of `PIECES`.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from ..journal.raw_events import TimelineRecorded

PIECES = ("on_core", "gil", "run_queue", "lock", "blocked")
"""What the time of a call is made of, in the order in which it is drawn."""


@dataclass(frozen=True, slots=True)
class Call:
    """One call: its worker, when it ran, and where its time went; times in ns since the batch began."""

    number: int
    lane: int
    begun_ns: int
    ended_ns: int
    parts_ns: Mapping[str, int]
    unpickled_ns: tuple[int, int] | None
    pickled_ns: tuple[int, int] | None


@dataclass(frozen=True, slots=True)
class Piece:
    """What one worker did for a while: one of `PIECES`, `unpickling`, `pickling`, or `waiting` for a call."""

    what: str
    call: int | None
    begun_ns: int
    ended_ns: int


def calls(recorded: TimelineRecorded) -> list[Call]:
    """Return the calls of a `timeline.recorded`, in the order of their begin."""
    none = [0] * len(recorded.lane)
    return [
        Call(
            number=number,
            lane=recorded.lane[number],
            begun_ns=recorded.begun_ns[number],
            ended_ns=recorded.ended_ns[number],
            parts_ns={part: (getattr(recorded, f"{part}_ns") or none)[number] for part in PIECES},
            unpickled_ns=_span(recorded.unpickled_ns[number]),
            pickled_ns=_span(recorded.pickled_ns[number]),
        )
        for number in range(len(recorded.lane))
    ]


def by_lane(made: Sequence[Call]) -> dict[int, list[Call]]:
    """Return the calls of each worker, by its number."""
    return {lane: [call for call in made if call.lane == lane] for lane in sorted({call.lane for call in made})}


def overlap(own: Sequence[Call]) -> bool:
    """Return whether one worker has several calls going at once, as an event loop has."""
    return any(later.begun_ns < earlier.ended_ns for earlier, later in pairwise(own))


def pieces(own: Sequence[Call]) -> Iterator[Piece]:
    """Yield what a worker did from the beginning of the batch to the end of its last call; its calls do not overlap."""
    free = 0
    following = [*(call.begun_ns for call in own[1:]), math.inf]
    for call, following_ns in zip(own, following, strict=True):
        sent, back = call.unpickled_ns, call.pickled_ns
        if sent and free <= sent[0] and sent[1] <= call.begun_ns:
            yield from _waiting(free, sent[0])
            yield Piece("unpickling", call.number, *sent)
            free = sent[1]
        yield from _waiting(free, call.begun_ns)
        yield from parts(call)
        free = call.ended_ns
        if back and free <= back[0] and back[1] <= following_ns:  # another thread may pickle while the next call runs
            yield Piece("pickling", call.number, *back)
            free = back[1]


def parts(call: Call) -> Iterator[Piece]:
    """Yield what a call's time went for, one after the other, and nothing beyond its end."""
    at = call.begun_ns
    for part in PIECES:
        end = min(at + call.parts_ns[part], call.ended_ns)
        if end > at:
            yield Piece(part, call.number, at, end)
        at = end


def _waiting(begun_ns: int, ended_ns: int) -> Iterator[Piece]:
    if ended_ns > begun_ns:
        yield Piece("waiting", None, begun_ns, ended_ns)


def _span(pair: Sequence[int] | None) -> tuple[int, int] | None:
    return (pair[0], pair[1]) if pair else None
