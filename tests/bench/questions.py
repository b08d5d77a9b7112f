"""The questions of `make bench ARGS=verdicts`, with the goal of each: how long a verdict may take."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

from tests.verify.cases import FIVE
from tests.verify.peers import five_by_pyperf
from tests.verify.tools import Code, hyperfine, pyperf

from .free_threading import ALL
from .pairs import TURNS

LONGER = 20
"""How many times as many turns hyperfine gets: its commands start an interpreter each."""

BEFORE_S = {
    "http": 56.7,
    "sqlite": 39.7,
    "hashing": 37.1,
    "compress": 67.3,
    "images": 57.2,
    "arrays": 43.7,
    "parsing": 47.5,
}
"""The time of shared configs in docs/workloads.md on 26 November 2026. The goal is half of it."""


@dataclass(frozen=True)
class Ask:
    """One command: its words after `orchestrator`, the spec if it isn't a shipped config, and the tools beside it."""

    words: tuple[str, ...]
    spec: Mapping[str, Any] | None = None
    workload: str = ""
    peers: Mapping[str, Callable[[Path], object]] = field(default_factory=dict)


@dataclass(frozen=True)
class Question:
    """A row of the table; `repeated` questions are asked several times, and have medians."""

    text: str
    goal_s: float
    asks: tuple[Ask, ...]
    repeated: bool = False
    python: str | None = None
    """An interpreter that it needs."""
    goal: str = ""
    """What the goal demands beside the time."""


def _config(name: str, *overrides: str) -> tuple[Ask, ...]:
    return (Ask(("run", f"configs/{name}.yaml", *overrides)),)


def _spec(spec: Mapping[str, Any], **others: Any) -> Ask:
    return Ask(("run",), spec, **others)


def _pair(function: str, labels: tuple[str, str], more: int) -> Ask:
    turns = TURNS[function]
    counts = (turns, turns + turns * more // 100)
    call = f"tests.bench.pairs:{function}"
    models = [
        {"model": "sequential", "label": label, "kwargs": {"turns": count}}
        for label, count in zip(labels, counts, strict=True)
    ]
    spec = {"name": function, "workload": {"call": call}, "models": models, "baseline": labels[1]}
    setup = f"from tests.bench.pairs import {function}"
    short, long = ([Code(setup, f"{function}({count * factor})") for count in counts] for factor in (1, LONGER))
    return _spec(
        spec, workload=function, peers={"pyperf": partial(pyperf, short), "hyperfine": partial(hyperfine, long)}
    )


def _free_threaded() -> Ask:
    calls = [f"{function.__module__}:{function.__name__}" for function in ALL]
    spec = {
        "name": "free_threaded",
        "workload": {"call": calls[0]},
        "tasks": 4,
        "models": [{"model": model, "python": "3.13t"} for model in ("sequential", "threads")],
        "matrix": {"workload.call": calls},
        "baseline": "sequential",
    }
    return _spec(spec)


def _advise(function: str) -> tuple[Ask, ...]:
    return (Ask(("advise", f"tests.bench.pairs:{function}")),)


QUESTIONS: dict[str, Question] = {
    "cpu": Question("`cpu.yaml`", 12, _config("cpu")),
    "cpu20": Question("`cpu.yaml`, `kwargs.outer=20`", 40, _config("cpu", "kwargs.outer=20")),
    "cpu100": Question("`cpu.yaml`, `kwargs.outer=100`", 150, _config("cpu", "kwargs.outer=100")),
    "io": Question("`io.yaml`", 9, _config("io")),
    "plus5": Question(
        "a pair, 5 % more turns, four workloads",
        6,
        tuple(_pair(function, ("fewer", "more"), 5) for function in TURNS),
        repeated=True,
        goal="1/6 of pyperf",
    ),
    "same": Question(
        "the same code twice, four workloads",
        7,
        tuple(_pair(function, ("first", "second"), 0) for function in TURNS),
        repeated=True,
        goal="1/6 of pyperf",
    ),
    "five": Question("five models", 10, (_spec({"name": "five", **FIVE.spec}, peers={"pyperf": five_by_pyperf}),)),
    "advise_1us": Question("`advise`, a call of 1 us", 9, _advise("one_us")),
    "advise_1ms": Question("`advise`, a call of 1 ms", 9, _advise("one_ms")),
    "advise_30mb": Question("`advise`, 30 MB returned", 9, _advise("thirty_megabytes")),
    "advise_10ms": Question("`advise`, 10 ms of sleep", 9, _advise("sleep_10_ms")),
    "free_threaded": Question("seven functions on 3.13t", 60, (_free_threaded(),), python="3.13t", goal="7 of 7"),
    "crossover": Question("`crossover.yaml`", 60, _config("crossover"), goal="a factor of 4"),
    **{name: Question(f"`{name}.yaml`", before_s / 2, _config(name)) for name, before_s in BEFORE_S.items()},
}
