"""The concurrency models, found by name; only the one that is asked for is imported.

A model is a module of this package with

- `SUMMARY`: one line for the user;
- `FORMS`: the forms of the workload that it can run, best first: `"async_call"`, `"call"`;
- `WORKERS`: how many workers it has: `"none"` to speak of, as many as are `"asked"` for, or one `"per_task"`, which is
  started for a call and ends with it;
- `OPTIONS`: the options of the spec that it knows;
- `needs(options) -> Needs`: what it needs with them; raises `Conflict` for options that exclude each other;
- `unavailable(options) -> str | None`: why this interpreter can't run it, and the remedy, beside missing packages;
- `open(call, workers, options, initializer, initargs)`: an async context manager that returns with its workers up and
  yields `Workers`.

Whatever is heavy is imported inside `open`: the spec reads `OPTIONS` of every model. What failures ask of a model:

- an exception of a call, also SystemExit, comes out of `run` as itself, and no call is begun any more;
- an exception of `initializer` comes out of `open`, and nobody is left to wait for a worker that never came up;
- a worker that died is told as `WorkerLost`, and a result that can't be read as `WrongResults`;
- after a failure the runner ends: nothing needs to be made good for a next batch, only `open` to be left.

Where `Needs.loop` is None there is no event loop, and `run` and `each` may block their thread.
"""

from __future__ import annotations

import importlib
import importlib.util
import sys
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING, Any, Literal, NamedTuple

if TYPE_CHECKING:
    from typing import Protocol

    from .call import Call

STANDARD = (
    "sequential",
    "event_loop",
    "threads",
    "thread_per_task",
    "interpreters",
    "processes",
    "process_per_task",
)
"""What needs nothing but Python and has workers of one kind: these are compared where nobody has chosen any."""

NAMES = (
    *STANDARD,
    "loky",
    "joblib",
    "mpire",
    "processes_of_threads",
    "processes_of_loops",
    "dask",
)
"""The simplest first: of models that tie, the first is recommended."""

WorkerMode = Literal["none", "asked", "per_task"]

LOOPS: tuple[str, ...] = ("asyncio", "uvloop", "trio")

RunBatch = Callable[[Sequence[int]], Awaitable[list[Any]]]


class WrongResults(Exception):
    """Results that differ from those of another variant, or that can't be read or compared."""


class WorkerLost(Exception):
    """A worker has ended without an answer; the text says how."""


class Conflict(Exception):
    """Options that exclude each other: the one at fault, what is wrong with it, and the remedy."""

    def __init__(self, option: str, what: str, remedy: str) -> None:
        super().__init__(f"{option}: {what}; {remedy}")
        self.option = option
        self.what = what
        self.remedy = remedy


class Needs(NamedTuple):
    """What a model needs with certain options.

    `loop` is the event loop that must run in the runner; `modules` is what `open` imports, so that it can be loaded
    before the clock of the start-up runs; `packages` are the distributions to be installed, beside anyio; `pickler` is
    the module that calls and results are pickled with, where they cross a process or an interpreter; `per_worker` is
    how many calls a worker that was asked for has in flight; `pool` is the model that keeps such workers, of one that
    starts them for every task.
    """

    loop: str | None = None
    modules: tuple[str, ...] = ()
    packages: tuple[str, ...] = ()
    pickler: str | None = None
    per_worker: int = 1
    pool: str | None = None

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

    def refuse(self, value: object) -> str | None:
        """Return what is wrong with `value`, or None."""
        if self.choices:
            return None if value in self.choices else f"expected one of {', '.join(self.choices)}"
        if isinstance(value, bool) or not isinstance(value, int):
            return "expected a whole number"
        if self.minimum is not None and value < self.minimum:
            return f"expected {self.minimum} or more"
        return None


class Workers(NamedTuple):
    """Workers that are up.

    `bind(call)` returns `run(items)`, which makes one `call` per item, at most one at a time in every worker that is no
    loop, and returns the results in the order of the items; an exception of the workload comes out as itself. `call` is
    the one that the model was opened with, or that one with stamps around it (`stamps`). `each(function)` calls
    `function` once in every worker at the same moment and returns what came back: for warm-ups, for the proof of who
    the workers are; a model with a worker per task starts one for it. `facts` are what only the model can tell for that
    proof, such as the start method that was really used. `far_cpu_ns()` is the CPU time of workers that have ended
    and were no children of this process, which the system does not count as its own.
    """

    bind: Callable[[Call], RunBatch]
    each: Callable[[Callable[[], Any]], Awaitable[list[Any]]]
    facts: dict[str, Any] = {}
    far_cpu_ns: Callable[[], int] = int


def anywhere(options: Mapping[str, Any]) -> str | None:
    """Be the `unavailable` of a model that runs wherever its packages are."""
    return None


def nothing() -> None:
    """Do nothing: what a worker is asked for to see that it is up."""


if TYPE_CHECKING:

    class Model(Protocol):
        SUMMARY: str
        FORMS: tuple[str, ...]
        WORKERS: WorkerMode
        OPTIONS: dict[str, Option]

        def needs(self, options: Mapping[str, Any]) -> Needs: ...

        def unavailable(self, options: Mapping[str, Any]) -> str | None: ...

        def open(
            self,
            call: Call,
            workers: int,
            options: dict[str, Any],
            initializer: Callable[[Any], object] | None,
            initargs: Any,
        ) -> AbstractAsyncContextManager[Workers]: ...


def load(name: str) -> Model:
    """Return the model called `name`, one of `NAMES`."""
    module: Any = importlib.import_module(f"{__package__}.models.{name}")
    return module  # type: ignore[no-any-return]  # a module satisfies the protocol; mypy can't see it through Any


def unavailable(name: str, options: Mapping[str, Any]) -> str | None:
    """Return why this interpreter can't run a model with some options, and the remedy, parted by "; "; None if it can.

    Raises `Conflict`.
    """
    model = load(name)
    packages = model.needs(options).packages
    missing = [package for package in packages if importlib.util.find_spec(package) is None]
    if missing:
        return f"{' and '.join(missing)} can't be imported; install it: {_installing(' '.join(missing))}"
    return model.unavailable(options)


def _installing(packages: str) -> str:
    """Return the command that installs packages for this interpreter; beside it, where a system keeps it to itself."""
    import os
    import sysconfig

    if importlib.util.find_spec("pip") is None:
        return f"uv pip install --python {sys.executable} {packages}"
    if sys.prefix == sys.base_prefix and os.path.exists(f"{sysconfig.get_path('stdlib')}/EXTERNALLY-MANAGED"):
        env = f"{sys.executable} -m venv env && env/bin/python -m pip install {packages}"
        return f"{env}, then name env/bin/python"
    return f"{sys.executable} -m pip install {packages}"
