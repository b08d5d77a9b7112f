"""Specs measured with two versions of the code in the same blocks: that of the checked-out commit, and its base."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..analysis.versions import Place, SpecChecked
from ..archive.resume import Policy
from ..errors import BadInput, Failure
from ..runner.problem import Problem
from ..spec.expand import plan_experiment
from ..spec.load import Reasons
from ..spec.plan import Plan
from ..spec.problem import SpecProblem
from ..spec.versions import TwoVersions, base_alone, batch_items, two_versions
from . import session
from .forecast import check_time, forecast
from .placing import Placed, defined_at, placed
from .session import RunOutcome
from .share import Share, fair_s, shares_s
from .signals import exiting_on_signal
from .suite import Planned, own_processors
from .worktrees import Commits, Tree

NO_TIME = "not measured, as --max-time left no time for one block"


@dataclass(frozen=True)
class Setting:
    """What is compared, and how."""

    commits: Commits
    head: Tree
    base: Tree
    tolerance: float
    runs: Path
    set_holder: Callable[[str], None]
    on_end: Callable[[RunOutcome], object]
    """Called with the outcome of each run."""
    max_time_s: float | None = None


def check(jobs: Sequence[Planned], setting: Setting) -> list[SpecChecked]:
    """Return what each spec shows about both versions.

    Raises BadInput before anything is measured if the newer version can't be placed, or if there is no time for a block
    of each, and what `session.run` raises. A
    signal raises SystemExit.
    """
    begun_s = time.monotonic()
    prepared = [_prepared(job, setting) for job in jobs]
    _check_time(jobs, [two for two, _ in prepared], setting)
    found = []
    for number, (job, (two, notes)) in enumerate(zip(jobs, prepared, strict=True)):
        most_s = None
        if setting.max_time_s is not None:
            left_s = setting.max_time_s - (time.monotonic() - begun_s)
            most_s = fair_s(left_s, [each.most_s for each in jobs[number:]])
        with own_processors(job.plan):
            found.append(_checked_alone(job, two, notes, setting, most_s, is_only=len(jobs) == 1))
    return found


def _check_time(jobs: Sequence[Planned], prepared: Sequence[TwoVersions], setting: Setting) -> None:
    """Raise BadInput where a fair part of the time for all is too short for one block of a spec."""
    if setting.max_time_s is None:
        return
    shares = shares_s(setting.max_time_s, [job.most_s for job in jobs])
    for job, two, share_s in zip(jobs, prepared, shares, strict=True):
        plan = _plan(job, two)
        check_time(plan, forecast(plan, setting.runs), share_s)


def _plan(job: Planned, two: TwoVersions) -> Plan:
    return plan_experiment(two.experiment, job.plan.cores, batch_items(job.plan))


def _prepared(job: Planned, setting: Setting) -> tuple[TwoVersions, list[str]]:
    """Return the experiment with both versions, and why parts of the base are left out."""
    if job.plan.experiment.objective:
        raise job.source.failure(_searching())
    try:
        newer, older = (placed(job.plan, tree, setting.commits.top) for tree in (setting.head, setting.base))
    except SpecProblem as problem:
        raise job.source.failure(problem) from problem
    if not any(each.overrides for each in newer):
        raise job.source.failure(_outside(newer))
    bases: list[Mapping[str, Any] | None] = []
    notes = []
    for now, before in zip(newer, older, strict=True):
        lacks = [each for each in before.lacks if each not in now.lacks]
        notes += [f"the base has {each}, so there is nothing to compare with" for each in lacks]
        bases.append(before.overrides if now.overrides and before.overrides and not lacks else None)
    two = _both(job, newer, bases, setting)
    if two.pairs and (reason := _refusal(base_alone(two, job.plan))):
        notes.append(f"the base can't run it, so there is nothing to compare with: {reason}")
        two = _both(job, newer, [None] * len(bases), setting)
    return two, list(dict.fromkeys(notes))


def _searching() -> SpecProblem:
    """Return the problem of a spec that searches for an objective: each version by itself, so at other rates."""
    what = "an objective is searched for each version by itself, so not both are measured at a rate"
    remedy = "delete it: without it, their latencies are compared at `arrivals.rate`; `expect` can hold one to a limit"
    return SpecProblem(("objective",), Problem("options_exclude", what, remedy), key=True)


def _outside(newer: Sequence[Placed]) -> SpecProblem:
    """Return the problem of a spec that calls nothing of the repository: both versions would run the same code."""
    lacks = newer[0].lacks
    what = f"the checked-out commit has {lacks[0]}" if lacks else "what it calls is outside the repository"
    remedy = "commit it; if it is below another directory, give the entries of `models` a `path:`"
    return SpecProblem(("workload",), Problem("code_elsewhere", what, remedy))


def _both(
    job: Planned, newer: Sequence[Placed], bases: Sequence[Mapping[str, Any] | None], setting: Setting
) -> TwoVersions:
    commits = setting.commits
    about = f"{commits.head} against {commits.base}, {commits.about_base}"
    own = [each.overrides for each in newer]
    return two_versions(job.plan, job.source, own, bases, tolerance=setting.tolerance, about=about)


def _refusal(base: Plan) -> str | None:
    """Return why the base can't run a spec; None if it can."""
    try:
        with exiting_on_signal():  # restores the signal handlers: an event loop resets them to the defaults
            session.identity(base, Reasons())
    except BadInput as error:
        return error.what
    return None


def _checked_alone(
    job: Planned, two: TwoVersions, notes: list[str], setting: Setting, most_s: float | None, *, is_only: bool
) -> SpecChecked:
    """Return what a run of both versions shows; of several specs, an error ends only its own."""
    try:
        return _checked(job, two, notes, setting, most_s)
    except Failure as error:
        if is_only:
            raise
        return SpecChecked(job.name, notes=notes, error=str(error), error_status=error.status)


def _checked(job: Planned, two: TwoVersions, notes: list[str], setting: Setting, most_s: float | None) -> SpecChecked:
    """Return what a run of both versions shows; without a base and an expectation there is nothing to run for."""
    from ..analysis.versions import changes

    plan = _plan(job, two)
    if not two.pairs and not plan.claims:
        with exiting_on_signal():
            session.identity(plan, job.source)  # which raises if the newer version can't run either
        return SpecChecked(job.name, notes=notes)
    if most_s is not None and most_s < forecast(plan, setting.runs).least_s:
        return SpecChecked(job.name, notes=[*notes, NO_TIME])
    with exiting_on_signal():
        given = (setting.runs, Policy(), setting.set_holder)
        outcome = session.run(plan, job.source, *given, share=Share(most_s))
    setting.on_end(outcome)
    if outcome.signal:
        raise SystemExit(128 + outcome.signal)
    results = outcome.results
    own = []
    for event, claim in zip(results.expectations, results.plan.claims, strict=True):
        number = plan.experiment.expect.index(claim.expectation)
        if number < len(two.claimed):
            own.append((event, _in_spec(job, setting, ("expect", two.claimed[number]))))
    return SpecChecked(
        job.name,
        changes(results, two.pairs, setting.tolerance),
        own,
        [event for event in results.failures if event.variant not in two.pairs.values()],
        {variant.label: _defined(job, setting, variant.label) for variant in job.plan.variants},
        notes,
    )


def _defined(job: Planned, setting: Setting, label: str) -> Place:
    """Return where the function of a variant is defined, or else where the spec names it."""
    found = defined_at(job.plan, label, setting.head, setting.commits.top)
    if found is None:
        return _in_spec(job, setting, ("workload", "call"))
    return Place(_from_workspace(setting.commits.top / found[0], setting), found[1])


def _in_spec(job: Planned, setting: Setting, path: tuple[str | int, ...]) -> Place:
    return Place(_from_workspace(Path.cwd() / job.config, setting), job.source.line(path))


def _from_workspace(file: Path, setting: Setting) -> str:
    """Return a file as GitHub names it: below the directory in which a job has its checkouts, or the repository."""
    for directory in (os.environ.get("GITHUB_WORKSPACE"), setting.commits.top):
        with suppress(ValueError):
            if directory:
                return str(Path(os.path.normpath(file)).relative_to(Path(directory).resolve()))
    return str(file)
