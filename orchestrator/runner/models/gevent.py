"""Greenlets of gevent in one thread: the blocking functions of the standard library let other calls run meanwhile."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..registry import Initializer, Needs, Option, Options, RunBatch, WorkerMode, Workers

if TYPE_CHECKING:
    from ..registry import Future

SUMMARY = "a gevent.pool.Pool of `workers` greenlets in one thread, with the standard library patched"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {}


def needs(options: Options) -> Needs:
    return Needs(modules=("gevent", "gevent.pool"), packages=("gevent",), submits=True, yields=True)


def prepare(options: Options) -> None:
    """Replace the blocking functions of the standard library, as gevent asks, before anything has taken one."""
    from gevent import monkey

    monkey.patch_all()


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield this thread as the only worker, with at most `workers` greenlets in flight."""
    from gevent import get_hub, monkey, spawn
    from gevent.lock import Semaphore
    from gevent.pool import Pool

    pool, free = Pool(workers), Semaphore(workers)
    if initializer:
        initializer()

    def bind(call: Call) -> RunBatch:
        plain = call.plain
        one = (lambda _: plain()) if plain else call.one

        async def run(items: Sequence[int]) -> list[Any]:
            return _spawned(pool, items, one)

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        return _spawned(pool, [None], lambda _: function())

    def submit(function: Callable[[Any], Any], item: Any) -> Future:
        from concurrent.futures import Future

        future: Future[Any] = Future()
        spawn(_fulfil, free, future, function, item)
        return future

    loop = type(get_hub().loop)
    patched = sorted(name for name in monkey.saved if not name.startswith("_gevent"))
    facts = {"actual_loop": f"{loop.__module__}.{loop.__qualname__}", "patched_modules": patched}
    yield Workers(bind, each, facts, submit=submit)


def _spawned(pool: Any, items: Sequence[Any], function: Callable[[Any], Any]) -> list[Any]:
    """Return the results of one greenlet per item; a failure ends the others and is raised."""
    results: list[Any] = [None] * len(items)
    failed: list[BaseException] = []

    def work(place: int, item: Any) -> None:
        try:
            results[place] = function(item)
        except BaseException as error:  # the hub would print it, and end this thread for SystemExit
            failed.append(error)
            pool.kill(block=False)

    for place, item in enumerate(items):
        pool.spawn(work, place, item)  # waits where the pool is full
        if failed:
            break
    pool.join()
    if failed:
        raise failed[0]
    return results


def _fulfil(free: Any, future: Any, function: Callable[[Any], Any], item: Any) -> None:
    """Make a submitted call once there is room for it, unless it was cancelled by then."""
    with free:
        if not future.set_running_or_notify_cancel():
            return
        try:
            future.set_result(function(item))
        except BaseException as error:
            future.set_exception(error)
