"""A first look at a function: what kind it is, who can run it, how long a call takes, whether its result can travel."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

from . import models, sensors, workload
from .workload import Unusable

ENOUGH_NS = 200_000_000
FEWEST_CALLS, MOST_CALLS = 3, 200
LONG_NS = 5_000_000_000
"""A first call that takes longer than this is the only one."""


def scout(given: dict[str, Any]) -> dict[str, Any]:
    """Return what some calls of the workload's `call` tell; raises `Unusable`, and whatever a call raises.

    `wall_ns` is the median of a call; `cpu_share` is CPU time per wall time of all calls but the first, of all threads
    and of child processes that have ended. `refused` says by model why it can't run the function. `unpicklable` says
    why results can't be sent between processes, None if they can.
    `incomparable` says why results can't be checked: two calls gave others, or `==` does not tell; None if they can.
    """
    function = workload.find(given["call"], "call")
    is_async = inspect.iscoroutinefunction(function)
    workload.probe("event_loop" if is_async else "sequential", {}, given)
    measured = Measured()
    if is_async:
        import anyio

        anyio.run(_await_some, measured, function, given["kwargs"])
    else:
        while measured.wants_more():
            measured.begin()
            result = function(**given["kwargs"])
            measured.end(result)
            _check_result(given["call"], result)
    refused = {name: _refusal(name, given) for name in models.NAMES}
    return {
        "event": "scouted",
        "is_async": is_async,
        "refused": {name: why for name, why in refused.items() if why},
        **measured.told(),
    }


async def _await_some(measured: Measured, function: Callable[..., Any], kwargs: dict[str, Any]) -> None:
    while measured.wants_more():
        measured.begin()
        measured.end(await function(**kwargs))


class Measured:
    """The times of calls one after the other, and the results of the first and the last."""

    def __init__(self) -> None:
        self._walls_ns: list[int] = []
        self._cpu_ns = 0
        self._results: list[Any] = []

    def wants_more(self) -> bool:
        """Return whether another call is worth its time."""
        calls = len(self._walls_ns)
        if calls and self._walls_ns[0] > LONG_NS:
            return False
        return calls < FEWEST_CALLS or (calls < MOST_CALLS and sum(self._walls_ns) < ENOUGH_NS)

    def begin(self) -> None:
        """Start the clocks."""
        self._cpu_begun_ns = sensors.cpu_ns(())
        self._begun_ns = time.perf_counter_ns()

    def end(self, result: Any) -> None:
        """Stop the clocks."""
        wall_ns = time.perf_counter_ns() - self._begun_ns
        cpu_ns = sensors.cpu_ns(()) - self._cpu_begun_ns
        if len(self._walls_ns) == 1:
            self._cpu_ns = 0  # the first call only warms up: it may have imported and connected
        self._cpu_ns += cpu_ns
        self._walls_ns.append(wall_ns)
        self._results = [*self._results[:1], result]

    def told(self) -> dict[str, Any]:
        """Return the figures."""
        from statistics import median

        walls_ns = self._walls_ns[1:] or self._walls_ns
        return {
            "calls": len(self._walls_ns),
            "calling_ns": sum(self._walls_ns),
            "wall_ns": max(1, round(median(walls_ns))),
            "cpu_share": self._cpu_ns / max(1, sum(walls_ns)),
            "unpicklable": _unpicklable(self._results[-1]),
            "incomparable": _incomparable(self._results[0], self._results[-1]),
        }


def _check_result(name: str, result: Any) -> None:
    if inspect.iscoroutine(result):
        result.close()
        raise Unusable("call", f"{name} returns a coroutine, but is no `async def`", "wrap it in one that awaits it")
    if inspect.isgenerator(result):
        raise Unusable("call", f"{name} returns a generator: calling it runs nothing", "wrap it in a function")


def _refusal(model: str, given: dict[str, Any]) -> str | None:
    try:
        workload.probe(model, {}, given)
    except Unusable as error:
        return f"{error.what} ({error.remedy})" if error.field == "model" else error.what
    return None


def _unpicklable(result: Any) -> str | None:
    import pickle

    try:
        pickle.loads(pickle.dumps(result))
    except Exception as error:
        return f"{type(error).__name__}: {error}"
    return None


def _incomparable(first: Any, second: Any) -> str | None:
    try:
        return None if first == second else "two calls gave results that are not equal"
    except Exception as error:  # arrays, for instance, give no single answer
        return f"results can't be compared with == ({type(error).__name__})"
