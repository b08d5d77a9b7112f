"""What is left of a finished run: its page, its printed results, and its last line."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from ..errors import BUSY
from .output import NonzeroExit, say, show

if TYPE_CHECKING:
    from ..analysis.results import Results
    from ..engine.session import RunOutcome
    from ..journal.derived_events import ExpectationChecked


def print_outcome(outcome: RunOutcome, shown: str, to_resume: str = "") -> None:
    """Print the results in the format `shown`; raises NonzeroExit when the status is not 0.

    `to_resume` is the command that resumes the run, if there is one.
    """
    show(shown, outcome.results)
    if outcome.status:
        raise NonzeroExit(_last_line(outcome.results, to_resume), outcome.status)


def write_page(outcome: RunOutcome) -> None:
    """Write the run's page beside its journal, unless a signal ended the run: then the program has to end soon."""
    from ..files import replace_file
    from ..log import diagnostics
    from ..output.formats import PAGE, files, has_pages

    finished = outcome.results.finished
    if not has_pages() or (finished and finished.outcome == "interrupted"):
        return
    file = outcome.directory / PAGE
    try:
        (content,) = files("html", outcome.results).values()
        replace_file(file, content)
    except Exception as error:  # whatever it is: the measurements and the exit status stand
        diagnostics().warning("report.unwritten", file=str(file), error=str(error))
    else:
        if sys.stderr.isatty():
            say(f"report: {file}")


def _last_line(results: Results, to_resume: str) -> str:
    """Return what went wrong, in one line."""
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
        return f"{len(failed)} trials failed; the first: {place}: {' '.join(first.error.split())}"
    undecided = next(event for event in results.expectations if event.outcome == "undecided")
    return f"expectation undecided: {_claim(undecided)}: {undecided.reason or 'the interval contains the bound'}"


def _claim(event: ExpectationChecked) -> str:
    return f"{event.metric} of {event.of} at {event.point}"
