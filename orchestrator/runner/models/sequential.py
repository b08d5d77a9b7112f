"""One call after the other in one thread: the usual baseline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..registry import Initializer, Needs, Option, Options, RunBatch, Submit, WorkerMode, Workers

if TYPE_CHECKING:
    from ..registry import Future

SUMMARY = "one call after the other in one thread"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "none"
OPTIONS: dict[str, Option] = {}


def needs(options: Options) -> Needs:
    return Needs(submits=True)


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield the calling thread as the only worker; submitted calls have one thread of their own."""
    if initializer:
        initializer()

    def bind(call: Call) -> RunBatch:
        plain, one = call.plain, call.one

        async def run(items: Sequence[int]) -> list[Any]:
            if plain:
                return [plain() for _ in items]
            return [one(item) for item in items]

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        return [function()]

    with one_at_a_time(initializer) as submit:
        yield Workers(bind, each, submit=submit)


@contextmanager
def one_at_a_time(initializer: Initializer) -> Iterator[Submit]:
    """Yield `submit` of one thread, which the first call starts: a queue with a single server."""
    pools: list[Any] = []

    def submit(function: Callable[[Any], Any], item: Any) -> Future:
        if not pools:
            from concurrent.futures import ThreadPoolExecutor  # not before: batches don't need it

            pools.append(ThreadPoolExecutor(1, initializer=initializer))
        future: Future = pools[0].submit(function, item)
        return future

    try:
        yield submit
    finally:
        for pool in pools:
            pool.shutdown(cancel_futures=True)
