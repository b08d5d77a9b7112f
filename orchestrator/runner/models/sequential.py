"""One call after the other in one thread: the usual baseline."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from ..registry import Needs, Option, RunBatch, WorkerMode, Workers, anywhere

if TYPE_CHECKING:
    from ..call import Call

SUMMARY = "one call after the other in one thread"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "none"
OPTIONS: dict[str, Option] = {}


def needs(options: Mapping[str, Any]) -> Needs:
    """Return what the model needs."""
    return Needs()


unavailable = anywhere


@asynccontextmanager
async def open(
    call: Call,
    workers: int,
    options: dict[str, Any],
    initializer: Callable[[Any], object] | None,
    initargs: Any,
) -> AsyncIterator[Workers]:
    """Yield the calling thread as the only worker."""
    if initializer:
        initializer(initargs)

    def bind(call: Call) -> RunBatch:
        plain = call.plain

        async def run(items: Sequence[int]) -> list[Any]:
            if plain:
                return [plain() for _ in items]
            return [call(item) for item in items]

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        return [function()]

    yield Workers(bind, each)
