"""The charts of the page as pictures, for a README or a mail: one file each."""

from __future__ import annotations

import vl_convert

from ...analysis.results import Results
from . import chart_specs, charts

WIDTH = 720  # pixels of a chart at a scale of 1, without its labels

SHARP = 2  # pixels of a PNG for one of the chart, as screens of today show them

_PAPER = chart_specs.theme("#1b1f24", "#ffffff")


def png(results: Results) -> dict[str, bytes]:
    """Return a picture of every chart, on white."""
    drawn = {chart.name: charts.specification(chart, _PAPER) for chart in charts.charts(results)}
    return {f"{name}.png": vl_convert.vegalite_to_png(_sized(each), scale=SHARP) for name, each in drawn.items()}


def svg(results: Results) -> dict[str, bytes]:
    """Return a drawing of every chart, on white; its text stays text."""
    return {f"{chart.name}.svg": drawn(chart) for chart in charts.charts(results)}


def drawn(chart: charts.Chart) -> bytes:
    """Return a drawing of one chart, on white."""
    return vl_convert.vegalite_to_svg(_sized(charts.specification(chart, _PAPER))).encode()


def _sized(specification: dict[str, object]) -> dict[str, object]:
    return {**specification, "width": WIDTH}
