"""What `advise` is asked: a function with its arguments, and the range or the rate that the question is about. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from ..spec.axes import FEWEST_LEVELS

LEVELS_PER_DECADE, MOST_LEVELS = 4, 25
"""In a range, each level is 1.8 times the one before, or more if the range spans more than six decades."""


@dataclass(frozen=True)
class Question:
    """The user's question: a function with its arguments, the interpreter, and bounds.

    `setup` makes the object of a method. `project` is the directory as it was typed, None for the working directory.
    `models` and `workers` are those to compare, None for those that fit. `name` is that of the experiment, if the
    function's would not do. `is_code` says that it was asked in Python, and not on the command line; `shown` is then
    what the function is called there, and `is_by_value` whether it is a copy.
    `rate` is that of calls that arrive, and `objective` a metric with the latency in ns that it must hold.
    """

    call: str
    kwargs: Mapping[str, Any]
    args: Sequence[Any] = ()
    items: str | list[Any] | None = None
    item: str | None = None
    python: str | None = None
    tasks: int | None = None
    max_time_s: float | None = None
    over: Range | None = None
    setup: str | None = None
    project: str | None = None
    models: Sequence[str | dict[str, Any]] | None = None
    workers: Sequence[int] | None = None
    name: str | None = None
    is_code: bool = False
    shown: str | None = None
    is_by_value: bool = False
    rate: float | None = None
    objective: tuple[str, float] | None = None

    @property
    def workload(self) -> dict[str, Any]:
        """The workload of the spec, without what is not given."""
        fields: dict[str, Any] = {"setup": self.setup, "args": list(self.args), "kwargs": dict(self.kwargs)}
        fields |= {"items": self.items, "item": self.item}
        return {"call": self.call} | {name: value for name, value in fields.items() if value}

    def option(self, name: str) -> str:
        """Return the name of an option as it is written where the question was asked."""
        return f"{name}=" if self.is_code else f"--{name.replace('_', '-')}"

    def at(self, level: int | float) -> Question:
        """Return the question at one level of the range."""
        assert self.over
        return replace(self, kwargs={**self.kwargs, self.over.name: level}, over=None)


@dataclass(frozen=True)
class Range:
    """An argument and the values that it takes, a logarithmic grid."""

    name: str
    levels: Sequence[int | float]


def log_grid(low: int | float, high: int | float) -> list[int | float]:
    """Return levels from `low` to `high`, each about the same factor above the one before; both above 0.

    Those between are rounded to two digits, and whole where both ends are.
    """
    steps = min(MOST_LEVELS - 1, max(FEWEST_LEVELS - 1, round(LEVELS_PER_DECADE * math.log10(high / low))))
    between = [float(f"{low * (high / low) ** (step / steps):.2g}") for step in range(1, steps)]
    whole = isinstance(low, int) and isinstance(high, int)
    inside: list[int | float] = [round(level) if whole else level for level in between]
    return [low, *sorted({level for level in inside if low < level < high}), high]
