"""Subinterpreters with an event loop each: threads, each with its own GIL, in one process."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from functools import partial
from typing import TYPE_CHECKING, Any

from ..call import Call
from ..registry import Initializer, Needs, Option, Options, WorkerMode, Workers
from . import fleet, interpreters, loop_worker

if TYPE_CHECKING:
    from multiprocessing.connection import Connection

SUMMARY = "one subinterpreter per worker, with an asyncio loop in each; each gets its share of the batch (Python 3.14)"
FORMS: tuple[str, ...] = ("async_call", "call")
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "concurrency": Option("calls in flight in each interpreter", default=loop_worker.CONCURRENCY, minimum=1),
}

unavailable = interpreters.unavailable


def needs(options: Options) -> Needs:
    """Return what the model needs: no loop in the runner."""
    modules = (*fleet.MODULES, "threading", "concurrent.interpreters")
    return Needs(modules=modules, pickler="pickle", per_worker=loop_worker.concurrency(options))


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield `workers` interpreters with a running loop, each of which has run `initializer`."""
    with _interpreters(workers, call, loop_worker.concurrency(options), initializer) as ask:
        yield Workers(*loop_worker.sharing(ask, workers))


@contextmanager
def _interpreters(count: int, call: Call, *arguments: Any) -> Iterator[fleet.Ask]:
    """Yield `ask(requests)`, as `fleet.fleet` does, for interpreters.

    They are asked through pipes: `get` of a queue between interpreters looks for an answer only every 10 ms.
    """
    from multiprocessing.connection import Pipe
    from threading import Thread

    stop = bytearray(1)
    pipes: list[tuple[Connection, Connection]] = [Pipe() for _ in range(count)]
    threads = [Thread(target=_host, args=(theirs, call, arguments, stop)) for _, theirs in pipes]
    members: list[fleet.Member] = [(thread, ours) for thread, (ours, _) in zip(threads, pipes)]
    started: list[Thread] = []
    try:
        for thread in threads:
            thread.start()
            started.append(thread)
        fleet.answers(members)
        yield partial(fleet.ask, members)
    except BaseException:
        stop[0] = 1
        raise
    finally:
        for ours, _ in pipes:
            with suppress(OSError):  # one that failed has closed its end
                ours.send(None)
        for thread in started:
            thread.join()
        for ours, _ in pipes:
            ours.close()


def _host(theirs: Connection, call: Call, arguments: tuple[Any, ...], stop: bytearray) -> None:
    """Run one interpreter in this thread until its requests end."""
    import pickle
    import sys
    from concurrent import interpreters as library  # type: ignore[attr-defined]  # typeshed knows it from 3.14 on

    interpreter = library.create()
    try:
        # a new interpreter has its own import path, and finds no module of the workload before it has this one
        interpreter.exec(f"import sys; sys.path[:] = {sys.path!r}")
        with interpreters.importing(call.function.__module__):
            interpreter.exec(f"import importlib; importlib.import_module({call.function.__module__!r})")
        interpreter.call(_work, theirs.fileno(), pickle.dumps((call, *arguments)), memoryview(stop))
    except BaseException as error:
        fleet.reply_failure(theirs, error)
    finally:
        interpreter.close()
        theirs.close()


def _work(descriptor: int, arguments: bytes, stop: memoryview) -> None:
    import os
    import pickle
    from multiprocessing.connection import Connection

    with Connection(os.dup(descriptor)) as connection:
        call, concurrency, initializer = pickle.loads(arguments)
        loop_worker.work(fleet.Channel(connection), "asyncio", call, concurrency, initializer, stop)
