"""Processes with an event loop each, which runs many coroutines, as servers with workers do."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..registry import LOOPS, Initializer, Needs, Option, Options, RunBatch, WorkerMode, Workers, nothing
from . import event_loop, fleet, processes
from .remote import meeting

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


SUMMARY = "one multiprocessing.Process per worker, with an event loop in each; each gets its share of the batch"
FORMS: tuple[str, ...] = ("async_call", "call")
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "concurrency": Option("calls in flight in each process", default=16, minimum=1),
    "loop": Option("the event loop in each process (asyncio)", choices=LOOPS),
    "start_method": processes.OPTIONS["start_method"],
}

unavailable = processes.unavailable


def concurrency(options: Options) -> int:
    """Return how many calls each process has in flight."""
    return int(options.get("concurrency") or OPTIONS["concurrency"].default or 1)


def needs(options: Options) -> Needs:
    """Return what the model needs: no loop in the runner, but the packages of the workers' loops."""
    inner = event_loop.needs(options)
    return Needs(
        modules=(*fleet.MODULES, *inner.modules),
        packages=inner.packages,
        pickler="pickle",
        per_worker=concurrency(options),
    )


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield `workers` processes with a running loop, each of which has run `initializer`."""
    start_method = processes.start_method(options)
    loop = options.get("loop") or "asyncio"
    with fleet.fleet(workers, start_method, _work, loop, call, concurrency(options), initializer) as ask:

        def bind(call: Call) -> RunBatch:
            async def run(items: Sequence[int]) -> list[Any]:
                return fleet.shared(ask, workers, items, lambda share: (call, share))

            return run

        async def each(function: Callable[[], Any]) -> list[Any]:
            with meeting(workers, function) as together:
                return ask([(together, None)] * workers)

        yield Workers(bind, each, {"actual_start_method": start_method})


def _work(connection: Connection, loop: str, *arguments: Any) -> None:
    from .. import loops

    loops.run(loop, _serve, connection, loop, *arguments)


async def _serve(connection: Connection, loop: str, call: Call, concurrency: int, initializer: Initializer) -> None:
    # the loop is blocked while it waits for a request: between batches it has nothing else to do
    try:
        async with event_loop.open(call, concurrency, {"loop": loop}, initializer) as workers:
            fleet.reply(connection, nothing)
            while (request := connection.recv()) is not None:
                await _answer(connection, workers, *request)
    except BaseException as error:
        fleet.reply_failure(connection, error)


async def _answer(connection: Connection, workers: Workers, call: Any, share: Sequence[int] | None) -> None:
    try:
        if share is None:
            (result,) = await workers.each(call)
        else:
            result = await workers.bind(call)(share)
    except BaseException as error:
        fleet.reply_failure(connection, error)
    else:
        fleet.reply(connection, lambda: result)
