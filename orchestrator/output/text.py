"""A run as text for people: the answer on one screen and, if asked for, all figures, causes and notes below it."""

from __future__ import annotations

from ..analysis.contest import Contest
from ..analysis.results import PointEvents, Results
from ..journal.raw_events import VariantUnavailable
from ..text import printable
from . import advice, answer, causes, lines, tables, warning_words
from .terminal import Screen
from .view import View


def render(results: Results, view: View) -> str:
    """Return the text, which begins with the verdict; no line is wider than the view."""
    screen = Screen(view.width, view.colour)
    answer.draw(screen, results, view)
    if view.details:
        _draw_details(screen, results)
    return screen.text()


def advise(results: Results, view: View) -> str:
    """Return the text, which begins with what to do."""
    screen = Screen(view.width, view.colour)
    answer.draw(screen, results, view, is_advice=True)
    if view.details:
        _draw_advice(screen, results)
        _draw_details(screen, results)
    return screen.text()


def _draw_advice(screen: Screen, results: Results) -> None:
    screen.gap()
    without_gil = answer.without_gil(results)
    for contest in results.contests:
        found = results.about(contest.point)
        for place, text in enumerate(
            [advice.choice(found), *causes.sentences(contest, found), *advice.reasons(contest, found, without_gil)]
        ):
            if text:
                screen.line(*((f"- {text}",) if place else (text, "bold")))


def _draw_details(screen: Screen, results: Results) -> None:
    screen.gap()
    for contest in results.contests:
        if not contest.is_skipped:
            _draw_point(screen, contest, results.about(contest.point), results)
    for part in lines.crossovers(results):
        screen.part(part)
    for expectation in results.expectations:
        screen.styled(lines.expectation(expectation, several_points=len(results.contests) > 1))
    for event in results.events(VariantUnavailable):
        screen.line(f"not run: {event.variant}: {printable(event.reason)}; {printable(event.remedy)}", "yellow")
    screen.line(lines.spent(results), "dim")
    for difference in results.differences:
        screen.line(f"differs: {difference}", "red")


def _draw_point(screen: Screen, contest: Contest, found: PointEvents, results: Results) -> None:
    screen.grid(tables.compared(found, contest.point.label))
    if found.explained:
        screen.grid(tables.accounts(found.explained))
    if calls_time := tables.calls_time(found.served):
        screen.grid(calls_time)
    if found.observed:
        screen.grid(tables.observed(found.observed))
    if found.verdict:
        screen.line(found.verdict.sentence, answer.VERDICT_STYLES[found.verdict.verdict])
        for warning in found.verdict.warnings:
            screen.line(f"note: {warning_words.full(warning, found.verdict)}", "yellow")
    for host in found.on_hosts:
        screen.line(printable(host.sentence))
    for explained in found.explained:
        screen.styled(lines.explanation(explained, results.started.command))
    for fitted in found.fitted:
        screen.styled(lines.scaling(fitted))
    screen.line()
