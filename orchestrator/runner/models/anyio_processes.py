"""`anyio.to_process`, for the model `processes`: one call at a time over each worker's pipes."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import Any

from ..call import Call
from ..registry import Initializer, Options, RunBatch, WorkerLost, Workers
from .bounded import gather
from .remote import Carried, Imported, beginning, meeting, unwrapped


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield `workers` processes, each of which has imported the workload and run `initializer`."""
    from anyio import BrokenWorkerProcess, CapacityLimiter, to_process

    limiter = CapacityLimiter(workers)

    async def in_worker(function: Callable[..., Any], *arguments: Any) -> Any:
        try:
            return unwrapped(await to_process.run_sync(function, *arguments, limiter=limiter))
        except BrokenWorkerProcess as error:
            raise WorkerLost(
                "a worker ended without an answer, or the workload used descriptor 0 or 1, which anyio.to_process needs"
            ) from error

    def begun(function: Callable[..., Any]) -> Callable[..., Any]:
        # anyio ends workers that are idle for 300 s; their replacements run the initializer too
        return Carried(beginning(function, initializer))

    def bind(call: Call) -> RunBatch:
        one = begun(call.one)
        plain = call.plain and begun(call.plain)

        async def run(items: Sequence[int]) -> list[Any]:
            if plain:
                return await gather(items, workers, lambda _: in_worker(plain))
            return await gather(items, workers, lambda item: in_worker(one, item))

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        with meeting(workers, begun(function)) as together:
            return await gather(range(workers), workers, lambda _: in_worker(together))

    with _findable():
        await each(Imported(call.function))
    yield Workers(bind, each)


@contextmanager
def _findable() -> Iterator[None]:
    """Let new interpreters find anyio before they receive this one's import path."""
    import os

    import anyio

    earlier = os.environ.get("PYTHONPATH")
    where = os.path.dirname(os.path.dirname(anyio.__file__))
    os.environ["PYTHONPATH"] = os.pathsep.join(filter(None, (where, earlier)))
    try:
        yield
    finally:
        if earlier is None:
            del os.environ["PYTHONPATH"]
        else:
            os.environ["PYTHONPATH"] = earlier
