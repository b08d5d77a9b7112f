"""Coroutines in one event loop; a plain function runs inline and blocks the loop."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager, nullcontext
from inspect import iscoroutinefunction
from typing import Any

from ..call import Call
from ..error_text import message
from ..problem import Problem
from ..registry import LOOPS, Conflict, Initializer, Needs, Option, Options, RunBatch, Submit, WorkerMode, Workers
from . import bounded

SUMMARY = "coroutines in one event loop; `workers` bounds the calls in flight"
FORMS: tuple[str, ...] = ("async_call", "call")
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "loop": Option("the event loop [default: asyncio]", choices=LOOPS),
    "task_per": Option(
        "one task per worker, which makes call after call (the default), or one task per call (asyncio and uvloop); "
        "eager tasks begin at once (Python 3.12)",
        choices=("worker", "call", "eager_call"),
    ),
}


def needs(options: Options) -> Needs:
    """Return what the model needs, with the package of the loop; raises Conflict."""
    loop = options.get("loop") or "asyncio"
    if loop == "trio" and options.get("task_per", "worker") != "worker":
        raise Conflict("task_per", "trio runs no task per call here", "leave it out, or use asyncio or uvloop")
    return Needs(loop, ("anyio", loop), () if loop == "asyncio" else (loop,), submits=loop != "trio")


def unavailable(options: Options) -> Problem | None:
    """Return why this model can't run here: eager tasks need Python 3.12."""
    import sys

    if options.get("task_per") != "eager_call" or sys.version_info >= (3, 12):
        return None
    what = f"Python {sys.version.split()[0]} has no eager tasks"
    return Problem("python_too_old", what, "run it under 3.12 or newer, or leave task_per out")


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield the running loop as the only worker, with `workers` calls in flight.

    `initializer` may be an async context manager: connections of a loop are opened and closed in it.
    """
    entered: Any = initializer() if initializer else None
    task_per = options.get("task_per", "worker")
    gather = bounded.gather if task_per == "worker" else bounded.one_task_each

    def bind(call: Call) -> RunBatch:
        plain = call.plain
        start: Callable[[int], Any] = (lambda _: plain()) if plain else call.one
        if not iscoroutinefunction(call.function):
            blocking = start

            async def start(item: int) -> Any:
                return blocking(item)

        elif options.get("loop") == "trio":
            start = _explained(start)

        async def run(items: Sequence[int]) -> list[Any]:
            return await gather(items, workers, start)

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        async def call(_: int) -> Any:
            answer = function()
            return await answer if hasattr(answer, "__await__") else answer

        return [await (_explained(call) if options.get("loop") == "trio" else call)(0)]

    async with entered if hasattr(entered, "__aenter__") else nullcontext():
        with _eager() if task_per == "eager_call" else nullcontext():
            submit = submitting(workers) if needs(options).submits else None
            yield Workers(bind, each, submit=submit)


def submitting(workers: int) -> Submit:
    """Return `submit`, which starts a task for each call; at most `workers` calls are in flight."""
    one = at_most(workers)
    return lambda function, item: bounded.task_of(one(function, item))


def at_most(workers: int) -> Callable[[Callable[[Any], Any], Any], Coroutine[Any, Any, Any]]:
    """Return what makes a coroutine of a call; at most `workers` of them are in flight in the running loop."""
    from asyncio import Semaphore

    free = Semaphore(workers)

    async def one(function: Callable[[Any], Any], item: Any) -> Any:
        async with free:
            answer = function(item)
            return await answer if hasattr(answer, "__await__") else answer

    return one


def _explained(start: Callable[[int], Awaitable[Any]]) -> Callable[[int], Awaitable[Any]]:
    """Return the same function, with a clear error for a coroutine that needs asyncio."""

    async def explained(item: int) -> Any:
        try:
            return await start(item)
        except (RuntimeError, TypeError) as error:
            if "no running event loop" in message(error) or "trio" in message(error):
                raise RuntimeError(
                    "event_loop under trio can't run a coroutine that awaits asyncio; write it with anyio, "
                    f"or use `loop: asyncio` ({message(error)})"
                ) from error
            raise

    return explained


@contextmanager
def _eager() -> Iterator[None]:
    import asyncio

    loop = asyncio.get_running_loop()
    factory = loop.get_task_factory()
    loop.set_task_factory(asyncio.eager_task_factory)  # type: ignore[attr-defined]  # of 3.12
    try:
        yield
    finally:
        loop.set_task_factory(factory)
