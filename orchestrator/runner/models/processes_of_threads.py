"""Processes with a thread pool each."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..registry import Initializer, Needs, Option, Options, WorkerMode, Workers, nothing
from . import fleet, processes
from .remote import meeting

if TYPE_CHECKING:
    from multiprocessing.connection import Connection


SUMMARY = "one multiprocessing.Process per worker, with a ThreadPoolExecutor in each; each gets its share of the batch"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "threads": Option("threads in each process", default=4, minimum=1),
    "start_method": processes.OPTIONS["start_method"],
}

unavailable = processes.unavailable


def threads(options: Options) -> int:
    """Return how many threads each process has."""
    return int(options.get("threads") or OPTIONS["threads"].default or 1)


def needs(options: Options) -> Needs:
    return Needs(modules=("concurrent.futures.thread", *fleet.MODULES), pickler="pickle", per_worker=threads(options))


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield `workers` processes with a thread pool each; every thread has run `initializer`."""
    start_method = processes.start_method(options)
    count = threads(options)
    with fleet.fleet(workers, start_method, _work, call.function, count, initializer) as ask:

        async def each(function: Callable[[], Any]) -> list[Any]:
            with meeting(workers * count, function) as together:
                found = ask([(together, range(count))] * workers)
            return [each for share in found for each in share]

        await each(nothing)
        yield Workers(fleet.sharing(ask, workers), each, {"actual_start_method": start_method})


def _work(connection: Connection, function: object, threads: int, initializer: Initializer) -> None:
    # `function` is not called: unpickling it has imported the workload's module.
    from concurrent.futures import ThreadPoolExecutor
    from functools import partial

    with ThreadPoolExecutor(threads, initializer=initializer) as pool:
        fleet.reply(connection, nothing)
        while (request := connection.recv()) is not None:
            call, share = request
            one = (lambda _, plain=call.plain: plain()) if getattr(call, "plain", None) else call
            fleet.reply(connection, partial(_all, pool, one, share))


def _all(pool: Any, call: Callable[[int], Any], share: Sequence[int]) -> list[Any]:
    try:
        return processes.collect(pool.submit(call, item) for item in share)
    except BaseException:
        pool.shutdown(wait=False, cancel_futures=True)
        raise
