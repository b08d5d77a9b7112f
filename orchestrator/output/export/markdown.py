"""A report for a pull request or a wiki, in the Markdown that GitHub shows: the figures of `report`, point by point."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Sequence

from ...analysis.results import PointEvents, Results
from ...journal.raw_events import TrialFailed
from ...text import printable
from .. import lines, tables, warning_words
from ..grid import Grid, plain

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SPECIAL = re.compile(
    r"[\\`*~|]"
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # elsewhere an underscore is one, and names are full of them
    r"|\](?=[(\[:])"  # an interval in brackets is no link
)


def render(results: Results) -> dict[str, bytes]:
    """Return the file; every text in it is escaped, so that it can't format or mention."""
    content = "\n".join(_report(results))
    return {"report.md": f"{content}\n".encode()}


def text(value: str) -> str:
    """Return any text as Markdown that shows it on one line: nothing in it is markup, HTML or a mention."""
    shown = printable(" ".join(value.split()))
    shown = re.sub("[&<>]", lambda found: _ENTITIES[found[0]], _SPECIAL.sub(r"\\\g<0>", shown))
    # a character without width keeps GitHub from making a mention, or a link to an issue, of it
    return re.sub("[@#]", r"\g<0>&#8203;", shown)


def _report(results: Results) -> Iterator[str]:
    yield f"# {text(results.started.experiment)}"
    for contest in results.contests:
        if not contest.is_skipped:
            failed = [event for event in results.failures if event.point_id == contest.point.id]
            yield from _point(contest.point.label, results.about(contest.point), failed)
    along = lines.crossovers(results)
    if along:
        yield from ("", "## Where the winner changes")
    for part in along:
        if isinstance(part, Grid):
            yield from table(part)
        elif part:
            yield from ("", f"**{text(plain(part))}**")
    if results.expectations:
        yield from ("", "## Expectations", "")
    several = len(results.contests) > 1
    yield from items(plain(lines.expectation(event, several_points=several)) for event in results.expectations)
    yield from ("", text(lines.spent(results)))
    if results.differences:
        yield from ("", "## Differs from the journal", "")
    yield from items(results.differences)


def _point(label: str, found: PointEvents, failed: Sequence[TrialFailed]) -> Iterator[str]:
    yield from ("", f"## {text(label)}")
    yield from table(tables.compared(found).without(["quartiles"]))
    if found.verdict:
        yield from ("", f"**{text(found.verdict.sentence)}**")
    notes = warning_words.below(found)
    first = {event.variant: event.error for event in reversed(failed)}
    notes += [f"{variant} failed: {error}" for variant, error in first.items()]
    if notes:
        yield ""
    yield from items(notes)


def items(what: Iterable[str]) -> Iterator[str]:
    """Yield the lines of a list."""
    yield from (f"- {text(item)}" for item in what)


def table(grid: Grid) -> Iterator[str]:
    """Yield the lines of a table, with an empty one before it."""
    yield from ("", _row(grid.headers))
    yield f"|{'|'.join('---:' if right else '---' for right in grid.aligned_right)}|"
    yield from map(_row, grid.rows)


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(text, cells))} |"
