"""The rows of charts about calls that arrive at a rate: latency along the rate, and the latencies at one rate."""

from __future__ import annotations

import math
from bisect import bisect_right
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from ... import units
from ...analysis.crossover import Line
from ...analysis.results import Results
from ...journal.window_events import WindowFinished
from ...runner.arrival_times import offsets_ns
from ...spec.plan import Point, arrivals_request
from ..tables import latency
from .chart_specs import Row

SHARES = (0.01, 0.05, *(n / 10 for n in range(1, 10)), 0.95, 0.98, 0.99, 0.995, 0.999)
"""The shares of calls whose latency is drawn; the tail closely, as it is what one asks about."""

DIGITS = ".4g"

BEYOND = 1.5  # times the longest latency of those that keep up: the top of the chart

INSTANTS = 160  # of a window, at which its backlog is drawn


def along_rate(results: Results, line: Line) -> Iterator[Row]:
    """Yield the latency of each variant at each rate of a line, that the verdict is about, with its interval.

    Where an objective is searched for, every row has its latency. A saturated variant that is far beyond the others is
    drawn `beyond` them, at the top of their range: its latency says little, and would stretch the axis.
    """
    wanted = results.plan.experiment.objective
    objective = {"objective": max(wanted.values())} if wanted else {}  # it has one latency
    rows = [row | objective for row in _measured(results, line)]
    kept = [row["high"] for row in rows if not row["saturated"]]
    top = BEYOND * max([*kept, *objective.values()], default=math.inf)
    for row in rows:
        is_beyond = row["saturated"] and row["ns"] > top
        clipped = {name: min(row[name], top) for name in ("ns", "low", "high")} if row["saturated"] else {}
        yield row | clipped | {"beyond": is_beyond}


def _measured(results: Results, line: Line) -> Iterator[Row]:
    for rate, contest in zip(line.values, line.contests, strict=True):
        about = results.about(contest.point)
        served = {event.variant: event for event in about.served}
        for event in about.compared:
            if event.variant in served and event.wall_ns is not None and not event.excluded:
                low, high = event.wall_ns_low or event.wall_ns, event.wall_ns_high or event.wall_ns
                own = served[event.variant]
                shown = latency(own, own.metric) + ", saturated" if own.is_saturated else units.duration(event.wall_ns)
                yield {"variant": event.variant, "rate": rate, "ns": event.wall_ns, "low": low, "high": high} | {
                    "figure": f"{own.metric} {shown}",
                    "served": f"{own.achieved_rate:.4g}/s" if own.achieved_rate is not None else "",
                    "saturated": own.is_saturated,
                }


def distribution(variants: Sequence[str], windows: Iterable[WindowFinished]) -> Iterator[Row]:
    """Yield within which time each share of a variant's calls ended, over all its windows at one point."""
    calls: Counter[str] = Counter()
    found: dict[str, Counter[int]] = {variant: Counter() for variant in variants}
    for window in windows:
        calls[window.variant] += window.calls
        own = found.setdefault(window.variant, Counter())
        if window.latency_ns is not None:
            own.update(value for value in window.latency_ns if value is not None)
        else:
            for value, count in zip(window.rounded_latency_ns or (), window.rounded_calls or (), strict=True):
                own[value] += count
    for variant, counts in found.items():
        ascending = sorted(counts)
        upto = list(accumulate(counts[value] for value in ascending))
        place = 0
        for share in SHARES:
            while place < len(upto) and upto[place] < share * calls[variant]:
                place += 1
            if place < len(upto):
                ns = ascending[place]
                yield {"variant": variant, "share": share, "ns": float(f"{ns:{DIGITS}}"), "figure": units.duration(ns)}


def backlog(point: Point, windows: Iterable[WindowFinished], seed: int) -> Iterator[Row]:
    """Yield how many calls each variant had in hand in its first window: they had arrived, and had not ended.

    When they arrived follows from the seed of the run, as in the runner. Windows without single times are left out.
    """
    firsts: dict[str, WindowFinished] = {}
    for window in windows:
        firsts.setdefault(window.variant, window)
    for variant, window in firsts.items():
        order = arrivals_request(point, seed, window.block)["arrivals"]
        at_ns = offsets_ns(order["process"], order["rate"], order["window_ns"], order["seed"] + window.round)
        if window.latency_ns is None or len(at_ns) != window.calls:
            continue
        both = zip(at_ns, window.latency_ns, strict=True)
        ends_ns = sorted(arrived + latency for arrived, latency in both if latency is not None)
        last_ns = max([order["window_ns"], *ends_ns[-1:]])
        for step in range(INSTANTS + 1):
            ns = last_ns * step // INSTANTS
            yield {"variant": variant, "s": ns / 1e9, "calls": bisect_right(at_ns, ns) - bisect_right(ends_ns, ns)}
