"""Every table of a run, as grids: variants, workers' time, observed values, and times along an axis.

The terminal, the page and Markdown draw the same grids.
"""

from __future__ import annotations

import json
from collections.abc import Sequence

from .. import units
from ..analysis.crossover import Line
from ..analysis.results import PointEvents, Results
from ..journal.capacity_events import CapacityFound
from ..journal.derived_events import VariantCompared, VariantExplained, VariantObserved, VerdictReached
from ..journal.window_events import LATENCY_FIELDS, VariantServed
from ..runner.account.figures import CALL_PARTS, SHARES
from ..text import printable
from .grid import Grid
from .parts import CALL_NAMES, PARTS, call_shares, main_causes, shares

MANY_CALLS = 50  # with so many calls in a batch, the time of one call has a column too

SHOWN = 0.005  # the least share that rounds to 1 %


def unnamed_workers(event: VariantCompared) -> int | None:
    """Return how many workers a variant has whose label does not say it; None for a plain loop and for all others."""
    return None if event.model == "sequential" or "workers=" in event.variant else event.workers


def compared(found: PointEvents, title: str = "") -> Grid:
    """Return a row for each variant of a point: its times, its ratio to the baseline, and its first cause."""
    if found.served:
        return _served(found, title)
    why = main_causes(found)
    rows = {event.variant: _compared_row(event, why.get(event.variant, "")) for event in found.compared}
    headers = list(next(iter(rows.values()), {}))
    grid = Grid(
        headers=headers,
        rows=[list(row.values()) for row in rows.values()],
        right=("per batch", "per call", "efficiency", "start-up", "blocks", "failed"),
        title=title,
        spare=("why",),
    )
    few = bool(found.compared) and found.compared[0].tasks < MANY_CALLS
    return grid.without(["why"] * (not why) + ["per call"] * few)


def _compared_row(event: VariantCompared, why: str) -> dict[str, str]:
    return {
        "variant": event.variant,
        "per batch": units.duration(event.wall_ns),
        "per call": units.duration(event.wall_ns and event.wall_ns / event.tasks),
        "quartiles": units.between((event.wall_ns_low, event.wall_ns_high), event.wall_ns),
        "vs baseline": _against_baseline_in_full(event),
        "efficiency": units.percent(event.ideal_share),
        "why": why,
        "start-up": units.duration(event.startup_ns),
        "blocks": str(event.blocks),
        "failed": str(event.failures),
    }


def latency(event: VariantServed | None, metric: str) -> str:
    """Return a latency of a variant; that it is beyond the drain where so many calls did not end."""
    if event is None:
        return "-"
    return "not ended" if metric in event.beyond_drain else units.duration(getattr(event, LATENCY_FIELDS[metric]))


def achieved(event: VariantServed | None) -> str:
    """Return the rate that a variant served, and that it is saturated."""
    if event is None or event.achieved_rate is None:
        return "-"
    return f"{units.significant(event.achieved_rate)}/s" + " saturated" * event.is_saturated


def _served(found: PointEvents, title: str) -> Grid:
    """Return a row for each variant of a point where calls arrive at a rate."""
    served = {event.variant: event for event in found.served}
    causes = main_causes(found)
    rows = []
    for event in found.compared:
        own = served.get(event.variant)
        ended = f"{own.ended:,} of {own.calls:,}" if own else "-"
        latencies = [latency(own, metric) for metric in LATENCY_FIELDS]
        queued = units.percent(own.queue_share) if own else "-"
        why = causes.get(event.variant, "")
        ratio = [
            _against_baseline_in_full(event),
            units.duration(event.startup_ns),
            str(event.blocks),
            str(event.failures),
        ]
        rows.append([event.variant, *latencies, achieved(own), queued, why, ended, *ratio])
    figures = [*LATENCY_FIELDS, "achieved", "queued"]
    headers = ["variant", *figures, "why", "ended", "vs baseline", "start-up", "blocks", "failed"]
    right = (*figures, "ended", "start-up", "blocks", "failed")
    grid = Grid(headers, rows, right, title)
    return grid.without([] if causes else ["why"])


def calls_time(served: Sequence[VariantServed]) -> Grid | None:
    """Return where the time of each variant's calls went, without the parts that none of them has; None if unknown."""
    known = [event for event in served if event.accounts]
    seen = {name for event in known for name, share in call_shares(event).items() if (share or 0.0) >= SHOWN}
    parts = [name for name in CALL_PARTS if name in seen]
    rows = [[event.variant, *(units.percent(call_shares(event)[name]) for name in parts)] for event in known]
    figures = [CALL_NAMES[name] for name in parts]
    return Grid(["calls' time", *figures], rows, right=figures) if rows else None


def capacities(found: Sequence[CapacityFound]) -> Grid:
    """Return a row for each variant: the rates between which it stops to hold the objective, with its latencies."""
    ordered = sorted(found, key=lambda event: (-(event.low_rate or 0), event.high_rate or 0))
    metric = found[0].metric if found else ""
    rows = [
        [
            event.variant,
            f"{event.low_rate:g}/s" if event.low_rate else "-",
            units.duration(event.low_latency_ns),
            f"{event.high_rate:g}/s" if event.high_rate else "-",
            units.duration(event.high_latency_ns),
        ]
        for event in ordered
    ]
    headers = ["variant", "holds at", f"{metric} there", "breaks at", f"its {metric}"]
    return Grid(headers, rows, right=headers[1:])


def against_baseline(event: VariantCompared) -> str:
    """Return the ratio of a variant to the baseline, or why it has none."""
    if event.excluded:
        return "excluded"
    if event.variant == event.baseline:
        return "baseline"
    return units.ratio(event.speedup, event.speedup_low, event.speedup_high)


def _against_baseline_in_full(event: VariantCompared) -> str:
    """Return what `against_baseline` does, with why there is no ratio or why the variant was dropped."""
    if event.excluded:
        return f"failed, {against_baseline(event)}"
    has_ratio = event.variant != event.baseline and event.speedup is not None
    return against_baseline(event) + " dropped for futility" * (has_ratio and event.dropped_for_futility)


def accounts(explained: Sequence[VariantExplained]) -> Grid:
    """Return where the time of each variant's workers went, without the parts that none of them has."""
    seen = {name for event in explained for name, share in shares(event).items() if (share or 0.0) >= SHOWN}
    parts = [name for name in SHARES if name in seen | {"on_core"}]
    has_loop = any(event.loop_lag_p99_ns is not None for event in explained)
    others = ["loop lag p99"] * has_loop + ["CPU per call", "memory"]
    rows = []
    for event in explained:
        own = {name: units.percent(share) for name, share in shares(event).items()}
        cells = {
            "loop lag p99": units.duration(event.loop_lag_p99_ns),
            "CPU per call": units.duration(event.cpu_ns_per_call),
            "memory": "-" if event.peak_pss_bytes is None else units.size(event.peak_pss_bytes),
        }
        rows.append([event.variant, *(own[name] for name in parts), *(cells[name] for name in others)])
    figures = [*(PARTS[name] for name in parts), *others]
    return Grid(["workers' time", *figures], rows, right=figures)


def observed(events: Sequence[VariantObserved]) -> Grid:
    """Return what was observed over all trials: a row for each variant, a column for each key."""
    keys = list(dict.fromkeys(event.metric for event in events))
    rows = []
    for variant in dict.fromkeys(event.variant for event in events):
        own = {event.metric: _over_trials(event) for event in events if event.variant == variant}
        rows.append([variant, *(own.get(key, "-") for key in keys)])
    return Grid(["observed", *(key.partition(".")[2] for key in keys)], rows, wraps=True)


def _over_trials(event: VariantObserved) -> str:
    if event.distinct == 1:
        return printable(json.dumps(event.value, ensure_ascii=False))
    if event.mean is None:
        return f"{event.distinct} different values"
    if isinstance(event.low, bool):
        return f"true in {units.percent(event.mean)}"
    low, high = (f"{bound:,}" if isinstance(bound, int) else f"{bound:.4g}" for bound in (event.low, event.high))
    return f"{low} to {high}, mean {units.significant(event.mean)}"


def along(line: Line, results: Results) -> Grid:
    """Return a row for each measured value of an axis: the time of a batch under each variant, and the best variant."""
    labels = list(line.contests[0].variants)
    rows = []
    for value, contest in zip(line.values, line.contests, strict=True):
        own = results.about(contest.point)
        if contest.blocks and own.verdict:
            times = {event.variant: units.duration(event.wall_ns) for event in own.compared}
            times |= {event.variant: latency(event, event.metric) for event in own.served}
            durations = [times.get(label, "-") for label in labels]
            rows.append([units.number(value), *durations, _best(own.verdict)])
    grid = Grid([line.name, *labels, "best"], rows, right=(line.name, *labels), wraps=True)
    # along the search for an objective, variants are measured in other blocks, and none is the best
    return grid.without(["best"]) if results.capacity_verdicts else grid


def _best(event: VerdictReached) -> str:
    names = units.listed(event.winners)
    return {"win": names, "tie": f"tie: {names}"}.get(event.verdict, f"undecided: {names}")
