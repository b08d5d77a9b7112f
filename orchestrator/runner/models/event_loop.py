"""Coroutines in one event loop; a plain function runs inline and blocks the loop, as it would in real code."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any

from . import Count, Option, Run, Workers
from .bounded import gather

if TYPE_CHECKING:
    from ..call import Call

SUMMARY = "an anyio task group in one event loop; `workers` bounds the calls in flight"
RUNS: tuple[str, ...] = ("async_call", "call")
LOOP = True
WORKERS: Count = "asked"
PICKLES = False
OPTIONS: dict[str, Option] = {}
MODULES: tuple[str, ...] = ("anyio",)


def unavailable() -> str | None:
    """Say why this model can't run here: it always can."""
    return None


@asynccontextmanager
async def open(
    call: Call,
    workers: int,
    options: dict[str, Any],
    initializer: Callable[[Any], object] | None,
    initargs: Any,
) -> AsyncIterator[Workers]:
    """Yield the running loop as the only worker, with `workers` calls in flight."""
    if initializer:
        initializer(initargs)

    def bind(call: Call) -> Run:
        plain = call.plain
        start: Callable[[int], Any] = (lambda _: plain()) if plain else call
        if not iscoroutinefunction(call.function):
            blocking = start

            async def start(item: int) -> Any:
                return blocking(item)

        async def run(items: Sequence[int]) -> list[Any]:
            return await gather(items, workers, start)

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        answer = function()
        return [await answer if hasattr(answer, "__await__") else answer]

    yield Workers(bind, each)
