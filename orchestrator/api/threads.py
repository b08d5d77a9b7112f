"""A run in a thread with an event loop of its own, so that it can be asked for where another loop is running."""

from __future__ import annotations

import os
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from contextvars import copy_context
from typing import Generic, TypeVar

import anyio
import anyio.to_thread

from ..engine.signals import Stop
from ..errors import BadInput, Failure
from ..log import as_library
from ..machine import lock

T = TypeVar("T")

LONGEST_END_S = 30.0  # for which a cancelled run is waited for: it kills its runners within one second

Showing = Callable[[], AbstractContextManager[None]]

_showing: Showing = nullcontext


def show_with(showing: Showing) -> None:
    """Let `showing` show how far each further run in its `with` block is, as a notebook does in the cell."""
    global _showing
    _showing = showing


def blocking(work: Callable[[Stop], T]) -> T:
    """Return what `work` returns in a thread of its own.

    Ctrl-C ends it, and is then raised, as are exceptions of other signal handlers; the second one is raised at once.
    Raises what `work` raises.
    """
    task = _Task(work)
    with _showing():
        context = copy_context()
        if sniffio := sys.modules.get("sniffio"):  # no loop runs in the thread, though one may run here
            context.run(sniffio.current_async_library_cvar.set, None)
        thread = threading.Thread(target=context.run, args=(task.run,), name="orchestrator", daemon=True)
        thread.start()
        try:
            task.ended.wait()
        except BaseException:  # Ctrl-C, or what the handler of another signal raises, such as that of pytest-timeout
            task.stop.set()
            task.ended.wait()
            raise
    return task.outcome()


async def awaited(work: Callable[[Stop], T]) -> T:
    """Return what `work` returns in a thread, while the loop runs on; when it is cancelled, `work` is ended first."""
    task = _Task(work)

    async def stop_if_cancelled() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            task.stop.set()

    try:
        with _showing():
            async with anyio.create_task_group() as group:
                group.start_soon(stop_if_cancelled)
                await anyio.to_thread.run_sync(task.run)
                group.cancel_scope.cancel()
    finally:
        task.stop.set()
        if task.has_begun:
            task.ended.wait(LONGEST_END_S)
    return task.outcome()


class _Task(Generic[T]):
    """What runs in a thread, and how it ended."""

    def __init__(self, work: Callable[[Stop], T]) -> None:
        self.stop = Stop()
        self.has_begun = False
        self.ended = threading.Event()
        self._work = work
        self._results: list[T] = []
        self._error: BaseException | None = None

    def run(self) -> None:
        self.has_begun = True
        try:
            with self.stop.heeded(), as_library():
                self._results.append(self._work(self.stop))
        except BaseException as error:
            self._error = error
        finally:
            self.ended.set()

    def outcome(self) -> T:
        """Return the result, or raise the error; the traceback of a failure would only show this program."""
        if isinstance(self._error, Failure):
            raise self._error.with_traceback(None) from None
        if self._error is not None:
            raise self._error
        return self._results[0]


def refuse_in_worker() -> None:
    """Raise BadInput in a runner or in one of its workers: what they time would include another run."""
    if "ORCHESTRATOR_PADDING" in os.environ:
        what = "a run can't begin inside another one: this process is a worker of it"
        raise BadInput(what, remedy='put the call under `if __name__ == "__main__":`, or into a function')


@contextmanager
def machine(wait_s: float, stop: Stop) -> Iterator[Callable[[str], None]]:
    """Hold this machine, as `lock.hold` does; raises Busy with the remedy in Python."""
    with lock.hold(wait_s, 'wait for it: wait="10m"', stop.is_set) as set_holder:
        yield set_holder
