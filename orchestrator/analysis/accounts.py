"""Accounts of the workers' time, as the fold keeps them, and their summary over blocks. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, fields
from operator import itemgetter
from statistics import median
from typing import Any, Literal

from ..runner.account.fold import SHARES

BUSY_CALL = 0.9
"""The share of a call on a core from which on more workers than cores are of no use."""

MULTI_CORE_CALL = 1.5
"""CPU time per wall time of one call at a time from which on a function counts as parallel by itself."""

MUCH = 0.05
"""A share of the workers' time, or a part of a core, that is worth a word."""


@dataclass(frozen=True, slots=True)
class Account:
    """What explanations need of one `account.measured`; the fields are as there."""

    lanes: int
    calls: int
    wall_ns: int
    on_core_share: float
    run_queue_share: float | None
    gil_share: float
    blocked_share: float
    serialisation_share: float
    dispatch_share: float
    waiting_share: float
    idle_share: float
    gil_source: Literal["measured", "estimated"]
    gil_share_estimated: float
    dispatch_gil_share: float
    in_own_thread: bool
    is_async: bool
    call_cpu_ns: int
    call_blocked_ns: int
    longest_call_ns: int
    longest_share: float
    alone_calls: int
    alone_cpu_ns: int
    alone_blocked_ns: int
    call_bytes: int | None
    result_bytes: int | None
    voluntary_switches: int
    involuntary_switches: int
    loop_lag_p50_ns: int | None
    loop_lag_p99_ns: int | None
    loop_longest_ns: int | None
    peak_pss_bytes: int | None
    worker_private_bytes: int | None
    outside_cpu_ns: int | None

    @classmethod
    def of(cls, event: Mapping[str, Any]) -> Account:
        """Return the account that an `account.measured` tells."""
        return cls(*_values(event))

    def share(self, name: str) -> float:
        """Return one of `SHARES`, 0 to 1; 0 where it is not known."""
        value: float | None = getattr(self, f"{name}_share")
        return value or 0.0


@dataclass(frozen=True, slots=True)
class Summary:
    """The median of each figure over some accounts of one variant; `noise` is half the range of each share."""

    accounts: int
    median: Account
    shares: Mapping[str, float]
    """By the names of `SHARES`; together 1."""
    noise: Mapping[str, float]

    @property
    def excess_blocked(self) -> float:
        """The share of the workers' time that calls were blocked beyond what they are when run alone."""
        middle = self.median
        budget_ns = max(1, middle.lanes * middle.wall_ns)
        return self.shares["blocked"] - middle.alone_blocked_ns * middle.calls / budget_ns

    @property
    def shares_something(self) -> bool:
        """Whether calls block each other: much of their blocked time is not there when one runs alone."""
        return self.excess_blocked > max(MUCH, self.shares["blocked"] / 4)

    @property
    def waits_to_dispatch(self) -> bool:
        """Whether most of the wait for a GIL is not in calls, but between them."""
        return self.median.dispatch_gil_share > self.shares["gil"] / 2

    @property
    def outside_cores(self) -> float:
        """How many cores threads and processes of the workload's own kept busy."""
        return (self.median.outside_cpu_ns or 0) / max(1, self.median.wall_ns)

    @property
    def busy_cores(self) -> float:
        """How many cores were kept busy, by workers and by what is the workload's own."""
        return self.shares["on_core"] * self.median.lanes + self.outside_cores

    @property
    def waits(self) -> bool:
        """Whether a call alone waits for longer than it works."""
        return self.median.alone_blocked_ns > self.median.alone_cpu_ns


_values = itemgetter(*(field.name for field in fields(Account)))


def summary(accounts: Sequence[Account]) -> Summary | None:
    """Return the summary of accounts; None without any.

    The medians of shares are scaled so that together they are 1.
    """
    if not accounts:
        return None
    shares = {name: [account.share(name) for account in accounts] for name in SHARES}
    middles = {name: median(own) for name, own in shares.items()}
    total = sum(middles.values()) or 1.0
    noise = {name: (max(own) - min(own)) / 2 for name, own in shares.items()}
    middle = Account(
        **{field.name: _middle([getattr(each, field.name) for each in accounts]) for field in fields(Account)}
    )
    return Summary(len(accounts), middle, {name: value / total for name, value in middles.items()}, noise)


def _middle(values: Sequence[Any]) -> Any:
    """Return the median of numbers, whole where they are; of anything else the first."""
    known = [value for value in values if value is not None]
    if not known or isinstance(known[0], bool | str):
        return known[0] if known else None
    middle = median(known)
    return round(middle) if isinstance(known[0], int) else middle
