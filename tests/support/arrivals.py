"""The calls of a window one by one; the window itself keeps arrays, since it may have a million."""

from __future__ import annotations

from typing import NamedTuple

from orchestrator.runner.arrivals import OUTCOMES, Window


class Arrival(NamedTuple):
    """One call: when it should have started, and what became of it.

    `outcome` is `ended`, `failed` (with `error`), `cancelled` (before it had begun, or a coroutine) or `running`: it
    could not be cancelled, because a worker is busy with it, or an executor has sent it already. `started_ns` and
    `ended_ns` are None for the last two, and for a call that was lost with its worker.
    """

    intended_ns: int
    submitted_ns: int
    started_ns: int | None
    ended_ns: int | None
    outcome: str
    error: str | None = None

    @property
    def late_ns(self) -> int:
        """How late the dispatcher was: from the intended start until the model had the call."""
        return self.submitted_ns - self.intended_ns

    @property
    def latency_ns(self) -> int | None:
        """From the intended start to the end; None for a call that has not ended."""
        return None if self.ended_ns is None else self.ended_ns - self.intended_ns


def calls_of(window: Window) -> list[Arrival]:
    """Return the calls of a window in the order of their arrival."""
    times = zip(
        window.offsets_ns, window.submitted_ns, window.started_ns, window.ended_ns, window.outcomes, strict=True
    )
    found = []
    for place, (offset, submitted, started, ended, outcome) in enumerate(times):
        worked = None if started < 0 else started, None if ended < 0 else ended
        error = window.errors.get(place)
        found.append(Arrival(window.begun_ns + offset, submitted, *worked, OUTCOMES[outcome], error))
    return found
