"""Events of an open loop, where calls arrive at a rate: the windows as they were, and what they say of a variant."""

from __future__ import annotations

from typing import ClassVar, Literal

from .event import AboutVariant

LATENCY_FIELDS = {
    "p50": "latency_p50_ns",
    "p90": "latency_p90_ns",
    "p99": "latency_p99_ns",
    "p99.9": "latency_p99_9_ns",
    "mean": "latency_mean_ns",
}
"""The field of `variant.served` for each latency that a verdict can be about."""


class WindowFinished(AboutVariant):
    """A trial where calls arrive at a rate: the calls that arrived in one window, and what became of them.

    Latency is counted from the intended arrival. Up to 5,000 calls have their times one by one; of more, the latencies
    are rounded to 8 significant bits and counted.
    """

    event: Literal["window.finished"] = "window.finished"
    block: int
    round: int
    position: int
    started_ns: int
    wall_ns: int
    """The window with its drain, which is as long as the window at most."""
    cpu_ns: int
    core: int | None = None
    calls: int
    ended: int
    failed: int
    """Calls that raised an exception."""
    cancelled: int
    """Calls that had not begun at the end of the drain, and coroutines that had not ended."""
    running: int
    """Calls that had begun and could not be cancelled."""
    error: str | None = None
    """The exception of the first call that failed."""
    latency_total_ns: int
    queue_total_ns: int
    """Summed over the calls that ended: from the intended arrival to the end, and to the start in a worker."""
    arrived_span_ns: int
    ended_span_ns: int
    """In which time the middle 80 % of the calls that ended arrived, and in which they ended: equal where the variant
    keeps up with the rate."""
    late_calls: int
    late_p99_ns: int | None
    late_max_ns: int | None
    """How late calls were submitted that found all workers idle: the lateness of the generator itself."""
    latency_ns: list[int | None] | None = None
    queue_ns: list[int | None] | None = None
    """By call, in the order of arrival; null for calls that did not end."""
    rounded_latency_ns: list[int] | None = None
    rounded_calls: list[int] | None = None
    """The rounded latencies, and the number of calls with each."""


class WindowAccounted(AboutVariant):
    """One more window, instrumented, in some of the blocks: where the time of its calls went.

    The sums over the calls that ended; together they are their latency, up to the moment when the function returned.
    """

    event: Literal["window.accounted"] = "window.accounted"
    block: int
    calls: int
    ended: int
    queued_ns: int
    """From the intended arrival until a worker began, without the next part."""
    serialisation_ns: int
    """Pickling and unpickling the arguments, where they are large."""
    on_core_ns: int
    run_queue_ns: int | None
    """Waiting for a core. Null, as the next two, where waits are not measured: it is then part of `blocked_ns`."""
    gil_ns: int | None
    lock_ns: int | None
    blocked_ns: int
    waiting_ns: int
    """In a coroutine or a greenlet that was not executed: what it waits for, and the thread being busy with others."""


class VariantServed(AboutVariant):
    """How a variant served calls that arrived at a rate: medians over blocks.

    A latency is null where the block has too few calls for it, and where so many calls did not end that it is longer
    than the drain.
    """

    derived: ClassVar[bool] = True
    event: Literal["variant.served"] = "variant.served"
    stats_version: int
    metric: str
    """What the verdict is about, and what `wall_ns` in `variant.compared` is of this point."""
    blocks: int
    calls: int
    """In all windows of these blocks, as the next four."""
    ended: int
    failed: int
    cancelled: int
    running: int
    error: str | None
    """The exception of the first call that failed."""
    latency_p50_ns: int | None
    latency_p90_ns: int | None
    latency_p99_ns: int | None
    latency_p99_9_ns: int | None
    latency_mean_ns: int | None
    beyond_drain: list[str]
    """The latencies that are null because so many calls did not end."""
    achieved_rate: float | None
    """Calls a second that the variant served, at most the rate at which they arrived."""
    is_saturated: bool
    """Whether it served less than 95 % of that rate."""
    queue_share: float | None
    """The share of the latency that calls waited for a worker."""
    late_p99_ns: int | None
    """How late the generator itself was; null where hardly any call found all workers idle."""
    accounts: int | None = None
    """How many windows were instrumented; the shares of the latency below are medians over these, and add up to 1."""
    call_queued_share: float | None = None
    call_serialisation_share: float | None = None
    call_on_core_share: float | None = None
    call_run_queue_share: float | None = None
    call_gil_share: float | None = None
    call_lock_share: float | None = None
    call_blocked_share: float | None = None
    call_waiting_share: float | None = None
