"""The outcome of a run, printed: its results, and its last line."""

from __future__ import annotations

import math
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BUSY, DAMAGED, JournalDamaged
from .output import NonzeroExit, colour, is_ascii, say, width, write

if TYPE_CHECKING:
    from ..analysis.results import Results
    from ..engine.session import RunOutcome
    from ..journal.derived_events import ExpectationChecked

MOST_DIFFERENCES = 10  # the most differences between a journal and its recomputation that are shown one by one


def warn_of_differences(run: Path, results: Results) -> None:
    """Warn of each recorded figure that the recomputation does not reproduce."""
    from ..log import logger

    for difference in results.differences[:MOST_DIFFERENCES]:
        logger().warning("journal.differs", run=str(run), what=difference)
    if (more := len(results.differences) - MOST_DIFFERENCES) > 0:
        logger().warning("journal.differs", run=str(run), what=f"and {more} more figures")


def report_damaged(damaged: Sequence[JournalDamaged]) -> None:
    """Warn of each journal that was left out; raises NonzeroExit when there are any."""
    from .. import units
    from ..log import logger

    for error in damaged:
        logger().warning("journal.damaged", what=str(error), note="the run is left out")
    if damaged:
        raise NonzeroExit(f"{units.count(len(damaged), 'run')} left out; the first: {damaged[0]}", DAMAGED)


def drawn(shown: str, results: Results, *, details: bool, run: Path | None = None, page: str | None = None) -> str:
    """Return results in the format `shown`; `run` and `page` say where they can be found again."""
    from ..output.formats import render
    from ..output.view import View

    named = str(run) if run else None
    return render(shown, results, View(width(), colour(), details, is_ascii(), run=named, page=page))


def drawn_outcome(outcome: RunOutcome, shown: str, here: Path, *, details: bool, page: Path | None) -> str:
    """Return the results of a run in the format `shown`, with paths relative to `here`."""
    run = _short(outcome.directory, here)
    return drawn(shown, outcome.results, details=details, run=run, page=str(run / page.name) if page else None)


def print_outcome(
    outcome: RunOutcome,
    shown: str,
    to_resume: str = "",
    *,
    time_option: str = "measure.max_time=",
    details: bool = False,
    page: Path | None = None,
    here: Path | None = None,
) -> None:
    """Print the results, with paths relative to `here`, the user's directory, which is the current one by default.

    Raises NonzeroExit if the status is not 0, with the command that resumes the run, if any, and with `time_option`
    where the run needs more time.
    """
    here = here or Path.cwd()
    if page and shown == "json" and sys.stderr.isatty():
        say(f"page: {_short(outcome.directory, here) / page.name}")
    write(drawn_outcome(outcome, shown, here, details=details, page=page))
    if outcome.status:
        raise NonzeroExit(last_line(outcome.results, to_resume, time_option), outcome.status)


def _short(run: Path, here: Path) -> Path:
    """Return the shortest path of a run: through `latest` if that is it, and relative to `here` if it is below."""
    from ..journal.read import LATEST

    latest = run.parent / LATEST
    shown = latest if latest.resolve() == run.resolve() else run
    with suppress(ValueError):
        return shown.absolute().relative_to(here)
    return shown


def last_line(results: Results, to_resume: str = "", time_option: str = "measure.max_time=") -> str:
    """Return what went wrong, in one line."""
    from ..units import count

    if results.ended_by:
        lost_hosts = results.finished is not None and results.finished.exit_status == BUSY
        remedy = "; run again to resume" if lost_hosts else f"; to resume: {to_resume}" if to_resume else ""
        return f"ended by {results.ended_by}{remedy}"
    broken = [event for event in results.expectations if event.outcome == "broken"]
    failed = results.failures
    if broken and not failed:
        return f"expectation broken: {_claim(broken[0])}"
    if failed:
        first = failed[0]
        place = f"{first.variant} at {first.point}"
        so_many = f"{count(len(failed), 'trial')} failed{'; the first' * (len(failed) > 1)}"
        return f"{so_many}: {place}: {' '.join(first.error.split())}"
    if not results.has_measured:
        return f"no block was finished in time{_more_time(results, time_option)}"
    undecided = next(event for event in results.expectations if event.outcome == "undecided")
    open_still = "the interval contains the bound; measure again while the machine is quiet (orchestrator doctor)"
    return f"expectation undecided: {_claim(undecided)}: {undecided.reason or open_still}"


def _more_time(results: Results, option: str) -> str:
    """Return how much time the first blocks need, with the option that gives it, as the end of a sentence."""
    if results.first_blocks_s is None:
        return f"; allow more time: {option}TIME"
    need_s = math.ceil(results.first_blocks_s)
    return f"; allow about {need_s} s: {option}{need_s}s"


def _claim(event: ExpectationChecked) -> str:
    return f"{event.metric} of {event.of} at {event.point}"
