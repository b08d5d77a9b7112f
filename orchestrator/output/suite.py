"""What a suite of experiments shows at its end: a line for each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

from .. import units
from ..analysis.results import Results
from ..journal.derived_events import VerdictReached
from ..journal.event import SCHEMA
from ..journal.suite_events import ExperimentFinished, SuiteFinished
from ..jsonl import lines as as_lines
from ..text import printable
from . import brief
from .grid import Grid
from .terminal import Screen

OUTCOMES = ("held", "broken", "undecided")


def figures(results: Results | None) -> dict[str, Any]:
    """Return the fields of `experiment.finished` that follow from the results of a run."""
    reached = [event.fields() for event in results.derived if isinstance(event, VerdictReached)] if results else []
    counts = Counter(event["verdict"] for event in reached)
    checked = Counter(str(event.outcome) for event in results.expectations) if results else Counter[str]()
    return {
        "wins": counts["win"],
        "ties": counts["tie"],
        "undecided": counts["undecided"],
        **{f"expectations_{outcome}": checked[outcome] for outcome in OUTCOMES},
        "failures": len(results.failures) if results else 0,
        "verdict": brief.verdicts(reached),
    }


def lines(endings: Sequence[ExperimentFinished], suite: SuiteFinished) -> str:
    """Return one JSON object a line: one for each experiment, the suite last."""
    return as_lines({"event": event.event, "schema": SCHEMA, **event.fields()} for event in (*endings, suite))


def table(endings: Sequence[ExperimentFinished], suite: SuiteFinished, *, width: int, colour: bool) -> str:
    """Return a table with a row for each experiment, and a line about all."""
    screen = Screen(width, colour)
    headers = ("experiment", "verdict", "expectations", "time", "status", "run")
    screen.grid(Grid(headers, [_row(event) for event in endings], right=("time", "status"), spare=("status",)))
    for event in endings:
        if event.error:
            screen.line(printable(f"{event.experiment}: {' '.join(event.error.split())}"), "yellow")
    of_time = "" if suite.max_time_s is None else f" of at most {_time(suite.max_time_s)}"
    screen.line(f"{units.count(suite.experiments, 'experiment')} in {_time(suite.elapsed_s)}{of_time}", "dim")
    return screen.text()


def _row(event: ExperimentFinished) -> list[str]:
    unmeasured = {"skipped": "skipped", "not_reached": "not reached", "error": "error"}
    verdict = unmeasured.get(event.outcome, event.verdict)
    if event.outcome == "interrupted":
        verdict = f"interrupted: {verdict}"
    counts = (event.expectations_held, event.expectations_broken, event.expectations_undecided)
    claims = brief.expectations(dict(zip(OUTCOMES, counts, strict=True)))
    status = "-" if event.exit_status is None else str(event.exit_status)
    shown = [event.experiment, verdict, claims, _time(event.elapsed_s), status, event.directory or "-"]
    return [printable(text) for text in shown]


def _time(seconds: float) -> str:
    """Return a time such as `45 s`, `12 min` or `2 h 5 min`."""
    minutes = round(seconds / 60)
    if seconds < 100:
        return f"{units.significant(seconds)} s"
    hours = f"{minutes // 60} h " if minutes >= 60 else ""
    return f"{hours}{minutes % 60} min"
