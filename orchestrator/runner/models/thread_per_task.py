"""One thread per task, as in tutorials: all are started, then joined; none is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..registry import Initializer, Needs, Option, Options, RunBatch, WorkerMode, Workers

if TYPE_CHECKING:
    from concurrent.futures import Future

SUMMARY = "one threading.Thread per task, all at once"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "per_task"
OPTIONS: dict[str, Option] = {}


def needs(options: Options) -> Needs:
    return Needs(modules=("threading",), pool="threads", submits=True)


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield no standing workers: each thread of a batch runs `initializer` and one call."""

    def begun(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
        if initializer is None:
            return function

        def initialized(item: Any) -> Any:
            initializer()
            return function(item)

        return initialized

    def bind(call: Call) -> RunBatch:
        plain = call.plain
        one = begun((lambda _: plain()) if plain else call.one)

        async def run(items: Sequence[int]) -> list[Any]:
            return _start_all(items, one)

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        return _start_all([None], begun(lambda _: function()))

    def submit(function: Callable[[Any], Any], item: Any) -> Future[Any]:
        from concurrent.futures import Future

        future: Future[Any] = Future()
        Thread(target=_fulfil, args=(future, begun(function), item)).start()
        return future

    yield Workers(bind, each, submit=submit)


def _fulfil(future: Any, function: Callable[[Any], Any], item: Any) -> None:
    if not future.set_running_or_notify_cancel():
        return
    try:
        future.set_result(function(item))
    except BaseException as error:
        future.set_exception(error)


def _start_all(items: Sequence[Any], function: Callable[[Any], Any]) -> list[Any]:
    """Return the results of one thread per item; starts no more threads after a failure, and raises it."""
    results: list[Any] = [None] * len(items)
    failed: list[BaseException] = []

    def work(place: int, item: Any) -> None:
        try:
            results[place] = function(item)
        except BaseException as error:  # threading would print it and go on, and ignore SystemExit
            failed.append(error)

    threads = [Thread(target=work, args=(place, item)) for place, item in enumerate(items)]
    for started, thread in enumerate(threads, 1):
        thread.start()
        if failed:
            del threads[started:]
    for thread in threads:
        thread.join()
    if failed:
        raise failed[0]
    return results
