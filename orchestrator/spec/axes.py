"""Check the axes of the matrix: their names, and each value by the type that the spec gives it."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from pydantic import ConfigDict, TypeAdapter, ValidationError

from ..runner import registry
from ..runner.problem import Problem
from .document import quoted
from .model import Arrivals, Experiment, Workload, option_type
from .plan import canonical
from .problem import SpecProblem, refusal, suggestion
from .values import KEYWORD, Count, Python, WorkerCount

_ARRIVALS = [f"arrivals.{name}" for name in Arrivals.model_fields]

FEWEST_LEVELS = 3  # an axis of so many numbers or more is searched for where along it the winner changes


def ordered_axes(experiment: Experiment, fewest: int = FEWEST_LEVELS) -> list[str]:
    """Return the axes of points that are lines: those with `fewest` different numbers or more."""
    ordered = ("tasks", "arrivals.rate")
    sizes = {
        axis: values for axis, values in experiment.matrix.items() if axis in ordered or axis.startswith("kwargs.")
    }
    numbers = {axis: values for axis, values in sizes.items() if {int, float} >= set(map(type, values))}
    return [axis for axis, values in numbers.items() if len(set(values)) == len(values) >= fewest]


def is_point_axis(axis: str) -> bool:
    """Return whether the values of an axis make points; those of others make variants."""
    return axis == "tasks" or axis.startswith(("kwargs.", "workload.", "arrivals."))


def check_axes(experiment: Experiment) -> None:
    """Raise SpecProblem for an axis that no model knows, and for a value that its axis can't have."""
    options = sorted({name for entry in experiment.models for name in registry.load(entry.model).OPTIONS})
    known = ["tasks", *_ARRIVALS, "kwargs.*", "workload.*", "workers", "python", *options]
    for axis, values in experiment.matrix.items():
        refused = _refused_axis(axis, known)
        if refused:
            raise SpecProblem(("matrix", axis), refused, key=True)
        for place, value in enumerate(values):
            refused = _refused_value(experiment, axis, value)
            if refused:
                raise SpecProblem(("matrix", axis, place), refused)
        if len({canonical(value) for value in values}) < len(values):
            raise SpecProblem(("matrix", axis), Problem("value_twice", "names a value twice", "keep one of them"))
    if "workload.kwargs" in experiment.matrix and any(axis.startswith("kwargs.") for axis in experiment.matrix):
        problem = Problem("axes_overlap", "varies what kwargs.* varies too", "keep one of the two")
        raise SpecProblem(("matrix", "workload.kwargs"), problem, key=True)


def check_refined(experiment: Experiment) -> None:
    """Raise SpecProblem where `measure.refine` names no axis that can be refined."""
    axis, path = experiment.measure.refine, ("measure", "refine")
    known = ordered_axes(experiment)
    if axis is None or axis in known:
        return
    if axis in experiment.matrix:
        what = f"{axis} is no axis of points with {FEWEST_LEVELS} different numbers or more"
        remedy = f"name one of {', '.join(known)}" if known else "give it more numbers, or delete this"
        raise SpecProblem(path, Problem("axis_unordered", what, remedy))
    remedy = suggestion(axis, known) if known else f"add matrix.{axis} with a list of numbers, or delete this"
    raise SpecProblem(path, Problem("axis_unknown", f"no axis {quoted(axis)} in the matrix", remedy))


def _refused_axis(axis: str, known: Sequence[str]) -> Problem | None:
    section, dot, name = axis.partition(".")
    if section == "kwargs" and dot:
        wrong = f"{quoted(name)} is not a Python name"
        return None if re.fullmatch(KEYWORD, name) else Problem("axis_malformed", wrong, "correct the name")
    if section == "workload" and dot:
        fields = list(Workload.model_fields)
        if name.startswith("kwargs."):
            return Problem("axis_malformed", "kwargs have a shorter name here", f"write {name}")
        wrong = f"a workload has no {quoted(name)}"
        return None if name in fields else Problem("axis_unknown", wrong, suggestion(name, fields))
    if axis in known:
        return None
    return Problem("axis_unknown", f"no model of this experiment knows {quoted(axis)}", suggestion(axis, known))


def _refused_value(experiment: Experiment, axis: str, value: Any) -> Problem | None:
    try:
        if axis.startswith("workload."):
            Workload.model_validate({**experiment.workload.model_dump(), axis.removeprefix("workload."): value})
        elif axis in _ARRIVALS:
            Arrivals.model_validate({axis.removeprefix("arrivals."): value})
        else:
            for kind in _types(experiment, axis):
                TypeAdapter[Any](kind, config=ConfigDict(strict=True)).validate_python(value)
    except ValidationError as error:
        return refusal(error.errors()[0])
    return None


def _types(experiment: Experiment, axis: str) -> list[Any]:
    """Return the types that the values of an axis must have: of an option, that of every model that knows it."""
    common = {"tasks": Count, "workers": WorkerCount, "python": Python}
    if axis in common:
        return [common[axis]]
    models = {entry.model: registry.load(entry.model).OPTIONS for entry in experiment.models}
    return [option_type(options[axis]) for options in models.values() if axis in options]
