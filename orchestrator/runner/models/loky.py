"""The process pool of loky (`get_reusable_executor`), which reports the death of a worker."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from ..call import Call
from ..error_text import named
from ..registry import Initializer, Needs, Option, Options, RunBatch, Unreadable, WorkerLost, WorkerMode, Workers
from . import processes
from .remote import Imported, meeting

SUMMARY = "loky.get_reusable_executor"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {"chunksize": processes.OPTIONS["chunksize"]}

NEVER_S = 1_000_000  # how long workers may be idle: loky would end them after 10 s

unavailable = processes.unavailable


def needs(options: Options) -> Needs:
    submits = options.get("chunksize", 1) == 1
    return Needs(modules=("loky",), packages=("loky",), pickler="cloudpickle", submits=submits)


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield a pool of `workers` processes, each of which has imported the workload and run `initializer`."""
    from loky import get_reusable_executor  # type: ignore[import-untyped]

    chunksize = options.get("chunksize") or 1
    pool = get_reusable_executor(workers, timeout=NEVER_S, initializer=initializer)

    def bind(call: Call) -> RunBatch:
        plain, one = call.plain, call.one

        async def run(items: Sequence[int]) -> list[Any]:
            with losses_named():
                if chunksize > 1:
                    return list(pool.map(one, items, chunksize=chunksize))
                if plain:
                    return processes.collect(pool.submit(plain) for _ in items)
                return processes.collect(pool.submit(one, item) for item in items)

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        with losses_named(), meeting(workers, function) as together:
            return processes.collect(pool.submit(together) for _ in range(workers))

    try:
        await each(Imported(call.function))
        submit = pool.submit if needs(options).submits else None
        yield Workers(bind, each, {"actual_start_method": "loky"}, submit=submit)
    except BaseException:
        pool.shutdown(wait=True, kill_workers=True)
        raise
    pool.shutdown(wait=True)


@contextmanager
def losses_named() -> Iterator[None]:
    """Raise WorkerLost for a lost worker, and Unreadable for an answer that can't be unpickled."""
    from concurrent.futures.process import BrokenProcessPool

    try:
        yield
    except BrokenProcessPool as error:
        if "un-serialize" in str(error):
            from ..last_words import of_cause

            raise Unreadable(of_cause(error)) from error
        raise WorkerLost(named(error)) from error
