"""Schedulers: connect to one, start one here for `local:N`, and find the workers that can take blocks."""

from __future__ import annotations

import json
import logging
import os
import platform
import sys
import warnings
from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import cloudpickle
from distributed import Client
from distributed.comm.core import CommClosedError
from distributed.versions import VersionMismatchWarning

from ..errors import BadInput
from ..machine import host as machine
from ..supervisor.environment import RunnerEnvironment

CONNECT_S = 5.0  # how long to wait for a scheduler

ANSWER_S = 10.0  # how long a worker may take to report its versions

MOST_HERE = 64  # the most workers of `local:N`

RESOURCE = "MACHINE"  # the Dask resource of workers that take blocks; each of them has one

LOCAL_SCHEDULER = ("--port", "0", "--host", "127.0.0.1", "--no-dashboard", "--scheduler-file")
LOCAL_WORKER = ("--no-nanny", "--no-dashboard", "--nthreads", "1", "--resources", f"{RESOURCE}=1")
WORKER = f'dask worker ADDRESS --nworkers 1 --nthreads 1 --resources "{RESOURCE}=1"'

cloudpickle.register_pickle_by_value(machine)
logging.getLogger("distributed").setLevel(logging.CRITICAL)  # errors that matter are reported by this package


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Any]:
    """Yield a client; raises BadInput when the scheduler can't be reached."""
    client: Any = None  # its methods are coroutines here, unlike in its types
    try:
        try:
            client = Client(address, asynchronous=True, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]  # like the whole package
            with anyio.fail_after(CONNECT_S), warnings.catch_warnings():
                warnings.simplefilter("ignore", VersionMismatchWarning)  # `refusal_of` checks the versions
                await client
        except Exception as error:  # of sockets, TLS or addresses: distributed passes all of them on
            raise _unreachable(address, error) from None
        yield client
    finally:
        if client is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(3), suppress(Exception):
                await client.close(timeout=2)


def _unreachable(address: str, error: Exception) -> BadInput:
    reason = " ".join(str(error).split()) or f"no answer within {CONNECT_S:g} s"
    if address.startswith("tls:"):
        remedy = "set distributed.comm.tls in Dask's configuration to this cluster's files, see docs/cluster.md"
    elif any(isinstance(cause, CommClosedError) for cause in _causes(error)):
        reason = "the scheduler closed the connection"
        remedy = "for TLS use tls://HOST:PORT"
    else:
        remedy = "start one with `dask scheduler`, and name the address that it prints"
    return BadInput(f"cannot reach a scheduler at {address}: {reason}", where="--cluster", remedy=remedy)


def _causes(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and the chain of its causes."""
    found: BaseException | None = error
    while found is not None:
        yield found
        found = found.__cause__ or found.__context__


@asynccontextmanager
async def local_cluster(runner_env: RunnerEnvironment, count: int) -> AsyncIterator[str | None]:
    """Yield the address of a new scheduler with `count` workers, owned by the reaper; None for a count of 0."""
    if not count:
        yield None
        return
    file = runner_env.scratch / "scheduler.json"
    try:
        scheduler = _start(runner_env, "dask_scheduler", *LOCAL_SCHEDULER, str(file))
        while not file.exists() or not file.read_text().endswith("}"):
            await anyio.sleep(0.05)
            if (status := runner_env.reaper.status(scheduler, timeout_s=0)) is not None:
                what = f"the local scheduler ended with status {status} at its start"
                raise BadInput(what, where="--cluster", remedy="run `dask scheduler` to see the reason")
        address = json.loads(file.read_text())["address"]
        for number in range(1, count + 1):
            place = "--name", f"local-{number}", "--local-directory", str(runner_env.temporary)
            _start(runner_env, "dask_worker", address, *LOCAL_WORKER, *place)
        yield address
    finally:
        with anyio.CancelScope(shield=True):
            await anyio.to_thread.run_sync(runner_env.reaper.sweep)


def _start(runner_env: RunnerEnvironment, module: str, *arguments: str) -> int:
    command = [sys.executable, "-m", f"distributed.cli.{module}", *arguments]
    with Path(os.devnull).open("r+b", buffering=0) as file:
        null = file.fileno()
        return runner_env.reaper.start(command, dict(os.environ), (null, null, null), {})


async def survey(address: str) -> int:
    """Return the smallest number of cores of a host; raises BadInput when no worker can take blocks."""
    async with connected(address) as client:
        workers = await workers_of(client)
        refused = {each: await refusal_of(client, each) for each in workers}
        fitting = [each for each, why in refused.items() if why is None]
        if not fitting:
            raise no_worker(address, filter(None, refused.values()))
        found = await client.run(lambda: machine.effective_cores(), workers=fitting, on_error="ignore")
        if not found:
            raise no_worker(address, [f"worker {each} does not answer" for each in fitting])
        return min(map(int, found.values()))


async def workers_of(client: Any) -> dict[str, Mapping[str, Any]]:
    """Return the workers that can take blocks, by their addresses."""
    cluster = await client.scheduler.identity(n_workers=-1)
    found = {address: about for address, about in cluster["workers"].items() if about["resources"].get(RESOURCE)}
    return dict(sorted(found.items()))


async def refusal_of(client: Any, address: str) -> str | None:
    """Return why a worker can't take part in any experiment: it does not answer, or runs another Python version."""
    try:
        with anyio.fail_after(ANSWER_S):
            answers = await client.scheduler.broadcast(msg={"op": "versions", "packages": []}, workers=[address])
        about = answers[address]
    except Exception as error:  # it may hang, be unreachable or gone, in many ways
        return f"worker {address} does not answer{f': {error}' if str(error) else ''}"
    there, here = about["host"]["python"], platform.python_version()
    if there.split(".")[:2] == here.split(".")[:2]:
        return None
    return f"worker {address} runs Python {there.removesuffix('.final.0')}, and this program {here}"


def no_worker(address: str, reasons: Iterable[str]) -> BadInput:
    """Return the error for a cluster without a usable worker, with the reason for each worker that is there."""
    why = "; ".join(reasons)
    what = f"no worker at {address} can take blocks: {why}" if why else f"no worker at {address} has a {RESOURCE}"
    remedy = "correct this, and restart the workers" if why else f"start one on each host: {WORKER}"
    return BadInput(what, where="--cluster", remedy=remedy)


@dataclass(frozen=True)
class Cluster:
    """The value of `--cluster`: the address of a scheduler, or the number of workers of `local:N`."""

    name: str
    workers_here: int = 0

    def cores(self) -> int:
        """Return the number of cores that every host has; raises BadInput."""
        return machine.effective_cores() if self.workers_here else anyio.run(survey, self.name)


def parse_address(cluster: str) -> Cluster:
    """Return the cluster at an address; raises BadInput."""
    kind, _, rest = cluster.partition(":")
    if kind == "local" and rest.isdigit() and 1 <= int(rest) <= MOST_HERE:
        return Cluster(cluster, int(rest))
    if kind == "local" or "://" not in cluster:
        what = f'no cluster "{cluster}"'
        raise BadInput(what, where="--cluster", remedy=f"name tcp://HOST:PORT, or local:N with N up to {MOST_HERE}")
    return Cluster(cluster)
