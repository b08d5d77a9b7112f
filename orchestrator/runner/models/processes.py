"""A process pool: the standard library's executor, multiprocessing.Pool, or anyio.to_process."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..problem import Problem
from ..registry import (
    Conflict,
    Initializer,
    Needs,
    Option,
    Options,
    RunBatch,
    WorkerLost,
    WorkerMode,
    Workers,
    ended_as,
    nothing,
)
from .bounded import IN_FLIGHT, TOGETHER_S

if TYPE_CHECKING:
    from concurrent.futures import Future
    from multiprocessing.process import BaseProcess
    from multiprocessing.synchronize import Barrier


SUMMARY = "a process pool: concurrent.futures.ProcessPoolExecutor, or another one"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "pool": Option(
        "concurrent.futures.ProcessPoolExecutor, multiprocessing.Pool, or anyio.to_process [default: futures]",
        choices=("futures", "multiprocessing", "anyio"),
    ),
    "start_method": Option(
        "how workers are started [default: the interpreter's own, fork before 3.14, then forkserver]",
        choices=("fork", "forkserver", "spawn"),
    ),
    "chunksize": Option("calls sent to a worker at once", default=1, minimum=1),
    "max_tasks_per_child": Option("calls after which a worker is replaced (not with fork)", minimum=1),
}


_barrier: Barrier


def needs(options: Options) -> Needs:
    """Return what the model needs; raises Conflict for options that anyio.to_process lacks."""
    pool = options.get("pool", "futures")
    if pool == "anyio":
        for option in ("start_method", "chunksize", "max_tasks_per_child"):
            if options.get(option, 1) != 1 or (option == "max_tasks_per_child" and option in options):
                raise Conflict(option, "anyio.to_process has no such option", "leave it out, or use another pool")
        return Needs(loop="asyncio", modules=("anyio.to_process",), pickler="pickle")
    if pool == "multiprocessing":
        return Needs(modules=("multiprocessing.pool", "multiprocessing.synchronize"), pickler="pickle")
    modules = ("concurrent.futures.process", "multiprocessing.synchronize")
    return Needs(modules=modules, pickler="pickle", submits=options.get("chunksize", 1) == 1)


def unavailable(options: Options) -> Problem | None:
    """Return why this model can't run here: on platforms without semaphores."""
    try:
        import multiprocessing.synchronize  # noqa: F401  # the import itself is the check
    except ImportError as error:
        remedy = "run it where Python has multiprocessing semaphores (sem_open)"
        return Problem("semaphores_missing", str(error), remedy)
    return None


def start_method(options: Options) -> str:
    """Return the requested start method, or the interpreter's own."""
    from multiprocessing import get_context

    return get_context(options.get("start_method")).get_start_method()


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield a pool of `workers` processes, each of which has imported the workload and run `initializer`."""
    pool = options.get("pool", "futures")
    if pool == "multiprocessing":
        from .multiprocessing_pool import open as opened
    elif pool == "anyio":
        from .anyio_processes import open as opened
    else:
        opened = _executor
    async with opened(call, workers, options, initializer) as found:
        yield found


@asynccontextmanager
async def _executor(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    from concurrent.futures import ProcessPoolExecutor
    from multiprocessing import get_context

    start_method = options.get("start_method")
    more = {}
    if options.get("max_tasks_per_child"):  # Python 3.10 does not know the argument
        more["max_tasks_per_child"] = options["max_tasks_per_child"]
        start_method = start_method or "spawn"  # as the executor itself does: fork can't replace workers
    context = get_context(start_method)
    chunksize = options.get("chunksize") or 1
    pool = ProcessPoolExecutor(
        workers,
        mp_context=context,
        initializer=_begin,
        initargs=(context.Barrier(workers), call.function, initializer),
        **more,
    )
    idle = getattr(pool, "_idle_worker_semaphore", None)
    if more and idle:
        # CPython before July 2026 takes a finished call for an idle worker, replaces none, and hangs (gh-115634)
        idle.acquire = lambda blocking: False

    def bind(call: Call) -> RunBatch:
        plain, one = call.plain, call.one

        async def run(items: Sequence[int]) -> list[Any]:
            if chunksize > 1:
                return list(pool.map(one, items, chunksize=chunksize))
            if plain:
                return collect(pool.submit(plain) for _ in items)
            return collect(pool.submit(one, item) for item in items)

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        return collect(pool.submit(_together, function) for _ in range(workers))

    with pool:
        await each(nothing)
        processes = list((pool._processes or {}).values())
        try:
            submit = pool.submit if needs(options).submits else None
            yield Workers(bind, each, {"actual_start_method": context.get_start_method()}, submit=submit)
        except BaseException as error:
            pool.shutdown(cancel_futures=True)  # report a failure at once, not after the calls that are left
            if type(error).__name__ == "BrokenProcessPool" and error.__cause__ is None:
                raise WorkerLost(f"{_ended(processes)} (BrokenProcessPool)") from None
            raise


def _ended(processes: Sequence[BaseProcess]) -> str:
    """Return how the worker has ended that broke a pool, which then terminates the others."""
    for process in processes:
        process.join(1.0)
    statuses = {process.exitcode for process in processes if process.exitcode}
    return ended_as(next(iter(statuses - {-signal.SIGTERM}), next(iter(statuses), "unknown")))


def collect(submitted: Any) -> list[Any]:
    """Return the results of futures in order, with at most `IN_FLIGHT` of them at once."""
    waiting: deque[Future[Any]] = deque()
    results: list[Any] = []
    for future in submitted:
        waiting.append(future)
        if len(waiting) == IN_FLIGHT:
            results.extend(waiting.popleft().result() for _ in range(IN_FLIGHT // 2))
    results.extend(future.result() for future in waiting)
    return results


def _begin(barrier: Barrier, function: object, initializer: Initializer) -> None:
    # `function` is not called: unpickling it has imported the workload's module.
    global _barrier
    _barrier = barrier
    if initializer:
        initializer()


def _together(function: Callable[[], Any]) -> Any:
    _barrier.wait(TOGETHER_S)
    return function()
