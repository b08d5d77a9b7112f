"""What stands between the conductor and where blocks run: a task, a host that takes it, and how either can fail."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from ..errors import BUSY, Failure
from ..journal.event import Event
from ..spec.plan import Point, Variant


@dataclass(frozen=True)
class BlockTask:
    """What one block is to do; the same on this machine or another."""

    number: int
    point: Point
    variants: tuple[Variant, ...]
    baseline: str
    """The variant whose results the others' must equal."""
    seed: int
    repeats: Mapping[str, int]
    rounds: int | None
    guarded: frozenset[str]
    """Who is stopped while others hold the token."""
    limits: tuple[tuple[str, int], ...]
    """What bounds every runner, as in the spec."""
    draws: bool
    """Whether there are instrumented trials whatever the number, and their calls are told one by one."""
    timeout_s: float
    deadline: float
    """On the monotonic clock of this machine: when the run's time is over."""


class Host(Protocol):
    """Somewhere that blocks run, one at a time."""

    @property
    def name(self) -> str | None:
        """What the host is called in the log; None for this machine, where there is no other."""

    @property
    def about(self) -> Mapping[str, Any]:
        """What `host.joined` says of it beside its name; empty for this machine."""

    async def run(self, task: BlockTask, notify: Callable[[str], None]) -> list[Event]:
        """Return the raw events of the block, ending in `block.finished` or `block.discarded`.

        `notify` is told in a few words what is being done, between trials. Raises HostGone and launch.Interrupted. When
        it is cancelled, nothing of the block is left running where it can be reached.
        """


class BlockExecutor(Protocol):
    """Knows the hosts."""

    async def next_host(self) -> Host | None:
        """Return the next host that is there to take blocks, as soon as there is one; None when no more will come.

        Raises launch.Interrupted and HostsLost.
        """


class HostGone(Exception):
    """A host takes no more blocks; `has_begun` tells whether it may have begun the one that it was given."""

    def __init__(self, reason: str, *, has_begun: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.has_begun = has_begun


class HostsLost(Failure):
    """Who knows the hosts is gone; what was measured before is in the journal, and a later run can go on with it."""

    status = BUSY


def ignore_progress(_: str) -> None:
    """Take a notice of progress that nobody wants."""
