"""A cluster of dask.distributed on this machine, with an asynchronous client."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..call import Call
from ..registry import Initializer, Needs, Option, Options, RunBatch, WorkerLost, WorkerMode, Workers
from .remote import Escaping, Imported, beginning, meeting, unwrapped

SUMMARY = "dask.distributed.LocalCluster with an asynchronous client"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "pool": Option(
        "kind of workers: processes, or threads of the runner [default: processes]", choices=("processes", "threads")
    )
}

LOOPBACK = "127.0.0.1:0"  # of HTTP servers, which else listen on all interfaces

CONFIG = {
    "distributed.scheduler.allowed-failures": 0,  # the call of a worker that has died is not retried
    "distributed.worker.profile.enabled": False,  # else the profiler would be measured with the calls
    "distributed.admin.tick.interval": "10s",
}


def needs(options: Options) -> Needs:
    # dask pickles calls for threads, too
    return Needs("asyncio", ("distributed",), ("distributed",), pickler="cloudpickle")


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield a cluster of `workers` processes with one thread each, or one process with `workers` threads."""
    import dask
    from distributed import Client, LocalCluster
    from distributed.scheduler import KilledWorker

    make_cluster: Any = LocalCluster  # not typed
    make_client: Any = Client

    threads = options.get("pool") == "threads"
    size = (
        {"n_workers": 1, "threads_per_worker": workers, "processes": False, "worker_dashboard_address": LOOPBACK}
        if threads
        else {"n_workers": workers, "threads_per_worker": 1, "processes": True}
    )

    def begun(function: Callable[..., Any]) -> Callable[..., Any]:
        return Escaping(beginning(function, initializer))

    seed = {
        "distributed.nanny.pre-spawn-environ.PYTHONHASHSEED": os.environ["PYTHONHASHSEED"]
    }  # dask would set its own
    with dask.config.set(CONFIG | seed):
        async with (
            make_cluster(**size, asynchronous=True, dashboard_address=LOOPBACK) as cluster,
            make_client(cluster, asynchronous=True, set_as_default=False) as client,
        ):
            addresses = [worker.worker_address for worker in cluster.workers.values()]

            async def gather(futures: list[Any]) -> list[Any]:
                try:
                    return [unwrapped(result) for result in await client.gather(futures)]
                except KilledWorker as error:
                    raise WorkerLost(str(error)) from error

            def bind(call: Call) -> RunBatch:
                one = begun(call.one)
                plain = call.plain and begun(call.plain)

                async def run(items: Sequence[int]) -> list[Any]:
                    if plain:
                        return await gather([client.submit(plain, pure=False) for _ in items])
                    return await gather(client.map(one, items, pure=False))

                return run

            async def each(function: Callable[[], Any]) -> list[Any]:
                with meeting(workers, function) as together:
                    one = begun(together)
                    places = addresses * (workers // len(addresses))
                    return await gather([client.submit(one, workers=[place], pure=False) for place in places])

            await each(Imported(call.function))
            yield Workers(bind, each)
