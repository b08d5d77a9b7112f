"""A history as one HTML page, made as the report of a run is: a chart and a table for each point."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from ... import units
from ...analysis.history import Entry
from .. import changes, trend
from .charts import Chart
from .page import placed, written

FILE = "history.html"


def render(name: str, entries: Sequence[Entry], tolerance: float) -> dict[str, bytes]:
    """Return the page of an experiment's history."""
    drawn = list(_charts(entries))
    points = [
        {"label": label, "table": trend.grid(own), "figure": placed(chart)}
        for (label, own), chart in zip(trend.points(entries), drawn, strict=True)
    ]
    runs = list(dict.fromkeys(entry.run_id for entry in entries))
    about = {
        "name": name,
        "count": units.count(len(runs), "run"),
        "since": units.day(entries[0].started) if entries else "",
        "until": units.day(entries[-1].started) if entries else "",
        "changed": [
            f"{entry.variant} at {entry.point}: {entry.change} since the run before, "
            f"{units.ratio(entry.ratio, entry.ratio_low, entry.ratio_high)} times the loop"
            f", on {units.day(entry.started)}" + (f" at commit {entry.commit}" if entry.commit else "")
            for entry in entries
            if entry.change in ("slower", "faster")
        ],
        "note": trend.NOTE.format(tolerance=tolerance * 100),
        "few_blocks": changes.FEW_BLOCKS if trend.has_few_blocks(entries) else None,
        "points": points,
    }
    return {FILE: written("history.html.j2", drawn, about)}


def _charts(entries: Sequence[Entry]) -> Iterator[Chart]:
    for number, (label, own) in enumerate(trend.points(entries), 1):
        text = "The time of a batch in every run, from old to new, as a multiple of the reference loop."
        yield Chart("history", f"{number}-history", label, text, [_row(entry) for entry in own], own[0].point_id)


def _row(entry: Entry) -> dict[str, Any]:
    ratio = entry.ratio
    low, high = (entry.ratio_low, entry.ratio_high) if entry.ratio_low else (ratio, ratio)
    return {
        "variant": entry.variant,
        "when": entry.started,
        "at": f"{units.minute(entry.started)} UTC",
        "machine": entry.hostname or "unknown",
        "commit": entry.commit or "-",
        "ratio": ratio,
        "low": low,
        "high": high,
        "figure": units.ratio(ratio, entry.ratio_low, entry.ratio_high),
        "time": units.duration(entry.wall_ns),
        "change": entry.change or "-",
    }
