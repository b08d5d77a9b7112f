"""Threads with an event loop each, which runs many coroutines; without a GIL the loops run in parallel."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import asynccontextmanager, contextmanager
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..registry import LOOPS, Initializer, Needs, Option, Options, WorkerMode, Workers
from . import event_loop, loop_worker

if TYPE_CHECKING:
    from concurrent.futures import Future
    from queue import SimpleQueue

    Answers = SimpleQueue[tuple[int, bool, Any]]


SUMMARY = "one threading.Thread per worker, with an event loop in each; each gets its share of the batch"
FORMS: tuple[str, ...] = ("async_call", "call")
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "concurrency": Option("calls in flight in each thread", default=loop_worker.CONCURRENCY, minimum=1),
    "loop": Option("the event loop in each thread [default: asyncio]", choices=LOOPS),
}


def needs(options: Options) -> Needs:
    """Return what the model needs: no loop in the runner, but the packages of the workers' loops."""
    inner = event_loop.needs(options)
    modules = ("queue", "threading", *inner.modules)
    return Needs(
        modules=modules,
        packages=inner.packages,
        per_worker=loop_worker.concurrency(options),
        submits=inner.submits,
    )


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield `workers` threads with a running loop, each of which has run `initializer`."""
    loop = options.get("loop") or "asyncio"
    with _threads(workers, loop, call, loop_worker.concurrency(options), initializer) as team:
        submit = team.submit if needs(options).submits else None
        yield Workers(*loop_worker.sharing(team.ask, workers), submit=submit)


@contextmanager
def _threads(count: int, *arguments: Any) -> Iterator[_Team]:
    """Yield the threads, each with a loop."""
    from queue import SimpleQueue
    from threading import Thread

    answers: Answers = SimpleQueue()
    stop = bytearray(1)
    channels = [_Channel(place, answers) for place in range(count)]
    threads = [Thread(target=loop_worker.work, args=(channel, *arguments, stop)) for channel in channels]
    team = _Team(channels, answers)
    started: list[Thread] = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
        _collected(answers, count)
        yield team
    except BaseException:
        stop[0] = 1
        raise
    finally:
        team.take_batches()
        for channel in channels:
            channel.requests.put(None)
        for thread in started:
            thread.join()


class _Team:
    """The threads of the model: they take batches, or one call at a time in turn."""

    def __init__(self, channels: Sequence[_Channel], answers: Answers) -> None:
        self._channels, self._answers = channels, answers
        self._serving: list[loop_worker.Serving] = []
        self._submitted = 0

    def ask(self, requests: Sequence[Any]) -> list[Any]:
        """Send one request to each of the first threads, as `fleet.fleet` does, and return their answers."""
        self.take_batches()
        for channel, request in zip(self._channels, requests):
            channel.requests.put(request)
        return _collected(self._answers, len(requests))

    def submit(self, function: Callable[[Any], Any], item: Any) -> Future[Any]:
        """Give one call to the next thread."""
        if not self._serving:
            self._serving = [loop_worker.Serving() for _ in self._channels]
            for channel, serving in zip(self._channels, self._serving):
                channel.requests.put(serving)
        self._submitted += 1
        return self._serving[self._submitted % len(self._serving)].submit(function, item)

    def take_batches(self) -> None:
        for serving in self._serving:
            serving.end()
        self._serving = []


def _collected(answers: Answers, count: int) -> list[Any]:
    """Return one answer of each of the first `count` workers; raises the first failure at once."""
    results: list[Any] = [None] * count
    for _ in range(count):
        place, good, answer = answers.get()
        if not good:
            raise answer
        results[place] = answer
    return results


class _Channel:
    """A worker's requests, and the answers of all workers; nothing is pickled."""

    def __init__(self, place: int, answers: Answers) -> None:
        from queue import SimpleQueue

        self.requests: SimpleQueue[Any] = SimpleQueue()
        self._place, self._answers = place, answers

    def receive(self) -> Any:
        return self.requests.get()

    def reply(self, result: Any) -> None:
        self._answers.put((self._place, True, result))

    def fail(self, error: BaseException) -> None:
        self._answers.put((self._place, False, error))
