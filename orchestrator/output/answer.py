"""The answer of a run on one screen: the verdict, the variants drawn to scale, what to do, and what is in doubt."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from functools import partial

from .. import units
from ..analysis import crossover
from ..analysis.accounts import PARALLEL
from ..analysis.contest import Contest
from ..analysis.results import PointEvents, Results
from ..journal.derived_events import VariantExplained
from ..journal.raw_events import RunnerReady, VariantUnavailable
from ..text import printable
from . import advice, causes, lines, ranking, tables, warning_words
from .grid import Line
from .terminal import Screen
from .view import View

VERDICT_STYLES = lines.VERDICT_STYLES

FEW_POINTS = 3  # of up to so many points, each verdict is shown
MOST_ROWS = 16  # the tables of several points may have so many lines together; else each point is a row
MOST_NOTES = 3
MOST_CLAIMS = 3
MOST_REASONS = 2
MOST_CHANGES = 6  # sentences on where the winner changes

Measured = tuple[Contest, PointEvents]
"""A point that was measured, and what is known of it."""


def draw(screen: Screen, results: Results, view: View, *, is_advice: bool = False) -> None:
    """Draw the answer; it begins with the verdict, or with what to do if it is advice."""
    measured = [(each, results.about(each.point)) for each in results.contests if not each.is_skipped]
    for sentence in advice.capacity(results) if is_advice else ():
        screen.line(sentence, "bold")
    _draw_changes(screen, results, measured)
    if _have_tables(measured):
        for place, (contest, found) in enumerate(measured):
            _draw_point(screen, contest, found, view, is_advice=is_advice, is_named=len(measured) > 1)
            if place + 1 < len(measured):
                screen.gap()
    else:
        _draw_points(screen, results, measured)
    screen.gap()
    remarks = list(_reasons(results, measured[0], view, is_advice=is_advice)) if len(measured) == 1 else []
    for remark in [*remarks, *_claims(results)]:
        screen.styled(remark)
    said = [advice.LOOKED_UP] if is_advice and _have_tables(measured) else []
    said += ["parallel_by_itself"] * _finds_parallel(results)
    for text, style in [*_missing(results), *_notes(results, measured, said)]:
        screen.one_line(text, style, ellipsis=ranking.signs(view).ellipsis)
    for finding in results.plan.experiment.findings:
        screen.line(finding)
    if is_advice and results.plan.experiment.description:
        screen.line(f"question: {results.plan.experiment.description}", "dim")
    _draw_end(screen, results, view)


def without_gil(results: Results) -> set[str]:
    """Return the variants whose interpreter has no GIL."""
    return {event.variant for event in results.events(RunnerReady) if not event.gil}


def _draw_changes(screen: Screen, results: Results, measured: Sequence[Measured]) -> None:
    """Draw the sentences that many points have in common: where the winner changes along an axis, else a count.

    Where an objective was searched for, these are up to which rate the variants hold it.
    """
    if results.capacity_verdicts:
        for part in lines.capacities(results):
            screen.part(part)
        return
    along = crossover.lines(results.plan, results.contests)
    located = [event for line in along for event in crossover.worth_showing(results.crossovers, line)]
    for event in located[:MOST_CHANGES]:
        screen.line(event.sentence, lines.DECISION_STYLES[event.decision])
    if len(located) > MOST_CHANGES:
        screen.line(f"{units.count(len(located) - MOST_CHANGES, 'more sentence')} with --details", "dim")
    if not located and not _have_tables(measured):
        _draw_verdicts(screen, [found for _, found in measured])
    if not measured:
        screen.line("undecided: no point was measured.", "yellow")
    if located:
        screen.gap()


def _have_tables(measured: Sequence[Measured]) -> bool:
    """Return whether every point has a table of its own."""
    return len(measured) < 2 or sum(len(found.compared) + 4 for _, found in measured) <= MOST_ROWS


def _draw_verdicts(screen: Screen, points: Sequence[PointEvents]) -> None:
    """Draw the verdicts of points that have no table: each if they are few, else how many are alike."""
    if len(points) > FEW_POINTS:
        screen.line(_counted(points), "bold")
        return
    for verdict in (found.verdict for found in points if found.verdict):
        screen.line(verdict.sentence, VERDICT_STYLES[verdict.verdict])


def _counted(points: Sequence[PointEvents]) -> str:
    """Return how many points have which winner."""
    verdicts = [found.verdict for found in points if found.verdict]
    wins = Counter(" or ".join(verdict.winners) for verdict in verdicts if verdict.verdict == "win")
    parts = [f"{winner} wins at {count}" for winner, count in wins.most_common()]
    others = Counter(verdict.verdict for verdict in verdicts)
    parts += [f"a tie at {others['tie']}"] * (others["tie"] > 0)
    parts += [f"undecided at {others['undecided']}"] * (others["undecided"] > 0)
    return f"{units.count(len(points), 'point')}: {', '.join(parts)}."


def _draw_point(
    screen: Screen, contest: Contest, found: PointEvents, view: View, *, is_advice: bool, is_named: bool
) -> None:
    """Draw the verdict on a point, or the choice, and the table of its variants."""
    if found.verdict:
        style = VERDICT_STYLES[found.verdict.verdict]
        chosen = f"{contest.point.label}: {advice.choice(found)}" if is_named else advice.choice(found)
        if is_advice and (caveat := advice.caveat(found)):
            screen.line(f"{contest.point.label}: {caveat}" if is_named else caveat, "yellow")
        screen.line(chosen if is_advice else found.verdict.sentence, style)
        if not is_named:
            screen.gap()
    if not any(event.wall_ns is not None or event.failures for event in found.compared):
        return  # no figure is known
    screen.grid(ranking.ranked(found, view))
    screen.styled(ranking.legend(found))


def _draw_points(screen: Screen, results: Results, measured: Sequence[Measured]) -> None:
    """Draw a row for each point: along a single axis with the times of all variants, else with its best one."""
    along = crossover.lines(results.plan, results.contests)
    screen.gap()
    if len(along) == 1 and any(contest.blocks for contest, _ in measured):
        screen.grid(tables.along(along[0], results))
        return
    screen.grid(ranking.points([(contest.point.label, found) for contest, found in measured]))


def _trying(results: Results, view: View, event: VariantExplained) -> str:
    """Return how to try some advice where the run is shown: by a call in Python, else by a command."""
    return lines.call(event, view.run) if view.is_code and view.run else lines.tried(event, results.started.command)


def _reasons(results: Results, measured: Measured, view: View, *, is_advice: bool) -> Iterator[Line]:
    """Yield what to do at the only point, and what speaks for it: what the first line does not say already."""
    contest, found = measured
    verdict = found.verdict
    if verdict is None or len(found.compared) == 1:
        return
    if verdict.verdict == "undecided" and is_advice:
        yield [(verdict.sentence, "")]
    elif verdict.verdict != "undecided" and not is_advice:
        yield [(advice.choice(found), "")]
    remedy, obstacles = advice.remedy(found, partial(_trying, results, view)), causes.sentences(contest, found)
    remedies = [remedy] if remedy else []
    has_start_up = verdict.verdict != "win" or is_advice  # else the sentence of the win has it
    has = {"has_start_up": has_start_up, "has_parallel": not _finds_parallel(results)}
    reasons = advice.reasons(contest, found, without_gil(results), **has)
    texts = (
        [*obstacles, *remedies, *reasons] if is_advice else [*remedies, *obstacles, *reasons]
    )  # the table has a cause, too
    for text in texts[: MOST_REASONS if is_advice else MOST_REASONS - 1]:
        yield [(f"- {text}" if is_advice else text, "")]


def _finds_parallel(results: Results) -> bool:
    """Return whether a finding of `advise` says that a call is parallel by itself."""
    return any(finding.startswith(PARALLEL) for finding in results.plan.experiment.findings)


def _claims(results: Results) -> Iterator[Line]:
    """Yield how the expectations came out: a count, and each that did not hold."""
    events = results.expectations
    if not events:
        return
    counts = Counter[str](event.outcome for event in events)
    parts = [(f"{counts[each]} {each}", style) for each, style in lines.OUTCOME_STYLES.items() if counts[each]]
    yield [("expect: ", ""), *(part for place, each in enumerate(parts) for part in [(", ", "")][: place > 0] + [each])]
    several = len(results.contests) > 1
    failed = sorted((event for event in events if event.outcome != "held"), key=lambda event: event.outcome)
    yield from (lines.expectation(event, several_points=several) for event in failed[:MOST_CLAIMS])
    if len(failed) > MOST_CLAIMS:
        yield [(f"{units.count(len(failed) - MOST_CLAIMS, 'more claim')} with --details", "dim")]


def _missing(results: Results) -> Iterator[tuple[str, str]]:
    """Yield a line for each variant that failed, and one for those that could not run."""
    points: dict[str, set[str]] = {}
    for event in results.failures:
        points.setdefault(event.variant, set()).add(event.point)
    for variant, places in points.items():
        own = [event for event in results.failures if event.variant == variant]
        where = f" at {units.count(len(places), 'point')}" if len(results.contests) > 1 else ""
        yield f"failed: {variant}, {units.count(len(own), 'trial')}{where}: {printable(own[0].error)}", "red"
    unavailable = [f"{event.variant} ({printable(event.reason)})" for event in results.events(VariantUnavailable)]
    if unavailable:
        yield f"not run: {', '.join(unavailable)}", "yellow"


def _notes(results: Results, measured: Sequence[Measured], said: Sequence[str]) -> Iterator[tuple[str, str]]:
    """Yield what changes the worth of the verdicts, the gravest first, but the warnings that were said above."""
    notes = warning_words.short([found.verdict for _, found in measured if found.verdict], said)
    if results.differences:
        notes.insert(0, f"the journal differs from what is recomputed: {results.differences[0]}")
    more = len(notes) - MOST_NOTES
    for note in notes[:MOST_NOTES]:
        yield f"note: {note}", "yellow"
    if more > 0:
        yield f"{units.count(more, 'more note')} with --details", "yellow"


def _draw_end(screen: Screen, results: Results, view: View) -> None:
    """Draw where the page is and how long the run took."""
    if view.page:
        screen.line(f"page: {printable(view.page)}", "dim")
    if view.details:
        return
    took = lines.took(results)
    more = f"more: orchestrator report {printable(view.run)} --details" if view.run else ""
    if not more or len(more) > view.width:
        more = "more: report with --details"
    for text in [f"{took}; {more}"] if len(took) + len(more) + 2 <= view.width else [took, more]:
        screen.line(text, "dim")
