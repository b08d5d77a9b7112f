"""A thread for every task, as tutorials do it: all are started, then joined; nothing is kept for the next batch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..registry import Needs, Option, RunBatch, WorkerMode, Workers, anywhere

if TYPE_CHECKING:
    from ..call import Call

SUMMARY = "threading.Thread for every task, all at once"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "per_task"
OPTIONS: dict[str, Option] = {}


def needs(options: Mapping[str, Any]) -> Needs:
    """Tell what the model needs."""
    return Needs(modules=("threading",), pool="threads")


unavailable = anywhere


@asynccontextmanager
async def open(
    call: Call,
    workers: int,
    options: dict[str, Any],
    initializer: Callable[[Any], object] | None,
    initargs: Any,
) -> AsyncIterator[Workers]:
    """Yield nothing that stands: a batch starts its threads, each of which runs `initializer` and one call."""
    from threading import Thread

    def start_all(items: Sequence[Any], function: Callable[[Any], Any]) -> list[Any]:
        results: list[Any] = [None] * len(items)
        failed: list[BaseException] = []

        def work(place: int, item: Any) -> None:
            try:
                if initializer:
                    initializer(initargs)
                results[place] = function(item)
            except BaseException as error:  # threading would print it and go on, without SystemExit even that
                failed.append(error)

        threads = [Thread(target=work, args=(place, item)) for place, item in enumerate(items)]
        for started, thread in enumerate(threads, 1):
            thread.start()
            if failed:  # tell it before the others are started
                del threads[started:]
        for thread in threads:
            thread.join()
        if failed:
            raise failed[0]
        return results

    def bind(call: Call) -> RunBatch:
        plain = call.plain
        one: Callable[[int], Any] = (lambda _: plain()) if plain else call

        async def run(items: Sequence[int]) -> list[Any]:
            return start_all(items, one)

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        return start_all([None], lambda _: function())

    yield Workers(bind, each)
