"""From a spec to its plan: points, variants and claims, each checked against the others. Pure."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Container, Iterable, Mapping, Sequence
from typing import Any

from pydantic import ValidationError

from ..runner import registry
from .document import quoted
from .model import KEYWORD, MOST_TASKS, MOST_WORKERS, Expectation, Experiment, ModelEntry, Workload
from .plan import Claim, Plan, Point, Variant, canonical, column, content_id, label_of
from .problem import Problem, refusal, suggestion

OF_AN_ENTRY = ("call", "async_call", "kwargs", "initializer", "async_initializer")
"""What an entry of `models` may have instead of the workload's."""

FEWEST_LEVELS = 3
"""An axis of so many numbers is asked where along it the winner changes."""

LARGEST = 10_000
"""Points times variants beyond which a matrix is taken for a mistake."""


def plan_experiment(experiment: Experiment, cores: int) -> Plan:
    """Return the points, variants and claims of `experiment` on a machine of `cores` effective cores.

    Raises `problems.Problem` for what only the whole can show: axes that nothing knows, equal labels, an expectation
    or a baseline that matches nothing.
    """
    _check_axes(experiment)
    _check_refined(experiment)
    _check_size(experiment)
    points = _points(experiment)
    variants = _variants(experiment, cores)
    baseline = _baseline(experiment, variants)
    claims = _claims(experiment, points, variants, baseline)
    split = max((len(experiment.matrix[axis]) for axis in ordered_axes(experiment)), default=1)
    return Plan(experiment, points, variants, baseline, claims, cores, split)


def ordered_axes(experiment: Experiment, fewest: int = FEWEST_LEVELS) -> list[str]:
    """Return the axes of points that can be drawn as a line: those of so many numbers or more."""
    return [
        axis
        for axis, values in experiment.matrix.items()
        if _is_size_axis(axis) and len(set(values if all(map(_is_number, values)) else ())) == len(values) >= fewest
    ]


def _is_size_axis(axis: str) -> bool:
    return axis == "tasks" or axis.startswith("kwargs.")


def _is_point_axis(axis: str) -> bool:
    return _is_size_axis(axis) or axis.startswith("workload.")


def _check_axes(experiment: Experiment) -> None:
    options = sorted({name for entry in experiment.models for name in registry.load(entry.model).OPTIONS})
    known = ["tasks", "kwargs.*", "workload.*", "workers", "python", *options]
    for axis, values in experiment.matrix.items():
        refused = _refused_axis(axis, known)
        if refused:
            raise Problem(("matrix", axis), *refused, key=True)
        for place, value in enumerate(values):
            refused = _refused_value(experiment, axis, value)
            if refused:
                raise Problem(("matrix", axis, place), *refused)
        if len({canonical(value) for value in values}) < len(values):
            raise Problem(("matrix", axis), "names a value twice", "keep one of them")
    if "workload.kwargs" in experiment.matrix and any(axis.startswith("kwargs.") for axis in experiment.matrix):
        what = "varies what kwargs.* varies too"
        raise Problem(("matrix", "workload.kwargs"), what, "keep one of the two", key=True)


def _check_refined(experiment: Experiment) -> None:
    axis, path = experiment.measure.refine, ("measure", "refine")
    known = ordered_axes(experiment)
    if axis is None or axis in known:
        return
    if axis in experiment.matrix:
        what = f"{axis} is no axis of points with {FEWEST_LEVELS} different numbers or more"
        raise Problem(
            path, what, f"name one of {', '.join(known)}" if known else "give it more numbers, or delete this"
        )
    remedy = (
        suggestion(axis, known, "known: {}") if known else f"add matrix.{axis} with a list of numbers, or delete this"
    )
    raise Problem(path, f"no axis {quoted(axis)} in the matrix", remedy)


def _is_number(value: object) -> bool:
    return isinstance(value, int | float) and not isinstance(value, bool)


def _refused_axis(axis: str, known: Sequence[str]) -> tuple[str, str] | None:
    section, dot, name = axis.partition(".")
    if section == "kwargs" and dot:
        return None if re.fullmatch(KEYWORD, name) else (f"{quoted(name)} is not a Python name", "correct the name")
    if section == "workload" and dot:
        fields = list(Workload.model_fields)
        if name.startswith("kwargs."):
            return "kwargs have a shorter name here", f"write {name}"
        return None if name in fields else (f"a workload has no {quoted(name)}", suggestion(name, fields, "known: {}"))
    if axis in known:
        return None
    return f"no model of this experiment knows {quoted(axis)}", suggestion(axis, known, "known: {}")


def _refused_value(experiment: Experiment, axis: str, value: Any) -> tuple[str, str] | None:
    refused = None
    if axis == "tasks" or axis == "workers":
        limit = MOST_TASKS if axis == "tasks" else MOST_WORKERS
        if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= limit:
            refused = f"expected a whole number from 1 to {limit}"
    elif axis == "python":
        if not isinstance(value, str) or not value:
            refused = 'expected a version in quotes, such as "3.13", or a path'
    elif axis.startswith("workload."):
        return _refused_by_workload(experiment.workload, axis.removeprefix("workload."), value)
    elif not axis.startswith("kwargs."):
        known = [registry.load(entry.model).OPTIONS for entry in experiment.models]
        refused = next(filter(None, (options[axis].refuse(value) for options in known if axis in options)), None)
    return (refused, f"got {canonical(value):.60}") if refused else None


def _refused_by_workload(workload: Workload, name: str, value: Any) -> tuple[str, str] | None:
    try:
        Workload.model_validate({**workload.model_dump(), name: value})
    except ValidationError as error:
        return refusal(error.errors()[0])
    return None


def _check_size(experiment: Experiment) -> None:
    """Refuse a matrix that is too large, before any of it is made."""
    points = math.prod(len(values) for axis, values in experiment.matrix.items() if _is_point_axis(axis))
    variants = sum(math.prod(map(len, _axes(experiment, entry).values())) for entry in experiment.models)
    if points * variants > LARGEST:
        what = f"makes {points} points x {variants} variants, more than {LARGEST} combinations"
        raise Problem(("matrix",), what, "name fewer values")


def _points(experiment: Experiment) -> tuple[Point, ...]:
    axes = {axis: values for axis, values in experiment.matrix.items() if _is_point_axis(axis)}
    combinations = itertools.product(*axes.values())
    return tuple(_point(experiment, dict(zip(axes, chosen, strict=True))) for chosen in combinations)


def _point(experiment: Experiment, chosen: dict[str, Any]) -> Point:
    workload = experiment.workload.model_dump(mode="json", exclude_none=True)
    workload["kwargs"] = dict(workload.get("kwargs", {}))
    for axis, value in chosen.items():
        if axis.startswith("kwargs."):
            workload["kwargs"][axis.removeprefix("kwargs.")] = value
        elif axis.startswith("workload."):
            workload[axis.removeprefix("workload.")] = value
    tasks = chosen.get("tasks", experiment.tasks)
    columns = {"tasks": tasks} | {column(f"kwargs.{name}"): value for name, value in workload["kwargs"].items()}
    columns |= {column(axis): value for axis, value in chosen.items() if axis.startswith("workload.")}
    others = {axis.removeprefix("workload."): value for axis, value in chosen.items() if axis.startswith("workload.")}
    others.pop("kwargs", None)
    return Point(
        id=content_id({"workload": workload, "tasks": tasks}),
        label=label_of(workload, tasks) + "".join(f", {name}={value}" for name, value in others.items()),
        columns=columns,
        workload=workload,
        tasks=tasks,
    )


def _variants(experiment: Experiment, cores: int) -> tuple[Variant, ...]:
    names = [entry.name for entry in experiment.models]
    for place, entry in enumerate(experiment.models):
        if entry.workers is not None and registry.load(entry.model).WORKERS != "asked":
            what = f"{entry.model} has no number of workers: it is {registry.load(entry.model).SUMMARY}"
            raise Problem(("models", place, "workers"), what, "delete it", key=True)
        if entry.label and names.index(entry.label) < place:
            what = f"models[{names.index(entry.label)}] is called {quoted(entry.label)} too"
            raise Problem(("models", place, "label"), what, "give each a label of its own")
    settings = [
        (place, chosen)
        for place, entry in enumerate(experiment.models)
        for chosen in _settings(experiment, entry, cores)
    ]
    groups: dict[str, list[dict[str, Any]]] = {}
    for place, chosen in settings:
        groups.setdefault(experiment.models[place].name, []).append(chosen)
    made: dict[str, Variant] = {}
    for place, chosen in settings:
        entry = experiment.models[place]
        label = _label(entry.name, chosen, groups[entry.name])
        if label in made:
            raise Problem(
                ("models", place), f"a second variant called {quoted(label)}", "give each a `label:` of its own"
            )
        made[label] = _variant(experiment, place, label, chosen)
    return tuple(made.values())


def _settings(experiment: Experiment, entry: ModelEntry, cores: int) -> list[dict[str, Any]]:
    """Return workers, python and options of every variant that an entry makes with the axes it knows."""
    known = _known(entry) | ({"workers": cores} if registry.load(entry.model).WORKERS == "asked" else {})
    fixed = {name: getattr(entry, name) for name in known if entry.fixes(name)}
    axes = _axes(experiment, entry)
    return [known | fixed | dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*axes.values())]


def _axes(experiment: Experiment, entry: ModelEntry) -> dict[str, tuple[Any, ...]]:
    """Return the axes of the matrix that an entry knows and does not set itself."""
    known = _known(entry)
    return {axis: values for axis, values in experiment.matrix.items() if axis in known and not entry.fixes(axis)}


def _known(entry: ModelEntry) -> dict[str, Any]:
    """Return what can differ between the variants of an entry, with its defaults."""
    model = registry.load(entry.model)
    options = {name: about.default for name, about in model.OPTIONS.items()}
    return ({"workers": None} if model.WORKERS == "asked" else {}) | {"python": None} | options


def _label(name: str, chosen: dict[str, Any], group: list[dict[str, Any]]) -> str:
    differing = [key for key in chosen if len({canonical(other.get(key)) for other in group}) > 1]
    options = ", ".join(f"{key}={chosen[key]}" for key in differing if chosen[key] is not None)
    return f"{name}({options})" if options else name


def _variant(experiment: Experiment, place: int, label: str, chosen: dict[str, Any]) -> Variant:
    entry = experiment.models[place]
    options = {key: value for key, value in chosen.items() if key not in ("workers", "python") and value is not None}
    try:
        registry.load(entry.model).needs(options)
    except registry.Conflict as conflict:
        in_entry = entry.fixes(conflict.option)
        path = ("models", place, conflict.option) if in_entry else ("matrix", conflict.option)
        raise Problem(path, conflict.what, conflict.remedy) from conflict
    overrides = {key: getattr(entry, key) for key in OF_AN_ENTRY if getattr(entry, key)}
    workers = chosen.get("workers", None if registry.load(entry.model).WORKERS == "per_task" else 1)
    columns = {"model": entry.model, "workers": workers, "python": chosen["python"]} | options
    parts = {**columns, "overrides": overrides, "path": entry.path, "env": entry.env, "label": label}
    return Variant(
        id=content_id(parts),
        label=label,
        columns=columns | _override_columns(overrides, entry, experiment.matrix),
        model=entry.model,
        workers=workers,
        python=chosen["python"],
        options=options,
        overrides=overrides,
        path=entry.path,
        env=entry.env,
        entry=place,
    )


def _override_columns(overrides: Mapping[str, Any], entry: ModelEntry, axes: Container[str]) -> dict[str, Any]:
    """Return the columns of what an entry overrides: in its variant's events they replace those of the point."""
    found = {name: value for name, value in overrides.items() if name != "kwargs"}
    found |= {column(f"workload.{name}"): found[name] for name in tuple(found) if f"workload.{name}" in axes}
    found |= {column(f"kwargs.{name}"): value for name, value in overrides.get("kwargs", {}).items()}
    found |= {} if entry.path is None else {"path": entry.path}
    return found | {column(f"env.{name}"): value for name, value in entry.env.items()}


def _named(name: str, variants: Sequence[Variant], experiment: Experiment) -> list[Variant]:
    """Return the variants that `name` means: one label, the label of an entry, or all of a model."""
    by_label = [variant for variant in variants if variant.label == name]
    by_entry = [variant for variant in variants if experiment.models[variant.entry].label == name]
    return by_label or by_entry or [variant for variant in variants if variant.model == name]


def _unknown(path: tuple[str | int, ...], name: str, variants: Sequence[Variant]) -> Problem:
    known = list(dict.fromkeys([variant.label for variant in variants] + [variant.model for variant in variants]))
    remedy = suggestion(name, known, "known: {}")
    return Problem(path, f"no model or label {quoted(name)} in this experiment", remedy)


def _baseline(experiment: Experiment, variants: Sequence[Variant]) -> Variant:
    if experiment.baseline is None:
        return next((variant for variant in variants if variant.model == "sequential"), variants[0])
    found = _named(experiment.baseline, variants, experiment)
    if not found:
        raise _unknown(("baseline",), experiment.baseline, variants)
    if len(found) > 1:
        labels = ", ".join(variant.label for variant in found)
        raise Problem(
            ("baseline",), f"{quoted(experiment.baseline)} means {len(found)} variants", f"name one: {labels}"
        )
    return found[0]


def _claims(
    experiment: Experiment, points: Sequence[Point], variants: Sequence[Variant], baseline: Variant
) -> tuple[Claim, ...]:
    claims: list[Claim] = []
    for number, expected in enumerate(experiment.expect):
        made = list(_claims_of(experiment, number, expected, points, variants, baseline))
        if not made:
            raise _unmatched(number, expected, points, _named(expected.of, variants, experiment))
        claims.extend(made)
    return tuple(claims)


def _unmatched(number: int, expected: Expectation, points: Sequence[Point], held: Sequence[Variant]) -> Problem:
    """Return why `where` leaves nothing: a column that is not there, or the values that are."""
    rows = [{**point.columns, **variant.columns} for point in points for variant in held]
    names = list(dict.fromkeys(name for row in rows for name in row))
    for key in expected.where:
        name = column(key)
        path = ("expect", number, "where", key)
        if name not in names:
            what = f"{expected.of} has no column {quoted(name)}"
            return Problem(path, what, suggestion(name, names, "known: {}"), key=True)
        there = list(dict.fromkeys(canonical(row[name]) for row in rows if name in row))
        if not any(name in row and row[name] == expected.where[key] for row in rows):
            return Problem(path, f"matches no point and variant of {expected.of}", f"there is {', '.join(there):.200}")
    return Problem(("expect", number, "where"), f"matches no point and variant of {expected.of}", "leave a column out")


def _claims_of(
    experiment: Experiment,
    number: int,
    expected: Expectation,
    points: Sequence[Point],
    variants: Sequence[Variant],
    baseline: Variant,
) -> Iterable[Claim]:
    where = {column(key): value for key, value in expected.where.items()}
    held = _named(expected.of, variants, experiment)
    if not held:
        raise _unknown(("expect", number, "of"), expected.of, variants)
    others = [baseline]
    if expected.against is not None:
        others = _named(expected.against, variants, experiment)
        if not others:
            raise _unknown(("expect", number, "against"), expected.against, variants)
        # `where: {workers: 2}` is meant for both sides when the other side has such a variant
        others = [other for other in others if _matches(other.columns, where)] or others
    for point in points:
        for variant in held:
            if not _matches({**point.columns, **variant.columns}, where, whole=True):
                continue
            for other in others:
                if other is variant and expected.metric == "speedup":
                    remedy = "name another in `against`, or leave it out by `where`"
                    raise Problem(("expect", number), f"compares {variant.label} with itself", remedy)
                yield Claim(expected, point, variant, other)


def _matches(columns: Mapping[str, Any], where: Mapping[str, Any], *, whole: bool = False) -> bool:
    """Return whether the columns have the values of `where`; a column that is not there matches unless `whole`."""
    return all((key in columns or not whole) and columns.get(key, value) == value for key, value in where.items())
