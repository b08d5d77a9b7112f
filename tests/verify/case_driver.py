"""The cases that are put to several tools, and what people write to time one: by hand, or for pyperf.

python -m tests.verify.case_driver CASE                # by hand: the best of three of each way
python tests/verify/case_driver.py CASE loop -o FILE   # by pyperf, one way

It runs under the Python of the case, so it imports only what is there.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

REFUSED, COPIED, NEITHER = "refused", "copies", "neither"

TRIES = 3


@dataclass(frozen=True)
class Case:
    """A function, the ways to call it, and the right answers to the question which of them is fastest.

    `asked` are the words after `orchestrator`. `is_numbered` gives every call its number.
    """

    what: str
    call: str
    ways: tuple[str, ...]
    right: tuple[str, ...]
    why: str
    asked: tuple[str, ...]
    kwargs: Mapping[str, Any] = field(default_factory=dict)
    tasks: int = 4
    workers: int = 2
    python: str = ""
    is_numbered: bool = False


def _trap(what: str, call: str, why: str, right: str = REFUSED, **kwargs: Any) -> Case:
    words = tuple(f"{name}={str(value).replace(' ', '')}" for name, value in kwargs.items())
    return Case(what, call, ("loop", "threads"), (right,), why, ("advise", call, *words), kwargs, tasks=16)


def _published(what: str, config: str, function: str, **others: Any) -> Case:
    call = f"experiments.{function}"
    asked = ("run", f"configs/published/{config}.yaml", f"matrix.workload.call=[{call}]", "expect=[]")
    return Case(what, call, ("loop", "threads"), asked=asked, **others)


_ASSAY = "tests.verify.assay:assay.score"
_RENDER = "tests.verify.traps:render"

CASES = {
    "method": Case(
        "a method of an object with much data",
        _ASSAY,
        ("loop", "processes"),
        ("loop",),
        "the object is pickled at each call",
        ("advise", _ASSAY, "slope=1.1", "middle=4.9"),
        {"slope": 1.1, "middle": 4.9},
        tasks=8,
    ),
    "large_results": Case(
        "16 MB returned by each call",
        _RENDER,
        ("loop", "threads", "processes"),
        ("threads",),
        "processes send it back",
        ("advise", _RENDER, "side=4_000"),
        {"side": 4_000},
    ),
    "cached": _trap("a cached function", "tests.verify.traps:travel_time", "only the first call computes", origin=5),
    "promise": _trap(
        "a function that returns a promise", "tests.verify.traps:squares", "nothing is computed", n=20_000
    ),
    "changed": _trap(
        "a function that sorts its argument",
        "tests.verify.traps:rank",
        "the list is sorted after the first call, so each call needs its own",
        COPIED,
        scores=[5, 3, 9, 1, 7, 2, 8, 6],
    ),
    "sleeping": _published(
        "sleeping in four threads",
        "four_threads",
        "offloaded:waiting",
        right=("threads",),
        why="published: 3.98 times as fast",
        workers=4,
        python="3.14",
    ),
    "arithmetic": _published(
        "arithmetic in four threads",
        "four_threads",
        "offloaded:arithmetic",
        right=(NEITHER, "loop"),
        why="published: 0.98 times as fast",
        workers=4,
        python="3.14",
    ),
    "objects": _published(
        "creating objects without a GIL",
        "free_threading",
        "free_threading:create_objects",
        right=("threads",),
        why="published: scales",
        tasks=2,
        python="3.13t",
    ),
    "constant": _published(
        "comparing with a constant string without a GIL",
        "free_threading",
        "free_threading:compare_with_a_string",
        right=("loop",),
        why="published: 1.8 times slower in threads",
        tasks=2,
        python="3.13t",
    ),
    "tiny": Case(
        "joblib on tiny tasks",
        "experiments.roots:root_of_square",
        ("loop", "joblib"),
        ("loop",),
        "published: 85 times slower",
        ("run", "configs/published/tiny_tasks.yaml", "expect=[]"),
        tasks=20_000,
        is_numbered=True,
    ),
}


def batch(case: Case, way: str) -> Callable[[], object]:
    """Return what people write for all calls of a case: a loop, or a pool that is started for them."""
    call = _Call(case)
    numbers = range(case.tasks)
    if way == "loop":
        return lambda: [call(number) for number in numbers]
    if way == "joblib":
        return lambda: _by_joblib(call, numbers, case.workers)
    pools: dict[str, type[Executor]] = {"threads": ThreadPoolExecutor, "processes": ProcessPoolExecutor}
    return lambda: _by_pool(pools[way], call, numbers, case.workers)


class _Call:
    """The call of a number: it can be pickled, and pickles a method with its object."""

    def __init__(self, case: Case) -> None:
        module, _, names = case.call.partition(":")
        function: Any = importlib.import_module(module)
        for name in names.split("."):
            function = getattr(function, name)
        self._function = function
        self._kwargs = dict(case.kwargs)
        self._is_numbered = case.is_numbered

    def __call__(self, number: int) -> object:
        return self._function(*([number] if self._is_numbered else ()), **self._kwargs)


def _by_pool(pool: Callable[[int], Executor], call: _Call, numbers: Iterable[int], workers: int) -> object:
    with pool(workers) as executor:
        return list(executor.map(call, numbers))


def _by_joblib(call: _Call, numbers: Iterable[int], workers: int) -> object:
    import joblib  # type: ignore[import-untyped]  # has no annotations

    return joblib.Parallel(n_jobs=workers)(joblib.delayed(call)(number) for number in numbers)


def by_hand(case: Case) -> dict[str, float]:
    """Return the shortest of three times of each way, in seconds."""
    found = {}
    for way in case.ways:
        run = batch(case, way)
        times_s = []
        for _ in range(TRIES):
            begun = time.perf_counter()
            run()
            times_s.append(time.perf_counter() - begun)
        found[way] = min(times_s)
    return found


def by_pyperf() -> None:
    """Let pyperf time one way, as its command line says."""
    import pyperf  # type: ignore[import-untyped]  # has no annotations

    def asked_again(command: list[str], asked: argparse.Namespace) -> None:
        command += [asked.case, asked.way]

    runner = pyperf.Runner(add_cmdline_args=asked_again)
    runner.argparser.add_argument("case")
    runner.argparser.add_argument("way")
    asked = runner.parse_args()
    runner.bench_func("batch", batch(CASES[asked.case], asked.way))


if __name__ == "__main__":
    if len(sys.argv) == 2:
        for way, best_s in by_hand(CASES[sys.argv[1]]).items():
            print(way, best_s)
    else:
        by_pyperf()
