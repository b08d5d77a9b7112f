"""`joblib.Parallel`, with loky's processes or threads; it sends short calls in batches."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

from ..call import Call
from ..registry import Initializer, Needs, Option, Options, RunBatch, WorkerMode, Workers
from . import loky, processes
from .remote import Imported, beginning, meeting

SUMMARY = "joblib.Parallel, which sends short calls in batches"
FORMS: tuple[str, ...] = ("call",)
WORKERS: WorkerMode = "asked"
OPTIONS: dict[str, Option] = {
    "backend": Option("kind of workers: processes of loky, or threads [default: loky]", choices=("loky", "threading")),
    "batch_size": Option("calls sent to a worker at once [default: chosen by joblib]", minimum=1),
}

unavailable = processes.unavailable


def needs(options: Options) -> Needs:
    pickler = None if options.get("backend") == "threading" else "cloudpickle"
    return Needs(modules=("joblib",), packages=("joblib",), pickler=pickler)


@asynccontextmanager
async def open(call: Call, workers: int, options: Options, initializer: Initializer) -> AsyncIterator[Workers]:
    """Yield `workers` processes or threads, each of which has imported the workload and run `initializer`."""
    from joblib import Parallel, delayed  # type: ignore[import-untyped]

    backend = options.get("backend", "loky")
    batch_size = options.get("batch_size", "auto")

    def begun(function: Callable[..., Any]) -> Any:
        return delayed(beginning(function, initializer))

    with loky.losses_named(), Parallel(n_jobs=workers, backend=backend, batch_size=batch_size) as parallel:

        def bind(call: Call) -> RunBatch:
            one = begun(call.one)
            plain = call.plain and begun(call.plain)

            async def run(items: Sequence[int]) -> list[Any]:
                if plain:
                    return list(parallel(plain() for _ in items))
                return list(parallel(one(item) for item in items))

            return run

        async def each(function: Callable[[], Any]) -> list[Any]:
            parallel.batch_size = 1  # calls that wait for each other must not share a batch
            try:
                with meeting(workers, function) as together:
                    return list(parallel(begun(together)() for _ in range(workers)))
            finally:
                parallel.batch_size = batch_size

        await each(Imported(call.function))
        yield Workers(bind, each, {"actual_start_method": "loky"} if backend == "loky" else {})
