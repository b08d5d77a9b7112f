"""Ask every interpreter, before anything runs, whether it can run its variants and what their results depend on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..log import logger
from ..runner import names, registry
from ..runner.problem import Problem, read
from ..spec.document import KeyPath, quoted
from ..spec.load import Source
from ..spec.model import Experiment, ModelEntry
from ..spec.plan import Plan, Point, Variant, runner_request
from ..spec.problem import SpecProblem
from ..supervisor import group
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.interrupt import Interrupt
from ..supervisor.process import Command, RunnerFailed
from . import environments, find, identity
from .environments import Environment, Unbuilt

if TYPE_CHECKING:
    from ..journal.raw_events import VariantUnavailable

OF_A_MODEL = ("call", "async_call", "unavailable")
"""Fields of a workload that may be a problem for one model only, or on this machine only."""


@dataclass(frozen=True)
class Probed:
    """The executable of each variant by its label, and which variants can't run here.

    `identity` is what results depend on beside the spec; `environments` are the packages of those built for the spec's
    `requirements`, by the requested version.
    """

    pythons: dict[str, str]
    unavailable: list[VariantUnavailable]
    identity: dict[str, str]
    environments: dict[str, list[str]] = field(default_factory=dict)


class Refused(Exception):
    """The plan can't run here, because of these problems."""

    def __init__(self, *problems: SpecProblem) -> None:
        super().__init__(*problems)
        self.problems = problems


def probe(plan: Plan, source: Source, runner_env: RunnerEnvironment, interrupt: Interrupt) -> Probed:
    """Return what `probe_plan` finds; raises BadInput, with the places in the spec, for what can't run."""
    try:
        return probe_plan(plan, runner_env, interrupt)
    except Refused as refused:
        raise source.failure(*refused.problems) from None


def probe_plan(plan: Plan, runner_env: RunnerEnvironment, interrupt: Interrupt) -> Probed:
    """Ask every interpreter whether it can run its variants; raises Refused with everything that can't run.

    Of the workload only its `unavailable` is called, but its modules are imported, in a runner.
    """
    executables, built, problems = _executables(plan, runner_env, interrupt)
    pythons = {v.label: executables[v.python] for v in plan.variants if v.python in executables}
    findings = _Findings(plan, problems)
    findings.leave_out_batches()
    limits = plan.experiment.limits.bounds()
    # a process for each set of directories: files of equal names in two of them are the same module
    commands: dict[tuple[Command, tuple[str, ...]], list[tuple[Point, Variant]]] = {}
    here = str(Path.cwd())
    for variant in plan.variants:
        if variant.label not in pythons or variant.label in findings.unavailable:
            continue
        if variant.path is not None and not Path(variant.path).is_dir():
            problem = Problem("directory_missing", f"{quoted(variant.path)} is no directory here", "check the path")
            problems.append(SpecProblem(("models", variant.entry, "path"), problem))
        else:
            started = command(variant, pythons[variant.label], limits)
            for point in plan.points:
                entries = names.entries(runner_request(point, variant)["workload"], here)
                commands.setdefault((started, entries), []).append((point, variant))
    for (started, entries), asked in commands.items():
        point, variant = asked[0]
        if hiding := names.hiding([*entries, *([started.path] if started.path else []), here]):
            place = ("models", variant.entry, "path") if variant.path else ("workload", "call")
            problems.append(SpecProblem(place, Problem(*names.hidden_problem(hiding[0]))))
            continue
        requests = [runner_request(*each) for each in asked]
        try:
            answers, of_interpreter = group.probe(runner_env, interrupt, started, requests)
        except RunnerFailed as error:
            last = error.output.strip().rpartition("\n")[2]
            what = f"{started.python} can't run the probe: {error.error}" + (f" ({last})" if last else "")
            problem = find.unfit(started.python) or Problem("probe_failed", what, "check the interpreter")
            findings.problems.append(SpecProblem(python_place(plan.experiment, variant.entry, variant.python), problem))
            continue
        findings.identities.append(of_interpreter)
        for (point, variant), answer in zip(asked, answers, strict=True):
            if answer:
                findings.take(point, variant, answer)
    findings.check()
    depends_on = {
        "host": identity.of_host(),
        **identity.of_interpreters(findings.identities),
        "models": f"without {', '.join(findings.unavailable) or 'none'}",
    }
    packages = {request or "default": list(environment.packages) for request, environment in built.items()}
    return Probed(pythons, list(findings.unavailable.values()), depends_on, packages)


@dataclass
class _Findings:
    """What the interpreters have reported: problems with the spec, variants that can't run here, identities."""

    plan: Plan
    problems: list[SpecProblem]
    unavailable: dict[str, VariantUnavailable] = field(default_factory=dict)
    identities: list[Mapping[str, str]] = field(default_factory=list)

    def leave_out_batches(self) -> None:
        """Leave out the variants that only take batches, where calls arrive one by one."""
        for variant in self.plan.variants if self.plan.experiment.arrivals else ():
            if problem := registry.no_arrivals(variant.model, variant.options):
                self._leave_out(variant, problem)

    def _leave_out(self, variant: Variant, problem: Problem) -> None:
        from ..journal.raw_events import VariantUnavailable

        self.unavailable[variant.label] = VariantUnavailable(
            variant=variant.label, variant_id=variant.id, reason=problem.what, remedy=problem.remedy
        )

    def take(self, point: Point, variant: Variant, answer: Mapping[str, Any]) -> None:
        """Take a problem: the variant is unavailable if its model can't run here, else the spec is refused."""
        experiment, problem = self.plan.experiment, read(answer)
        is_optional = experiment.models[variant.entry].optional and answer["field"] in OF_A_MODEL
        if answer["field"] == "model" or is_optional:
            self._leave_out(variant, problem)
        else:
            self.problems.append(SpecProblem(_place(experiment, point, variant, answer["field"]), problem))

    def check(self) -> None:
        """Raise Refused if there is a problem, or if no variant can run here."""
        if self.problems:
            unique = {(found.path, found.problem.what): found for found in self.problems}
            raise Refused(*unique.values())
        if len(self.unavailable) == len(self.plan.variants):
            event = next(iter(self.unavailable.values()))
            problem = Problem("no_variant_available", f"{event.reason}, so no variant can run here", event.remedy)
            raise Refused(SpecProblem(("models",), problem))


Request = str | None  # the value of `python` in a spec: a version, a path, or None


def _executables(
    plan: Plan, runner_env: RunnerEnvironment, interrupt: Interrupt
) -> tuple[dict[Request, str], dict[Request, Environment], list[SpecProblem]]:
    """Return the executable for each requested interpreter, the environments, and the problems."""
    found: dict[Request, str] = {}
    built: dict[Request, Environment] = {}
    problems: list[SpecProblem] = []
    asking: dict[Request, list[Variant]] = {}
    for variant in plan.variants:
        asking.setdefault(variant.python, []).append(variant)
    for request, variants in asking.items():
        place = python_place(plan.experiment, variants[0].entry, request)
        python = find.resolve(request)
        if python is None:
            problems.append(SpecProblem(place, find.missing(request or "")))
            continue
        # all variants of an interpreter share an environment: they are not compared by their packages
        needs = [variant.needs for variant in variants]
        extra = tuple(dict.fromkeys(name for each in needs for name in each.packages))
        try:
            environment = environment_for(plan.experiment.requirements, request, python, extra, runner_env, interrupt)
        except Unbuilt as error:
            problems.append(_unbuilt(plan.experiment, place, request, error))
            continue
        found[request] = environment.python if environment else python
        if environment:
            built[request] = environment
    return found, built, problems


def environment_for(
    required: Sequence[str],
    request: Request,
    python: str,
    extra: tuple[str, ...],
    runner_env: RunnerEnvironment,
    interrupt: Interrupt,
) -> Environment | None:
    """Return the environment for an interpreter, None if it is used unchanged; raises Unbuilt.

    An interpreter that is named by its path has an environment of its own. If only packages of models can't be
    installed, those models are unavailable, and nothing is raised.
    """
    if request is not None and not find.is_version(request):
        return None
    if extra and (required or request is not None):
        try:
            return environments.provide(runner_env, interrupt, python, (*required, *extra))
        except Unbuilt as error:
            logger().warning("environment.lacks", python=python, packages=list(extra), reason=error.problem.what)
    return environments.provide(runner_env, interrupt, python, required) if required else None


def _unbuilt(experiment: Experiment, python: KeyPath, request: Request, error: Unbuilt) -> SpecProblem:
    """Return the problem with an environment, at the requirement that caused it if known."""
    path: KeyPath = ("requirements",) if experiment.requirements else python
    if error.requirement in experiment.requirements:
        path = ("requirements", experiment.requirements.index(error.requirement))
    what = f"{error.problem.what}, for {f'python {request}' if request else 'the default python'}"
    return SpecProblem(path, error.problem._replace(what=what))


def command(of: Variant | ModelEntry, python: str, limits: tuple[tuple[str, int], ...]) -> Command:
    """Return the command that starts a runner with this interpreter, and the path and environment of a variant."""
    path = str(Path(of.path).absolute()) if of.path else None
    return Command(python, path, tuple(sorted(of.env.items())), limits)


def _place(experiment: Experiment, point: Point, variant: Variant, field: str) -> KeyPath:
    """Return the place of a field in the spec: in the entry, in the matrix, or in the workload."""
    if field in variant.overrides:
        return ("models", variant.entry, field)
    axis = f"workload.{field}"
    if axis in experiment.matrix:
        return ("matrix", axis, experiment.matrix[axis].index(point.workload[field]))
    axes = [axis for axis in experiment.matrix if axis.startswith("kwargs.")]
    if field == "kwargs" and axes and not experiment.workload.kwargs:
        return ("matrix", axes[0])
    return ("workload", field)


def python_place(experiment: Experiment, entry: int, python: str | None) -> KeyPath:
    """Return the place in the spec of the interpreter that an entry of its models, by number, is run under."""
    if experiment.models[entry].python is None and python in experiment.matrix.get("python", ()):
        return ("matrix", "python", experiment.matrix["python"].index(python))
    return ("models", entry, "python")
