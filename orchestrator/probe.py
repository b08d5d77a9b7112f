"""Asking every interpreter whether it can run its variants, and what their results depend on, before anything runs."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from . import launch, plan, pythons, resume
from .document import KeyPath, shown
from .events import VariantUnavailable
from .launch import Interrupt, Kit, RunnerFailed
from .plan import Plan, Point, Variant
from .spec import Experiment, Problem, Source

OF_A_MODEL = ("call", "async_call")
"""Fields of a workload that one model may refuse and another take."""


@dataclass(frozen=True)
class Probed:
    """What the probe found.

    The executable of each variant, which variants can't be had here, and what results depend on beside the spec.
    """

    pythons: dict[str, str]
    unavailable: list[VariantUnavailable]
    identity: dict[str, str]


def probe(to_do: Plan, source: Source, laid: Kit, interrupt: Interrupt) -> Probed:
    """Ask every interpreter whether it can run its variants; raises BadInput with all that it can't.

    Nothing of the workload is called, but its modules are imported, in a runner.
    """
    found: dict[str, str] = {}
    problems: list[Problem] = []
    unavailable: dict[str, VariantUnavailable] = {}
    commands: dict[launch.Command, list[tuple[Point, Variant]]] = {}
    told = []
    limits = to_do.experiment.limits.bounds()
    for variant in to_do.variants:
        python = pythons.resolve(variant.python)
        if python is None:
            what = f"no interpreter {shown(variant.python or '')} here"
            problems.append(Problem(_python_place(to_do.experiment, variant), what, pythons.HOW_TO_GET))
        elif variant.path is not None and not Path(variant.path).is_dir():
            what = f"{shown(variant.path)} is no directory here"
            problems.append(Problem(("models", variant.entry, "path"), what, "check the path"))
        else:
            found[variant.label] = python
            path = str(Path(variant.path).absolute()) if variant.path else None
            command = launch.Command(python, path, tuple(sorted(variant.env.items())), limits)
            commands.setdefault(command, []).extend((point, variant) for point in to_do.points)
    for command, asked in commands.items():
        orders = [plan.order(point, variant) for point, variant in asked]
        try:
            answered = launch.probe(laid, interrupt, command, orders)
        except RunnerFailed as error:
            what, remedy = pythons.complaint(command.python) or _unprobed(command.python, error)
            problems.append(Problem(_python_place(to_do.experiment, asked[0][1]), what, remedy))
            continue
        told.append(answered.identity)
        for (point, variant), answer in zip(asked, answered.problems, strict=True):
            is_optional = to_do.experiment.models[variant.entry].optional and answer and answer["field"] in OF_A_MODEL
            if answer and (answer["field"] == "model" or is_optional):
                unavailable[variant.label] = VariantUnavailable(
                    variant=variant.label, variant_id=variant.id, reason=answer["what"], remedy=answer["remedy"]
                )
            elif answer:
                problems.append(
                    Problem(_place(to_do.experiment, point, variant, answer["field"]), answer["what"], answer["remedy"])
                )
    if problems:
        unique = {(problem.path, problem.what): problem for problem in problems}
        raise source.failure(*unique.values())
    if len(unavailable) == len(to_do.variants):
        event = next(iter(unavailable.values()))
        raise source.failure(Problem(("models",), f"none can run here: {event.reason}", event.remedy))
    identity = {**resume.of_interpreters(told), "models": f"without {', '.join(unavailable) or 'none'}"}
    return Probed(found, list(unavailable.values()), identity)


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
