"""`multiprocessing.Pool`, for the model `processes`: batches go through `imap_unordered`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..call import Call
from ..registry import Initializer, Options, RunBatch, Unreadable, WorkerLost, Workers, ended_as
from .remote import Failure, Imported, Wrapped, meeting, unwrapped

CHECK_S = 0.1  # how often the workers are checked: the pool itself waits for ever for the call of a dead worker


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield a pool of `workers` processes, each of which has imported the workload and run `initializer`."""
    from multiprocessing import get_context

    context = get_context(options.get("start_method"))
    chunksize = options.get("chunksize") or 1
    with context.Pool(workers, _begin, (call.function, initializer), options.get("max_tasks_per_child")) as pool:
        watch = _Watch(pool)

        def bind(call: Call) -> RunBatch:
            one = _Plain(call.plain) if call.plain else _Numbered(call.one)

            async def run(items: Sequence[int]) -> list[Any]:
                results: list[Any] = [None] * len(items)
                if chunksize == 1:
                    for place, result in watch.results(pool.imap_unordered(one, enumerate(items))):
                        results[place] = result
                    return results
                numbered = list(enumerate(items))
                chunks = (numbered[first : first + chunksize] for first in range(0, len(items), chunksize))
                # not by the pool's own chunksize: its results then can't be awaited with a timeout
                for some in watch.results(pool.imap_unordered(_Chunked(one), chunks)):
                    for place, result in some:
                        results[place] = unwrapped(result)
                return results

            return run

        async def each(function: Callable[[], Any]) -> list[Any]:
            with meeting(workers, function) as together:
                one = _Numbered(together)
                numbered = watch.results(pool.imap_unordered(one, enumerate(range(workers))))
                return [result for _, result in numbered]

        await each(Imported(call.function))
        yield Workers(bind, each, {"actual_start_method": context.get_start_method()})
        pool.close()
        pool.join()


class _Watch:
    """A check of the pool's workers while results are awaited."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._known = list(pool._pool)

    def results(self, arriving: Any) -> Iterator[Any]:
        """Yield results as they arrive; raises the exception of a call, and WorkerLost when a worker has died."""
        from multiprocessing import TimeoutError

        while True:
            try:
                result = arriving.next(timeout=CHECK_S)
            except StopIteration:
                return
            except TimeoutError:
                self._check()
                continue
            if type(result) is tuple:
                unwrapped(result[1])
            yield result

    def _check(self) -> None:
        if not self._pool._result_handler.is_alive():  # its thread has printed why
            self._pool._cache.clear()  # or the pool fails with an AssertionError of its own when it is closed
            raise Unreadable("")
        known = {id(process): process for process in (*self._known, *self._pool._pool)}
        self._known = [process for process in known.values() if process.exitcode != 0]
        for process in self._known:
            if process.exitcode is not None:
                raise WorkerLost(ended_as(process.exitcode))


class _Numbered(Wrapped):
    """A call that returns its place with its result, or with a `Failure`."""

    def __call__(self, numbered: tuple[int, int]) -> tuple[int, Any]:
        place, item = numbered
        try:
            return place, self.function(item)
        except BaseException as error:  # the pool loses what is no Exception
            return place, Failure(error)


class _Plain(_Numbered):
    """The same for calls without arguments; it is pickled with each of them, so it is small."""

    def __call__(self, numbered: tuple[int, int]) -> tuple[int, Any]:
        place, _ = numbered
        try:
            return place, self.function()
        except BaseException as error:
            return place, Failure(error)


class _Chunked(Wrapped):
    """The same for all calls of a chunk."""

    def __call__(self, chunk: Sequence[tuple[int, int]]) -> list[tuple[int, Any]]:
        return [self.function(numbered) for numbered in chunk]


def _begin(function: object, initializer: Initializer) -> None:
    # `function` is not called: unpickling it has imported the workload's module.
    if initializer:
        initializer()
