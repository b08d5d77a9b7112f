"""A batch as coroutines that pull their items: never more calls in flight than there are workers."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from typing import Any


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
        except BaseException as error:  # a task group would wrap it, and take CancelledError for an end like any other
            failed.append(error)
            group.cancel_scope.cancel()

    async with anyio.create_task_group() as group:
        for _ in range(min(workers, len(items))):
            group.start_soon(pull)
    if failed:
        raise failed[0]
    return results
