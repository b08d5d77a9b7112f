"""The controls: specs with a known answer, and the wrong answers to each."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal

Kind = Literal["same", "apart", "crossover"]

LOOP = {"inner": 500}
"""The inner loop of `experiments.cpu:nested_loop`: 100 times that takes some 5 ms, and 105 times exactly 5 % more."""


@dataclass(frozen=True)
class Case:
    """One control. `truth` is how many times as fast the first variant really is; None where that is not known.

    `cross` names the control that measures the ratio of the two models with the same work: the truth is then that of
    it times `truth`.
    """

    name: str
    what: str
    kind: Kind
    spec: dict[str, Any]
    truth: float | None = None
    cross: str | None = None


def _pair(first: dict[str, Any], second: dict[str, Any], tasks: int = 1, **measure: Any) -> dict[str, Any]:
    return {
        "workload": {"call": "experiments.cpu:nested_loop", "kwargs": {"outer": 100, **LOOP}, "check": "none"},
        "tasks": tasks,
        "models": [{"label": "a", **first}, {"label": "b", **second}],
        "baseline": "b",
        "measure": {"max_time": "60s", **measure},
    }


def _outer(count: int, inner: int = LOOP["inner"]) -> dict[str, Any]:
    return {"kwargs": {"outer": count, "inner": inner}}


def _known(percent: int) -> Case:
    plain = {"model": "sequential"}
    spec = _pair(plain, {**plain, **_outer(100 + percent)})
    return Case(f"plus{percent}", f"the same loop, {percent} % more turns", "apart", spec, 1 + percent / 100)


def _across(name: str, what: str, percent: int, cross: str | None) -> Case:
    first = {"model": "threads", "workers": 1, **_outer(100, 2_000)}
    second = {"model": "sequential", **_outer(100 + percent, 2_000)}
    return Case(name, what, "apart", _pair(first, second), 1 + percent / 100, cross)


def _arrivals() -> Case:
    model = {"model": "threads", "workers": 2}
    spec = {
        "workload": {"call": "experiments.io:wait", "kwargs": {"seconds": 0.01}},
        "arrivals": {"rate": 160, "window": "1s"},
        "models": [{"label": "a", **model}, {"label": "b", **model}],
        "baseline": "b",
        "measure": {"metric": "p90", "max_time": "60s"},
    }
    return Case("same_arrivals", "calls of 10 ms that arrive at 0.8 of what two threads can do", "same", spec, 1.0)


CASES = {
    case.name: case
    for case in (
        Case(
            "same", "the same loop twice, plain", "same", _pair({"model": "sequential"}, {"model": "sequential"}), 1.0
        ),
        Case("same_threads", "the same loop twice, in threads", "same", _pair(
            {"model": "threads"}, {"model": "threads"}, tasks=2), 1.0),
        Case("same_processes", "the same loop twice, in processes", "same", _pair(
            {"model": "processes"}, {"model": "processes"}, tasks=8), 1.0),
        _arrivals(),
        _known(2),
        _known(5),
        _known(10),
        _across("across0", "a thread against a plain loop, the same work", 0, None),
        _across("across10", "a thread against a plain loop that has 10 % more to do", 10, "across0"),
        Case(
            "crossover",
            "two processes against a plain loop, where neither is better",
            "crossover",
            _pair(
                {"model": "processes", **_outer(2, 3_000)}, {"model": "sequential", **_outer(2, 3_000)}, tasks=4
            ),
        ),
    )
}  # fmt: skip
"""By name, in the order in which they take turns."""

FIVE_TURNS = {"sequential": 100, "event_loop": 140, "threads": 200, "thread_per_task": 280, "processes": 600}
"""Five models with so many turns each that every one takes at least 1.3 times as long as the one before."""


def _five() -> Case:
    models = [
        {"model": model, "label": f"b{place}" if place else "a", **_outer(outer)}
        for place, (model, outer) in enumerate(FIVE_TURNS.items())
    ]
    return Case("five", "five models", "apart", {**CASES["same"].spec, "models": models, "baseline": "b1"})


FIVE = _five()
"""One control more, of which only the time is measured (`make bench-peers`)."""
