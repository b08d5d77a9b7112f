"""The loops that a competent engineer writes by hand around each primitive: what the models are held to.

A program of its own: `python bare.py LOOP TASK WORKERS TASKS`, where LOOP is one of its functions. It brings its
workers up, then runs one batch for every line on stdin and answers with its nanoseconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing.connection import Connection
from typing import Any

from tests.bench import tasks as workloads


def sequential(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Loop."""
    serve(lambda: [function() for _ in range(tasks)])


def processes(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Submit everything, then collect."""

    def batch() -> list[Any]:
        futures = [pool.submit(function) for _ in range(tasks)]
        return [future.result() for future in futures]

    with ProcessPoolExecutor(workers) as pool:
        batch()
        serve(batch)


def thread_per_task(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Start a thread for every call, then join them."""

    def batch() -> list[Any]:
        results: list[Any] = [None] * tasks

        def one(place: int) -> None:
            results[place] = function()

        threads = [threading.Thread(target=one, args=(place,)) for place in range(tasks)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        return results

    serve(batch)


def process_per_task(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Start a process with a pipe for every call, then collect and join."""

    def batch() -> list[Any]:
        started = []
        for _ in range(tasks):
            answers, sender = multiprocessing.Pipe(duplex=False)
            process = multiprocessing.Process(target=_send, args=(sender, function))
            process.start()
            sender.close()
            started.append((process, answers))
        results = [answers.recv() for _, answers in started]
        for process, answers in started:
            process.join()
            answers.close()
        return results

    serve(batch)


def _send(sender: Connection, function: Callable[[], Any]) -> None:
    sender.send(function())


def event_loop(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Start a task per call in a task group."""

    import anyio

    async def batch() -> list[Any]:
        results: list[Any] = [None] * tasks

        async def one(place: int) -> None:
            results[place] = await function()

        async with anyio.create_task_group() as group:
            for place in range(tasks):
                group.start_soon(one, place)
        return results

    anyio.run(serve_async, batch)


def threads(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Start a task per call that waits for a thread, with a limiter."""
    import anyio
    from anyio import CapacityLimiter, to_thread

    async def batch() -> list[Any]:
        results: list[Any] = [None] * tasks
        limiter = CapacityLimiter(workers)

        async def one(place: int) -> None:
            results[place] = await to_thread.run_sync(function, limiter=limiter)

        async with anyio.create_task_group() as group:
            for place in range(tasks):
                group.start_soon(one, place)
        return results

    anyio.run(serve_async, batch)


def run_in_executor(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Gather what the threads of an executor return."""

    async def main() -> None:
        loop = asyncio.get_running_loop()

        async def batch() -> list[Any]:
            return list(await asyncio.gather(*[loop.run_in_executor(pool, function) for _ in range(tasks)]))

        with ThreadPoolExecutor(workers) as pool:
            await serve_async(batch)

    asyncio.run(main())


def asyncio_to_thread(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Gather what asyncio.to_thread returns."""

    async def main() -> None:
        asyncio.get_running_loop().set_default_executor(ThreadPoolExecutor(workers))

        async def batch() -> list[Any]:
            return list(await asyncio.gather(*[asyncio.to_thread(function) for _ in range(tasks)]))

        await serve_async(batch)

    asyncio.run(main())


def gather(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Start a task for each call, as many at once as there are workers."""

    asyncio.run(serve_async(lambda: _gathered(function, workers, tasks)))


def uvloop(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Do the same under uvloop."""
    import uvloop

    uvloop.run(serve_async(lambda: _gathered(function, workers, tasks)))


def trio(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Start a task for each call in a nursery, as many at once as there are workers."""
    import trio

    async def batch() -> list[Any]:
        results: list[Any] = [None] * tasks
        free = trio.Semaphore(workers)

        async def one(place: int) -> None:
            async with free:
                results[place] = await function()

        async with trio.open_nursery() as nursery:
            for place in range(tasks):
                nursery.start_soon(one, place)
        return results

    trio.run(serve_async, batch)


def imap_unordered(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Take the results of multiprocessing.Pool as they come."""

    def batch() -> list[Any]:
        results: list[Any] = [None] * tasks
        for place, result in pool.imap_unordered(_Placed(function), range(tasks)):
            results[place] = result
        return results

    with multiprocessing.Pool(workers) as pool:
        serve(batch)


class _Placed:
    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def __call__(self, place: int) -> tuple[int, Any]:
        return place, self.function()


def to_process(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Start a task per call that waits for a process, with a limiter."""
    import anyio
    from anyio import CapacityLimiter
    from anyio.to_process import run_sync

    async def batch() -> list[Any]:
        results: list[Any] = [None] * tasks
        limiter = CapacityLimiter(workers)

        async def one(place: int) -> None:
            results[place] = await run_sync(function, limiter=limiter)

        async with anyio.create_task_group() as group:
            for place in range(tasks):
                group.start_soon(one, place)
        return results

    anyio.run(serve_async, batch)


def interpreters(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Submit everything, then collect."""
    from concurrent.futures import InterpreterPoolExecutor  # type: ignore[attr-defined]  # of Python 3.14

    def batch() -> list[Any]:
        futures = [pool.submit(function) for _ in range(tasks)]
        return [future.result() for future in futures]

    begin = f"import sys; sys.path[:] = {sys.path!r}"
    with InterpreterPoolExecutor(workers, initializer=exec, initargs=(begin,)) as pool:
        serve(batch)


def loky(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Submit everything, then collect."""
    from loky import get_reusable_executor  # type: ignore[import-untyped]

    pool = get_reusable_executor(workers)

    def batch() -> list[Any]:
        futures = [pool.submit(function) for _ in range(tasks)]
        return [future.result() for future in futures]

    serve(batch)


def joblib(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Hand everything to Parallel."""
    from joblib import Parallel, delayed  # type: ignore[import-untyped]

    with Parallel(n_jobs=workers) as parallel:
        serve(lambda: list(parallel(delayed(function)() for _ in range(tasks))))


def mpire(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Map over the numbers of the calls."""
    from mpire.pool import WorkerPool

    with WorkerPool(workers, keep_alive=True) as pool:
        one = _Numbered(function)
        serve(lambda: list(pool.map(one, range(tasks))))


class _Numbered:
    def __init__(self, function: Callable[[], Any]) -> None:
        self.function = function

    def __call__(self, _: int) -> Any:
        return self.function()


def gevent(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Spawn a greenlet per call in a pool, then join them."""
    from gevent import monkey

    monkey.patch_all()

    from gevent import joinall
    from gevent.pool import Pool

    pool = Pool(workers)

    def batch() -> list[Any]:
        greenlets = [pool.spawn(function) for _ in range(tasks)]
        joinall(greenlets)
        return [greenlet.get() for greenlet in greenlets]

    serve(batch)


def dask(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Submit everything, then gather."""
    from distributed import Client, LocalCluster

    make_cluster: Any = LocalCluster
    make_client: Any = Client

    async def main() -> None:
        async with (
            make_cluster(n_workers=workers, threads_per_worker=1, asynchronous=True, dashboard_address=":0") as cluster,
            make_client(cluster, asynchronous=True) as client,
        ):

            async def batch() -> list[Any]:
                return list(await client.gather([client.submit(function, pure=False) for _ in range(tasks)]))

            await serve_async(batch)

    asyncio.run(main())


def sizes(workers: int, tasks: int) -> list[int]:
    """Return the number of calls in the share of each worker."""
    return [len(range(first, tasks, workers)) for first in range(workers)]


def shares(
    function: Callable[[], Any],
    workers: int,
    tasks: int,
    run: Callable[..., list[Any]],
    made: Any = ProcessPoolExecutor,
) -> None:
    """Give each worker of a pool its share of the batch at once."""

    def batch() -> list[Any]:
        futures = [pool.submit(run, function, size) for size in sizes(workers, tasks)]
        return [result for future in futures for result in future.result()]

    with made(workers) as pool:
        batch()
        serve(batch)


def processes_of_threads(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Let four threads of each process take a share."""
    shares(function, workers, tasks, _in_threads)


def _in_threads(function: Callable[[], Any], count: int) -> list[Any]:
    global _pool
    _pool = _pool or ThreadPoolExecutor(4)
    futures = [_pool.submit(function) for _ in range(count)]
    return [future.result() for future in futures]


_pool: ThreadPoolExecutor | None = None


def processes_of_loops(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Let an event loop in each process take a share, 16 calls at once."""
    shares(function, workers, tasks, _in_loop)


def interpreters_of_loops(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Let an event loop in each interpreter take a share, 16 calls at once."""
    from concurrent.futures import InterpreterPoolExecutor  # type: ignore[attr-defined]  # of Python 3.14

    from tests.bench import bare  # a new interpreter has another __main__

    begin = f"import sys; sys.path[:] = {sys.path!r}"
    made = partial(InterpreterPoolExecutor, initializer=exec, initargs=(begin,))
    shares(function, workers, tasks, bare._in_loop, made)


def threads_of_loops(function: Callable[[], Any], workers: int, tasks: int) -> None:
    """Let an event loop in each thread take a share, 16 calls at once."""
    loops = [asyncio.new_event_loop() for _ in range(workers)]
    for loop in loops:
        threading.Thread(target=loop.run_forever, daemon=True).start()

    def batch() -> list[Any]:
        futures = [
            asyncio.run_coroutine_threadsafe(_gathered(function, 16, size), loop)
            for loop, size in zip(loops, sizes(workers, tasks), strict=True)
        ]
        return [result for future in futures for result in future.result()]

    serve(batch)


def _in_loop(function: Callable[[], Any], count: int) -> list[Any]:
    return asyncio.run(_gathered(function, 16, count))


async def _gathered(function: Callable[[], Any], at_once: int, tasks: int) -> list[Any]:
    free = asyncio.Semaphore(at_once)

    async def one() -> Any:
        async with free:
            return await function()

    return list(await asyncio.gather(*[one() for _ in range(tasks)]))


def serve(batch: Callable[[], list[Any]]) -> None:
    """Time a batch for every line on stdin."""
    batch()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while sys.stdin.readline():
        begun_ns = time.perf_counter_ns()
        batch()
        sys.stdout.write(f"{time.perf_counter_ns() - begun_ns}\n")
        sys.stdout.flush()


async def serve_async(batch: Callable[[], Any]) -> None:
    """Time a batch for every line on stdin, in the running loop."""
    await batch()
    sys.stdout.write("ready\n")
    sys.stdout.flush()
    while sys.stdin.readline():
        begun_ns = time.perf_counter_ns()
        await batch()
        sys.stdout.write(f"{time.perf_counter_ns() - begun_ns}\n")
        sys.stdout.flush()


if __name__ == "__main__":
    model, task, worker_count, task_count = sys.argv[1:]
    globals()[model](getattr(workloads, task), int(worker_count), int(task_count))
