"""Expand a spec into its plan: points, variants and claims. Pure."""

from __future__ import annotations

import itertools
import math
from collections.abc import Container, Mapping, Sequence
from typing import Any

from ..runner import registry
from ..runner.problem import Problem
from . import open_loop
from .axes import check_axes, check_refined, is_point_axis, ordered_axes
from .claims import baseline_of, claims_of
from .document import quoted
from .model import Experiment, ModelEntry
from .plan import Items, Plan, Point, Variant, canonical, column, content_id, items_of, label_of
from .problem import SpecProblem
from .values import parse_items

OF_AN_ENTRY = ("call", "async_call", "kwargs", "initializer", "async_initializer")
"""Fields of a workload that an entry of `models` may override."""

LARGEST = 10_000  # most points times variants; more are probably a mistake


def plan_experiment(experiment: Experiment, cores: int, items: Sequence[Items] = ()) -> Plan:
    """Return the points, variants and claims of `experiment` on a machine of `cores` effective cores.

    `items` are those that were read, of every `wanted_items`. Raises SpecProblem for what no single value shows:
    unknown axes, equal labels, an expectation or a baseline that matches nothing.
    """
    check_axes(experiment)
    open_loop.check(experiment)
    experiment = open_loop.with_rates(experiment)
    check_refined(experiment)
    axes = {axis: values for axis, values in experiment.matrix.items() if is_point_axis(axis)}
    point_count = math.prod(map(len, axes.values()))
    variant_count = sum(math.prod(map(len, _axes(experiment, entry).values())) for entry in experiment.models)
    if point_count * variant_count > LARGEST:
        what = f"makes {point_count} points x {variant_count} variants, more than {LARGEST} combinations"
        raise SpecProblem(("matrix",), Problem("matrix_too_large", what, "name fewer values"))
    combinations = itertools.product(*axes.values())
    points = tuple(_point(experiment, dict(zip(axes, chosen, strict=True)), items) for chosen in combinations)
    variants = _variants(experiment, cores)
    baseline = baseline_of(experiment, variants)
    claims = claims_of(experiment, points, variants, baseline)
    split = max((len(experiment.matrix[axis]) for axis in ordered_axes(experiment)), default=1)
    if experiment.objective:
        split = open_loop.halvings(split)
    return Plan(experiment, points, variants, baseline, claims, cores, split)


def wanted_items(experiment: Experiment) -> list[tuple[Any, list[int | None]]]:
    """Return each source of items in an experiment, with the numbers of tasks that are asked of it."""
    sources = experiment.matrix.get("workload.items", (experiment.workload.items,))
    tasks: list[int | None] = list(experiment.matrix.get("tasks", (experiment.wanted_tasks,)))
    return [(_plain(source), tasks) for source in sources if source is not None]


def _plain(source: object) -> object:
    found = parse_items(source)
    return found if isinstance(found, str) else list(found)


def _point(experiment: Experiment, chosen: dict[str, Any], items: Sequence[Items]) -> Point:
    workload = experiment.workload.model_dump(mode="json", exclude_none=True)
    if not workload["args"]:
        del workload["args"]
    fields = {axis.removeprefix("workload."): value for axis, value in chosen.items() if axis.startswith("workload.")}
    if "items" in fields:
        fields["items"] = _plain(fields["items"])
    # an axis of kwargs excludes workload.kwargs, see check_axes
    workload |= fields
    workload["kwargs"] |= {
        axis.removeprefix("kwargs."): value for axis, value in chosen.items() if axis.startswith("kwargs.")
    }
    tasks = chosen.get("tasks", experiment.wanted_tasks)
    given = _items_for(workload.get("items"), tasks, items)
    tasks = given.count if given else tasks or 1
    arrivals = open_loop.arrivals_of(experiment, chosen)
    if arrivals:
        tasks = max(1, round(arrivals.rate * arrivals.window_s))
    columns = {"tasks": tasks} | (arrivals.fields() if arrivals else {})
    columns |= {column(axis): value for axis, value in chosen.items() if axis.startswith("arrivals.")}
    columns |= {column(f"kwargs.{name}"): value for name, value in workload["kwargs"].items()}
    columns |= {f"args_{place}": value for place, value in enumerate(workload.get("args", ()))}
    columns |= {"items": items_of(workload)} if given else {}
    columns |= {column(f"workload.{name}"): value for name, value in fields.items()}
    beside = f", window={chosen['arrivals.window']}" if "arrivals.window" in chosen else ""
    beside += "".join(f", {name}={value}" for name, value in fields.items() if name != "kwargs")
    functions = _functions(experiment, workload)
    parts = {"workload": workload, "tasks": tasks} | ({"items": given.digest} if given else {})
    return Point(
        id=content_id(parts | (arrivals.fields() if arrivals else {})),
        label=label_of(workload, tasks, arrivals=arrivals, functions=functions) + beside,
        columns=columns,
        workload=workload,
        tasks=tasks,
        items=given,
        arrivals=arrivals,
        functions=functions,
    )


def _functions(experiment: Experiment, workload: Mapping[str, Any]) -> list[str]:
    """Return the names of the functions that the entries call: their own, or that of the workload."""
    called = workload.get("call") or workload.get("async_call") or ""
    names = (entry.call or entry.async_call or called for entry in experiment.models)
    return list(dict.fromkeys(name.rpartition(":")[2] for name in names))


def _items_for(source: object, tasks: int | None, items: Sequence[Items]) -> Items | None:
    """Return the items that were read for a batch; None for a workload without."""
    if source is None:
        return None
    key = canonical([source, tasks])
    return next(each for each in items if canonical([each.source, each.tasks]) == key)


def _variants(experiment: Experiment, cores: int) -> tuple[Variant, ...]:
    names = [entry.name for entry in experiment.models]
    for place, entry in enumerate(experiment.models):
        if entry.workers is not None and registry.load(entry.model).WORKERS != "asked":
            what = f"{entry.model} has no number of workers: it is {registry.load(entry.model).SUMMARY}"
            raise SpecProblem(("models", place, "workers"), Problem("workers_meaningless", what, "delete it"), key=True)
        if entry.label and names.index(entry.label) < place:
            what = f"models[{names.index(entry.label)}] is called {quoted(entry.label)} too"
            problem = Problem("label_twice", what, "give each a label of its own")
            raise SpecProblem(("models", place, "label"), problem)
    settings: list[tuple[int, dict[str, Any]]] = []
    groups: dict[str, list[dict[str, Any]]] = {}
    for place, entry in enumerate(experiment.models):
        own = _settings(experiment, entry, cores)
        settings += [(place, chosen) for chosen in own]
        groups[entry.name] = [*groups.get(entry.name, []), *own]
    made: dict[str, Variant] = {}
    for place, chosen in settings:
        entry = experiment.models[place]
        label = _label(entry.name, chosen, groups[entry.name])
        if label in made:
            what = f"a second variant called {quoted(label)}"
            raise SpecProblem(("models", place), Problem("label_twice", what, "give each a `label:` of its own"))
        made[label] = _variant(experiment, place, label, chosen)
    return tuple(made.values())


def _settings(experiment: Experiment, entry: ModelEntry, cores: int) -> list[dict[str, Any]]:
    """Return workers, python and options of every variant of an entry."""
    known = _known(entry) | ({"workers": cores} if registry.load(entry.model).WORKERS == "asked" else {})
    fixed = {name: getattr(entry, name) for name in known if entry.fixes(name)}
    axes = _axes(experiment, entry)
    return [known | fixed | dict(zip(axes, chosen, strict=True)) for chosen in itertools.product(*axes.values())]


def _axes(experiment: Experiment, entry: ModelEntry) -> dict[str, tuple[Any, ...]]:
    """Return the axes of the matrix that an entry knows and does not set itself."""
    known = _known(entry)
    return {axis: values for axis, values in experiment.matrix.items() if axis in known and not entry.fixes(axis)}


def _known(entry: ModelEntry) -> dict[str, Any]:
    """Return the defaults of workers, python and options: what can differ between the variants of an entry."""
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
        raise SpecProblem(path, conflict.problem) from conflict
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
