"""A batch as coroutines, tasks or futures of a loop, with a bound on the calls in flight."""

from __future__ import annotations

from collections import deque
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Sequence
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from asyncio import Future

TOGETHER_S = 60.0  # how long the workers wait for each other before the model counts as unable to start them

IN_FLIGHT = 4096
"""Calls submitted and not yet collected: a future takes 2 KB, so 100,000 at once would take 200 MB. Workers become idle
only when one call outlasts half as many others."""


async def gather(items: Sequence[int], workers: int, start: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """Return `await start(item)` for each item, in order, with at most `workers` in flight.

    The coroutines pull from one iterator instead of being one task per item: memory and the cost of an item do not
    grow with the batch. The first exception ends the others and is raised as itself, not in a group.
    """
    import anyio

    results: list[Any] = [None] * len(items)
    todo = iter(enumerate(items))
    failed: list[BaseException] = []

    async def pull() -> None:
        try:
            for place, item in todo:
                results[place] = await start(item)
        except BaseException as error:  # a task group would wrap it, and take CancelledError for a normal end
            failed.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for _ in range(min(workers, len(items))):
            group.start_soon(pull)
    if failed:
        raise failed[0]
    return results


async def one_task_each(items: Sequence[int], workers: int, start: Callable[[int], Awaitable[Any]]) -> list[Any]:
    """Return the same as `gather`, with one asyncio task per item and at most `workers` at once."""
    import asyncio

    results: list[Any] = [None] * len(items)
    at_once = min(workers, len(items))
    free = asyncio.Semaphore(at_once)
    failed: list[BaseException] = []
    running: dict[int, asyncio.Task[None]] = {}  # a callback that forgets a task would cost it a turn of the loop

    async def one(place: int, item: int) -> None:
        try:
            results[place] = await start(item)
        except BaseException as error:  # a task would raise SystemExit in the loop
            failed.append(error)
        finally:
            running.pop(place, None)
            free.release()

    loop = asyncio.get_running_loop()
    for place, item in enumerate(items):
        await free.acquire()
        if failed:
            break
        task: asyncio.Task[None] = loop.create_task(one(place, item))
        if not task.done():  # as an eager one may be
            running[place] = task
    for _ in range(at_once):  # each is free once when all have ended
        await free.acquire()
        if failed:
            break
    if failed:
        await _cancel(list(running.values()))
        raise failed[0]
    return results


async def _cancel(tasks: Sequence[Future[Any]]) -> None:
    """Cancel tasks, and wait until all have ended."""
    import asyncio

    for task in tasks:
        task.cancel()
    if tasks:
        await asyncio.wait(tasks)


def task_of(coroutine: Coroutine[Any, Any, Any]) -> Future[Any]:
    """Return an asyncio task, kept until it has ended: the loop itself holds only a weak reference."""
    import asyncio

    task = asyncio.get_running_loop().create_task(coroutine)
    _tasks.add(task)
    task.add_done_callback(_tasks.discard)
    return task


_tasks: set[Future[Any]] = set()


async def in_order(futures: Iterable[Future[Any]]) -> list[Any]:
    """Return the results of asyncio futures in order, with at most `IN_FLIGHT` of them at once."""
    waiting: deque[Future[Any]] = deque()
    results: list[Any] = []
    try:
        for future in futures:
            waiting.append(future)
            if len(waiting) == IN_FLIGHT:
                for _ in range(IN_FLIGHT // 2):
                    results.append(await waiting[0])
                    waiting.popleft()
        while waiting:
            results.append(await waiting[0])
            waiting.popleft()
    except BaseException:
        for future in waiting:
            future.cancel()
        raise
    return results
