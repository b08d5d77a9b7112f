"""This machine as the only host."""

from __future__ import annotations

import importlib
import resource
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager
from threading import Thread
from typing import TYPE_CHECKING, Any

import anyio
import anyio.to_thread

from ..errors import BadInput
from ..interpreters.probe import Probed, probe
from ..spec.load import Source
from ..spec.plan import Plan
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.interrupt import Interrupt
from .hosts import BlockExecutor, BlockTask, Host

if TYPE_CHECKING:
    from ..journal.event import Event

DESCRIPTORS_OF_A_RUNNER, OWN_DESCRIPTORS = 4, 24
"""Open files: three pipes and the process itself for each runner, and those of this program."""

NEEDED_AFTER_PROBE = ("forecast", "opening", "progress", "conductor", "block")
"""The modules of this package that load numpy, structlog and the events: imported during the probe."""


@asynccontextmanager
async def local_host(
    plan: Plan, source: Source, runner_env: RunnerEnvironment, interrupt: Interrupt
) -> AsyncIterator[tuple[Probed, BlockExecutor]]:
    """Yield what probing the experiment found, and this machine as the executor; raises BadInput and Interrupted."""
    _check_descriptors(plan)
    with _importing(NEEDED_AFTER_PROBE):
        probed = await anyio.to_thread.run_sync(probe, plan, source, runner_env, interrupt)
    yield probed, LocalHost(runner_env, interrupt, probed.pythons)


@contextmanager
def _importing(modules: Sequence[str]) -> Iterator[None]:
    """Import modules of this package in a thread, which has ended when the block ends."""

    def run() -> None:
        for module in modules:
            importlib.import_module(f"{__package__}.{module}")

    thread = Thread(target=run)
    thread.start()
    try:
        yield
    finally:
        thread.join()


class LocalHost:
    """This machine: a block runs in a worker thread, which ends before `run` returns, also when it is cancelled."""

    name: str | None = None
    about: Mapping[str, Any] = {}

    def __init__(self, runner_env: RunnerEnvironment, interrupt: Interrupt, pythons: Mapping[str, str]) -> None:
        self._runner_env = runner_env
        self._interrupt = interrupt
        self._pythons = pythons
        self._is_taken = False

    async def next_host(self) -> Host | None:
        was_taken, self._is_taken = self._is_taken, True
        return None if was_taken else self

    async def run(self, task: BlockTask, notify: Callable[[str], None]) -> list[Event]:
        from . import block

        async def interrupt_when_cancelled() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                if not done:
                    self._interrupt.set()

        done = False
        failed: list[Exception] = []  # raised after the group, which would wrap it
        async with anyio.create_task_group() as group:
            group.start_soon(interrupt_when_cancelled)
            try:
                events = await anyio.to_thread.run_sync(
                    block.execute, task, self._runner_env, self._interrupt, self._pythons, notify
                )
            except Exception as error:
                failed.append(error)
            finally:
                done = True
                group.cancel_scope.cancel()
        if failed:
            raise failed[0]
        return events


def _check_descriptors(plan: Plan) -> None:
    """Raise BadInput when the limit on open files is below what the runners of a block need."""
    needed = DESCRIPTORS_OF_A_RUNNER * (len(plan.variants) + 1) + OWN_DESCRIPTORS
    allowed = resource.getrlimit(resource.RLIMIT_NOFILE)[0]
    if allowed < needed:
        what = f"{len(plan.variants)} variants at once need {needed} open files, and the limit is {allowed}"
        raise BadInput(what, remedy=f"raise it with `ulimit -n {needed}`, or compare fewer variants")
