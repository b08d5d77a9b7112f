"""The rows of charts about calls that arrive at a rate: latency along the rate, and the latencies at one rate."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate

from ... import units
from ...analysis.crossover import Line
from ...analysis.results import Results
from ...journal.window_events import WindowFinished
from .chart_specs import Row

SHARES = (0.01, 0.05, *(n / 10 for n in range(1, 10)), 0.95, 0.98, 0.99, 0.995, 0.999)
"""The shares of calls whose latency is drawn; the tail closely, as it is what one asks about."""

DIGITS = ".4g"


def along_rate(results: Results, line: Line) -> Iterator[Row]:
    """Yield the latency of each variant at each rate of a line, that the verdict is about, with its interval."""
    for rate, contest in zip(line.values, line.contests, strict=True):
        about = results.about(contest.point)
        served = {event.variant: event for event in about.served}
        for event in about.compared:
            if event.variant in served and event.wall_ns is not None and not event.excluded:
                low, high = event.wall_ns_low or event.wall_ns, event.wall_ns_high or event.wall_ns
                own = served[event.variant]
                yield {"variant": event.variant, "rate": rate, "ns": event.wall_ns, "low": low, "high": high} | {
                    "figure": f"{own.metric} {units.duration(event.wall_ns)}",
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
