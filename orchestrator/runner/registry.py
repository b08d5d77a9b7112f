"""The concurrency models by name; only the one that is used is imported.

A model is a module of this package with

- `SUMMARY`: one line for the user;
- `FORMS`: the forms of the workload that it can run, best first: `"async_call"`, `"call"`;
- `WORKERS`: whether it has a number of workers: `"none"`, as many as are `"asked"` for, or one `"per_task"`, which is
  started for a call and ends with it;
- `OPTIONS`: the options of the spec that it knows;
- `needs(options) -> Needs`: what it needs with them; raises `Conflict` for options that exclude each other;
- `prepare(options)`, if need be: changes the process before the workload is imported;
- `unavailable(options) -> Problem | None`, if need be: why this interpreter can't run it, beside missing packages;
- `open(call, workers, options, initializer)`: an async context manager that starts the workers and yields `Workers`.

Heavy imports belong inside `open`, because loading a spec reads `OPTIONS` of every model. On failure, a model must:

- raise the exception of a call, SystemExit too, unchanged from `run`, and begin no other call;
- raise the exception of `initializer` from `open`, without waiting for a worker that never came up;
- raise `WorkerLost` when a worker has died, and `WrongResults` when a result can't be read.

The runner ends after a failure: a model need not recover for a next batch, only let `open` be left.

Without an event loop (`Needs.loop` is None), `run` and `each` may block their thread.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence, Set
from contextlib import AbstractAsyncContextManager
from functools import partial
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

from .call import Call
from .problem import Problem

if TYPE_CHECKING:
    from typing import Protocol

    class Future(Protocol):
        """What `concurrent.futures.Future` and `asyncio.Task` have in common."""

        def add_done_callback(self, function: Callable[[Any], object], /) -> None: ...

        def cancel(self) -> bool: ...

        def cancelled(self) -> bool: ...

        def done(self) -> bool: ...

        def exception(self) -> BaseException | None: ...

        def result(self) -> Any: ...


STANDARD = (
    "sequential",
    "event_loop",
    "threads",
    "thread_per_task",
    "interpreters",
    "processes",
    "process_per_task",
)
"""Models that need nothing but Python and have workers of one kind: `advise` compares these."""

FOR_COROUTINES = (*STANDARD, "processes_of_loops")
"""Those that it considers for a coroutine function, which one event loop can't run on several cores."""

NAMES = (
    *STANDARD,
    "loky",
    "joblib",
    "mpire",
    "gevent",
    "threads_of_loops",
    "interpreters_of_loops",
    "processes_of_threads",
    "processes_of_loops",
    "dask",
)
"""All models, the simplest first: of models that tie, the first is recommended."""

WorkerMode = Literal["none", "asked", "per_task"]

LOOPS: tuple[str, ...] = ("asyncio", "uvloop", "trio")

Options = Mapping[str, Any]

Initializer = partial[Any] | None
"""What every worker runs before its first call."""

RunBatch = Callable[[Sequence[int]], Awaitable[list[Any]]]

Each = Callable[[Callable[[], Any]], Awaitable[list[Any]]]
"""`each(function)` calls a function once in every worker, at the same moment, and returns the results."""

Submit = Callable[[Callable[[Any], Any], Any], "Future"]
"""`submit(function, item)` gives a model one call of a function, or of a coroutine function, and returns its future.

It does not wait for a worker; the model makes calls in the order in which they came. Cancelling the future ends a
coroutine and drops a call that has not begun; one that has begun in a thread or a process goes on.
"""


class WrongResults(Exception):
    """Results that differ from those of another variant, or that can't be read or compared."""


class Unreadable(WrongResults):
    """A result that can't be unpickled, with the reason; "" if that is not known."""

    def __str__(self) -> str:
        return f"a result can't be unpickled{f': {self.args[0]}' if self.args[0] else ''}"


class WorkerLost(Exception):
    """A worker has ended without an answer; the text states how."""


def ended_as(status: Any) -> str:
    """Return how a worker has ended, from its exit code: by a signal where that is negative."""
    import signal

    known = {-number: number.name for number in signal.Signals}
    if status in known:
        return f"a worker was killed by {known[status]}"
    return f"a worker ended with status {status} and no answer"


class Conflict(Exception):
    """Options that exclude each other: the one to change, and the problem."""

    def __init__(self, option: str, what: str, remedy: str) -> None:
        super().__init__(f"{option}: {what}; {remedy}")
        self.option = option
        self.problem = Problem("options_exclude", what, remedy)


class Needs(NamedTuple):
    """What a model needs with certain options.

    `loop` is the event loop that the runner must run. `modules` are imported by `open`; the runner loads them before
    it times the start-up. `packages` are the distributions to install beside anyio. `pickler` is the module that
    pickles calls and results, where they cross a process or an interpreter. `per_worker` is the number of calls that
    one worker has in flight. `pool` is the model that keeps such workers, for a model that starts them per task.
    `submits` is whether it takes calls one at a time: then its `Workers` have `submit`.
    `yields` is whether the calls share a thread, and a plain function lets others run while it waits.
    """

    loop: str | None = None
    modules: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    pickler: str | None = None
    per_worker: int = 1
    pool: str | None = None
    submits: bool = False
    yields: bool = False

    @property
    def pickles(self) -> bool:
        """Whether calls and results are pickled."""
        return self.pickler is not None


class Option(NamedTuple):
    """What the spec may say for one option: one of `choices`, or an integer of at least `minimum`."""

    help: str
    default: str | int | None = None
    choices: tuple[str, ...] = ()
    minimum: int | None = None


class Workers(NamedTuple):
    """Workers that are up.

    `bind(call)` returns `run(items)`, which makes one `call` per item and returns the results in the order of the
    items. A worker without an event loop or greenlets makes one call at a time. An exception of the workload is raised
    unchanged. `call` is the one that the model was opened with, or that one with stamps around it (`stamps`).

    `each(function)` calls `function` once in every worker at the same moment and returns the results: for warm-ups, and
    to identify the workers. A model with a worker per task starts one for it. `facts` are what only the model knows,
    such as the start method in use and the modules that were patched. `far_cpu_ns()` is the CPU time of workers that
    have ended and were no children of this process: the system does not count it as this process's own. `submit` takes
    one call at a time, for arrivals; it is None where the model takes batches only.
    """

    bind: Callable[[Call], RunBatch]
    each: Each
    facts: dict[str, Any] = {}
    far_cpu_ns: Callable[[], int] = int
    submit: Submit | None = None


class Opened(NamedTuple):
    """A model whose workers are up.

    `mode` is how it counts its workers, and `pickles` whether calls are pickled for them. `machinery` are the threads
    of this process that came with the model and not with the workload.
    """

    workers: Workers
    mode: WorkerMode
    pickles: bool
    machinery: Set[int] = frozenset()

    @property
    def per_task(self) -> bool:
        """Whether a worker ends with its task."""
        return self.mode == "per_task"


def nothing() -> None:
    """Do nothing: a worker that has called this is up."""


if TYPE_CHECKING:

    class Model(Protocol):
        SUMMARY: str
        FORMS: tuple[str, ...]
        WORKERS: WorkerMode
        OPTIONS: dict[str, Option]

        def needs(self, options: Options) -> Needs: ...

        def open(
            self, call: Call, workers: int, options: Options, initializer: Initializer
        ) -> AbstractAsyncContextManager[Workers]: ...


def load(name: str) -> Model:
    """Return the model called `name`, one of `NAMES`."""
    module: Any = importlib.import_module(f"{__package__}.models.{name}")
    return module  # type: ignore[no-any-return]  # a module satisfies the protocol; mypy can't see it through Any


def unavailable(name: str, options: Options) -> Problem | None:
    """Return why this interpreter can't run a model with some options, None if it can; raises Conflict."""
    model = load(name)
    packages = model.needs(options).packages
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        what = f"{' and '.join(missing)} can't be imported"
        return Problem("package_missing", what, f"install it: {_installing(' '.join(missing))}")
    return model.unavailable(options) if hasattr(model, "unavailable") else None


def no_arrivals(name: str, options: Options) -> Problem | None:
    """Return why a model with some options can't serve calls that arrive one at a time, None if it can."""
    if load(name).needs(options).submits:
        return None
    return Problem("batches_only", f"{name} takes calls in batches only", "leave it out, or give `tasks` for batches")


def _installing(packages: str) -> str:
    """Return the command that installs packages, in a new environment where the system manages this interpreter."""
    import os
    import sysconfig

    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {sys.executable} {packages}"
    if sys.prefix == sys.base_prefix and os.path.exists(f"{sysconfig.get_path('stdlib')}/EXTERNALLY-MANAGED"):
        env = f"{sys.executable} -m venv env && env/bin/python -m pip install {packages}"
        return f"{env}, then name env/bin/python"
    return f"{sys.executable} -m pip install {packages}"
