"""How each kind of chart is drawn: altair's specification of it, which holds no data."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import cache
from typing import Any, Literal

import altair as alt

from ..tables import PARTS

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
"""Distinct from each other, and three times as bright or dark as a white and as a black page (WCAG 1.4.11)."""

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
        "aria": False,  # the page that embeds a chart labels it
    }


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
        tooltip=[alt.Tooltip("variant:N"), alt.Tooltip("figure:N", title="speedup"), alt.Tooltip("role:N")],
    )
    return alt.layer(one, interval, point)


def _scaling() -> Drawn:
    x = alt.X("workers:Q", axis=alt.Axis(format="d", tickMinStep=1), scale=alt.Scale(nice=False, padding=12))
    base = _nothing().encode(x=x)
    ideal = base.mark_line(strokeDash=[4, 4], opacity=0.6).encode(y="ideal:Q", color=alt.value("#7f8791"))
    cores = _nothing().mark_rule(strokeDash=[1, 3], opacity=0.8).encode(x="min(cores):Q")
    tooltip = [alt.Tooltip("variant:N"), alt.Tooltip("workers:Q"), alt.Tooltip("figure:N", title="speedup")]
    colour = alt.Color("variant:N", sort=None)
    speedup = alt.Y("speedup:Q", title="speedup; dashed: ideal; dotted: cores")
    interval = base.mark_rule(strokeWidth=2, opacity=0.7).encode(y="low:Q", y2="high:Q", color=colour)
    line = base.mark_line().encode(y=speedup, color=colour)
    point = base.mark_point(filled=True, size=70, opacity=1).encode(y=speedup, color=colour, tooltip=tooltip)
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
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("level:Q", format=","),
        alt.Tooltip("figure:N", title="speedup"),
        alt.Tooltip("time:N", title="per batch"),
    ]
    interval = base.mark_rule(strokeWidth=2, opacity=0.7).encode(y=alt.Y("low:Q"), y2="high:Q", color=colour)
    line = base.mark_line().encode(y=y, color=colour)
    point = base.mark_point(filled=True, size=70, opacity=1).encode(y=y, color=colour, tooltip=tooltip)
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
    tooltip = [
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
        yardstick.mark_point(filled=True, size=25, color="#7f8791", opacity=0.9).encode(tooltip=tooltip),
        variants.mark_line(opacity=0.35).encode(color=colour),
        variants.mark_point(filled=True, size=45).encode(color=colour, opacity=faded, tooltip=tooltip),
    )


def _history() -> Drawn:
    tooltip = [
        alt.Tooltip("variant:N"),
        alt.Tooltip("at:N", title="when"),
        alt.Tooltip("machine:N"),
        alt.Tooltip("commit:N"),
        alt.Tooltip("figure:N", title="times the loop"),
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
        base.mark_point(filled=True, size=60, opacity=1).encode(y=y, shape=alt.Shape("machine:N"), tooltip=tooltip),
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

KINDS = tuple(_KINDS)  # every kind of chart


def height(kind: str, rows: Sequence[Row]) -> int:
    """Return the height of a chart of these rows in pixels, without axes and legend."""
    found = _KINDS[kind][1]
    return found if isinstance(found, int) else found[1] * len({row[found[0]] for row in rows})
