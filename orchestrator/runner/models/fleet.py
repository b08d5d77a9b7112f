"""Standing processes of our own, each with a pipe: one request to each of them, one answer from each."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from ..registry import WorkerLost, WrongResults

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

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


def answer(process: BaseProcess, answers: Connection) -> Any:
    """Return what a worker has replied; raises what it raised, WorkerLost and WrongResults."""
    import pickle

    try:
        data = answers.recv_bytes()
    except (EOFError, OSError):  # OSError: it ended in the midst of its answer
        process.join()
        raise WorkerLost(f"a worker ended with status {process.exitcode} and no answer") from None
    try:
        good, answer = pickle.loads(data)
    except Exception as error:
        raise WrongResults(f"an answer can't be unpickled: {type(error).__name__}: {error}") from error
    if not good:
        raise answer
    return answer


@contextmanager
def fleet(count: int, start_method: str | None, work: Callable[..., None], *arguments: Any) -> Iterator[Ask]:
    """Yield `ask`, which sends a request to each of so many processes, the first ones if there are fewer requests.

    Each of them runs `work(connection, *arguments)`, which replies once when it is ready, then to each request, and
    returns when there is None to be received. `ask(requests)` returns the answers in the order of the requests, and
    raises the first failure as soon as it is there.
    """
    from multiprocessing import get_context
    from multiprocessing.connection import wait

    context: Any = get_context(start_method)  # typeshed gives the base class no `Process`
    runner_group: list[tuple[BaseProcess, Connection]] = []

    def answered(those: Sequence[tuple[BaseProcess, Connection]]) -> list[Any]:
        pending = {connection: place for place, (_, connection) in enumerate(those)}
        results: list[Any] = [None] * len(those)
        while pending:
            for ready in wait(list(pending)):
                place = pending.pop(ready)  # type: ignore[call-overload]  # typeshed: it may be a socket or a number, too
                results[place] = answer(*those[place])
        return results

    def ask(requests: Sequence[Any]) -> list[Any]:
        those = runner_group[: len(requests)]
        for (process, connection), request in zip(those, requests):
            try:
                connection.send(request)
            except BrokenPipeError:
                answer(process, connection)
        return answered(those)

    try:
        for _ in range(count):
            ours, theirs = context.Pipe()
            process = context.Process(target=work, args=(theirs, *arguments))
            runner_group.append((process, ours))
            process.start()
            theirs.close()  # the worker's copy is then the only one, and its end tells that the worker is gone
        answered(runner_group)
        yield ask
        for _, connection in runner_group:
            connection.send(None)
    except BaseException:
        for process, _ in runner_group:
            if process.pid:
                process.kill()
        raise
    finally:
        for process, connection in runner_group:
            if process.pid:
                process.join()
            process.close()
            connection.close()


def shared(ask: Ask, count: int, items: Sequence[int], request: Callable[[Sequence[int]], Any]) -> list[Any]:
    """Return the results of a batch of which each worker gets every `count`-th item, in one request."""
    shares = [items[first::count] for first in range(min(count, len(items)))]
    results: list[Any] = [None] * len(items)
    for first, share in enumerate(ask([request(share) for share in shares])):
        results[first::count] = share
    return results
