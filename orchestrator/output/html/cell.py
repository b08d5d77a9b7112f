"""A run as HTML for the output of a notebook's cell: the verdict, the variants with bars and intervals, the causes.

It has no scripts and loads nothing; its colours are those of the notebook, light or dark.
"""

from __future__ import annotations

from collections.abc import Iterator
from html import escape

from ... import units
from ...analysis.contest import Contest
from ...analysis.results import PointEvents, Results
from ...journal.derived_events import VariantCompared
from ...journal.raw_events import VariantUnavailable
from ...text import printable
from .. import advice, lines, parts, ranking, tables, warning_words
from ..plot import Axis

BAR, PLOT = 120, 240  # pixels

FEW_POINTS = 8  # more of them are in the page

GOOD, BAD, FAINT = "#2a9d5c", "#d1495b", "#8a8f98"  # each has contrast on white and on black

STANDINGS = {
    **dict.fromkeys(("win", "tie"), GOOD),
    **dict.fromkeys(("alike", "slower", "dropped"), FAINT),
    "undecided": "#c77d0a",
    "failed": BAD,
}


def render(results: Results, run: str) -> str:
    """Return the HTML; `run` is where the run is."""
    return f'<div style="overflow-x:auto;font-variant-numeric:tabular-nums">{"".join(_parts(results, run))}</div>'


def _parts(results: Results, run: str) -> Iterator[str]:
    measured = [each for each in results.contests if not each.is_skipped]
    if not measured:
        yield _line("undecided: no point was measured.")
    for contest in measured[:FEW_POINTS]:
        yield from _point(results, contest)
    if len(measured) > FEW_POINTS:
        yield _line(f"and {units.count(len(measured) - FEW_POINTS, 'more point')}", faint=True)
    for event in results.expectations:
        yield _line(f"{event.outcome}: {lines.claim(event, several_points=len(measured) > 1)}")
    for failure in results.failures[:1]:
        more = f", and {len(results.failures) - 1} more" if len(results.failures) > 1 else ""
        yield _line(f"failed: {failure.variant}: {failure.error}{more}")
    for missing in results.events(VariantUnavailable):
        yield _line(f"not run: {missing.variant}: {missing.reason}", faint=True)
    for finding in results.plan.experiment.findings:
        yield _line(finding)
    if results.plan.experiment.description:
        yield _line(results.plan.experiment.description, faint=True)
    yield _line(f"{lines.took(results)}; {run}", faint=True)


def _point(results: Results, contest: Contest) -> Iterator[str]:
    found = results.about(contest.point)
    if found.verdict is None:
        return
    yield f"<p><strong>{_text(found.verdict.sentence)}</strong></p>"
    yield _table(found)
    yield _line(advice.choice(found))
    for note in warning_words.short([found.verdict]):
        yield _line(f"note: {note}", faint=True)
    whys = [f"<li>{_text(each)}</li>" for each in found.verdict.why]
    if whys:
        yield f"<details><summary>Where the time went</summary><ul>{''.join(whys)}</ul></details>"


def _table(found: PointEvents) -> str:
    rows = ranking.ordered(found)
    events = [event for _, event in rows]
    bounds = [(event.speedup, event.speedup_low, event.speedup_high) for event in events]
    axis = Axis.over((value for each in bounds for value in each if value is not None), PLOT)
    longest = max((event.wall_ns or 0 for event in events), default=0)
    causes = parts.main_causes(found)
    body = ""
    for standing, event in rows:
        mark, word, _ = ranking.MARKS[standing]
        cells = [
            f'<td style="color:{STANDINGS[standing]}" title="{word}">{mark}</td>',
            f'<th scope="row" style="text-align:left">{_text(event.variant)}</th>',
            f'<td style="text-align:right">{units.duration(event.wall_ns)}</td>',
            f"<td>{_bar(event, longest, STANDINGS[standing])}</td>",
            f"<td>{_text(tables.against_baseline(event))}</td>",
            f"<td>{_interval(event, axis, STANDINGS[standing])}</td>",
            f'<td style="text-align:left">{_text(causes.get(event.variant, ""))}</td>',
        ]
        body += f"<tr>{''.join(cells)}</tr>"
    titles = ("", "variant", "batch", "", "vs baseline", "", "why")
    head = "".join(f'<th style="text-align:left">{title}</th>' for title in titles)
    style = "color:inherit;font:inherit"  # which a table does not do in every document
    return f'<table style="{style}"><thead><tr>{head}</tr></thead><tbody>{body}</tbody></table>'


def _bar(event: VariantCompared, longest: int, colour: str) -> str:
    width = max(1, round(BAR * event.wall_ns / longest)) if event.wall_ns and longest else 0
    drawn = f'<rect width="{width}" height="10" y="3" fill="{colour}"/>'
    return f'<svg width="{BAR}" height="16" role="img" aria-label="{units.duration(event.wall_ns)}">{drawn}</svg>'


def _interval(event: VariantCompared, axis: Axis, colour: str) -> str:
    """Return the ratio to the baseline with its interval, drawn beside the mark at 1."""
    one = axis.place(1)
    drawn = f'<path d="M{one} 0V16" stroke="currentColor" stroke-dasharray="2 2" opacity="0.5"/>'
    low, high = event.speedup_low, event.speedup_high
    if event.variant != event.baseline and event.speedup is not None:
        if low is not None and high is not None:
            first, last = axis.place(low), axis.place(high)
            drawn += f'<path d="M{first} 4V12M{first} 8H{last}M{last} 4V12" stroke="{colour}" stroke-width="2"/>'
        drawn += f'<circle cx="{axis.place(event.speedup)}" cy="8" r="3.5" fill="{colour}"/>'
    label = escape(tables.against_baseline(event))
    box = f'width="{PLOT + 8}" height="16" viewBox="-4 0 {PLOT + 8} 16"'
    return f'<svg {box} role="img" aria-label="{label}">{drawn}</svg>'


def _line(text: str, *, faint: bool = False) -> str:
    style = ' style="opacity:0.75;font-size:90%"' if faint else ""
    return f"<p{style}>{_text(text)}</p>" if text else ""


def _text(text: str) -> str:
    return escape(printable(text))
