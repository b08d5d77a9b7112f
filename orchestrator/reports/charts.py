"""Charts of a run: what is drawn, as rows, and how, as Vega-Lite. The page and the pictures draw the same.

A figure is a kind, a title, a sentence for who can't see it, and its rows. The specification of a kind holds no data,
so that a page of a hundred points carries each of them once.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from statistics import median
from typing import Any, Literal

import altair as alt

from .. import crossover, timeline, units
from ..accounts import SHARES
from ..contest import Contest
from ..plan import label_along
from ..results import Results
from .table import PARTS

Row = dict[str, Any]
Drawn = alt.Chart | alt.LayerChart | alt.FacetChart

PALETTE = (
    "#3b82c4",
    "#c8781e",
    "#2f9461",
    "#c2609f",
    "#8f63c4",
    "#a0782c",
    "#1f8f9c",
    "#d1495b",
    "#7f8791",
    "#7d8a1f",
)
"""Told apart from each other, and three times as bright or dark as a white and as a black page (WCAG 1.4.11)."""

COLOURS = {
    "on_core": "#2f9461",
    "run_queue": "#c8781e",
    "gil": "#d1495b",
    "blocked": "#3b82c4",
    "serialisation": "#8f63c4",
    "dispatch": "#1f8f9c",
    "waiting": "#7f8791",
    "idle": "#a3aab2",
}
"""The colour of each part of the workers' time, the same in every chart."""

MOST_SLICES = 10_000
"""Pieces of timelines in one report: they would be most of it, where there are many points."""

FEWEST_CALLS = 4
"""Of a timeline, that are drawn however many there are."""

MOST_LANES = 8
"""Of a variant that are drawn: with more, nobody could tell them apart."""

WIDE_RANGE = 20
"""From the least to the greatest of an axis, from which on it is drawn on a logarithmic scale."""


@dataclass(frozen=True)
class Figure:
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
        height = _KINDS[self.kind][1]
        return height if isinstance(height, int) else height[1] * len({row[height[0]] for row in self.rows})


def figures(results: Results) -> list[Figure]:
    """Return the charts of a run from top to bottom: first what is about several points, then point by point."""
    recorded: dict[str, dict[str, Mapping[str, Any]]] = {}
    for event in results.named("timeline.recorded"):
        recorded.setdefault(event["point_id"], {}).setdefault(event["variant"], event)
    count = sum(map(len, recorded.values()))
    calls = max(FEWEST_CALLS, MOST_SLICES // (3 * count)) if count else 0
    found = list(_sweeps(results))
    for number, contest in enumerate(results.contests, 1):
        if contest.blocks:
            events = [event for event in results.derived if event.get("point_id") == contest.point.id]
            found += _of_point(f"{number}", contest, events, recorded.get(contest.point.id, {}), calls)
    return found


def specification(figure: Figure, theme: Mapping[str, Any]) -> dict[str, Any]:
    """Return a figure as Vega-Lite that holds its data, in the colours of a theme."""
    drawn = {"data": {"name": "rows", "values": list(figure.rows)}, "height": figure.height, "title": figure.title}
    return {**copy.deepcopy(template(figure.kind)), **drawn, "config": theme}


def theme(ink: str, background: str | None) -> dict[str, Any]:
    """Return the configuration of Vega-Lite for text and lines in `ink`; `currentColor` is that of the page."""
    lines = {"gridColor": ink, "gridOpacity": 0.12, "domainColor": ink, "domainOpacity": 0.4}
    return {
        "background": background,
        "font": "system-ui, 'DejaVu Sans', sans-serif",
        "view": {"stroke": None},
        "axis": {
            **lines,
            **{"labelColor": ink, "titleColor": ink, "tickColor": ink, "tickOpacity": 0.4},
            **{"titleFontWeight": "normal", "labelFontSize": 12, "titleFontSize": 12, "labelLimit": 200},
        },
        "legend": {"labelColor": ink, "titleColor": ink, "labelFontSize": 12, "orient": "bottom", "title": None}
        | {"columns": 4, "symbolOpacity": 1, "labelLimit": 200},
        "title": {"color": ink, "anchor": "start", "fontSize": 14},
        "rule": {"color": ink},
        "range": {"category": list(PALETTE)},
        "aria": False,  # whoever embeds a chart tells what is in it
    }


# --- the rows


def _sweeps(results: Results) -> Iterator[Figure]:
    axes = [axis for axis, levels in results.plan.experiment.matrix.items() if _is_swept(axis, levels)]
    for number, line in enumerate(crossover.lines(results.plan, results.contests, axes), 1):
        points = label_along(line.contests[0].point, line.axis)
        name = line.axis.removeprefix("kwargs.")
        rows: list[Row] = []
        for level, contest in zip(line.levels, line.contests, strict=True):
            for event in _compared(results.derived, contest):
                if event["speedup"] is not None:
                    rows.append({"level": level, **_ratio(event), "time": units.duration(event["wall_ns"])})
        for event in crossover.shown(results.derived, points):
            if event["axis"] == line.column and event["decision"] == "found":
                rows.append({"from": event["low"], "to": event["high"], "change": event["sentence"]})
        levels = {row["level"] for row in rows if "level" in row}
        if len(levels) > 1:
            wide = min(levels) > 0 and max(levels) / min(levels) >= WIDE_RANGE
            baseline = results.plan.baseline.label
            text = (
                f"Speedup of every variant against {baseline} at {len(levels)} levels of {name}; "
                "shaded: where the winner changes."
            )
            yield Figure(
                f"sweep_{'log' if wide else 'linear'}", f"sweep-{number}", f"{points}: over {name}", text, rows
            )


def _is_swept(axis: str, levels: Sequence[Any]) -> bool:
    numbers = all(isinstance(level, int | float) and not isinstance(level, bool) for level in levels)
    return (axis == "tasks" or axis.startswith("kwargs.")) and numbers and len(set(levels)) > 1


def _of_point(
    number: str,
    contest: Contest,
    events: Sequence[Mapping[str, Any]],
    recorded: Mapping[str, Mapping[str, Any]],
    calls: int,
) -> Iterator[Figure]:
    label, about = contest.point.label, {"point_id": contest.point.id}
    compared = [event for event in events if event["event"] == "variant.compared"]
    explained = [event for event in events if event["event"] == "variant.explained"]
    baseline = contest.plan.baseline.label
    winners: Sequence[str] = next((event["winners"] for event in events if event["event"] == "verdict.reached"), [])
    rows = [
        {**_ratio(event), "role": _role(event, winners)}
        for event in compared
        if event["speedup"] is not None and not event["excluded"]
    ]
    if len(rows) > 1:
        text = f"Speedup of each variant against {baseline}, with its interval, on a logarithmic scale."
        yield Figure("speedups", f"{number}-speedups", f"{label}: speedup", text, rows, **about)
    curves = [event for event in events if event["event"] == "scaling.fitted"]
    if rows := [row for event in curves for row in _curve(event, contest.plan.cores)]:
        text = "Speedup against the number of workers, with the ideal line."
        yield Figure("scaling", f"{number}-scaling", f"{label}: scaling", text, rows, **about)
    if rows := [row for event in explained for row in _shares(event)]:
        text = "Where the time of each variant's workers went, in shares that add up to all of it."
        yield Figure("time", f"{number}-time", f"{label}: where the time went", text, rows, **about)
    order = [variant for variant in contest.variants if variant in recorded]
    if rows := [row for variant in order for row in _timeline(variant, recorded[variant], calls)]:
        text = "What each worker did in one batch: a lane for each worker, its calls cut into what their time went for."
        yield Figure("timeline", f"{number}-timeline", f"{label}: one batch of each", text, rows, **about)
    rows = [{"variant": event["variant"], "ns": event["startup_ns"]} for event in compared if event["startup_ns"]]
    if rows:
        text = "How long each variant takes until its workers are up, on a logarithmic scale."
        yield Figure("startup", f"{number}-startup", f"{label}: start-up", text, rows, **about)
    rows = [
        {"variant": event["variant"], "bytes": event["peak_pss_bytes"]}
        for event in explained
        if event["peak_pss_bytes"]
    ]
    if rows:
        text = "The memory of each variant's runner and workers at its peak, each shared page counted once."
        yield Figure("memory", f"{number}-memory", f"{label}: memory", text, rows, **about)
    if len(contest.blocks) > 1:
        text = (
            "The time of a batch in each block, relative to the variant's own median: a line that is level is steady."
        )
        rows = list(_blocks(contest))
        yield Figure("blocks", f"{number}-blocks", f"{label}: block by block", text, rows, **about)


def _compared(derived: Sequence[Mapping[str, Any]], contest: Contest) -> list[Mapping[str, Any]]:
    return [
        event
        for event in derived
        if event["event"] == "variant.compared" and event["point_id"] == contest.point.id and contest.blocks
    ]


def _ratio(event: Mapping[str, Any]) -> Row:
    names = ("speedup", "speedup_low", "speedup_high")
    value, low, high = (_short(event[name]) for name in names)
    # who has no interval has one of no length, so that all stand in the order of the spec
    figures = {"speedup": value, "low": value if low is None else low, "high": value if high is None else high}
    return {"variant": event["variant"], **figures, "told": units.ratio(*(event[name] for name in names))}


def _role(event: Mapping[str, Any], winners: Sequence[str]) -> str:
    if event["variant"] in winners:
        return "not separated from the best"
    return "baseline" if event["variant"] == event["baseline"] else "slower"


def _curve(event: Mapping[str, Any], cores: int) -> Iterator[Row]:
    fewest = event["workers"][0]
    columns = [event[name] for name in ("workers", "speedups", "speedup_lows", "speedup_highs")]
    for workers, speedup, low, high in zip(*columns, strict=True):
        figures = {"speedup": _short(speedup), "low": _short(low), "high": _short(high)}
        told = units.ratio(speedup, low, high)
        yield {"variant": event["of"], "workers": workers, **figures, "told": told} | {
            "ideal": workers / fewest,
            "cores": cores,
        }


def _shares(event: Mapping[str, Any]) -> Iterator[Row]:
    for place, name in enumerate(SHARES):
        if share := event[f"{name}_share"]:
            yield {"variant": event["variant"], "part": PARTS[name], "share": _short(share), "order": place}


def _timeline(variant: str, recorded: Mapping[str, Any], most: int) -> Iterator[Row]:
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
    counting = {block.number for block in contest.judged}
    for variant in (*contest.variants, None):
        times = {
            block.number: median(walls)
            for block in contest.blocks
            if (walls := block.reference if variant is None else block.walls.get(variant))
        }
        middle = median(times.values()) if times else 0
        for number, time in times.items():
            yield {"variant": "reference loop" if variant is None else variant, "yardstick": variant is None} | {
                "block": number,
                "relative": _short(time / middle),
                "ns": round(time),
                "counts": number in counting,
            }


def _short(value: float | None) -> float | None:
    """Return a number with the digits that can be seen in a chart."""
    return None if value is None else float(f"{value:.4g}")


# --- how they are drawn


@cache
def template(kind: str) -> dict[str, Any]:
    """Return the Vega-Lite specification of a kind of chart, without data, which is called `rows`, and height."""
    drawn = _KINDS[kind][0]().properties(
        width="container", data=alt.NamedData("rows"), autosize=alt.AutoSizeParams(type="fit-x", contains="padding")
    )
    made: dict[str, Any] = drawn.to_dict(validate=False)  # the tests draw every kind
    return {key: value for key, value in made.items() if key not in ("config", "datasets")}


def _nothing() -> alt.Chart:
    return alt.Chart()


def _time_of(field: str) -> str:
    """Return the expression of Vega that shows a time in ns as `units.duration` does."""
    steps = "".join(
        f"abs({field}) >= {divisor:g} ? format({field} / {divisor:g}, '.3~r') + ' {unit}' : "
        for divisor, unit in ((1e9, "s"), (1e6, "ms"), (1e3, "us"))
    )
    return f"{steps}format({field}, '.3~r') + ' ns'"


_SIZE = (
    "datum.value >= 1048576 ? format(datum.value / 1048576, '.3~r') + ' MiB' "
    ": format(datum.value / 1024, '.3~r') + ' KiB'"
)
_TIMES = alt.Axis(labelExpr=_time_of("datum.value"), tickCount=5)
_BAR = alt.RelativeBandSize(0.7)
_STEPS = [step * 10.0**power for power in range(-3, 12) for step in (1, 2, 5)]
_LOG_TIMES = alt.Axis(labelExpr=_time_of("datum.value"), values=_STEPS, labelOverlap="greedy", labelSeparation=8)
_RATIOS = alt.Axis(
    format=".3~r",
    values=sorted({*_STEPS[:18], *(0.3, 0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.2, 1.3, 1.5, 1.7, 3, 4)}),
    labelOverlap="greedy",
    labelSeparation=6,
)


def _log() -> alt.Scale:
    return alt.Scale(type="log", nice=False, padding=12)


def _variants(field: str) -> alt.Y:
    return alt.Y(field, sort=None, title=None)


def _speedups() -> Drawn:
    at = _variants("variant:N")
    base = _nothing().encode(y=at)
    one = _nothing().mark_rule(strokeDash=[4, 4], opacity=0.6).encode(x=alt.datum(1))
    interval = base.mark_rule(strokeWidth=2).encode(
        x=alt.X("low:Q", scale=_log(), axis=_RATIOS, title="times as fast as the baseline"), x2="high:Q"
    )
    roles = ["not separated from the best", "baseline", "slower"]
    role = alt.Color("role:N", scale=alt.Scale(domain=roles, range=["#2f9461", "#7f8791", "#3b82c4"]))
    shape = alt.Shape("role:N", scale=alt.Scale(domain=roles, range=["diamond", "square", "circle"]))
    point = base.mark_point(filled=True, size=110, opacity=1).encode(
        x="speedup:Q",
        color=role,
        shape=shape,
        tooltip=[alt.Tooltip("variant:N"), alt.Tooltip("told:N", title="speedup"), alt.Tooltip("role:N")],
    )
    return alt.layer(one, interval, point)


def _scaling() -> Drawn:
    x = alt.X("workers:Q", axis=alt.Axis(format="d", tickMinStep=1), scale=alt.Scale(nice=False, padding=12))
    base = _nothing().encode(x=x)
    ideal = base.mark_line(strokeDash=[4, 4], opacity=0.6).encode(y="ideal:Q", color=alt.value("#7f8791"))
    cores = _nothing().mark_rule(strokeDash=[1, 3], opacity=0.8).encode(x="min(cores):Q")
    told = [alt.Tooltip("variant:N"), alt.Tooltip("workers:Q"), alt.Tooltip("told:N", title="speedup")]
    colour = alt.Color("variant:N", sort=None)
    speedup = alt.Y("speedup:Q", title="speedup; dashed: ideal; dotted: cores")
    interval = base.mark_rule(strokeWidth=2, opacity=0.7).encode(y="low:Q", y2="high:Q", color=colour)
    line = base.mark_line().encode(y=speedup, color=colour)
    point = base.mark_point(filled=True, size=70, opacity=1).encode(y=speedup, color=colour, tooltip=told)
    return alt.layer(ideal, cores, interval, line, point)


def _sweep(scale: Literal["log", "linear"]) -> Drawn:
    x = alt.X(
        "level:Q",
        title=None,
        scale=alt.Scale(type=scale, nice=False, padding=12),
        axis=alt.Axis(format="~s", tickCount=6),
    )
    base = _nothing().transform_filter("isValid(datum.level)").encode(x=x)
    one = _nothing().mark_rule(strokeDash=[4, 4], opacity=0.6).encode(y=alt.datum(1))
    change = (
        _nothing()
        .transform_filter("isValid(datum.from)")
        .mark_rect(opacity=0.14, color="#c8781e")
        .encode(x=alt.X("from:Q"), x2="to:Q", tooltip=alt.Tooltip("change:N"))
    )
    colour = alt.Color("variant:N", sort=None)
    y = alt.Y("speedup:Q", scale=_log(), axis=_RATIOS, title="times as fast as the baseline")
    told = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("level:Q", format=","),
        alt.Tooltip("told:N", title="speedup"),
        alt.Tooltip("time:N", title="per batch"),
    ]
    interval = base.mark_rule(strokeWidth=2, opacity=0.7).encode(y=alt.Y("low:Q"), y2="high:Q", color=colour)
    line = base.mark_line().encode(y=y, color=colour)
    point = base.mark_point(filled=True, size=70, opacity=1).encode(y=y, color=colour, tooltip=told)
    return alt.layer(change, one, interval, line, point)


def _time() -> Drawn:
    domain, colours = [PARTS[name] for name in COLOURS], list(COLOURS.values())
    drawn: alt.Chart = (
        _nothing()
        .mark_bar(height=_BAR)
        .encode(
            y=_variants("variant:N"),
            x=alt.X("share:Q", axis=alt.Axis(format=".0%", tickCount=5), title="of the workers' time", stack="zero"),
            color=alt.Color("part:N", scale=alt.Scale(domain=domain, range=colours)),
            order="order:Q",
            tooltip=[alt.Tooltip("variant:N"), alt.Tooltip("part:N"), alt.Tooltip("share:Q", format=".1%")],
        )
    )
    return drawn


def _lanes() -> Drawn:
    parts = ("on_core", "gil", "run_queue", "blocked", "serialisation")
    domain, colours = [PARTS[name] for name in parts], [COLOURS[name] for name in parts]
    drawn: alt.Chart = (
        _nothing()
        .transform_calculate(took=_time_of("(datum.to - datum.from)"))
        .mark_bar(height=alt.RelativeBandSize(0.8), stroke="white", strokeWidth=0.3)
        .encode(
            y=_variants("lane:N"),
            x=alt.X("from:Q", axis=_TIMES, title="since the batch began"),
            x2="to:Q",
            color=alt.Color("part:N", scale=alt.Scale(domain=domain, range=colours)),
            tooltip=[
                alt.Tooltip("lane:N"),
                alt.Tooltip("call:Q"),
                alt.Tooltip("part:N"),
                alt.Tooltip("took:N", title="for"),
            ],
        )
    )
    return drawn


def _startup() -> Drawn:
    drawn: alt.Chart = (
        _nothing()
        .transform_calculate(took=_time_of("datum.ns"))
        .mark_point(filled=True, size=90, opacity=1, color=PALETTE[0])
        .encode(
            y=_variants("variant:N"),
            x=alt.X("ns:Q", scale=_log(), axis=_LOG_TIMES, title="until its workers are up"),
            tooltip=[alt.Tooltip("variant:N"), alt.Tooltip("took:N", title="start-up")],
        )
    )
    return drawn


def _memory() -> Drawn:
    drawn: alt.Chart = (
        _nothing()
        .transform_calculate(size=_SIZE.replace("datum.value", "datum.bytes"))
        .mark_bar(color=PALETTE[4], height=_BAR)
        .encode(
            y=_variants("variant:N"),
            x=alt.X("bytes:Q", axis=alt.Axis(labelExpr=_SIZE, tickCount=4), title="runner and workers, at the peak"),
            tooltip=[alt.Tooltip("variant:N"), alt.Tooltip("size:N", title="memory")],
        )
    )
    return drawn


def _drift() -> Drawn:
    x = alt.X("block:Q", axis=alt.Axis(format="d", tickMinStep=1), scale=alt.Scale(nice=False, padding=12))
    y = alt.Y("relative:Q", scale=_log(), axis=_RATIOS, title="time of a batch, relative to its median")
    told = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("block:Q"),
        alt.Tooltip("took:N", title="per batch"),
        alt.Tooltip("counts:N"),
    ]
    base = _nothing().transform_calculate(took=_time_of("datum.ns")).encode(x=x, y=y)
    variants = base.transform_filter("!datum.yardstick")
    yardstick = base.transform_filter("datum.yardstick")
    colour = alt.Color("variant:N", sort=None)
    faded = alt.condition("datum.counts", alt.value(1), alt.value(0.35))
    return alt.layer(
        yardstick.mark_line(strokeDash=[2, 2], opacity=0.7, color="#7f8791"),
        yardstick.mark_point(filled=True, size=25, color="#7f8791", opacity=0.9).encode(tooltip=told),
        variants.mark_line(opacity=0.35).encode(color=colour),
        variants.mark_point(filled=True, size=45).encode(color=colour, opacity=faded, tooltip=told),
    )


def _history() -> Drawn:
    told = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("at:N", title="when"),
        alt.Tooltip("machine:N"),
        alt.Tooltip("commit:N"),
        alt.Tooltip("told:N", title="times the loop"),
        alt.Tooltip("time:N", title="per batch"),
        alt.Tooltip("change:N"),
    ]
    when = alt.Axis(tickCount=6, labelOverlap="greedy", labelSeparation=10)
    x = alt.X("when:T", title=None, scale=alt.Scale(type="utc", padding=12), axis=when)
    base = _nothing().encode(x=x, color=alt.Color("variant:N", sort=None))
    y = alt.Y("ratio:Q", scale=_log(), axis=alt.Axis(format="~r", tickCount=6), title="times the reference loop")
    return alt.layer(
        base.mark_rule(strokeWidth=2, opacity=0.6).encode(y=alt.Y("low:Q"), y2="high:Q"),
        base.mark_line(opacity=0.5).encode(y=y, detail="machine:N"),
        base.mark_point(filled=True, size=60, opacity=1).encode(y=y, shape=alt.Shape("machine:N"), tooltip=told),
    )


_KINDS: dict[str, tuple[Callable[[], Drawn], int | tuple[str, int]]] = {
    "speedups": (_speedups, ("variant", 26)),
    "scaling": (_scaling, 280),
    "sweep_log": (lambda: _sweep("log"), 320),
    "sweep_linear": (lambda: _sweep("linear"), 320),
    "time": (_time, ("variant", 28)),
    "timeline": (_lanes, ("lane", 20)),
    "startup": (_startup, ("variant", 24)),
    "memory": (_memory, ("variant", 24)),
    "blocks": (_drift, 240),
    "history": (_history, 280),
}
"""How each kind of chart is drawn, and how high: so many pixels, or so many for each value of a field."""

KINDS = tuple(_KINDS)
"""Every kind of chart."""
