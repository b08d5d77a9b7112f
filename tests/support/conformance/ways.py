"""The models with their options, and the parameters of tests over them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import pytest

from orchestrator.runner.registry import NAMES, Needs, load, unavailable

PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.13t", "3.14")
START_METHODS = ("fork", "forkserver", "spawn")
WAYS = (
    *NAMES,
    *(f"event_loop:loop={loop}" for loop in ("uvloop", "trio")),
    *(f"event_loop:task_per={task}" for task in ("call", "eager_call")),
    *(f"threads:pool={pool}" for pool in ("futures", "asyncio")),
    *(f"{model}:start_method={method}" for model in ("processes", "process_per_task") for method in START_METHODS),
    *(f"processes:pool={pool}" for pool in ("multiprocessing", "anyio")),
    *(f"{model}:chunksize=2" for model in ("processes", "loky")),
    "threads:switch_interval_us=500",
    "joblib:backend=threading",
    "joblib:batch_size=2",
    "mpire:chunk_size=2",
    *(f"mpire:start_method={method}" for method in ("forkserver", "spawn")),
    *(f"{model}:loop={loop}" for model in ("processes_of_loops", "threads_of_loops") for loop in ("uvloop", "trio")),
    "dask:pool=threads",
)
"""Every model as it is, and with the options that change how it works."""


def parts(way: str) -> tuple[str, dict[str, Any]]:
    """Return the model and the options of a way."""
    model, _, option = way.partition(":")
    name, _, value = option.partition("=")
    return model, {name: int(value) if value.isdigit() else value} if name else {}


def needs(way: str) -> Needs:
    model, options = parts(way)
    return load(model).needs(options)


def base(way: str) -> str:
    return parts(way)[0]


def is_here(way: str) -> bool:
    return unavailable(*parts(way)) is None


def standing(way: str) -> bool:
    return load(base(way)).WORKERS != "per_task"


LOOPS = [way for way in WAYS if base(way) == "event_loop"]
ONE_WORKER = ("sequential", *LOOPS, *(way for way in WAYS if needs(way).yields))
STANDING = [way for way in WAYS if standing(way)]
LOOPLESS = [way for way in WAYS if not (needs(way).loop or needs(way).packages or base(way).endswith("_of_loops"))]
PER_TASK = [way for way in WAYS if not standing(way)]
HERE_TOO = [way for way in WAYS if is_here(way)]
SENDING = [way for way in WAYS if needs(way).pickles]
OTHER_PROCESSES = [way for way in SENDING if way not in ("interpreters", "interpreters_of_loops", "dask:pool=threads")]
ALONE = {"processes_of_threads": {"threads": 1}} | {
    name: {"concurrency": 1} for name in NAMES if "concurrency" in load(name).OPTIONS
}
"""One call at a time in each of their workers: then they keep the contract of the others."""
SILENT = ("processes:pool=anyio",)
"""Ways in which the output of workers is lost: anyio drops it."""
CLOUDPICKLING = ("loky", "joblib", "dask")
STARTING = [name for name in NAMES if "start_method" in load(name).OPTIONS]

MODELS = [name for name in NAMES if not needs(name).packages]
"""The models of Python itself; tests of the others and of all options take long."""
CORE = ("sequential", "event_loop", "threads", "processes")
"""The models that the quick suite tests in full."""
RARE = ("threads_of_loops", "interpreters_of_loops")
"""Models of which CI runs only the tests of their own: they share the code of `processes_of_loops`."""
QUICK = MODELS + [
    f"{model}:start_method={method}" for model in ("processes", "process_per_task") for method in ("fork", "spawn")
]
"""The ways that CI tests where the start of a process matters: forked, or from scratch."""


FOREIGN = ("sequential", "event_loop", "threads", "processes", "interpreters")
"""The models that CI tests under every interpreter."""


def over(ways: Iterable[str], quick: Sequence[str] = QUICK) -> pytest.MarkDecorator:
    """Return the parameters of a test over ways; those that are not among the quick ones take long."""
    marks = {way: marked(way, quick) for way in WAYS}
    return pytest.mark.parametrize("model", [pytest.param(way, id=way, marks=marks[way]) for way in ways])


def marked(way: str, quick: Sequence[str] = MODELS) -> list[pytest.MarkDecorator]:
    """Return the marks of the tests of a way."""
    is_quick = way in quick and base(way) not in RARE
    return [] if way in CORE else [pytest.mark.slow] if is_quick else [pytest.mark.long]


def forms(ways: Iterable[str]) -> list[tuple[str, bool]]:
    """Return the ways, each with and without an async twin of the function where it can run one."""
    found = [(way, False) for way in ways]
    return found + [(way, True) for way, _ in found if "async_call" in load(base(way)).FORMS]


def form_id(value: object) -> str:
    return value if isinstance(value, str) else "twin" if value else "plain"


each_way = over(WAYS)
each_model = over(WAYS, MODELS)
each_form = pytest.mark.parametrize(
    ("model", "twin"), [pytest.param(*form, marks=marked(form[0])) for form in forms(MODELS)], ids=form_id
)
every_form = pytest.mark.parametrize(
    ("model", "twin"),
    [pytest.param(*form, marks=marked(form[0])) for form in forms(WAYS)],
    ids=form_id,
)
each_standing_way = over(STANDING)
each_way_per_task = over(PER_TASK)
each_way_with_stdio = over([way for way in WAYS if way not in SILENT])
each_start_method = pytest.mark.parametrize("start_method", START_METHODS)
