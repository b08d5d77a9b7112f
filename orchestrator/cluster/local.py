"""A trial cluster: a scheduler and workers on this machine, owned by the reaper as runners are."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

import anyio
import anyio.to_thread

from ..errors import BadInput
from ..supervisor.environment import RunnerEnvironment

MOST = 64

RESOURCE = "MACHINE"
"""The Dask resource of workers that take blocks; each of them has one."""

SCHEDULER = ("--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file")
WORKER = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--resources", f"{RESOURCE}=1")


@asynccontextmanager
async def trial_cluster(runner_env: RunnerEnvironment, count: int) -> AsyncIterator[str | None]:
    """Yield the address of a new scheduler with `count` workers, None for a count of 0; ends them all."""
    if not count:
        yield None
        return
    file = runner_env.scratch / "scheduler.json"
    try:
        scheduler = _start(runner_env, "dask_scheduler", *SCHEDULER, str(file))
        while not file.exists() or not file.read_text().endswith("}"):
            await anyio.sleep(0.05)
            if (status := runner_env.reaper.status(scheduler, timeout_s=0)) is not None:
                what = f"the local scheduler ended with status {status} at its start"
                raise BadInput(what, where="--cluster", remedy="run `dask scheduler` to see the reason")
        address = json.loads(file.read_text())["address"]
        for number in range(1, count + 1):
            _start(
                runner_env,
                "dask_worker",
                address,
                "--name",
                f"local-{number}",
                *WORKER,
                "--local-directory",
                str(runner_env.temporary),
            )
        yield address
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(runner_env.reaper.sweep)


def _start(runner_env: RunnerEnvironment, module: str, *arguments: str) -> int:
    command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
    with ExitStack() as opened:
        null = os.open(os.devnull, os.O_RDWR | os.O_CLOEXEC)
        opened.callback(os.close, null)
        return runner_env.reaper.start(command, dict(os.environ), (null, null, null), {})
