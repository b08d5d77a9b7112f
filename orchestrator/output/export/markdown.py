"""A report for a pull request or a wiki, in the Markdown that GitHub shows: the figures of `report`, point by point."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from rich.table import Table
from rich.text import Text

from ...analysis.results import PointEvents, Results
from ...text import printable
from .. import grid, table

_ENTITIES = {"&": "&amp;", "<": "&lt;", ">": "&gt;"}
_SPECIAL = re.compile(
    r"[\\`*~|]"
    r"|(?<![A-Za-z0-9])_|_(?![A-Za-z0-9])"  # elsewhere an underscore is one, and names are full of them
    r"|\](?=[(\[:])"  # an interval in brackets is no link
)


def render(results: Results) -> dict[str, bytes]:
    """Return the file; every text in it is escaped, so that it can't format or mention."""
    lines = "\n".join(_lines(results))
    return {"report.md": f"{lines}\n".encode()}


def text(value: str) -> str:
    """Return any text as Markdown that shows it on one line: nothing in it is markup, HTML or a mention."""
    shown = printable(" ".join(value.split()))
    shown = re.sub("[&<>]", lambda found: _ENTITIES[found[0]], _SPECIAL.sub(r"\\\g<0>", shown))
    # a character without width keeps GitHub from making a mention, or a link to an issue, of it
    return re.sub("[@#]", r"\g<0>&#8203;", shown)


def _lines(results: Results) -> Iterator[str]:
    yield f"# {text(results.started['experiment'])}"
    for contest in results.contests:
        if not contest.is_skipped:
            failed = [event for event in results.named("trial.failed") if event["point_id"] == contest.point.id]
            yield from _point(contest.point.label, results.about(contest.point), failed)
    along = table.crossovers(results)
    if along:
        yield from ("", "## Where the winner changes")
    for part in along:
        if isinstance(part, Table):
            yield from _table(part)
        elif part.plain:
            yield from ("", f"**{text(part.plain)}**")
    if results.expectations:
        yield from ("", "## Expectations", "")
    several = len(results.contests) > 1
    yield from _items(table.expectation(event, several_points=several) for event in results.expectations)
    yield from ("", text(table.spent(results)))
    if results.differences:
        yield from ("", "## Differs from the journal", "")
    yield from _items(results.differences)


def _point(label: str, found: PointEvents, failed: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    yield from ("", f"## {text(label)}")
    yield from _table(table.compared_table("", found.compared, found.explained, ("quartiles",)))
    if found.verdict:
        yield from ("", f"**{text(found.verdict['sentence'])}**")
    notes = table.notes(found)
    first = {event["variant"]: event["error"] for event in reversed(failed)}
    notes += [f"{variant} failed: {error}" for variant, error in first.items()]
    if notes:
        yield ""
    yield from _items(notes)


def _items(what: Iterator[Text] | Sequence[str]) -> Iterator[str]:
    for item in what:
        yield f"- {text(item.plain if isinstance(item, Text) else item)}"


def _table(shown: Table) -> Iterator[str]:
    found = grid.cells(shown)
    yield from ("", _row(found["headers"]))
    yield f"|{'|'.join('---:' if right else '---' for right in found['right'])}|"
    yield from map(_row, found["rows"])


def _row(cells: Sequence[str]) -> str:
    return f"| {' | '.join(map(text, cells))} |"
