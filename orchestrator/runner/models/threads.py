"""Worker threads to which an event loop submits its calls: anyio's, or those of an executor."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..registry import Initializer, Needs, Option, Options, RunBatch, WorkerMode, Workers, nothing
from .bounded import IN_FLIGHT, TOGETHER_S, gather, in_order, one_task_each, task_of

if TYPE_CHECKING:
    from ..registry import Future

SUMMARY = "a thread pool: anyio.to_thread with a limiter of `workers`, or a ThreadPoolExecutor"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "pool": Option(
        "anyio.to_thread, run_in_executor of a ThreadPoolExecutor, or asyncio.to_thread [default: anyio]",
        choices=("anyio", "futures", "asyncio"),
    ),
    "switch_interval_us": Option("how long a thread keeps the GIL when others wait for it [default: 5,000]", minimum=1),
}


def needs(options: Options) -> Needs:
    modules = ("anyio.to_thread",) if options.get("pool", "anyio") == "anyio" else ("concurrent.futures.thread",)
    return Needs(loop="asyncio", modules=(*modules, "threading"), submits=True)


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield `workers` threads, each of which has run `initializer`."""
    with _switching(options.get("switch_interval_us")):
        if options.get("pool", "anyio") == "anyio":
            async with _of_anyio(workers, initializer) as found:
                yield found
        else:
            async with _executor(workers, options["pool"] == "asyncio", initializer) as found:
                yield found


@contextmanager
def _switching(interval_us: int | None) -> Iterator[None]:
    import sys

    earlier_s = sys.getswitchinterval()
    if interval_us:
        sys.setswitchinterval(interval_us / 1e6)
    try:
        yield
    finally:
        sys.setswitchinterval(earlier_s)


def _preceded_by(initializer: Initializer) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Return what makes a function run `initializer` first, once in each thread.

    anyio ends threads that are idle for 10 s; their replacements run the initializer too.
    """
    from threading import local

    if initializer is None:
        return lambda function: function
    begun = local()

    def preceded(function: Callable[..., Any]) -> Callable[..., Any]:
        def begin_and_call(*items: Any) -> Any:
            if not hasattr(begun, "done"):
                initializer()
                begun.done = True
            return function(*items)

        return begin_and_call

    return preceded


@asynccontextmanager
async def _of_anyio(workers: int, initializer: Initializer) -> AsyncIterator[Workers]:
    from threading import Barrier

    from anyio import CapacityLimiter, to_thread

    limiter = CapacityLimiter(workers)
    barrier = Barrier(workers)
    preceded = _preceded_by(initializer)

    def bind(call: Call) -> RunBatch:
        plain, one = call.plain and preceded(call.plain), preceded(call.one)

        async def run(items: Sequence[int]) -> list[Any]:
            if plain:
                return await gather(items, workers, lambda _: to_thread.run_sync(plain, limiter=limiter))
            return await gather(items, workers, lambda item: to_thread.run_sync(one, item, limiter=limiter))

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        # A thread that waits at the barrier can't take a second call, so each of them takes exactly one.
        def together() -> Any:
            barrier.wait(TOGETHER_S)
            return preceded(function)()

        return await gather(range(workers), workers, lambda _: to_thread.run_sync(together, limiter=limiter))

    def submit(function: Callable[[Any], Any], item: Any) -> Future:
        return task_of(to_thread.run_sync(preceded(function), item, limiter=limiter))

    # The first calls start the threads: anyio starts one only when none is idle.
    await each(nothing)
    yield Workers(bind, each, submit=submit)


def _to_default(function: Callable[[Any], Any], item: Any) -> Future:
    from asyncio import to_thread

    return task_of(to_thread(function, item))


@asynccontextmanager
async def _executor(workers: int, is_default: bool, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield the threads of an executor: the loop's default one, which asyncio.to_thread uses, or another."""
    from asyncio import get_running_loop, to_thread
    from concurrent.futures import ThreadPoolExecutor
    from threading import Barrier

    loop = get_running_loop()
    barrier = Barrier(workers)

    def together(function: Callable[[], Any]) -> Any:
        barrier.wait(TOGETHER_S)
        return function()

    with ThreadPoolExecutor(workers, initializer=initializer) as pool:
        if is_default:
            loop.set_default_executor(pool)

        def bind(call: Call) -> RunBatch:
            plain, one = call.plain, call.one

            async def run(items: Sequence[int]) -> list[Any]:
                if is_default:
                    if plain:
                        return await one_task_each(items, IN_FLIGHT, lambda _: to_thread(plain))
                    return await one_task_each(items, IN_FLIGHT, lambda item: to_thread(one, item))
                if plain:
                    return await in_order(loop.run_in_executor(pool, plain) for _ in items)
                return await in_order(loop.run_in_executor(pool, one, item) for item in items)

            return run

        async def each(function: Callable[[], Any]) -> list[Any]:
            return await in_order(loop.run_in_executor(pool, together, function) for _ in range(workers))

        try:
            await each(nothing)
            yield Workers(bind, each, submit=_to_default if is_default else pool.submit)
        except BaseException:
            pool.shutdown(
                wait=False, cancel_futures=True
            )  # report a failure at once, not after the calls that are left
            raise
