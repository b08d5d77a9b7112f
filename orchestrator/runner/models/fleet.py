"""Standing worker processes, each with a pipe: one request to each, one answer from each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..error_text import named
from ..registry import RunBatch, Unreadable, WorkerLost, ended_as

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess
    from threading import Thread

    Member = tuple[BaseProcess | Thread, Connection]
    """A worker, and this program's end of its pipe."""

MODULES = ("multiprocessing.connection", "multiprocessing.forkserver", "multiprocessing.pool")

Ask = Callable[[Sequence[Any]], "list[Any]"]


def reply(sender: Connection, function: Callable[[], Any]) -> None:
    """Send what a function returns, or what it raises."""
    try:
        sender.send((True, function()))
    except BaseException as error:
        reply_failure(sender, error)


def reply_failure(sender: Connection, error: BaseException) -> None:
    """Send an exception with its traceback, or why it can't be sent."""
    from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]  # typeshed leaves it out

    try:
        sender.send((False, ExceptionWithTraceback(error, error.__traceback__)))
    except Exception as unsendable:
        sender.send((False, ExceptionWithTraceback(unsendable, unsendable.__traceback__)))


class Channel:
    """A worker's end of its pipe, for `loop_worker`."""

    def __init__(self, connection: Connection) -> None:
        self._connection = connection

    def receive(self) -> Any:
        return self._connection.recv()

    def reply(self, result: Any) -> None:
        reply(self._connection, lambda: result)

    def fail(self, error: BaseException) -> None:
        reply_failure(self._connection, error)


def answer(worker: BaseProcess | Thread, connection: Connection) -> Any:
    """Return what a worker has replied; raises what it raised, WorkerLost and Unreadable."""
    import pickle

    try:
        data = connection.recv_bytes()
    except (EOFError, OSError):  # OSError: it ended while it sent its answer
        worker.join()
        status = getattr(worker, "exitcode", "unknown")  # of a process
        raise WorkerLost(ended_as(status)) from None
    try:
        good, answer = pickle.loads(data)
    except Exception as error:
        raise Unreadable(named(error)) from error
    if not good:
        raise answer
    return answer


def ask(members: Sequence[Member], requests: Sequence[Any]) -> list[Any]:
    """Send one request to each of the first workers, and return their answers in order; raises the first failure."""
    for (process, connection), request in zip(members, requests):
        try:
            connection.send(request)
        except BrokenPipeError:
            answer(process, connection)
    return answers(members[: len(requests)])


def answers(members: Sequence[Member]) -> list[Any]:
    """Return the next answer of each worker; raises the first failure at once."""
    from multiprocessing.connection import wait

    pending = {connection: place for place, (_, connection) in enumerate(members)}
    results: list[Any] = [None] * len(pending)
    while pending:
        for ready in wait(list(pending)):
            place = pending.pop(ready)  # type: ignore[call-overload]  # typeshed: it may be a socket or a number
            results[place] = answer(*members[place])
    return results


@contextmanager
def fleet(count: int, start_method: str | None, work: Callable[..., None], *arguments: Any) -> Iterator[Ask]:
    """Yield `ask(requests)`, which sends one request to each of the first processes of `count`.

    Each process runs `work(connection, *arguments)`, which replies once when it is ready, then to each request, and
    returns when it receives None. `ask` returns the answers in the order of the requests, and raises the first failure
    at once.
    """
    from multiprocessing import get_context

    context: Any = get_context(start_method)  # typeshed gives the base class no `Process`
    members: list[tuple[BaseProcess, Connection]] = []
    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, *arguments))
            members.append((process, ours))
            process.start()
            theirs.close()  # the worker's copy is then the only one, so end-of-file means that the worker has ended
        answers(members)
        yield partial(ask, members)
        for _, connection in members:
            connection.send(None)
    except BaseException:
        for process, _ in members:
            if process.pid:
                process.kill()
        raise
    finally:
        for process, connection in members:
            if process.pid:
                process.join()
            process.close()
            connection.close()


def sharing(ask: Ask, count: int) -> Callable[[Call], RunBatch]:
    """Return `bind` of `count` workers that `ask` asks; each gets every `count`-th item of a batch, in one request."""

    def bind(call: Call) -> RunBatch:
        async def run(items: Sequence[int]) -> list[Any]:
            requests = [(call, items[first::count]) for first in range(min(count, len(items)))]
            results: list[Any] = [None] * len(items)
            for first, share in enumerate(ask(requests)):
                results[first::count] = share
            return results

        return run

    return bind
