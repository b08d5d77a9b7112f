"""A process for every task, as tutorials do it: all are started, then joined; nothing is kept for the next batch."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import TYPE_CHECKING, Any

from . import Count, Needs, Option, Run, Workers, fleet, processes

if TYPE_CHECKING:
    from multiprocessing.connection import Connection
    from multiprocessing.process import BaseProcess

    from ..call import Call

SUMMARY = "multiprocessing.Process for every task, all at once, each with a pipe for its result"
RUNS: tuple[str, ...] = ("call",)
WORKERS: Count = "per_task"
OPTIONS: dict[str, Option] = {"start_method": processes.OPTIONS["start_method"]}


def needs(options: Mapping[str, Any]) -> Needs:
    """Tell what the model needs."""
    return Needs(modules=fleet.MODULES, pickler="pickle")


unavailable = processes.unavailable


PIPES = 3
"""Descriptors that a running process takes: of its result, of its end, and of the other way."""


@asynccontextmanager
async def open(
    call: Call,
    workers: int,
    options: dict[str, Any],
    initializer: Callable[[Any], object] | None,
    initargs: Any,
) -> AsyncIterator[Workers]:
    """Yield nothing that stands: a batch starts its processes, each of which runs `initializer` and one call."""
    from multiprocessing import forkserver, get_context

    _make_room(workers)
    context: Any = get_context(options.get("start_method"))  # typeshed gives the base class no `Process`
    start_method = context.get_start_method()
    if start_method == "forkserver":
        forkserver.ensure_running()
    far_cpu_ns = 0

    def start_all(functions: Sequence[tuple[Any, ...]]) -> list[Any]:
        nonlocal far_cpu_ns
        results: list[Any] = []
        working: list[tuple[BaseProcess, Connection]] = []

        def take() -> None:
            nonlocal far_cpu_ns
            result, cpu_ns = fleet.answer(*working[len(results)])
            results.append(result)
            far_cpu_ns += cpu_ns

        try:
            for function, *arguments in functions:
                answers, sender = context.Pipe(duplex=False)
                process = context.Process(target=_work, args=(sender, function, arguments, initializer, initargs))
                working.append((process, answers))
                process.start()
                sender.close()  # the worker's copy is then the only one, and its end tells that the worker is gone
                # what is there already, so that a failure is told before all are started
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

    def bind(call: Call) -> Run:
        plain = call.plain

        async def run(items: Sequence[int]) -> list[Any]:
            return start_all([(plain,)] * len(items) if plain else [(call, item) for item in items])

        return run

    async def each(function: Callable[[], Any]) -> list[Any]:
        return start_all([(function,)])

    # the children of a fork server are not ours: the system does not add their time to ours
    far = (lambda: far_cpu_ns) if start_method == "forkserver" else int
    yield Workers(bind, each, {"actual_start_method": start_method}, far)


def _make_room(processes: int) -> None:
    """Raise the soft limit of open files to what so many processes need; raises ValueError beyond the hard one."""
    try:
        import resource
    except ImportError:  # Windows, which has no such limit
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    needed = PIPES * processes + 256
    if hard != resource.RLIM_INFINITY and needed > hard:
        raise ValueError(
            f"{processes} processes at once need {needed} open files, and {hard} are allowed; "
            "lower `tasks`, or raise the limit (ulimit -n)"
        )
    if soft != resource.RLIM_INFINITY and needed > soft:
        resource.setrlimit(resource.RLIMIT_NOFILE, (needed, hard))


def _work(
    sender: Connection,
    function: Callable[..., Any],
    arguments: Sequence[Any],
    initializer: Callable[[Any], object] | None,
    initargs: Any,
) -> None:
    import time

    def work() -> tuple[Any, int]:
        if initializer:
            initializer(initargs)
        return function(*arguments), time.process_time_ns()

    fleet.reply(sender, work)
