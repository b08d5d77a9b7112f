"""The options of `compare`, checked before the machine is awaited and anything is called."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING, Any

from ..errors import BadInput
from .options import OPTIONS, Options, option_at

if TYPE_CHECKING:
    from ..spec.problem import SpecProblem


def check_options(options: Options) -> None:
    """Raise BadInput for a type or a value that an option can't have, and TypeError for an unknown option."""
    if unknown := [name for name in options if name not in OPTIONS]:
        raise TypeError(f"compare has no option {unknown[0]!r}; it has {', '.join(OPTIONS)}")
    given: dict[str, Any] = {name: value for name, value in options.items() if value is not None}
    for name, value in given.items():
        types, expected = OPTIONS[name].types, OPTIONS[name].expected
        is_text = isinstance(value, str | bytes) and not {str, Iterable} & {*types}
        if types and (is_text or isinstance(value, bool) or not isinstance(value, types)):
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

    name = option_at(found.path)
    rest = found.path[len(OPTIONS[name].path) :] if name else found.path
    if name == "expect" and isinstance(given[name], Mapping):
        rest = rest[1:]  # one claim
    is_unknown = found.problem.code == "model_unknown"
    where = f"{name if is_unknown or isinstance(given.get(name), int) else key_path(rest, name)}="
    remedy, models = found.problem.remedy, given.get("models")
    if is_unknown and isinstance(models, str) and "," in models:
        remedy = f"write models={[each.strip() for each in models.split(',')]}"
    return BadInput(found.problem.what, where=where, remedy=remedy)


def _spec(given: Mapping[str, Any]) -> dict[str, Any]:
    """Return options as a spec has them, with all models where none is given."""
    made: dict[str, Any] = {"name": "x", "workload": {"call": "module:function"}, "models": "all"}
    for name, value in given.items():
        path = OPTIONS[name].path
        if not path or (name == "items" and not isinstance(value, str)):  # values are no source of a spec
            continue
        section: dict[Any, Any] = made
        for key in path[:-1]:
            section = section.setdefault(key, {})
        section[path[-1]] = OPTIONS[name].in_spec(value)
    return made
