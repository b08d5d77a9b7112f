"""Accounts of the workers' time, one per block, and their summary over blocks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ..runner.account.figures import FIGURES, SHARES, Figures

BUSY_CALL = 0.9  # from this share of a call on a core, more workers than cores bring nothing
MULTI_CORE_CALL = 1.5  # from this CPU time per wall time of one call at a time, a function counts as parallel by itself
PARALLEL = "It is parallel by itself"
"""The beginning of the finding of `advise` about such a function, beside which nothing else has to say so."""
SHORT_CALL_NS = 100_000  # of shorter calls, the time on cores is not known well
DISTURBED_BATCH = 1.5
"""An instrumented batch that takes so many times as long as the trials of its block counts as disturbed: by other
processes, by a host that had to give the machine memory again, or by its own instruments where calls are very short."""

MUCH = 0.05  # from this share of the workers' time, or part of a core, a figure is mentioned


def keeps_several_cores(call_ns: float, busy_cores: float) -> bool:
    """Return whether calls of this length, one at a time, keep more than one core busy; no for very short ones."""
    return busy_cores > MULTI_CORE_CALL and call_ns > SHORT_CALL_NS


def is_of_machine(machine: float | None, contention: float | None) -> bool:
    """Return whether the cores alone lose most of what calls lose together, so that the calls are not to blame."""
    return (machine or 0.0) > (contention or 0.0) / 2


class Account(Figures):
    """The figures of one `account.measured`, or the medians of several."""

    @classmethod
    def of(cls, figures: Mapping[str, Any]) -> Account:
        """Return the account that an event holds; its other fields are ignored."""
        account = cls()
        account.__dict__.update((name, figures[name]) for name in FIGURES if name in figures)
        return account

    def knows(self, name: str) -> bool:
        """Return whether one of `SHARES` was measured."""
        return getattr(self, f"{name}_share") is not None

    def share(self, name: str) -> float:
        """Return one of `SHARES`, 0 to 1; 0 where it is not known."""
        return getattr(self, f"{name}_share") or 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The medians of some accounts of one variant; `noise` is half the range of each share."""

    accounts: int
    median: Account
    shares: Mapping[str, float]  # by the names of `SHARES`; together 1
    noise: Mapping[str, float]

    @property
    def excess_blocked(self) -> float:
        """The share of the workers' time that calls were blocked beyond what they are when run alone."""
        return self._excess("blocked", self.median.alone_blocked_ns)

    @property
    def shares_something(self) -> bool:
        """Whether calls block each other: much of their blocked time is absent when one runs alone."""
        return self.excess_blocked > max(MUCH, self.shares["blocked"] / 4)

    @property
    def excess_lock(self) -> float:
        """The share of the workers' time that calls wait for locks beyond what they do when run alone."""
        return self._excess("lock", self.median.alone_lock_ns)

    def _excess(self, share: str, alone_ns: float) -> float:
        """Return a share less what it would be if all calls took as long as alone."""
        middle = self.median
        return self.shares[share] - alone_ns * middle.calls / max(1, middle.lanes * middle.wall_ns)

    @property
    def shares_a_lock(self) -> bool:
        """Whether calls wait for each other's locks: most of that time is absent when one runs alone.

        A call that waits for threads of its own does so alone as well, and somewhat longer beside others.
        """
        return self.excess_lock > max(MUCH, self.shares["lock"] / 2)

    @property
    def waits_to_dispatch(self) -> bool:
        """Whether most of the wait for a GIL is between calls, not in them."""
        return self.median.dispatch_gil_share > self.shares["gil"] / 2

    @property
    def outside_cores(self) -> float:
        """How many cores the workload's own threads and processes kept busy."""
        return (self.median.outside_cpu_ns or 0) / max(1, self.median.wall_ns)

    @property
    def busy_cores(self) -> float:
        """How many cores were busy, with workers or with the workload's own threads and processes."""
        return (self.shares["on_core"] + self.shares["contention"]) * self.median.lanes + self.outside_cores

    @property
    def waits(self) -> bool:
        """Whether a call alone is blocked for longer than it computes."""
        return self.median.alone_blocked_ns + self.median.alone_lock_ns > self.median.alone_cpu_ns


def summary(accounts: Sequence[Account]) -> Summary | None:
    """Return the summary of accounts, the shares scaled so that together they are 1; None without any."""
    if not accounts:
        return None
    shares = {name: [account.share(name) for account in accounts if account.knows(name)] or [0.0] for name in SHARES}
    middles = {name: median(own) for name, own in shares.items()}
    total = sum(middles.values()) or 1.0
    noise = {name: (max(own) - min(own)) / 2 for name, own in shares.items()}
    middle = Account.of({name: _middle([getattr(each, name) for each in accounts]) for name in FIGURES})
    return Summary(len(accounts), middle, {name: value / total for name, value in middles.items()}, noise)


def _middle(values: Sequence[Any]) -> Any:
    """Return the median of numbers, as an integer where they are; of anything else the first."""
    known = [value for value in values if value is not None]
    if not known or isinstance(known[0], bool | str):
        return known[0] if known else None
    middle = median(known)
    return round(middle) if isinstance(known[0], int) else middle
