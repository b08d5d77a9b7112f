"""`run` of several specs: check all, hold the machine once, measure one after the other, sum up at the end."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, cast

from .. import errors
from ..api.measuring import forecast_time, place_and_lock
from ..api.outcome import write_index, write_page
from ..errors import BadInput
from .measure import Asked, on_terminal, to_resume
from .outcome import drawn_outcome, last_line
from .output import NonzeroExit, colour, say, width, write

if TYPE_CHECKING:
    from ..engine.suite import Ending, Job
    from ..journal.suite_events import ExperimentFinished, SuiteFinished, SuiteOutcome


def measure_all(configs: list[Path], asked: Asked) -> None:
    """Measure several specs, and print their results and a summary.

    Raises NonzeroExit, and Failure before the first is measured.
    """
    from ..engine import suite

    jobs = _checked(configs, asked)
    place, held = place_and_lock(asked)
    shown = _Shown(asked)
    with held as set_holder:
        begun_s = time.monotonic()

        def begin(directory: str) -> None:
            set_holder(directory)
            shown.begin(directory)

        setting = suite.Setting(asked.runs, asked.policy, begin, place, asked.max_time_s)
        known = suite.identities(jobs) if asked.cluster is None else {}
        endings = suite.run(jobs, setting, known, shown.end)
        if asked.report and not any(ending.signal for ending in endings):
            write_index(asked.runs)
    events = [_event(ending) for ending in endings]
    status = _worst(endings)
    summary = _summary(endings, status, time.monotonic() - begun_s, asked)
    if status or not asked.quiet:
        shown.finish(events, summary)
    if status:
        raise NonzeroExit(_last_line(endings, status, to_resume(configs, asked)), status)


def _checked(configs: Sequence[Path], asked: Asked) -> list[Job]:
    """Return an experiment for each spec; raises BadInput with the problems of all of them."""
    from ..api.plans import load_plans
    from ..engine.suite import Job

    plans, unplanned = load_plans(configs, asked.overrides, asked.cluster)
    jobs = [Job(*each, ["orchestrator", "run", str(each[0]), *asked.overrides]) for each in plans]
    problems = [*_repeated(configs), *unplanned, *_namesakes(jobs)]
    for place, most_s in enumerate(_shares(jobs, asked.max_time_s)):
        job = jobs[place]
        try:
            jobs[place] = replace(job, least_s=forecast_time(job.plan, asked.runs, most_s, on_terminal))
        except BadInput as error:
            problems.append(f"{job.config}: {error}")
    if problems:
        raise BadInput("\n".join(dict.fromkeys(problems)))
    return jobs


def _shares(jobs: Sequence[Job], max_time_s: float | None) -> list[float | None]:
    """Return the least time that each experiment gets; None without a limit for all."""
    from ..engine.share import shares_s

    if max_time_s is None:
        return [None] * len(jobs)
    return [*shares_s(max_time_s, [job.most_s for job in jobs])]


def _repeated(configs: Sequence[Path]) -> Iterator[str]:
    """Yield a problem for each file that is given again, also by another path."""
    seen: dict[Path, Path] = {}
    for config in configs:
        first = seen.setdefault(config.resolve(), config)
        if first is not config:
            same = "given twice" if str(first) == str(config) else f"the same file as {first}"
            yield str(BadInput(same, where=str(config), remedy="name each spec once"))


def _namesakes(jobs: Sequence[Job]) -> Iterator[str]:
    """Yield a problem for each experiment that has the name of another one."""
    seen: dict[str, Job] = {}
    for job in jobs:
        first = seen.setdefault(job.name, job)
        if first is not job and first.config.resolve() != job.config.resolve():
            what = f'name: "{job.name}" is also the name of {first.config}'
            yield str(BadInput(what, where=str(job.config), remedy="give it another `name:`"))


class _Shown:
    """What a suite prints: at once, or at its end where only a failure is of interest."""

    def __init__(self, asked: Asked) -> None:
        self._asked = asked
        self._held: list[str] = []

    def begin(self, directory: str) -> None:
        """Say on a terminal which run begins."""
        if sys.stderr.isatty() and not self._asked.quiet:
            say(f"measuring {directory}")

    def end(self, ending: Ending) -> None:
        """Print how an experiment ended, and write its page."""
        from ..output.formats import PAGE

        if ending.outcome is None:
            return
        file = ending.outcome.directory / PAGE
        page: Path | None = file if ending.was_done and file.exists() else None
        if page is None and self._asked.report:
            page = write_page(ending.outcome, index=False)
        shown, details = self._asked.shown, self._asked.details
        text = drawn_outcome(ending.outcome, shown, Path.cwd(), details=details, page=page)
        heading = "" if self._asked.shown == "json" else f"{ending.job.name}\n\n"
        self._print(heading + text + "\n" * bool(heading))

    def finish(self, endings: Sequence[ExperimentFinished], suite: SuiteFinished) -> None:
        """Print what was held back, and the summary."""
        from ..output import suite as output

        is_json = self._asked.shown == "json"
        last = output.lines(endings, suite) if is_json else output.table(endings, suite, width=width(), colour=colour())
        write("".join([*self._held, last]))

    def _print(self, text: str) -> None:
        if self._asked.quiet:
            self._held.append(text)
        else:
            write(text)


def _event(ending: Ending) -> ExperimentFinished:
    from ..journal.suite_events import ExperimentFinished
    from ..output.suite import figures

    outcome = ending.outcome
    return ExperimentFinished(
        experiment=ending.job.name,
        config=str(ending.job.config),
        run_id=outcome.directory.name if outcome else None,
        directory=str(outcome.directory) if outcome else None,
        outcome=_outcome(ending),
        exit_status=ending.status,
        elapsed_s=round(ending.elapsed_s, 3),
        was_done=ending.was_done,
        **figures(outcome.results if outcome else None),
        error=ending.error,
    )


def _outcome(ending: Ending) -> SuiteOutcome:
    """Return how an experiment ended, as its run has it where there is one."""
    finished = ending.outcome and ending.outcome.results.finished
    if ending.status is None:
        return "not_reached"
    if finished:
        return cast("SuiteOutcome", finished.outcome)
    return "interrupted" if ending.status > 128 else "skipped" if ending.was_skipped else "error"


def _summary(endings: Sequence[Ending], status: int, elapsed_s: float, asked: Asked) -> SuiteFinished:
    from ..journal.suite_events import SuiteFinished

    return SuiteFinished(
        experiments=len(endings),
        failed=sum(ending.status != errors.OK for ending in endings),
        exit_status=status,
        elapsed_s=round(elapsed_s, 3),
        max_time_s=asked.max_time_s,
    )


def _worst(endings: Sequence[Ending]) -> int:
    stopped_by = next((ending.signal for ending in endings if ending.signal), None)
    return 128 + stopped_by if stopped_by else errors.worst([ending.status or 0 for ending in endings])


def _last_line(endings: Sequence[Ending], status: int, to_resume: str) -> str:
    """Return what went wrong, in one line; of several, the one that the status stands for."""
    if status > 128:
        return f"ended by signal {status - 128}; to resume: {to_resume}"
    failed = [ending for ending in endings if ending.status]
    first = next(ending for ending in failed if ending.status == status)
    what = first.error or (last_line(first.outcome.results) if first.outcome else "")
    what = " ".join(what.split())
    return f"{first.job.name}: {what}; {len(failed)} of {len(endings)} experiments have a status other than 0"
