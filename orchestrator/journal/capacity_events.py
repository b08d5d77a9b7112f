"""Derived events of an objective: up to which rate each variant holds it, and the verdict on them."""

from __future__ import annotations

from typing import ClassVar, Literal

from pydantic import ConfigDict

from .event import Event


class CapacityFound(Event):
    """Up to which rate a variant holds the objective; columns that all points of the axis share are extra fields."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    derived: ClassVar[bool] = True
    event: Literal["capacity.found"] = "capacity.found"
    stats_version: int
    points: str
    """The label of the points, without the rate."""
    variant: str
    metric: str
    bound_ns: int
    """The objective: this latency at most."""
    decision: Literal["found", "above", "below", "undecided"]
    """Found: between the two rates. Above: it holds at the highest rate tried. Below: it breaks at the lowest."""
    low_rate: float | None
    """The highest rate at which it was shown to hold the objective."""
    high_rate: float | None
    """The lowest rate at which it was shown to break it."""
    low_latency_ns: int | None
    high_latency_ns: int | None
    """Medians over the blocks at these rates."""


class CapacityJudged(Event):
    """Which variant holds the objective at the highest rate."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    derived: ClassVar[bool] = True
    event: Literal["capacity.judged"] = "capacity.judged"
    stats_version: int
    points: str
    metric: str
    bound_ns: int
    verdict: Literal["win", "tie", "undecided"]
    winners: list[str]
    """The variants whose capacity may be the highest."""
    sentence: str
