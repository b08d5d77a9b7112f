"""One call after the other in one thread: the usual baseline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..call import Call
from ..registry import Initializer, Needs, Option, Options, RunBatch, WorkerMode, Workers

SUMMARY = "one call after the other in one thread"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "none"
OPTIONS: dict[str, Option] = {}


def needs(options: Options) -> Needs:
    return Needs()


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield the calling thread as the only worker."""
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

    yield Workers(bind, each)
