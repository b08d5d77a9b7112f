"""Charts of a run: what is drawn, as rows, and how, as Vega-Lite. The page and the pictures draw the same.

A chart is a kind, a title, a sentence for screen readers, and its rows. The specification of a kind holds no data,
so that a page of a hundred points carries each of them once.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any

from ... import units
from ...analysis import crossover
from ...analysis.contest import Contest
from ...analysis.crossover import worth_showing
from ...analysis.results import PointEvents, Results
from ...journal.derived_events import ScalingFitted, VariantCompared, VariantExplained
from ...journal.raw_events import TimelineRecorded
from ...journal.window_events import WindowFinished
from ...spec.axes import ordered_axes
from .. import timeline
from ..parts import PARTS, shares
from . import latency_charts
from .chart_specs import Row, height, template

MOST_SLICES = 10_000  # pieces of timelines in one report: they would be most of it, where there are many points

FEWEST_CALLS = 4  # of a timeline, that are drawn however many there are

MOST_LANES = 8  # the most lanes drawn for a variant: more can't be distinguished

WIDE_RANGE = 20  # from the least to the greatest of an axis, from which on it is drawn on a logarithmic scale


@dataclass(frozen=True)
class Chart:
    """One chart: `rows` drawn as its `kind` says; `point_id` is None for what is about several points."""

    kind: str
    name: str
    """What the file of its picture is called, unique in the run."""
    title: str
    text: str
    rows: Sequence[Row]
    point_id: str | None = None

    @property
    def height(self) -> int:
        """Return the height of what is drawn, in pixels, without axes and legend."""
        return height(self.kind, self.rows)


def charts(results: Results) -> list[Chart]:
    """Return the charts of a run from top to bottom: first what is about several points, then point by point."""
    recorded: dict[str, dict[str, TimelineRecorded]] = {}
    for event in results.events(TimelineRecorded):
        recorded.setdefault(event.point_id, {}).setdefault(event.variant, event)
    count = sum(map(len, recorded.values()))
    calls = max(FEWEST_CALLS, MOST_SLICES // (3 * count)) if count else 0
    windows: dict[str, list[WindowFinished]] = {}
    for window in results.events(WindowFinished):
        windows.setdefault(window.point_id, []).append(window)
    found = list(_sweeps(results))
    for number, contest in enumerate(results.contests, 1):
        if contest.blocks:
            about = results.about(contest.point)
            found += _of_point(f"{number}", contest, about, recorded.get(contest.point.id, {}), calls)
            found += _of_windows(f"{number}", contest, windows.get(contest.point.id, ()), results.started.seed)
    return found


def _of_windows(number: str, contest: Contest, windows: Sequence[WindowFinished], seed: int) -> Iterator[Chart]:
    label, point_id = contest.point.label, contest.point.id
    if rows := list(latency_charts.distribution(list(contest.variants), windows)):
        text = "Within which time each share of a variant's calls ended, on a logarithmic scale."
        yield Chart("distribution", f"{number}-latencies", f"{label}: latencies", text, rows, point_id)
    if rows := list(latency_charts.backlog(contest.point, windows, seed)):
        text = "The calls that had arrived and had not ended, in the first window of each variant."
        yield Chart("backlog", f"{number}-backlog", f"{label}: backlog", text, rows, point_id)


def specification(chart: Chart, theme: Mapping[str, Any]) -> dict[str, Any]:
    """Return a chart as Vega-Lite that holds its data, in the colours of a theme."""
    drawn = {"data": {"name": "rows", "values": list(chart.rows)}, "height": chart.height, "title": chart.title}
    return {**copy.deepcopy(template(chart.kind)), **drawn, "config": theme}


def _sweeps(results: Results) -> Iterator[Chart]:
    axes = ordered_axes(results.plan.experiment, fewest=2)
    for number, line in enumerate(crossover.lines(results.plan, results.contests, axes), 1):
        rows: list[Row] = []
        for level, contest in zip(line.values, line.contests, strict=True):
            for event in results.about(contest.point).compared:
                if contest.blocks and event.speedup is not None:
                    rows.append({"level": level, **_ratio(event), "time": units.duration(event.wall_ns)})
        for crossed in worth_showing(results.crossovers, line):
            if crossed.decision == "found":
                rows.append({"from": crossed.low, "to": crossed.high, "change": crossed.sentence})
        if line.axis == "arrivals.rate" and (latencies := list(latency_charts.along_rate(results, line))):
            text = (
                "The latency of every variant at each rate, with its interval, on a logarithmic scale. A hollow mark "
                "is a variant that does not keep up with the rate, a triangle at the top one far beyond the others."
            )
            yield Chart("latencies", f"latencies-{number}", f"{line.points}: latency over rate", text, latencies)
        levels = {row["level"] for row in rows if "level" in row}
        if len(levels) > 1:
            wide = min(levels) > 0 and max(levels) / min(levels) >= WIDE_RANGE
            baseline = results.plan.baseline.label
            text = (
                f"Speedup of every variant against {baseline} at {len(levels)} levels of {line.name}; "
                "shaded: where the winner changes."
            )
            yield Chart(
                f"sweep_{'log' if wide else 'linear'}",
                f"sweep-{number}",
                f"{line.points}: over {line.name}",
                text,
                rows,
            )


def _of_point(
    number: str,
    contest: Contest,
    found: PointEvents,
    recorded: Mapping[str, TimelineRecorded],
    calls: int,
) -> Iterator[Chart]:
    label, about = contest.point.label, {"point_id": contest.point.id}
    baseline = contest.plan.baseline.label
    winners: Sequence[str] = found.verdict.winners if found.verdict else ()
    rows = [
        {**_ratio(event), "role": _role(event, winners)}
        for event in found.compared
        if event.speedup is not None and not event.excluded
    ]
    if len(rows) > 1:
        text = f"Speedup of each variant against {baseline}, with its interval, on a logarithmic scale."
        yield Chart("speedups", f"{number}-speedups", f"{label}: speedup", text, rows, **about)
    if rows := [row for event in found.fitted for row in _curve(event, contest.plan.cores)]:
        text = "Speedup against the number of workers, with the ideal line."
        yield Chart("scaling", f"{number}-scaling", f"{label}: scaling", text, rows, **about)
    if rows := [row for event in found.explained for row in _shares(event)]:
        text = "Where the time of each variant's workers went, in shares that add up to all of it."
        yield Chart("time", f"{number}-time", f"{label}: where the time went", text, rows, **about)
    order = [variant for variant in contest.variants if variant in recorded]
    if rows := [row for variant in order for row in _timeline(variant, recorded[variant], calls)]:
        text = "What each worker did in one batch: a lane for each worker, its calls cut into what their time went for."
        yield Chart("timeline", f"{number}-timeline", f"{label}: one batch of each", text, rows, **about)
    rows = [{"variant": event.variant, "ns": event.startup_ns} for event in found.compared if event.startup_ns]
    if rows:
        text = "How long each variant takes until its workers are up, on a logarithmic scale."
        yield Chart("startup", f"{number}-startup", f"{label}: start-up", text, rows, **about)
    rows = [
        {"variant": event.variant, "bytes": event.peak_pss_bytes} for event in found.explained if event.peak_pss_bytes
    ]
    if rows:
        text = "The memory of each variant's runner and workers at its peak, each shared page counted once."
        yield Chart("memory", f"{number}-memory", f"{label}: memory", text, rows, **about)
    if len(contest.blocks) > 1:
        text = (
            "The time of a batch in each block, relative to the variant's own median: a line that is level is steady."
        )
        rows = list(_blocks(contest))
        yield Chart("blocks", f"{number}-blocks", f"{label}: block by block", text, rows, **about)


def _ratio(event: VariantCompared) -> Row:
    value, low, high = event.speedup, event.speedup_low, event.speedup_high
    # a variant without an interval gets one of no length, so that all keep the order of the spec
    bounds = {"low": _short(value if low is None else low), "high": _short(value if high is None else high)}
    return {"variant": event.variant, "speedup": _short(value), **bounds, "figure": units.ratio(value, low, high)}


def _role(event: VariantCompared, winners: Sequence[str]) -> str:
    if event.variant in winners:
        return "not separated from the best"
    return "baseline" if event.variant == event.baseline else "slower"


def _curve(event: ScalingFitted, cores: int) -> Iterator[Row]:
    fewest = event.workers[0]
    columns = zip(event.workers, event.speedups, event.speedup_lows, event.speedup_highs, strict=True)
    for workers, speedup, low, high in columns:
        figures = {"speedup": _short(speedup), "low": _short(low), "high": _short(high)}
        figure = units.ratio(speedup, low, high)
        yield {"variant": event.of, "workers": workers, **figures, "figure": figure} | {
            "ideal": workers / fewest,
            "cores": cores,
        }


def _shares(event: VariantExplained) -> Iterator[Row]:
    for place, (name, share) in enumerate(shares(event).items()):
        if share:
            yield {"variant": event.variant, "part": PARTS[name], "share": _short(share), "order": place}


def _timeline(variant: str, recorded: TimelineRecorded, most: int) -> Iterator[Row]:
    made = timeline.calls(recorded)[:most]
    lanes = timeline.by_lane(made)
    for number, own in lanes.items():
        drawn = (
            [(row, piece) for row, call in _stacked(own) for piece in timeline.parts(call)]
            if timeline.overlap(own)
            else [(0, piece) for piece in timeline.pieces(own)]
        )
        for row, piece in drawn:
            if number < MOST_LANES and row < MOST_LANES and piece.what != "waiting":
                lane = f"{variant}, worker {number + 1}" if len(lanes) > 1 else variant
                lane += f" ({row + 1})" * (row > 0)
                part = "serialisation" if piece.what.endswith("pickling") else piece.what
                yield {"lane": lane, "call": piece.call, "part": PARTS[part]} | {
                    "from": piece.begun_ns,
                    "to": piece.ended_ns,
                }


def _stacked(own: Sequence[timeline.Call]) -> Iterator[tuple[int, timeline.Call]]:
    """Yield calls that overlap with the row each is drawn in: the first one that is free when it begins."""
    free: list[int] = []
    for call in own:
        row = next((place for place, until in enumerate(free) if until <= call.begun_ns), len(free))
        free[row : row + 1] = [call.ended_ns]
        yield row, call


def _blocks(contest: Contest) -> Iterator[Row]:
    counting = {block.number for block in contest.counting}
    for variant in (*contest.variants, None):
        times = {
            block.number: median(walls)
            for block in contest.blocks
            if (walls := block.reference if variant is None else block.walls.get(variant))
        }
        middle = median(times.values()) if times else 0
        for number, time in times.items():
            yield {"variant": "reference loop" if variant is None else variant, "is_reference": variant is None} | {
                "block": number,
                "relative": _short(time / middle),
                "ns": round(time),
                "counts": number in counting,
            }


def _short(value: float | None) -> float | None:
    """Return a number with the digits that can be seen in a chart."""
    return None if value is None else float(f"{value:.4g}")
