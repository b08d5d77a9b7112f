"""What is asked of a scheduler before anything is sent: whether it is there, and which workers can take blocks."""

from __future__ import annotations

import logging
import platform
import warnings
from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from typing import Any

import anyio
import cloudpickle
from distributed import Client
from distributed.versions import VersionMismatchWarning

from ..errors import BadInput
from ..machine import host as machine
from . import local
from .local import RESOURCE

CONNECT_S = 5.0
"""How long a scheduler is waited for."""

ANSWER_S = 10.0
"""How long a worker may take to say what it is."""

WORKER = f'dask worker ADDRESS --nworkers 1 --nthreads 1 --resources "{RESOURCE}=1"'


cloudpickle.register_pickle_by_value(machine)
logging.getLogger("distributed").setLevel(logging.CRITICAL)  # what matters of it is told in our own words


@asynccontextmanager
async def connected(address: str) -> AsyncIterator[Any]:
    """Yield a client; raises BadInput when there is no scheduler, or none that it can talk to."""
    client: Any = None  # its methods are coroutines here, which its types do not tell
    try:
        try:
            client = Client(address, asynchronous=True, timeout=CONNECT_S, set_as_default=False)  # type: ignore[no-untyped-call]  # as is all of it
            with anyio.fail_after(CONNECT_S), warnings.catch_warnings():
                warnings.simplefilter("ignore", VersionMismatchWarning)  # what matters of that is looked at here
                await client
        except Exception as error:  # of sockets, of TLS, of addresses: distributed hands on whatever it meets
            raise _unreachable(address, error) from None
        yield client
    finally:
        if client is not None:
            with anyio.CancelScope(shield=True), anyio.move_on_after(3), suppress(Exception):
                await client.close(timeout=2)


def _unreachable(address: str, error: Exception) -> BadInput:
    reason = " ".join(str(error).split()) or f"no answer within {CONNECT_S:g} s"
    remedy = "start one with `dask scheduler`, and name the address that it tells"
    if address.startswith("tls") or "tls" in reason.lower() or "ssl" in reason.lower():
        remedy = "set distributed.comm.tls in Dask's configuration to this cluster's files, see docs/cluster.md"
    elif "closed" in reason:
        remedy = "somebody is there who does not want to talk: a scheduler with TLS has an address tls://..."
    return BadInput(f"cannot reach a scheduler at {address}: {reason}", where="--cluster", remedy=remedy)


async def survey(address: str) -> int:
    """Return how many cores each host has at least; raises BadInput when no worker there can take blocks."""
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
    """Return the workers that have a machine to themselves, by their addresses."""
    cluster = await client.scheduler.identity(n_workers=-1)
    found = {address: about for address, about in cluster["workers"].items() if about["resources"].get(RESOURCE)}
    return dict(sorted(found.items()))


async def refusal_of(client: Any, address: str) -> str | None:
    """Return why a worker can't take part whatever the experiment: nothing can be sent between different Pythons."""
    try:
        with anyio.fail_after(ANSWER_S):
            answers = await client.scheduler.broadcast(msg={"op": "versions", "packages": []}, workers=[address])
        about = answers[address]
    except Exception as error:  # it may hang, be cut off or gone, in many ways
        return f"worker {address} does not answer{f': {error}' if str(error) else ''}"
    there, here = about["host"]["python"], platform.python_version()
    if there.split(".")[:2] == here.split(".")[:2]:
        return None
    return f"worker {address} runs Python {there.removesuffix('.final.0')}, and this program {here}"


def no_worker(address: str, reasons: Iterable[str]) -> BadInput:
    """Return the error for a cluster where nobody can take blocks, with the reasons of those that are there."""
    why = "; ".join(reasons)
    what = f"no worker at {address} can take blocks: {why}" if why else f"no worker at {address} has a {RESOURCE}"
    remedy = "start them with the same version" if why else f"start one on each host: {WORKER}"
    return BadInput(what, where="--cluster", remedy=remedy)


@dataclass(frozen=True)
class Cluster:
    """What `--cluster` names: the address of a scheduler, or how many workers to start here for `local:N`."""

    name: str
    workers_here: int = 0

    def cores(self) -> int:
        """Return how many cores every host has; raises BadInput."""
        return machine.effective_cores() if self.workers_here else anyio.run(survey, self.name)


def parse_address(cluster: str) -> Cluster:
    """Return the cluster that an address names; raises BadInput."""
    kind, _, rest = cluster.partition(":")
    if kind == "local" and rest.isdigit() and 1 <= int(rest) <= local.MOST:
        return Cluster(cluster, int(rest))
    if kind == "local" or "://" not in cluster:
        what = f'no cluster "{cluster}"'
        raise BadInput(what, where="--cluster", remedy=f"name tcp://HOST:PORT, or local:N with N up to {local.MOST}")
    return Cluster(cluster)
