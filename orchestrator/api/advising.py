"""The answer to a question about a function: pilot calls, the experiment designed from them, and its run."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput, Unwritable
from .plans import read_items

if TYPE_CHECKING:
    from ..advice.design import Design
    from ..advice.facts import Facts
    from ..advice.question import Question
    from ..advice.tryout import Tried
    from ..engine.session import RunOutcome
    from ..spec.document import KeyPath
    from ..spec.load import Source
    from ..spec.model import Experiment
    from ..spec.plan import Plan
    from ..spec.problem import SpecProblem


@dataclass(frozen=True)
class Answering:
    """Where an answer is kept, and what its experiment has beside what is designed."""

    runs: Path
    again: str = ""
    """The shell command that runs the experiment again, for the comments of a spec that is saved."""
    save: Path | None = None
    """A file that then holds the spec."""
    changes: Mapping[KeyPath, tuple[object, str]] = field(default_factory=dict)
    """By path, what overrides the designed spec, each with the name of its place."""
    command: Sequence[str] = ()
    """What the journal has as the run's command, in the place of that of this program."""


def answer(question: Question, answering: Answering, set_holder: Callable[[str], None]) -> RunOutcome:
    """Return the outcome of the experiment that answers a question.

    Raises BadInput and WorkloadFailed before it, and what `session.run` raises.
    """
    from ..advice.draft import saved
    from ..archive.resume import Policy
    from ..engine.session import run
    from ..engine.share import Share
    from ..machine.host import effective_cores
    from ..spec.expand import plan_experiment
    from ..spec.problem import SpecProblem

    save = answering.save
    check_target(save)
    cores = effective_cores()
    facts, designed = _designed(question, cores)
    _check_design(question, designed)
    _check_length(question, facts, designed)

    def planned(experiment: Experiment, source: Source) -> Plan:
        try:
            return plan_experiment(experiment, cores, items)
        except SpecProblem as found:
            raise source.failure(_explained(found, experiment, designed)) from found

    text, experiment, source = _drafted(question, facts, designed, answering)
    items = read_items(experiment, source)
    plan = planned(experiment, source)
    tried = _tried_out(plan, facts)
    if any(tried):
        designed = designed.without(tried.unable, tried.spawned)
        facts = replace(facts, incomparable=facts.incomparable or tried.incomparable)
        _check_design(question, designed)
        text, experiment, source = _drafted(question, facts, designed, answering)
        plan = planned(experiment, source)
    _announce(question, facts, designed, experiment)
    with _saving(save, text):
        outcome = run(plan, source, answering.runs, Policy(), set_holder, share=Share(None, answering.command))
    if save:
        _save(save, saved(text, outcome.results.derived, question.over.name if question.over else None))
    return outcome


def _drafted(
    question: Question, facts: Facts, designed: Design, answering: Answering
) -> tuple[str, Experiment, Source]:
    """Return the spec of a design as YAML, its experiment with the findings, and where each part comes from."""
    from ..advice.draft import spec
    from ..advice.findings import findings
    from ..spec.load import loads

    found = findings(question, facts, designed)
    text = spec(question, facts, designed, answering.again, found)
    changes: dict[KeyPath, tuple[object, str]] = {("findings",): (found, "findings"), **answering.changes}
    if question.items:
        changes[("workload", "items")] = question.items, question.option("items")
    return text, *loads(text, "the experiment of advise", changes)


def _explained(problem: SpecProblem, experiment: Experiment, designed: Design) -> SpecProblem:
    """Return a problem of a claim with why the model that it names is left out, and other problems unchanged."""
    if problem.path[0] != "expect" or not isinstance(problem.path[1], int):
        return problem
    claim = experiment.expect[problem.path[1]]
    unfit = designed.unfit
    reasons = [f"{name} is left out: {unfit[name]}" for name in (claim.of, claim.against) if name and name in unfit]
    if not reasons:
        return problem
    found = problem.problem._replace(what=f"{problem.problem.what}; {'; '.join(reasons)}", remedy="leave the claim out")
    return type(problem)(problem.path, found)


def _designed(question: Question, cores: int) -> tuple[Facts, Design]:
    """Return what the pilot calls measured, and the experiment for it; a range is piloted at both of its ends."""
    from ..advice.arrivals import design_arrivals
    from ..advice.design import design, design_over
    from ..advice.pilot import pilot
    from ..engine.signals import interruptible

    over = question.over
    if over is None:
        facts = interruptible(lambda runner_env, interrupt: pilot(question, runner_env, interrupt))
        if question.rate or question.objective:
            return facts, design_arrivals(question, facts, cores)
        return facts, design(question, facts, cores)
    ends = [question.at(over.levels[0]), question.at(over.levels[-1])]
    low, high = interruptible(lambda runner_env, interrupt: [pilot(end, runner_env, interrupt) for end in ends])
    return design_over(question, low, high, cores)


def _tried_out(plan: Plan, facts: Facts) -> Tried:
    """Return the models that can't run the function after all, or only with workers that are spawned."""
    from ..advice.tryout import try_out
    from ..engine.signals import interruptible

    return interruptible(lambda runner_env, interrupt: try_out(plan, facts, runner_env, interrupt))


def check_target(save: Path | None) -> None:
    """Raise BadInput when the spec can't be saved there: checked before the run, which would be lost."""
    if save and save.exists():
        raise BadInput(f"{save} already exists", where="--save", remedy="name another file, or delete it")
    if save and not save.parent.is_dir():
        raise BadInput(f"no directory {save.parent}", where="--save", remedy="create it first")


def _check_design(question: Question, designed: Design) -> None:
    """Raise BadInput when so few of the models that were asked for can run the function that none is compared."""
    if question.models is None or designed.variants > 1:
        return
    from ..advice.design import model_of

    place = question.option("models")
    unfit, asked = designed.unfit, dict.fromkeys(map(model_of, question.models))
    reasons = [f"{name}: {unfit[name]}" for name in asked if name in unfit]
    if not reasons:
        raise BadInput("one model has nothing to be compared with", where=place, remedy="name two or more")
    what = f"{question.shown or question.call} leaves nothing to compare: {'; '.join(reasons)}"
    raise BadInput(what, where=place, remedy="name other models, or none for all that can run it")


def _check_length(question: Question, facts: Facts, designed: Design) -> None:
    """Raise BadInput when there is nothing to compare, or when a verdict takes longer than a user expects."""
    from .. import units

    if designed.variants < 2:
        if reasons := [f"{name}: {why}" for name, why in designed.unable.items()]:
            what = f"{question.shown or question.call} leaves nothing to compare: {'; '.join(reasons)}"
            raise BadInput(what, remedy="correct the function, or name other models")
        if question.workers and question.tasks != 1:
            where = question.option("workers")
            raise BadInput("one variant has nothing to be compared with", where=where, remedy="name two or more")
        where = question.option("tasks")
        raise BadInput("a batch of one call can't run in parallel", where=where, remedy="use 2 or more")
    if question.max_time_s is None and designed.max_time_s < designed.needed_s:
        minutes = math.ceil(designed.needed_s / 60)
        at, less = "", "reduce the work of one call"
        if question.over:
            level = question.over.levels[0 if designed.is_longest_at_low(question.over) else -1]
            at, less = f" at {question.over.name}={units.number(level)}", "shorten --over at that end"
        what = f"a call takes {units.duration(facts.wall_ns)}{at}, so a verdict takes about {minutes} minutes"
        allowed = f'max_time="{2 * minutes}m"' if question.is_code else f"--max-time {2 * minutes}m"
        raise BadInput(what, remedy=f"{less}, or allow the time: {allowed}")


@contextmanager
def _saving(save: Path | None, text: str) -> Iterator[None]:
    """Write the spec before the run, which may be killed; delete it when nothing was run."""
    from ..files import replace_file

    check_target(save)  # again: a file may have come during the calls that were tried
    try:
        if save:
            replace_file(save, text.encode())
    except OSError as error:
        raise BadInput(f"cannot write {save}: {error.strerror}", where="--save", remedy="name another file") from error
    try:
        yield
    except (BadInput, Unwritable):
        if save:
            save.unlink()
        raise


def _save(save: Path, text: str) -> None:
    """Save the spec with what the run has found; where that fails, the results and the spec of before remain."""
    from ..files import replace_file
    from ..log import logger

    try:
        replace_file(save, text.encode())
    except OSError as error:
        note = "the file keeps the spec without the measured speedups"
        logger().warning("spec.unsaved", file=str(save), error=error.strerror, note=note)
    else:
        logger().info("spec.saved", sentence=f"the spec is in {save}", file=str(save))


def _announce(question: Question, facts: Facts, designed: Design, experiment: Experiment) -> None:
    """Log how long the run will take; warn when that is not enough for a verdict."""
    from .. import units
    from ..log import logger

    log = logger()
    took = f"a call took {units.duration(facts.wall_ns)}"
    when = f"an answer takes {designed.first_look_s:.0f} s or more, and the run {designed.max_time_s:.0f} s at most"
    about = {"call": question.call, "call_ms": facts.wall_ns / 1e6, "first_look_s": round(designed.first_look_s, 1)}
    about |= {"items": facts.items, "tasks": designed.tasks} if facts.items else {}
    about |= {"at_most_s": designed.max_time_s, "description": experiment.description}
    log.info("function.piloted", sentence=f"{took}; {when}", **about, findings=list(experiment.findings))
    if designed.max_time_s < designed.first_look_s:
        note = "the time may end before the first look, without a verdict; allow more time, or reduce the work"
        log.warning("budget.short", note=note)
