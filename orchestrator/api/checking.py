"""The options of `compare`, checked before the machine is awaited and anything is called."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from ..errors import BadInput

if TYPE_CHECKING:
    from ..spec.problem import SpecProblem
    from .asking import Options

KINDS: Mapping[str, tuple[tuple[type, ...], str]] = {
    "args": ((Sequence,), "a list of arguments"),
    "kwargs": ((Mapping,), "a mapping of names to values"),
    "items": ((Iterable,), "a list or another iterable"),
    "models": ((str, Sequence), "a list of models"),
    "workers": ((int, Sequence), "a number or a list of numbers"),
    "arrivals": ((Mapping,), "a mapping, such as {'rate': 200}"),
    "expect": ((Mapping, Sequence), "a claim such as {'of': 'threads', 'min': 1.5}, or a list of them"),
    "runs": ((str, os.PathLike), "a path"),
    "name": ((str,), "text"),
    "item": ((str,), "the name of an argument"),
    "check": ((str,), "text"),
    "python": ((str,), "a version or a path"),
}
"""The types that options have, and what they are called."""

PLACES: Sequence[tuple[tuple[str, ...], str]] = (
    (("matrix", "workers"), "workers"),
    (("workload", "check"), "check"),
    (("workload", "items"), "items"),
    (("measure", "precision"), "precision"),
    (("models",), "models"),
    (("tasks",), "tasks"),
    (("expect",), "expect"),
    (("arrivals",), "arrivals"),
)
"""The options that a spec has, each by its path there."""


def check_options(options: Options) -> None:
    """Raise BadInput for an option of another type, or with a value that no spec could have."""
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name, (types, expected) in KINDS.items():
        value = given.get(name)
        is_text = isinstance(value, str | bytes) and not {str, Iterable} & {*types}
        if name in given and (is_text or isinstance(value, bool) or not isinstance(value, types)):
            what = f"expected {expected}; got a value of type {type(value).__name__}"
            raise BadInput(what, where=f"{name}=", remedy=f"write {name}=[{value!r:.40}]" if name == "args" else "")
    _check_as_spec(given)


def _check_as_spec(given: Mapping[str, Any]) -> None:
    from pydantic import ValidationError

    from ..spec import open_loop
    from ..spec.axes import check_axes
    from ..spec.model import Experiment
    from ..spec.problem import SpecProblem, problem_of

    spec = _spec(given)
    try:
        experiment = Experiment.model_validate(spec)
        check_axes(experiment)
        open_loop.check(experiment)
    except ValidationError as error:
        raise _refused(problem_of(error.errors()[0], spec), given) from None
    except SpecProblem as found:
        raise _refused(found, given) from None


def _refused(found: SpecProblem, given: Mapping[str, Any]) -> BadInput:
    """Return a problem of the spec as one of the options."""
    from ..spec.document import key_path

    path, name = next((each for each in PLACES if found.path[: len(each[0])] == each[0]), ((), ""))
    rest = found.path[len(path) :]
    if path == ("expect",) and isinstance(given["expect"], Mapping):
        rest = rest[1:]  # one claim
    is_unknown = found.problem.code == "model_unknown"
    where = f"{name if is_unknown or isinstance(given.get(name), int) else key_path(rest, name)}="
    remedy, models = found.problem.remedy, given.get("models")
    if is_unknown and isinstance(models, str) and "," in models:
        remedy = f"write models={[each.strip() for each in models.split(',')]}"
    return BadInput(found.problem.what, where=where, remedy=remedy)


def _spec(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as a spec has them, with all models where none is given."""
    models = given.get("models", "all")
    made: dict[str, Any] = {
        "name": "x",
        "workload": {"call": "module:function"},
        "models": models if models == "all" else [models] if isinstance(models, str) else list(map(_plain, models)),
    }
    parts: Mapping[str, Callable[[Any], dict[str, Any]]] = {
        "workers": lambda value: {"matrix": {"workers": [value] if isinstance(value, int) else list(value)}},
        "check": lambda value: {"workload": {**made["workload"], "check": value}},
        "items": lambda value: {"workload": {**made["workload"], "items": value}} if isinstance(value, str) else {},
        "precision": lambda value: {"measure": {"precision": value}},
        "tasks": lambda value: {"tasks": value},
        "arrivals": lambda value: {"arrivals": dict(value)},
        "expect": lambda value: {"expect": [value] if isinstance(value, Mapping) else list(map(_plain, value))},
    }
    for name, part in parts.items():
        if name in given:
            made |= part(given[name])
    return made


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value
