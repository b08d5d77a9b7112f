"""Problems of a spec, with their path in it, and the messages for what pydantic refuses."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import BaseModel
from pydantic_core import ErrorDetails

from ..runner import registry
from ..runner.problem import Problem, read
from .document import KeyPath, described
from .model import ENTRY_CLASSES, Arrivals, Expectation, Experiment, Limits, Measure, Workload
from .values import PATTERNS


class SpecProblem(Exception):
    """A problem at `path` of a spec, or with the key there if `key`; `load.Source` adds the place in the file."""

    def __init__(self, path: KeyPath, problem: Problem, *, key: bool = False) -> None:
        super().__init__(problem.what)
        self.path = path
        self.problem = problem
        self.key = key


_EXPECTED = {
    "int_type": "a whole number",
    "float_type": "a number",
    "string_type": "text",
    "dict_type": "a mapping of keys to values",
    "tuple_type": "a list",
    "model_type": "a mapping of keys to values",
    "model_attributes_type": "a model's name or a mapping",
    "greater_than_equal": "{ge} or more",
    "less_than_equal": "{le} or less",
    "less_than": "less than {lt}",
    "literal_error": "one of {expected}",
    "string_too_long": "at most {max_length} characters",
}
_MISSING = {
    "workload": "add `workload: {call: module:function}`",
    "models": "add `models: all`, or with a list of " + ", ".join(registry.NAMES),
    "of": "add `of:` with a model or a label",
}
_PARTS: dict[object, type[BaseModel]] = {
    "workload": Workload,
    "arrivals": Arrivals,
    "measure": Measure,
    "limits": Limits,
    "expect": Expectation,
}


def refusal(details: ErrorDetails) -> Problem:
    """Return an error of pydantic as a problem with a message and a remedy of this program."""
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "refused":
        return read(context)
    if kind == "missing":
        return Problem(kind, "is missing", _MISSING.get(str(details["loc"][-1]), "add it"))
    if kind in ("too_short", "string_too_short"):
        return Problem("empty", "must not be empty", "fill it in")
    if kind == "string_pattern_mismatch":
        what, remedy = PATTERNS[context["pattern"]]
        return Problem("malformed", f"{described(given)} {what}", remedy)
    if kind == "tuple_type" and isinstance(given, dict) and details["loc"][0] == "matrix":
        remedy = "name each axis with a dot, such as kwargs.n: [1, 2]"
        return Problem("axis_nested", "expected a list, got a mapping", remedy)
    what = details["msg"]
    if kind == "literal_error":
        context = {"expected": context["expected"].replace(" or ", ", ").replace("'", "")}
    if kind in _EXPECTED:
        what = f"expected {_EXPECTED[kind].format(**context)}"
    unquoted = kind == "string_type" and isinstance(given, bool | int | float)
    return Problem(kind, what, f"got {described(given)}" + ", which needs quotes" * unquoted)


def suggestion(name: str, known: Sequence[str]) -> str:
    """Return the remedy for an unknown name: the closest known one, or all of them."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {described(near[0])}?" if near else f"known: {', '.join(known)}"


def problem_of(details: ErrorDetails, value: dict[str, Any]) -> SpecProblem:
    """Return the problem that an error of pydantic with the spec `value` stands for."""
    path = details["loc"]
    if path[:1] == ("models",) and len(path) > 2:
        path = path[:2] + path[3:]  # without the branch of the union
    key = path[-1:] == ("[key]",)
    path = path[:-1] if key else path
    if details["type"] == "extra_forbidden":
        return _unknown_key(path, value)
    if details["type"] in ("union_tag_invalid", "union_tag_not_found"):
        given = details["input"].get("model")
        if given is None:
            remedy = f"add `model:`, one of {', '.join(registry.NAMES)}"
            return SpecProblem(path, Problem("model_missing", "names no model", remedy))
        path = path if isinstance(value["models"][path[1]], str) else (*path, "model")
        if not isinstance(given, str):
            return SpecProblem(path, Problem("string_type", "expected a model's name", f"got {described(given)}"))
        remedy = suggestion(given, registry.NAMES)
        return SpecProblem(path, Problem("model_unknown", f"unknown model {described(given)}", remedy))
    return SpecProblem(path, refusal(details), key=key)


def _unknown_key(path: KeyPath, value: dict[str, Any]) -> SpecProblem:
    name = str(path[-1])
    owner: type[BaseModel] = _PARTS.get(path[0], Experiment) if len(path) > 1 else Experiment
    if path[0] == "models":
        owner = ENTRY_CLASSES[value["models"][path[1]]["model"]]
    belongs = _place_of(name, in_entry=path[0] == "models")
    remedy = f"write it {belongs}" if belongs else suggestion(name, list(owner.model_fields))
    return SpecProblem(path, Problem("key_unknown", f"unknown key {described(name)}", remedy), key=True)


def _place_of(name: str, in_entry: bool) -> str | None:
    """Return where in the spec a misplaced key belongs, as text for a remedy; None if nowhere."""
    under = [part for part, kind in _PARTS.items() if name in kind.model_fields]
    if under and under[0] != "expect":
        return f"under {under[0]}"
    if name in Experiment.model_fields:
        return "at the top of the spec, not under another key"
    if not in_entry and any(name in kind.model_fields for kind in ENTRY_CLASSES.values()):
        return "under matrix (as a list), or in an entry of models"
    return f"under {under[0]}" if under else None
