"""The interface between the conductor and hosts: a block's task, hosts, and their errors."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Protocol

from ..errors import BUSY, Failure
from ..spec.plan import Point, Variant, columns

if TYPE_CHECKING:
    from ..journal.event import Event


@dataclass(frozen=True)
class BlockTask:
    """What one block has to do, the same on every host."""

    number: int
    point: Point
    variants: tuple[Variant, ...]
    baseline: str
    """The results of all others must equal those of this variant."""
    seed: int
    repeats: Mapping[str, int]
    rounds: int | None
    without_warmup: frozenset[str]
    in_first_round: frozenset[str]
    """The variants that run one round, the first: they are far behind, and of interest for their ratio alone."""
    guarded: frozenset[str]
    """The variants that are stopped while another one holds the token."""
    limits: tuple[tuple[str, int], ...]
    """The limits of every runner, as in the spec."""
    records_timeline: bool
    """Whether instrumented trials run in any case, and record a timeline of their calls."""
    timeout_s: float
    deadline: float
    """The end of the run's time, on the monotonic clock of this machine."""
    copied: frozenset[str] = frozenset()
    """The variants whose calls change their arguments, so that each call gets copies."""

    def about(self, variant: Variant | None = None) -> dict[str, Any]:
        """Return the fields that the events of the block share, those of one variant included."""
        return {**columns(self.point, variant), "block": self.number}


class Host(Protocol):
    """A place where blocks run, one at a time."""

    name: str | None
    """The name in the log; None for this machine when it is the only host."""
    about: Mapping[str, Any]
    """The other fields of `host.joined`; empty for this machine."""

    async def run(self, task: BlockTask, notify: Callable[[str], None]) -> list[Event]:
        """Return the raw events of the block, ending in `block.finished` or `block.discarded`.

        `notify` is called between trials with a few words on the current step. Raises HostGone and Interrupted. A
        cancelled block leaves no process running where it can be reached.
        """


class BlockExecutor(Protocol):
    """A source of hosts."""

    async def next_host(self) -> Host | None:
        """Return the next host that can take blocks; None when no more will come. Raises Interrupted and HostsLost."""


class HostGone(Exception):
    """A host takes no more blocks; `has_begun` is whether it may have begun the last one."""

    def __init__(self, reason: str, *, has_begun: bool) -> None:
        super().__init__(reason)
        self.reason = reason
        self.has_begun = has_begun


class HostsLost(Failure):
    """The source of hosts is lost; the journal holds what was measured, and a later run can resume it."""

    status = BUSY
