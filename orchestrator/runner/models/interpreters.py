"""Subinterpreters of the standard library (`InterpreterPoolExecutor`): threads, each with its own GIL."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from functools import partial
from typing import Any

from ..call import Call
from ..error_text import message, named
from ..problem import Problem
from ..registry import Initializer, Needs, Option, Options, RunBatch, WorkerMode, Workers
from .processes import collect

SUMMARY = "concurrent.futures.InterpreterPoolExecutor (Python 3.14 or newer)"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {}


def needs(options: Options) -> Needs:
    return Needs(modules=("concurrent.futures.interpreter",), pickler="pickle", submits=True)


def unavailable(options: Options) -> Problem | None:
    """Return why this model can't run here: it needs Python 3.14."""
    import sys

    if sys.version_info >= (3, 14):
        return None
    what = f"Python {sys.version.split()[0]} has no InterpreterPoolExecutor"
    return Problem("python_too_old", what, "run it under 3.14 or newer")


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield `workers` interpreters, each of which has imported the workload and run `initializer`."""
    import sys
    from concurrent import interpreters  # type: ignore[attr-defined]  # typeshed knows it from 3.14 on
    from concurrent.futures.interpreter import InterpreterPoolExecutor  # type: ignore[import-not-found]

    # a new interpreter has its own import path, and finds no module of the workload before it has this one; so its
    # initializer must be a builtin
    begin = f"import sys; sys.path[:] = {sys.path!r}"
    pool = InterpreterPoolExecutor(workers, initializer=exec, initargs=(begin,))

    def bind(call: Call) -> RunBatch:
        plain, one = call.plain, call.one

        async def run(items: Sequence[int]) -> list[Any]:
            if plain:
                return _or_out_of_memory(collect(pool.submit(_guarded, plain) for _ in items))
            return _or_out_of_memory(collect(pool.submit(_guarded, one, item) for item in items))

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        # a worker that waits at the gate can't take a second call, so each takes exactly one
        here, gate = interpreters.create_queue(), interpreters.create_queue()
        submitted = [pool.submit(_together, here, gate, function) for _ in range(workers)]
        for _ in submitted:
            _wait_for(here, submitted)
        for _ in submitted:
            gate.put(None)
        return _or_out_of_memory(collect(submitted))

    with pool:
        try:
            await _imported(each, call)
            if initializer:
                await each(initializer)
            yield Workers(bind, each, submit=pool.submit)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise


async def _imported(each: Callable[[Callable[[], Any]], Awaitable[list[Any]]], call: Call) -> None:
    """Import the workload in every interpreter; raises ImportError with the remedy."""
    with importing(call.function.__module__):
        await each(partial(_import, call.function.__module__))


@contextmanager
def importing(name: str) -> Iterator[None]:
    """Raise ImportError with the remedy if the module can't be imported."""
    try:
        yield
    except Exception as error:
        raise ImportError(
            f"{name} can't be imported in a subinterpreter: some extension modules refuse it; use `processes`, or "
            f"`threads` on a Python without a GIL ({named(error)})"
        ) from error


def _wait_for(here: Any, submitted: Sequence[Any]) -> None:
    """Wait for one more worker at the gate; raises the failure of any worker instead."""
    import queue

    while True:
        try:
            here.get(timeout=0.2)
        except queue.Empty:
            for future in submitted:
                if future.done():
                    future.result()
        else:
            return


def _together(here: Any, gate: Any, function: Callable[[], Any]) -> Any:
    here.put(None)
    gate.get()
    return _guarded(function)


def _guarded(function: Callable[..., Any], *items: Any) -> Any:
    """Return the result of a call, or its MemoryError: CPython 3.14 loses one that is raised."""
    try:
        return function(*items)
    except MemoryError as error:
        return _OutOfMemory(message(error))


class _OutOfMemory:
    def __init__(self, text: str) -> None:
        self.text = text


def _or_out_of_memory(results: list[Any]) -> list[Any]:
    for result in results:
        if type(result) is _OutOfMemory:
            raise MemoryError(result.text)
    return results


def _import(name: str) -> None:
    import importlib

    importlib.import_module(name)
