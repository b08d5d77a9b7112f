"""How each kind of chart is drawn: its specification in Vega-Lite, which holds no data.

They are plain data: a library that makes them takes longer to load than a whole report to render.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any, Literal

from ..parts import COLOURS, PARTS

Row = dict[str, Any]
Spec = dict[str, Any]

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


SCHEMA = "https://vega.github.io/schema/vega-lite/v6.4.1.json"


def template(kind: str) -> Spec:
    """Return the Vega-Lite specification of a kind of chart, without data, which is called `rows`, and height."""
    frame = {"autosize": {"contains": "padding", "type": "fit-x"}, "data": {"name": "rows"}, "width": "container"}
    return {**_KINDS[kind][0](), **frame, "$schema": SCHEMA}


def _mark(kind: str, look: Spec, *transform: Spec, **encoding: object) -> Spec:
    """Return one layer: what is drawn, how it looks, and which field of a row each of its channels shows."""
    made = {"mark": {"type": kind, **look}, "encoding": encoding}
    return {**made, "transform": list(transform)} if transform else made


def _name(field: str, **about: object) -> Spec:
    """Return a channel that shows a field of names."""
    return {"field": field, "type": "nominal", **about}


def _number(field: str, **about: object) -> Spec:
    """Return a channel that shows a field of numbers."""
    return {"field": field, "type": "quantitative", **about}


def _variants(field: str) -> Spec:
    return _name(field, sort=None, title=None)


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
_TIMES = {"labelExpr": _time_of("datum.value"), "tickCount": 5}
_BAR = {"band": 0.7}
_STEPS = [step * 10.0**power for power in range(-3, 12) for step in (1, 2, 5)]
_LOG_TIMES = {
    "labelExpr": _time_of("datum.value"),
    "values": _STEPS,
    "labelOverlap": "greedy",
    "labelSeparation": 8,
}
_RATIOS = {
    "format": ".3~r",
    "values": sorted({*_STEPS[:18], *(0.3, 0.7, 0.8, 0.9, 0.95, 1.05, 1.1, 1.2, 1.3, 1.5, 1.7, 3, 4)}),
    "labelOverlap": "greedy",
    "labelSeparation": 6,
}
_PADDED = {"nice": False, "padding": 12}
_LOG = {"type": "log", **_PADDED}
_COUNTS = {"format": "d", "tickMinStep": 1}
_ONE = {"strokeDash": [4, 4], "opacity": 0.6}  # the line at a ratio of 1
_POINT = {"filled": True, "size": 70, "opacity": 1}
_COLOURED = _name("variant", sort=None)


def _parts(names: Sequence[str]) -> Spec:
    """Return the channel that colours parts of the workers' time."""
    return _name("part", scale={"domain": [PARTS[name] for name in names], "range": [COLOURS[name] for name in names]})


def _speedups() -> Spec:
    at = _variants("variant")
    ratios = _number("low", scale=_LOG, axis=_RATIOS, title="times as fast as the baseline")
    roles = ["not separated from the best", "baseline", "slower"]
    role = _name("role", scale={"domain": roles, "range": ["#2f9461", "#7f8791", "#3b82c4"]})
    shape = _name("role", scale={"domain": roles, "range": ["diamond", "square", "circle"]})
    tooltip = [_name("variant"), _name("figure", title="speedup"), _name("role")]
    return {
        "layer": [
            _mark("rule", _ONE, x={"datum": 1}),
            _mark("rule", {"strokeWidth": 2}, y=at, x=ratios, x2={"field": "high"}),
            _mark(
                "point", {**_POINT, "size": 110}, y=at, x=_number("speedup"), color=role, shape=shape, tooltip=tooltip
            ),
        ]
    }


def _scaling() -> Spec:
    x = _number("workers", axis=_COUNTS, scale=_PADDED)
    y = _number("speedup", title="speedup; dashed: ideal; dotted: cores")
    tooltip = [_name("variant"), _number("workers"), _name("figure", title="speedup")]
    interval = {"y": _number("low"), "y2": {"field": "high"}}
    return {
        "layer": [
            _mark("line", _ONE, x=x, y=_number("ideal"), color={"value": "#7f8791"}),
            _mark("rule", {"strokeDash": [1, 3], "opacity": 0.8}, x=_number("cores", aggregate="min")),
            _mark("rule", {"strokeWidth": 2, "opacity": 0.7}, x=x, color=_COLOURED, **interval),
            _mark("line", {}, x=x, y=y, color=_COLOURED),
            _mark("point", _POINT, x=x, y=y, color=_COLOURED, tooltip=tooltip),
        ]
    }


def _sweep(scale: Literal["log", "linear"]) -> Spec:
    x = _number("level", title=None, scale={"type": scale, **_PADDED}, axis={"format": "~s", "tickCount": 6})
    y = _number("speedup", scale=_LOG, axis=_RATIOS, title="times as fast as the baseline")
    change = {"x": _number("from"), "x2": {"field": "to"}, "tooltip": _name("change")}
    interval = {"y": _number("low"), "y2": {"field": "high"}}
    at_level = {"filter": "isValid(datum.level)"}
    tooltip = [
        _name("variant"),
        _number("level", format=","),
        _name("figure", title="speedup"),
        _name("time", title="per batch"),
    ]
    return {
        "layer": [
            _mark("rect", {"opacity": 0.14, "color": "#c8781e"}, {"filter": "isValid(datum.from)"}, **change),
            _mark("rule", _ONE, y={"datum": 1}),
            _mark("rule", {"strokeWidth": 2, "opacity": 0.7}, at_level, x=x, color=_COLOURED, **interval),
            _mark("line", {}, at_level, x=x, y=y, color=_COLOURED),
            _mark("point", _POINT, at_level, x=x, y=y, color=_COLOURED, tooltip=tooltip),
        ]
    }


def _latencies() -> Spec:
    x = _number("rate", title="calls a second", scale=_PADDED, axis={"tickCount": 6})
    title = "latency; hollow: saturated; dashed: objective"
    of_time: Spec = {"scale": _LOG, "axis": _LOG_TIMES, "title": title}
    y = _number("ns", **of_time)
    objective = _number("objective", aggregate="min", **of_time)
    interval = {"y": _number("low", scale=_LOG), "y2": {"field": "high"}}
    tooltip = [_name("variant"), _number("rate", format=","), _name("figure", title="latency"), _name("served")]
    hollow = {"condition": {"test": "datum.saturated", "value": 0}, "value": 1}
    shape = {"condition": {"test": "datum.beyond", "value": "triangle-up"}, "value": "circle"}
    return {
        "layer": [
            _mark("rule", _ONE, {"filter": "isValid(datum.objective)"}, y=objective),
            _mark("rule", {"strokeWidth": 2, "opacity": 0.7}, x=x, color=_COLOURED, **interval),
            _mark("line", {}, x=x, y=y, color=_COLOURED),
            _mark(
                "point",
                {"filled": False, "size": 70, "fillOpacity": 1},
                x=x,
                y=y,
                color=_COLOURED,
                fill=_name("variant", sort=None, legend=None),
                fillOpacity=hollow,
                shape=shape,
                tooltip=tooltip,
            ),
        ]
    }


def _distribution() -> Spec:
    x = _number("ns", scale=_LOG, axis=_LOG_TIMES, title="latency")
    y = _number("share", axis={"format": ".0%", "tickCount": 5}, scale={"domain": [0, 1]}, title="of the calls ended")
    tooltip = [_name("variant"), _number("share", format=".1%", title="of the calls"), _name("figure", title="within")]
    return {
        "layer": [
            _mark("line", {"interpolate": "step-after"}, x=x, y=y, color=_COLOURED),
            _mark("point", {"filled": True, "size": 25}, x=x, y=y, color=_COLOURED, tooltip=tooltip),
        ]
    }


def _backlog() -> Spec:
    x = _number("s", scale={"nice": False}, title="seconds since the window began")
    y = _number("calls", axis=_COUNTS, title="calls waiting or running")
    tooltip = [_name("variant"), _number("s", format=".3f"), _number("calls")]
    look = {"interpolate": "step-after", "opacity": 0.8}
    return {"layer": [_mark("line", look, x=x, y=y, color=_COLOURED, tooltip=tooltip)]}


def _time() -> Spec:
    axis = {"format": ".0%", "tickCount": 5}
    return _mark(
        "bar",
        {"height": _BAR},
        y=_variants("variant"),
        x=_number("share", axis=axis, title="of the workers' time", stack="zero"),
        color=_parts(tuple(COLOURS)),
        order=_number("order"),
        tooltip=[_name("variant"), _name("part"), _number("share", format=".1%")],
    )


def _timeline() -> Spec:
    return _mark(
        "bar",
        {"height": {"band": 0.8}, "stroke": "white", "strokeWidth": 0.3},
        {"calculate": _time_of("(datum.to - datum.from)"), "as": "took"},
        y=_variants("lane"),
        x=_number("from", axis=_TIMES, title="since the batch began"),
        x2={"field": "to"},
        color=_parts(("on_core", "gil", "run_queue", "lock", "blocked", "serialisation")),
        tooltip=[_name("lane"), _number("call"), _name("part"), _name("took", title="for")],
    )


def _startup() -> Spec:
    return _mark(
        "point",
        {**_POINT, "size": 90, "color": PALETTE[0]},
        {"calculate": _time_of("datum.ns"), "as": "took"},
        y=_variants("variant"),
        x=_number("ns", scale=_LOG, axis=_LOG_TIMES, title="until its workers are up"),
        tooltip=[_name("variant"), _name("took", title="start-up")],
    )


def _memory() -> Spec:
    axis = {"labelExpr": _SIZE, "tickCount": 4}
    return _mark(
        "bar",
        {"color": PALETTE[4], "height": _BAR},
        {"calculate": _SIZE.replace("datum.value", "datum.bytes"), "as": "size"},
        y=_variants("variant"),
        x=_number("bytes", axis=axis, title="runner and workers, at the peak"),
        tooltip=[_name("variant"), _name("size", title="memory")],
    )


def _blocks() -> Spec:
    at = {
        "x": _number("block", axis=_COUNTS, scale=_PADDED),
        "y": _number("relative", scale=_LOG, axis=_RATIOS, title="time of a batch, relative to its median"),
    }
    tooltip = [_name("variant"), _number("block"), _name("took", title="per batch"), _name("counts")]
    took = {"calculate": _time_of("datum.ns"), "as": "took"}
    loop, variants = {"filter": "datum.is_reference"}, {"filter": "!datum.is_reference"}
    grey = {"color": "#7f8791"}
    faded = {"condition": {"test": "datum.counts", "value": 1}, "value": 0.35}
    dot = {"filled": True, "size": 45}
    return {
        "layer": [
            _mark("line", {**grey, "strokeDash": [2, 2], "opacity": 0.7}, took, loop, **at),
            _mark("point", {**grey, **dot, "size": 25, "opacity": 0.9}, took, loop, **at, tooltip=tooltip),
            _mark("line", {"opacity": 0.35}, took, variants, **at, color=_COLOURED),
            _mark("point", dot, took, variants, **at, color=_COLOURED, opacity=faded, tooltip=tooltip),
        ]
    }


def _history() -> Spec:
    tooltip = [
        _name("variant"),
        _name("at", title="when"),
        _name("machine"),
        _name("commit"),
        _name("figure", title="times the loop"),
        _name("time", title="per batch"),
        _name("change"),
    ]
    axis = {"tickCount": 6, "labelOverlap": "greedy", "labelSeparation": 10}
    when = {"field": "when", "type": "temporal", "title": None, "scale": {"type": "utc", "padding": 12}, "axis": axis}
    y = _number("ratio", scale=_LOG, axis={"format": "~r", "tickCount": 6}, title="times the reference loop")
    own: Spec = {"x": when, "color": _COLOURED}
    shape = _name("machine")
    return {
        "layer": [
            _mark("rule", {"strokeWidth": 2, "opacity": 0.6}, **own, y=_number("low"), y2={"field": "high"}),
            _mark("line", {"opacity": 0.5}, **own, y=y, detail=_name("machine")),
            _mark("point", {**_POINT, "size": 60}, **own, y=y, shape=shape, tooltip=tooltip),
        ]
    }


_KINDS: dict[str, tuple[Callable[[], Spec], int | tuple[str, int]]] = {
    "speedups": (_speedups, ("variant", 26)),
    "scaling": (_scaling, 280),
    "sweep_log": (lambda: _sweep("log"), 320),
    "sweep_linear": (lambda: _sweep("linear"), 320),
    "latencies": (_latencies, 320),
    "distribution": (_distribution, 280),
    "backlog": (_backlog, 220),
    "time": (_time, ("variant", 28)),
    "timeline": (_timeline, ("lane", 20)),
    "startup": (_startup, ("variant", 24)),
    "memory": (_memory, ("variant", 24)),
    "blocks": (_blocks, 240),
    "history": (_history, 280),
}
"""How each kind of chart is drawn, and how high: so many pixels, or so many for each value of a field."""

KINDS = tuple(_KINDS)  # every kind of chart


def height(kind: str, rows: Sequence[Row]) -> int:
    """Return the height of a chart of these rows in pixels, without axes and legend."""
    found = _KINDS[kind][1]
    return found if isinstance(found, int) else found[1] * len({row[found[0]] for row in rows})
