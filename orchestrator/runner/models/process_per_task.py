"""A process for every task, as tutorials do it: all are started, then joined; nothing is kept for the next batch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from . import Count, Option, WorkerLost, Workers, WrongResults, processes

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from ..call import Call

SUMMARY = "multiprocessing.Process for every task, all at once, each with a pipe for its result"
RUNS: tuple[str, ...] = ("call",)
LOOP = False
WORKERS: Count = "per_task"
PICKLES = True
OPTIONS: dict[str, Option] = {"start_method": processes.OPTIONS["start_method"]}
MODULES: tuple[str, ...] = ("multiprocessing.connection", "multiprocessing.pool")

unavailable = processes.unavailable


@asynccontextmanager
async def open(
    call: Call,
    workers: int,
    options: dict[str, Any],
    initializer: Callable[[Any], object] | None,
    initargs: Any,
) -> AsyncIterator[Workers]:
    """Yield nothing that stands: a batch starts its processes, each of which runs `initializer` and one call."""
    from multiprocessing import get_context

    context: Any = get_context(options.get("start_method"))  # typeshed gives the base class no `Process`
    plain = call.plain

    def started(functions: Sequence[tuple[Any, ...]]) -> list[Any]:
        results: list[Any] = []
        working: list[tuple[BaseProcess, Connection]] = []
        try:
            for function, *arguments in functions:
                answers, sender = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(sender, function, arguments, initializer, initargs))
                working.append((process, answers))
                process.start()
                sender.close()  # the worker's copy is then the only one, and its end tells that the worker is gone
                # what is there already, so that a failure is told before all are started
                while len(results) < len(working) and working[len(results)][1].poll():
                    results.append(_answer(*working[len(results)]))
            results += [_answer(*one) for one in working[len(results) :]]
        finally:
            for process, answers in working:
                answers.close()
                if len(results) < len(functions) and process.pid:
                    process.kill()
                if process.pid:
                    process.join()
                process.close()
        return results

    async def run(items: Sequence[int]) -> list[Any]:
        return started([(plain,)] * len(items) if plain else [(call, item) for item in items])

    async def each(function: Callable[[], Any]) -> list[Any]:
        return started([(function,)])

    yield Workers(run, each, {"actual_start_method": context.get_start_method()})


def _work(
    sender: Connection,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    initializer: Callable[[Any], object] | None,
    initargs: Any,
) -> None:
    from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]  # typeshed leaves it out

    try:
        if initializer:
            initializer(initargs)
        sender.send((True, function(*arguments)))
    except BaseException as error:
        try:
            sender.send((False, ExceptionWithTraceback(error, error.__traceback__)))
        except Exception as unsendable:
            sender.send((False, ExceptionWithTraceback(unsendable, unsendable.__traceback__)))


def _answer(process: BaseProcess, answers: Connection) -> Any:
    import pickle

    try:
        answer = answers.recv_bytes()
    except EOFError:
        process.join()
        raise WorkerLost(f"a worker ended with status {process.exitcode} and no answer") from None
    try:
        good, answer = pickle.loads(answer)
    except Exception as error:
        raise WrongResults(f"an answer can't be unpickled: {type(error).__name__}: {error}") from error
    if not good:
        raise answer
    return answer
