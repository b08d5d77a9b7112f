"""Asking every interpreter whether it can run its variants, and what their results depend on, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

from ..journal.raw_events import VariantUnavailable
from ..log import diagnostics
from ..runner import registry
from ..spec.document import KeyPath, quoted
from ..spec.load import Source
from ..spec.model import Experiment
from ..spec.plan import Plan, Point, Variant, runner_request
from ..spec.problem import Problem
from ..supervisor import group
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.interrupt import Interrupt
from ..supervisor.process import Command, RunnerFailed
from . import environments, find, identity
from .environments import Environment, Unbuilt

OF_A_MODEL = ("call", "async_call", "unavailable")
"""Fields of a workload that one model may refuse and another take, and what the machine lacks for it."""


@dataclass(frozen=True)
class Probed:
    """What the probe found.

    The executable of each variant, which variants can't be had here, what results depend on beside the spec, and the
    packages of the environments that were made for the spec's `requirements`, by the version that was asked for.
    """

    pythons: dict[str, str]
    unavailable: list[VariantUnavailable]
    identity: dict[str, str]
    environments: dict[str, list[str]] = field(default_factory=dict)


class Refused(Exception):
    """What is planned can't run here, for these reasons."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__(*problems)
        self.problems = problems


def probe(plan: Plan, source: Source, runner_env: RunnerEnvironment, interrupt: Interrupt) -> Probed:
    """Return what `probe_plan` does; raises BadInput, with the place in the spec, for all that can't run."""
    try:
        return probe_plan(plan, runner_env, interrupt)
    except Refused as refused:
        raise source.failure(*refused.problems) from None


def probe_plan(plan: Plan, runner_env: RunnerEnvironment, interrupt: Interrupt) -> Probed:
    """Ask every interpreter whether it can run its variants; raises Refused with all that it can't.

    Nothing of the workload is called, but its modules are imported, in a runner.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    unavailable: dict[str, VariantUnavailable] = {}
    commands: dict[Command, list[tuple[Point, Variant]]] = {}
    identities = []
    limits = plan.experiment.limits.bounds()
    executables, built, refused = _executables(plan, runner_env, interrupt)
    problems += refused
    for variant in plan.variants:
        python = executables.get(variant.python)
        if python is None:
            continue  # that is told
        if variant.path is not None and not Path(variant.path).is_dir():
            what = f"{quoted(variant.path)} is no directory here"
            problems.append(Problem(("models", variant.entry, "path"), what, "check the path"))
        else:
            found[variant.label] = python
            commands.setdefault(command(variant, python, limits), []).extend((point, variant) for point in plan.points)
    for started, asked in commands.items():
        orders = [runner_request(point, variant) for point, variant in asked]
        try:
            answered = group.probe(runner_env, interrupt, started, orders)
        except RunnerFailed as error:
            what, remedy = find.complaint(started.python) or _unprobed(started.python, error)
            problems.append(Problem(_python_place(plan.experiment, asked[0][1]), what, remedy))
            continue
        identities.append(answered.identity)
        for (point, variant), answer in zip(asked, answered.problems, strict=True):
            is_optional = plan.experiment.models[variant.entry].optional and answer and answer["field"] in OF_A_MODEL
            if answer and (answer["field"] == "model" or is_optional):
                unavailable[variant.label] = VariantUnavailable(
                    variant=variant.label, variant_id=variant.id, reason=answer["what"], remedy=answer["remedy"]
                )
            elif answer:
                problems.append(
                    Problem(_place(plan.experiment, point, variant, answer["field"]), answer["what"], answer["remedy"])
                )
    if problems:
        unique = {(problem.path, problem.what): problem for problem in problems}
        raise Refused(*unique.values())
    if len(unavailable) == len(plan.variants):
        event = next(iter(unavailable.values()))
        raise Refused(Problem(("models",), f"none can run here: {event.reason}", event.remedy))
    depends_on = {
        "host": identity.of_host(),
        **identity.of_interpreters(identities),
        "models": f"without {', '.join(unavailable) or 'none'}",
    }
    return Probed(found, list(unavailable.values()), depends_on, environments.packages_by_request(built))


Request = str | None
"""What the spec has for `python`: a version, a path, or nothing."""


def _executables(
    plan: Plan, runner_env: RunnerEnvironment, interrupt: Interrupt
) -> tuple[dict[Request, str], dict[Request, Environment], list[Problem]]:
    """Return the executable for each of the interpreters that are asked for, the environments, and what went wrong."""
    found: dict[Request, str] = {}
    built: dict[Request, Environment] = {}
    problems = []
    asking: dict[Request, list[Variant]] = {}
    for variant in plan.variants:
        asking.setdefault(variant.python, []).append(variant)
    for request, variants in asking.items():
        place = _python_place(plan.experiment, variants[0])
        python = find.resolve(request)
        if python is None:
            problems.append(Problem(place, *find.missing(request or "")))
            continue
        # of one interpreter all variants get the same environment: the packages are not what is compared
        extra = tuple(dict.fromkeys(name for variant in variants for name in _packages_of(variant)))
        try:
            environment = _environment(plan.experiment, request, python, extra, runner_env, interrupt)
        except Unbuilt as error:
            problems.append(_unbuilt(plan.experiment, place, request, error))
            continue
        found[request] = environment.python if environment else python
        if environment:
            built[request] = environment
    return found, built, problems


def _packages_of(variant: Variant) -> tuple[str, ...]:
    """Return the packages that the model of a variant needs."""
    return registry.load(variant.model).needs(variant.options).packages


def _environment(
    experiment: Experiment,
    request: Request,
    python: str,
    extra: tuple[str, ...],
    runner_env: RunnerEnvironment,
    interrupt: Interrupt,
) -> Environment | None:
    """Return the environment for an interpreter, None where it is taken as it is; raises Unbuilt.

    Who names a path has an environment of their own. What only models need is no reason to fail: those are unavailable
    then.
    """
    required = experiment.requirements
    if request is not None and not find.is_version(request):
        return None
    if extra and (required or request is not None):
        try:
            return environments.provide(runner_env, interrupt, python, (*required, *extra))
        except Unbuilt as error:
            diagnostics().warning("environment.lacks", python=python, packages=list(extra), reason=error.what)
    return environments.provide(runner_env, interrupt, python, required) if required else None


def _unbuilt(experiment: Experiment, python: KeyPath, request: Request, error: Unbuilt) -> Problem:
    """Return what hindered an environment, at the requirement that is to blame where that is known."""
    path: KeyPath = ("requirements",) if experiment.requirements else python
    if error.requirement in experiment.requirements:
        path = ("requirements", experiment.requirements.index(error.requirement))
    return Problem(path, f"{error.what}, for {f'python {request}' if request else 'the default python'}", error.remedy)


def command(variant: Variant, python: str, limits: tuple[tuple[str, int], ...]) -> Command:
    """Return how a runner of a variant is started with this interpreter."""
    path = str(Path(variant.path).absolute()) if variant.path else None
    return Command(python, path, tuple(sorted(variant.env.items())), limits)


def _unprobed(python: str, error: RunnerFailed) -> tuple[str, str]:
    last = error.output.strip().rpartition("\n")[2]
    return f"{python} can't run the probe: {error.error}" + (f" ({last})" if last else ""), "check the interpreter"


def _place(experiment: Experiment, point: Point, variant: Variant, field: str) -> KeyPath:
    """Return where the spec says what a runner complains about: in the entry, in the matrix, or in the workload."""
    if field in variant.overrides:
        return ("models", variant.entry, field)
    axis = f"workload.{field}"
    if axis in experiment.matrix:
        return ("matrix", axis, experiment.matrix[axis].index(point.workload[field]))
    axes = [axis for axis in experiment.matrix if axis.startswith("kwargs.")]
    if field == "kwargs" and axes and not experiment.workload.kwargs:
        return ("matrix", axes[0])
    return ("workload", field)


def _python_place(experiment: Experiment, variant: Variant) -> KeyPath:
    entry = experiment.models[variant.entry]
    if entry.python is None and variant.python in experiment.matrix.get("python", ()):
        return ("matrix", "python", experiment.matrix["python"].index(variant.python))
    return ("models", variant.entry, "python")
