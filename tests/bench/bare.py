"""The loops that a competent engineer writes by hand around each primitive: what the models are held to.

A program of its own: `python bare.py MODEL TASK WORKERS TASKS`. It brings its workers up, then runs one batch for every
line on stdin and answers with its nanoseconds.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import sys
import threading
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing.connection import Connection
from typing import Any

import anyio
from anyio import CapacityLimiter, to_thread

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
        await asyncio.sleep(0)


if __name__ == "__main__":
    model, task, worker_count, task_count = sys.argv[1:]
    globals()[model](getattr(workloads, task), int(worker_count), int(task_count))
