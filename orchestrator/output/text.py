"""A run as text for people: the tables and sentences of every point, then crossovers and expectations."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis.results import PointEvents, Results
from ..text import printable
from . import lines, tables
from .grid import Grid, Line
from .terminal import Screen

_VERDICT_STYLES = {"win": "bold", "tie": "bold", "undecided": "yellow"}


def render(results: Results, *, width: int, colour: bool) -> str:
    """Return the text, at most `width` columns wide where words allow."""
    screen = Screen(width, colour)
    for contest in results.contests:
        if not contest.is_skipped:
            _draw_point(screen, contest.point.label, results.about(contest.point), results)
    draw(screen, lines.crossovers(results))
    for expectation in results.expectations:
        screen.styled(lines.expectation(expectation, several_points=len(results.contests) > 1))
    screen.line(lines.spent(results), "dim")
    for difference in results.differences:
        screen.line(f"differs: {difference}", "red")
    return screen.text()


def draw(screen: Screen, parts: Sequence[Line | Grid]) -> None:
    """Draw lines and tables, one below the other."""
    for part in parts:
        if isinstance(part, Grid):
            screen.grid(part)
        else:
            screen.styled(part)


def _draw_point(screen: Screen, label: str, found: PointEvents, results: Results) -> None:
    screen.grid(tables.compared(found, label))
    if found.explained:
        screen.grid(tables.accounts(found.explained))
    if found.observed:
        screen.grid(tables.observed(found.observed))
    if found.verdict:
        screen.line(found.verdict.sentence, _VERDICT_STYLES[found.verdict.verdict])
        for warning in found.verdict.warnings:
            screen.line(f"note: {lines.note(warning, found.verdict)}", "yellow")
    for host in found.on_hosts:
        screen.line(printable(host.sentence))
    for explained in found.explained:
        screen.styled(lines.explanation(explained, results.started.command))
    for fitted in found.fitted:
        screen.styled(lines.scaling(fitted))
    screen.line()
