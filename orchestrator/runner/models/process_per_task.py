"""One process per task, as in tutorials: all are started, then joined; none is kept."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from .. import fd_limit
from ..call import Call
from ..registry import Initializer, Needs, Option, Options, RunBatch, WorkerMode, Workers
from . import fleet, processes

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess


SUMMARY = "one multiprocessing.Process per task, all at once, each with a pipe for its result"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "per_task"
OPTIONS: dict[str, Option] = {"start_method": processes.OPTIONS["start_method"]}


def needs(options: Options) -> Needs:
    return Needs(modules=fleet.MODULES, pickler="pickle", pool="processes")


unavailable = processes.unavailable


PIPES = 3  # descriptors per running process: of its result, of its end, and the other end of the pipe


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield no standing workers: each process of a batch runs `initializer` and one call."""
    from multiprocessing import forkserver, get_context

    needed = PIPES * workers + 256
    if (most := fd_limit.raise_to(needed)) is not None:
        raise ValueError(
            f"{workers} processes at once need {needed} open files, and {most} are allowed; "
            "lower `tasks`, or raise the limit (ulimit -n)"
        )
    context: Any = get_context(options.get("start_method"))  # typeshed gives the base class no `Process`
    start_method = context.get_start_method()
    if start_method == "forkserver":
        forkserver.ensure_running()
    started = _Started(context, initializer)

    def bind(call: Call) -> RunBatch:
        plain, one = call.plain, call.one

        async def run(items: Sequence[int]) -> list[Any]:
            return started.results([(plain,)] * len(items) if plain else [(one, item) for item in items])

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        return started.results([(function,)])

    # the children of a fork server are not this process's: the system does not add their CPU time to its own
    far = (lambda: started.cpu_ns) if start_method == "forkserver" else int
    yield Workers(bind, each, {"actual_start_method": start_method}, far)


class _Started:
    """One process per call of a batch; `cpu_ns` is the CPU time of the processes that have ended."""

    def __init__(self, context: Any, initializer: Initializer) -> None:
        self._context = context
        self._initializer = initializer
        self.cpu_ns = 0

    def results(self, functions: Sequence[tuple[Any, ...]]) -> list[Any]:
        """Return the results of functions with their arguments; raises the first exception."""
        results: list[Any] = []
        working: list[tuple[BaseProcess, Connection]] = []

        def take() -> None:
            result, cpu_ns = fleet.answer(*working[len(results)])
            results.append(result)
            self.cpu_ns += cpu_ns

        try:
            for function, *arguments in functions:
                working.append(self._start(function, arguments))
                # take the results that are there, so that a failure is reported before all are started
                while len(results) < len(working) and working[len(results)][1].poll():
                    take()
            while len(results) < len(working):
                take()
        finally:
            for process, answers in working:
                answers.close()
                if process.pid:
                    if len(results) < len(functions):
                        process.kill()
                    process.join()
                process.close()
        return results

    def _start(self, function: Callable[..., Any], arguments: Sequence[Any]) -> tuple[BaseProcess, Connection]:
        answers, sender = self._context.Pipe(duplex=False)
        try:
            process = self._context.Process(target=_work, args=(sender, function, arguments, self._initializer))
            process.start()
        except BaseException:
            answers.close()
            raise
        finally:
            sender.close()  # the worker's copy is then the only one, so end-of-file means that the worker has ended
        return process, answers


def _work(sender: Connection, function: Callable[..., Any], arguments: Sequence[Any], initializer: Initializer) -> None:
    import time

    def work() -> tuple[Any, int]:
        if initializer:
            initializer()
        return function(*arguments), time.process_time_ns()

    fleet.reply(sender, work)
