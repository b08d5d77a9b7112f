"""A worker that runs an event loop of its own: it gets shares of a batch, and replies with their results."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..registry import Initializer, Options, RunBatch
from . import event_loop, fleet
from .remote import meeting

if TYPE_CHECKING:
    from concurrent.futures import Future
    from typing import Protocol

    class Channel(Protocol):
        """What a worker receives requests from and replies to; None ends it."""

        def receive(self) -> Any: ...

        def reply(self, result: Any) -> None: ...

        def fail(self, error: BaseException) -> None: ...


CONCURRENCY = 16
"""The default number of calls in flight in each worker."""


def concurrency(options: Options) -> int:
    """Return how many calls each worker has in flight."""
    return int(options.get("concurrency") or CONCURRENCY)


def sharing(ask: fleet.Ask, workers: int) -> tuple[Callable[[Call], RunBatch], Callable[[Callable[[], Any]], Any]]:
    """Return `bind` and `each` of workers with loops, which `ask` sends requests to."""

    async def each(function: Callable[[], Any]) -> list[Any]:
        with meeting(workers, function) as together:
            return ask([(together, None)] * workers)

    return fleet.sharing(ask, workers), each


class Share:
    """The items of a worker's share; none is left once `stop[0]` is set, so that no other call begins."""

    def __init__(self, items: Sequence[Any], stop: Sequence[int]) -> None:
        self._items = items
        self._stop = stop

    def __len__(self) -> int:
        return len(self._items)

    def __iter__(self) -> Iterator[Any]:
        for item in self._items:
            if self._stop[0]:
                return
            yield item


class Serving:
    """A request to a worker of this process: take calls one at a time, from other threads, until `end`."""

    def __init__(self) -> None:
        from threading import Event

        self._has_begun = Event()

    async def serve(self, concurrency: int) -> None:
        """Run the loop of this thread until the end."""
        import asyncio

        self._loop, self._ended = asyncio.get_running_loop(), asyncio.Event()
        self._one = event_loop.at_most(concurrency)
        self._has_begun.set()
        await self._ended.wait()

    def submit(self, function: Callable[[Any], Any], item: Any) -> Future[Any]:
        """Start a task in the worker's loop for one call, at most `concurrency` of them at once."""
        import asyncio

        self._has_begun.wait()
        return asyncio.run_coroutine_threadsafe(self._one(function, item), self._loop)

    def end(self) -> None:
        """Let the worker take batches again."""
        self._has_begun.wait()
        self._loop.call_soon_threadsafe(self._ended.set)


def work(
    channel: Channel, loop: str, call: Call, concurrency: int, initializer: Initializer, stop: Sequence[int] = b"\0"
) -> None:
    """Serve requests in a new event loop until None comes; reply once when ready, then to each request.

    A request is a call with its share of the items, or a function and None: it is called once. `stop` is a buffer
    of one byte, which is not 0 once another worker has failed.
    """
    from .. import loops

    loops.run(loop, _serve, channel, loop, call, concurrency, initializer, stop)


async def _serve(
    channel: Channel, loop: str, call: Call, concurrency: int, initializer: Initializer, stop: Sequence[int]
) -> None:
    # the loop is blocked while it waits for a request: between batches it has nothing else to do
    try:
        async with event_loop.open(call, concurrency, {"loop": loop}, initializer) as workers:
            channel.reply(None)
            while (request := channel.receive()) is not None:
                if isinstance(request, Serving):
                    await request.serve(concurrency)
                    continue
                await _answer(channel, workers.bind, workers.each, stop, *request)
    except BaseException as error:
        channel.fail(error)


async def _answer(
    channel: Channel,
    bind: Callable[[Call], Any],
    each: Callable[[Any], Any],
    stop: Sequence[int],
    call: Any,
    share: Sequence[Any] | None,
) -> None:
    try:
        if share is None:
            (result,) = await each(call)
        else:
            result = await bind(call)(Share(share, stop))
    except BaseException as error:
        channel.fail(error)
    else:
        channel.reply(result)
