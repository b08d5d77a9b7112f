"""Worker threads of anyio (`to_thread.run_sync`), bounded by a limiter."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from . import Count, Option, Run, Workers
from .bounded import gather

if TYPE_CHECKING:
    from ..call import Call

SUMMARY = "anyio.to_thread with a limiter of `workers` tokens"
RUNS: tuple[str, ...] = ("call",)
LOOP = True
WORKERS: Count = "asked"
PICKLES = False
OPTIONS: dict[str, Option] = {}
MODULES: tuple[str, ...] = ("anyio.to_thread", "threading")

TOGETHER_S = 60.0
"""How long the workers wait for each other before the model is given up as unable to start them."""


def unavailable() -> str | None:
    """Say why this model can't run here: it always can."""
    return None


@asynccontextmanager
async def open(
    call: Call,
    workers: int,
    options: dict[str, Any],
    initializer: Callable[[Any], object] | None,
    initargs: Any,
) -> AsyncIterator[Workers]:
    """Yield `workers` threads, each of which has run `initializer`."""
    from threading import Barrier, local

    from anyio import CapacityLimiter, to_thread

    limiter = CapacityLimiter(workers)
    barrier = Barrier(workers)
    begun = local()

    def begin() -> None:
        # anyio ends threads that idle for 10 s, and those that it starts in their place begin like the first
        if initializer and not hasattr(begun, "done"):
            initializer(initargs)
            begun.done = True

    def bind(call: Call) -> Run:
        plain = call.plain

        def begin_and_call(item: int) -> Any:
            begin()
            return call(item)

        async def run(items: Sequence[int]) -> list[Any]:
            if plain and not initializer:
                return await gather(items, workers, lambda _: to_thread.run_sync(plain, limiter=limiter))
            one = begin_and_call if initializer else call
            return await gather(items, workers, lambda item: to_thread.run_sync(one, item, limiter=limiter))

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        # A thread that waits at the barrier can't take a second call, so each of them takes exactly one.
        def together() -> Any:
            barrier.wait(TOGETHER_S)
            begin()
            return function()

        return await gather(range(workers), workers, lambda _: to_thread.run_sync(together, limiter=limiter))

    # The first calls start the threads: anyio starts one only when none is idle.
    await each(_nothing)
    yield Workers(bind, each)


def _nothing() -> None:
    pass
