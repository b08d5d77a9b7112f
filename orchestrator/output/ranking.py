"""The table of an answer: the variants of a point, best first, with bars and intervals drawn to scale."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Literal

from rich.cells import cell_len

from .. import units
from ..analysis.results import PointEvents
from ..journal.derived_events import VariantCompared, VerdictReached
from ..journal.window_events import LATENCY_FIELDS
from . import parts, tables
from .grid import Grid, Line
from .plot import ASCII, BLOCKS, Axis, Signs, bar
from .view import View

Standing = Literal["win", "tie", "undecided", "alike", "slower", "dropped", "failed"]

MARKS: Mapping[Standing, tuple[str, str, str]] = {
    "win": ("*", "winner", "green"),
    "tie": ("=", "tie", "green"),
    "undecided": ("?", "undecided", "yellow"),
    "alike": ("~", "runs as the loop does", "dim"),
    "slower": ("-", "slower", "dim"),
    "dropped": ("x", "dropped as far slower", "dim"),
    "failed": ("!", "failed", "red"),
}
"""How a variant came out, best first: its mark, the word for it, and its colour."""

GAP = 2  # blanks between columns
BAR = (3, 16)  # the least and the most cells of a bar
PLOT = (7, 40)  # and of the intervals
NARROW = 18  # where room is short, a longer label continues on the next line
LABEL, BARS, PLOTS = "  variant", " ", "  "
ORDER = (LABEL, "batch", "call", *LATENCY_FIELDS, BARS, "achieved", "queued", "vs baseline", PLOTS, "why")
"""The columns from left to right; the header of the intervals is their axis."""


def signs(view: View) -> Signs:
    """Return the characters that a view can show."""
    return ASCII if view.is_ascii else BLOCKS


def standing(event: VariantCompared, verdict: VerdictReached | None) -> Standing:
    """Return how a variant came out at its point."""
    if event.excluded or (not event.blocks and event.failures):
        return "failed"
    if verdict is None or (not event.blocks and event.variant in verdict.winners):
        return "undecided"
    if event.dropped_for_futility:
        return "dropped"
    if event.variant in verdict.winners and verdict.verdict != "undecided":
        return verdict.verdict
    if event.dropped_after is not None or (_is_below_baseline(event) and event.baseline in verdict.winners):
        return "slower"
    return "alike" if event.repeats_loop else "undecided" if verdict.verdict == "undecided" else "slower"


def _is_below_baseline(event: VariantCompared) -> bool:
    return event.speedup_high is not None and event.speedup_high < 1


def ordered(found: PointEvents) -> list[tuple[Standing, VariantCompared]]:
    """Return the variants of a point, best first: by how they came out, then by their speed."""
    order = list(MARKS)
    known = [(standing(event, found.verdict), event) for event in found.compared]
    return sorted(known, key=lambda each: (order.index(each[0]), -(_speed(each[1]) or 0.0), each[1].wall_ns or 0))


def _speed(event: VariantCompared) -> float | None:
    return 1.0 if event.variant == event.baseline and not event.excluded else event.speedup


def ranked(found: PointEvents, view: View) -> Grid:
    """Return a row for each variant: its time, its ratio to the baseline, both drawn, and its main cause."""
    rows = ordered(found)
    events = [event for _, event in rows]
    texts, bar_width, plot_width = _fitted(_texts(found, events, [MARKS[each][0] for each, _ in rows]), view.width)
    axis = Axis.over((value for event in events for value in _interval(event) if value is not None), plot_width)
    columns: dict[str, list[str]] = {}
    for header in ORDER:
        if header in texts:
            columns[header] = texts[header]
        elif header == BARS and bar_width:
            columns[header] = _bars(events, bar_width, signs(view))
        elif header == PLOTS and plot_width:
            columns[axis.ticks()] = [axis.drawn(*_interval(event), signs(view)) for event in events]
    return Grid(
        headers=list(columns),
        rows=list(zip(*columns.values(), strict=True)),
        right=("batch", "call", *LATENCY_FIELDS, "achieved", "queued"),
        wrapped=(LABEL, "why"),
        row_styles=[MARKS[each][2] for each, _ in rows],
        marked=[header for header in columns if header not in texts or header == LABEL],
    )


def legend(found: PointEvents) -> Line:
    """Return what the marks mean that a table has, and the number of workers that its variants have in common."""
    present = {standing(event, found.verdict) for event in found.compared}
    than = {"slower": " than the leader"} if found.verdict and found.verdict.verdict == "undecided" else {}
    marks = [(key, each) for key, each in MARKS.items() if key in present]
    words = [(f"{mark} {word}{than.get(key, '')}", style) for key, (mark, word, style) in marks]
    numbers = [workers for event in found.compared if (workers := tables.unnamed_workers(event)) is not None]
    if len(set(numbers)) == 1:
        words.append((f"{units.count(numbers[0], 'worker')}{' each' * (len(numbers) > 1)}", "dim"))
    return [part for place, each in enumerate(words) for part in ([("   ", "")] * (place > 0) + [each])]


def _labels(events: Sequence[VariantCompared], marks: Sequence[str]) -> list[str]:
    """Return the marked labels, each with its number of workers where that differs and the label lacks it."""
    workers = [tables.unnamed_workers(event) for event in events]
    differ = len({*workers} - {None}) > 1
    counts = ["" if each is None or not differ else f" ({units.count(each, 'worker')})" for each in workers]
    return [f"{mark} {event.variant}{count}" for mark, event, count in zip(marks, events, counts, strict=True)]


def _texts(found: PointEvents, events: Sequence[VariantCompared], marks: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns of text, from left to right, without those that are empty."""
    if found.served:
        return _of_arrivals(found, events, marks)
    why = parts.main_causes(found)
    columns = {
        LABEL: _labels(events, marks),
        "batch": [units.duration(event.wall_ns) for event in events],
        "call": [units.duration(event.wall_ns and event.wall_ns / event.tasks) for event in events],
        "vs baseline": [tables.against_baseline(event) for event in events],
        "why": [why.get(event.variant, "") for event in events],
    }
    if not events or events[0].tasks < tables.MANY_CALLS:
        del columns["call"]
    if not any(columns["why"]):
        del columns["why"]
    return columns


def _of_arrivals(found: PointEvents, events: Sequence[VariantCompared], marks: Sequence[str]) -> dict[str, list[str]]:
    """Return the columns of text where calls arrive at a rate: latencies, the rate served, the share of waiting."""
    served = {event.variant: event for event in found.served}
    own = [served.get(event.variant) for event in events]
    causes = parts.main_causes(found)
    shown = ["p50", "p99", found.served[0].metric]
    latencies = {metric: [tables.latency(each, metric) for each in own] for metric in LATENCY_FIELDS}
    columns = {
        LABEL: _labels(events, marks),
        **{name: cells for name, cells in latencies.items() if name in shown and {*cells} - {"-"}},
        "achieved": [tables.achieved(each) for each in own],
        "queued": [units.percent(each.queue_share if each else None) for each in own],
        "vs baseline": [tables.against_baseline(event) for event in events],
        "why": [causes.get(event.variant, "") for event in events],
    }
    if not causes:
        del columns["why"]
    return columns


def _fitted(columns: dict[str, list[str]], width: int) -> tuple[dict[str, list[str]], int, int]:
    """Return the columns of text that fit, and the cells for bars and for intervals, 0 for none.

    Bars go first, then the time of a call; then long labels are folded, and then the intervals go, or the causes.
    """
    without_call = {header: cells for header, cells in columns.items() if header != "call"}
    for kept in (columns, without_call):
        free = width - _width(kept) - GAP  # beside one more column
        if free - GAP >= BAR[0] + PLOT[0]:
            bars = min(BAR[1], max(BAR[0], (free - GAP) // 3))
            return kept, bars, min(PLOT[1], free - GAP - bars)
        if free >= PLOT[0]:
            return kept, 0, min(PLOT[1], free)
    kept = without_call
    if _width(kept) > width - GAP - PLOT[0]:
        kept = {**kept, LABEL: [_folded(label) for label in kept[LABEL]]}
    for spare in ("why", "queued", "p50"):
        if _width(kept) > width:
            kept.pop(spare, None)
    free = width - _width(kept) - GAP
    return kept, 0, min(PLOT[1], free) if free >= PLOT[0] else 0


def _folded(label: str) -> str:
    """Return a label on several lines if it is long, broken before its options where there are any."""
    lines = [""]
    for part in re.findall(r"\S[^\s(,]*[(,]?\s?", label[2:]):
        if cell_len(lines[-1] + part.rstrip()) > NARROW - 2 and lines[-1]:
            lines.append("")
        lines[-1] += part
    return label[:2] + "\n  ".join(line.rstrip() for line in lines)


def _width(columns: Mapping[str, Sequence[str]]) -> int:
    """Return the width of a table of these columns."""
    cells = ([header, *(line for cell in cells for line in cell.split("\n"))] for header, cells in columns.items())
    return sum(max(map(cell_len, each)) for each in cells) + GAP * (len(columns) - 1)


def _bars(events: Sequence[VariantCompared], width: int, by: Signs) -> list[str]:
    longest = max((event.wall_ns or 0 for event in events), default=0)
    return [bar(event.wall_ns / longest, width, by) if event.wall_ns else "" for event in events]


def _interval(event: VariantCompared) -> tuple[float | None, float | None, float | None]:
    """Return a ratio and its interval, none for the baseline, which is 1 by definition."""
    return (None,) * 3 if event.variant == event.baseline else (event.speedup, event.speedup_low, event.speedup_high)


def _best(event: VariantCompared, verdict: VerdictReached) -> str:
    """Return the best variant of a point, with those beside it: by name if that is one."""
    others = [winner for winner in verdict.winners if winner != event.variant]
    beside = f" and {others[0] if len(others) == 1 else f'{len(others)} others'}" if others else ""
    word = "" if verdict.verdict == "win" else f"{verdict.verdict}: "
    return f"{word}{event.variant}{beside}"


def points(found: Sequence[tuple[str, PointEvents]]) -> Grid:
    """Return a row for each point, by its label: its best variant with its time, ratio and main cause."""
    rows, styles = [], []
    for label, about in found:
        best = ordered(about)[:1]
        for how, event in best:
            why = parts.main_causes(about).get(event.variant, "")
            named = f"{MARKS[how][0]} {_best(event, about.verdict) if about.verdict else event.variant}"
            rows.append([label, named, units.duration(event.wall_ns), tables.against_baseline(event), why])
            styles.append(MARKS[how][2])
    time = next((event.metric for _, about in found for event in about.served), "batch")
    headers = ["point", "  best", time, "vs baseline", "why"]
    grid = Grid(headers, rows, right=(time,), spare=("why",), wrapped=("point", "  best"))
    grid = replace(grid, row_styles=styles, marked=("  best",))
    return grid if any(row[-1] for row in rows) else grid.without(["why"])
