"""The calls of one block that arrived at a rate, pooled over its windows: latencies, the rate, the waiting. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from statistics import median
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..spec.open_loop import calls_needed
from ..spec.plan import PointArrivals
from ..spec.values import QUANTILES

KEPT_UP = 0.95  # a variant that serves less than this share of the rate is saturated

ENOUGH = 0.5  # a percentile is shown from this share of the calls on that a verdict about it needs

FEWEST_LATE = 100  # calls of a block that found all workers idle: of fewer, p99 is the longest of all


@dataclass(slots=True)
class Calls:
    """The calls of one variant in the windows of a block that have been read so far."""

    values_ns: list[NDArray[np.int64]] = field(default_factory=list)
    counts: list[NDArray[np.int64]] = field(default_factory=list)
    """The latencies of ended calls, and how many have each."""
    sums: dict[str, int] = field(default_factory=dict)
    late_ns: list[int] = field(default_factory=list)
    error: str | None = None

    def add(self, window: Mapping[str, Any]) -> None:
        """Add a `window.finished`."""
        for name in _SUMMED:
            self.sums[name] = self.sums.get(name, 0) + window[name]
        self.error = self.error or window["error"]
        if window["late_p99_ns"] is not None:
            self.late_ns.append(window["late_p99_ns"])
        if window.get("latency_ns") is not None:
            ended = [value for value in window["latency_ns"] if value is not None]
            self.values_ns.append(np.array(ended, np.int64))
            self.counts.append(np.ones(len(ended), np.int64))
        else:
            self.values_ns.append(np.array(window["rounded_latency_ns"], np.int64))
            self.counts.append(np.array(window["rounded_calls"], np.int64))


_SUMMED = (
    *("calls", "ended", "failed", "cancelled", "running", "late_calls"),
    *("latency_total_ns", "queue_total_ns", "arrived_span_ns", "ended_span_ns"),
)


@dataclass(frozen=True, slots=True)
class Served:
    """How a variant served the calls of one block.

    `latency_ns` has a value for each metric. Where so many calls did not end that it is beyond the drain, the metric is
    in `beyond`, and the value is the time that it would take at the rate of the calls that did end.
    """

    calls: int
    ended: int
    failed: int
    cancelled: int
    running: int
    error: str | None
    latency_ns: Mapping[str, float]
    beyond: frozenset[str]
    achieved_share: float
    """Of the rate."""
    queue_share: float | None
    late_p99_ns: float | None

    def shown_ns(self, metric: str) -> float | None:
        """Return a latency; None where it is beyond the drain, or where the calls are too few for it."""
        is_known = metric not in self.beyond and self.calls >= ENOUGH * calls_needed(metric)
        return self.latency_ns[metric] if is_known else None


def served(calls: Calls, arrivals: PointArrivals) -> Served | None:
    """Return how the calls of a block were served; None where none arrived."""
    sums = calls.sums
    if not sums["calls"]:
        return None
    values, counts = np.concatenate(calls.values_ns), np.concatenate(calls.counts)
    order = np.argsort(values, kind="stable")
    ascending, upto = values[order], np.cumsum(counts[order])
    ranks = {metric: math.ceil(share * sums["calls"] - 1e-9) for metric, share in QUANTILES.items()}
    beyond = {metric for metric, rank in ranks.items() if rank > sums["ended"]}
    latency_ns = {
        metric: _expected_ns(rank, sums, arrivals)
        if metric in beyond
        else float(ascending[np.searchsorted(upto, rank)])
        for metric, rank in ranks.items()
    }
    missing = sums["calls"] - sums["ended"]
    missing_ns = missing * _expected_ns((sums["ended"] + sums["calls"]) / 2, sums, arrivals) if missing else 0.0
    latency_ns["mean"] = (sums["latency_total_ns"] + missing_ns) / sums["calls"]
    return Served(
        calls=sums["calls"],
        ended=sums["ended"],
        failed=sums["failed"],
        cancelled=sums["cancelled"],
        running=sums["running"],
        error=calls.error,
        latency_ns=latency_ns,
        beyond=frozenset(beyond | ({"mean"} if missing else set())),
        achieved_share=_achieved(sums),
        queue_share=sums["queue_total_ns"] / sums["latency_total_ns"] if sums["latency_total_ns"] else None,
        late_p99_ns=median(calls.late_ns) if sums["late_calls"] >= FEWEST_LATE else None,
    )


def _expected_ns(rank: float, sums: Mapping[str, int], arrivals: PointArrivals) -> float:
    """Return when a call that did not end would have ended, after its arrival, at the rate of those that did.

    At least the drain, which is as long as the window: so long was waited for it.
    """
    window_ns = arrivals.window_ns
    ends_ns = 2 * window_ns * rank / max(0.5, sums["ended"])
    return max(float(window_ns), ends_ns - window_ns * rank / sums["calls"])


def _achieved(sums: Mapping[str, int]) -> float:
    """Return the share of the rate that was served: how fast calls ended, against how fast they had arrived."""
    spans = sums["arrived_span_ns"], sums["ended_span_ns"]
    by_speed = spans[0] / spans[1] if all(spans) else 1.0
    return min(1.0, by_speed, sums["ended"] / sums["calls"])
