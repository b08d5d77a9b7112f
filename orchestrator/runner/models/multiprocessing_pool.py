"""`multiprocessing.Pool`, for the model `processes`: batches go through `imap_unordered`."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from . import Run, WorkerLost, Workers, WrongResults
from .remote import Carried, Imported, given, meeting

if TYPE_CHECKING:
    from ..call import Call

LOOK_S = 0.1
"""The pool itself would wait for ever for a call whose worker has died: so often somebody looks."""


@asynccontextmanager
async def open(
    call: Call,
    workers: int,
    options: dict[str, Any],
    initializer: Callable[[Any], object] | None,
    initargs: Any,
) -> AsyncIterator[Workers]:
    """Yield a pool of `workers` processes, each of which has imported the workload and run `initializer`."""
    from multiprocessing import get_context

    context = get_context(options.get("start_method"))
    chunksize = options.get("chunksize") or 1
    begin = (call.function, initializer, initargs)
    with context.Pool(workers, _begin, begin, options.get("max_tasks_per_child")) as pool:
        watch = _Watch(pool)

        def bind(call: Call) -> Run:
            one = _Numbered(call)

            async def run(items: Sequence[int]) -> list[Any]:
                results: list[Any] = [None] * len(items)
                chunks = (items[first : first + chunksize] for first in range(0, len(items), chunksize))
                # not by the pool's own chunksize: what it then returns can't be waited for with a timeout
                for place, some in watch.results(pool.imap_unordered(one, enumerate(chunks))):
                    results[place * chunksize : place * chunksize + len(some)] = map(given, some)
                return results

            return run

        async def each(function: Callable[[], Any]) -> list[Any]:
            with meeting(workers, function) as together:
                one = _Numbered(together)
                arriving = watch.results(pool.imap_unordered(one, enumerate([[0]] * workers)))
                return [given(result) for _, some in arriving for result in some]

        await each(Imported(call.function))
        yield Workers(bind, each, {"actual_start_method": context.get_start_method()})
        pool.close()
        pool.join()


class _Watch:
    """Whoever looks after the workers of a pool."""

    def __init__(self, pool: Any) -> None:
        self._pool = pool
        self._known = list(pool._pool)

    def results(self, arriving: Any) -> Iterator[tuple[int, list[Any]]]:
        """Yield what arrives; raises WorkerLost when a worker has died instead."""
        from multiprocessing import TimeoutError

        while True:
            try:
                place, result = arriving.next(timeout=LOOK_S)
            except StopIteration:
                return
            except TimeoutError:
                self._look()
                continue
            yield place, result

    def _look(self) -> None:
        if not self._pool._result_handler.is_alive():  # its thread has printed why
            raise WrongResults("an answer can't be unpickled: the reason is in the output")
        known = {id(process): process for process in (*self._known, *self._pool._pool)}
        self._known = [process for process in known.values() if process.exitcode != 0]
        for process in self._known:
            if process.exitcode is not None:
                raise WorkerLost(f"a worker ended with status {process.exitcode} and no answer")


class _Numbered:
    """A call for each item of a chunk, which returns the place of the chunk beside the results."""

    def __init__(self, call: Callable[[int], Any]) -> None:
        self.call = Carried(call)

    def __call__(self, numbered: tuple[int, Sequence[int]]) -> tuple[int, list[Any]]:
        place, items = numbered
        return place, [self.call(item) for item in items]


def _begin(function: object, initializer: Callable[[Any], object] | None, initargs: Any) -> None:
    # `function` is not called: unpickling it has imported the workload's module.
    if initializer:
        initializer(initargs)
