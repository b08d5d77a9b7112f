"""Every figure of an account, declared once: events, analysis and explanations take them from here.

A new figure is one line here, and its value under the same name in what a module of this package returns to
`instrumented.measure`. Give it the default None, so that journals recorded without it can still be read.
"""

from __future__ import annotations

from typing import Any, Literal


class Figures:
    """Where the workers' time went in one instrumented trial; the shares together are 1."""

    lanes: int
    """How many workers were accounted: the budget is `lanes` x `wall_ns`."""
    batches: int
    calls: int
    """In one batch."""
    wall_ns: int
    """Per batch, as in `trial.finished`, but with the instruments on."""
    on_core_share: float
    contention_share: float | None = None
    """CPU time of calls in parallel beyond that of the same calls alone; null where it is not known."""
    contention_missing: str | None = None
    """Why it is not known."""
    contention_machine_share: float | None = None
    """The part of it that a loop which shares nothing loses, too; null where it was not measured."""
    contended_objects: str | None = None
    """Names of the objects that the threads share, the most used first; empty if none was found; null if not sought."""
    objects_missing: str | None = None
    """Why those objects are not known, although the threads share something."""
    run_queue_share: float | None
    """Null where the system does not report it: it is then part of `blocked_share`."""
    gil_share: float
    lock_share: float = 0.0
    """In calls, waiting for a lock of Python: of `threading`, queues, events, joins, imports; 0 without the shim."""
    blocked_share: float
    serialisation_share: float
    dispatch_share: float
    executor_share: float = 0.0
    """Of event loops: all calls waited, at least one of them for what `executor_kind` names."""
    waiting_share: float
    idle_share: float
    gil_source: Literal["measured", "estimated"]
    gil_share_estimated: float
    """What calls and their dispatch take beyond what they take alone; 0 unless threads share a GIL."""
    dispatch_gil_share: float
    """The part of `gil_share` waited between calls, by the worker or by the submitting thread."""
    in_own_thread: bool
    """Whether the calls ran in the thread that submits them: a plain loop, an event loop."""
    is_async: bool
    """Whether the calls are of a coroutine function."""
    call_cpu_ns: int
    """Mean CPU time of a call."""
    call_blocked_ns: int
    """Mean time a call was blocked."""
    longest_call_ns: int
    """The longest call, without its waits for a core or the GIL; of a coroutine, from begin to end."""
    longest_share: float
    """The longest call as a share of all calls of its batch."""
    longest_item: str | None = None
    """The item of the longest call, in a few characters; null where all calls are alike."""
    alone_calls: int
    """How many calls were also made with no other call beside them."""
    alone_cpu_ns: int
    """CPU time of a call made alone: the mean, or of calls that are alike the median of the later half."""
    alone_blocked_ns: int
    """Mean time a call made alone was blocked."""
    alone_lock_ns: int = 0
    """Mean time a call made alone waited for locks."""
    alone_dispatch_ns: int
    """Mean time of dispatching a call made alone."""
    call_bytes: int | None
    """The pickle of one call; null when calls are not sent."""
    result_bytes: int | None
    """The pickle of one result; null when results are not sent."""
    voluntary_switches: int
    """Voluntary context switches per batch, of the runner and its workers."""
    involuntary_switches: int
    """Involuntary context switches per batch, of the runner and its workers."""
    loop_lag_p50_ns: int | None
    """How long an event that comes at a random moment waits for the event loop, the median."""
    loop_lag_p99_ns: int | None
    """The same, the 99th percentile."""
    loop_longest_ns: int | None
    """The longest turn of the event loop."""
    peak_pss_bytes: int | None
    """Peak memory of the runner and all that it has started, each shared page counted once."""
    worker_private_bytes: int | None
    """Memory that one worker shares with no other process."""
    outside_cpu_ns: int | None
    """CPU time per batch of the workload's own threads and processes, neither workers nor of the model."""
    executor_kind: str | None = None
    """What calls waited for: `default executor`, `executor`, `limiter` (of anyio), `semaphore`, `asyncio lock`."""
    executor_size: int | None = None
    """How many calls it serves at once; null where that is not known."""
    executor_wanted: int | None = None
    """The most calls at once that had, or waited for, a thread of an executor."""
    on_core_at: str | None = None
    """The line of the workload where most of `on_core_share` was spent, as `parse at app.py:41`; null where unknown."""
    gil_held_at: str | None = None
    """The line that had the GIL while others waited for it."""
    lock_at: str | None = None
    """The line that waited for locks."""
    lock_held_at: str | None = None
    """Where the only call was that did not wait meanwhile: it, or what it called, held the lock."""
    blocked_at: str | None = None
    """The line that was blocked."""
    executor_at: str | None = None
    """The line of the coroutine that waited for an executor."""
    lines_missing: str | None = None
    """Why no lines are known."""


class TimelineColumns:
    """The first calls of an instrumented trial: one value per call in each column.

    Calls are in the order of their begin; times are since the begin of the trial.
    """

    lane: list[int]
    begun_ns: list[int]
    ended_ns: list[int]
    on_core_ns: list[int]
    run_queue_ns: list[int]
    gil_ns: list[int]
    blocked_ns: list[int]
    lock_ns: list[int] | None = None
    """Null in journals in which it is part of `blocked_ns`."""
    unpickled_ns: list[list[int] | None]
    """When the worker unpickled the call, as begin and end."""
    pickled_ns: list[list[int] | None]
    """When the worker pickled the result, as begin and end."""


SHARES = (
    "on_core",
    "contention",
    "run_queue",
    "gil",
    "lock",
    "blocked",
    "serialisation",
    "dispatch",
    "executor",
    "waiting",
    "idle",
)
"""The parts of the workers' time, in the order in which they are shown; together they are all of it."""

CALL_PARTS = ("queued", "serialisation", "on_core", "run_queue", "gil", "lock", "blocked", "waiting")
"""The parts of the latency of calls that arrive at a rate, in the order in which they are shown: waiting for a worker,
and then the time since it began. `waiting` is the time in which a coroutine was not executed: what it awaits, and the
loop busy with other calls."""

FIGURES = tuple(Figures.__annotations__)
COLUMNS = tuple(TimelineColumns.__annotations__)


def complete(names: tuple[str, ...], values: dict[str, Any]) -> dict[str, Any]:
    """Return the values in the order of `names`; raises KeyError when a name is missing or unknown."""
    if unknown := values.keys() - set(names):
        raise KeyError(f"{', '.join(sorted(unknown))}: not declared in {__name__}")
    return {name: values[name] for name in names}
