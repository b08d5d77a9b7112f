"""`mpire.WorkerPool`; it sends calls in batches unless `chunk_size` is set."""

from __future__ import annotations

import pickle
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..call import Call
from ..error_text import message, named
from ..registry import Initializer, Needs, Option, Options, RunBatch, Unreadable, WorkerLost, WorkerMode, Workers
from . import processes
from .remote import Escaping, Imported, beginning, meeting, unwrapped

SUMMARY = "mpire.WorkerPool, which sends calls in batches"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "start_method": Option("how workers are started [default: fork]", choices=("fork", "forkserver", "spawn")),
    "chunk_size": Option("calls sent to a worker at once [default: 64 batches per worker]", minimum=1),
}

unavailable = processes.unavailable


def needs(options: Options) -> Needs:
    return Needs(modules=("mpire",), packages=("mpire",), pickler="pickle")


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield a pool of `workers` processes, each of which has imported the workload and run `initializer`."""
    from mpire.exception import remove_highlighting
    from mpire.pool import WorkerPool

    start_method = options.get("start_method", "fork")
    chunk_size = options.get("chunk_size")

    def begun(function: Callable[..., Any]) -> Callable[..., Any]:
        return _Checked(beginning(function, initializer))

    with WorkerPool(workers, start_method=start_method, keep_alive=True) as pool:

        def mapped(function: Callable[..., Any], items: Sequence[Any], size: int | None) -> list[Any]:
            try:
                return [unwrapped(result) for result in pool.map(function, items, chunk_size=size)]
            except Exception as error:
                if isinstance(error, RuntimeError) and "died unexpectedly" in message(error):
                    raise WorkerLost(str(error)) from error
                if error.__cause__:  # the traceback in the worker, coloured for a terminal
                    error.__cause__.args = (remove_highlighting(message(error.__cause__)),)
                raise

        def bind(call: Call) -> RunBatch:
            one = begun(call.one)

            async def run(items: Sequence[int]) -> list[Any]:
                # mpire spreads a tuple or a mapping over the arguments
                given = items if isinstance(items, range) else [(item,) for item in items]
                return mapped(one, given, chunk_size)

            return run

        async def each(function: Callable[[], Any]) -> list[Any]:
            with meeting(workers, function) as together:
                return mapped(begun(together), range(workers), 1)

        await each(Imported(call.function))
        yield Workers(bind, each, {"actual_start_method": start_method})


class _Checked(Escaping):
    """A function that checks once per worker that results can be unpickled, where mpire would hang."""

    is_checked = False

    def __call__(self, *items: int) -> Any:
        result = super().__call__(*items)
        if not self.is_checked:
            data = pickle.dumps(result)
            try:
                pickle.loads(data)
            except Exception as error:
                raise Unreadable(named(error)) from error
            self.is_checked = True
        return result
