"""What is wrong with a spec, in our own words, with the path to it and the remedy."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from typing import Any

from pydantic import (
    BaseModel,
)
from pydantic_core import ErrorDetails

from ..runner import registry
from .document import KeyPath, described
from .model import ENTRY_CLASSES, PATTERNS, Expectation, Experiment, Limits, Measure, Workload

RESERVED = (("measure", "metric"),)
"""Keys that later versions give a meaning to."""


class Problem(Exception):
    """Something wrong at `path` of a spec, found where the file is out of sight."""

    def __init__(self, path: KeyPath, what: str, remedy: str, *, key: bool = False) -> None:
        super().__init__(what)
        self.path = path
        self.what = what
        self.remedy = remedy
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


def refusal(details: ErrorDetails) -> tuple[str, str]:
    """Return what is wrong with a value, and the remedy, in our own words."""
    kind, given, context = details["type"], details["input"], details.get("ctx", {})
    if kind == "refused":
        return context["what"], context["remedy"]
    if kind == "missing":
        return "is missing", _MISSING.get(str(details["loc"][-1]), "add it")
    if kind in ("too_short", "string_too_short"):
        return "must not be empty", "fill it in"
    if kind == "string_pattern_mismatch":
        what, remedy = PATTERNS[context["pattern"]]
        return f"{described(given)} {what}", remedy
    if kind == "tuple_type" and isinstance(given, dict) and details["loc"][0] == "matrix":
        return "expected a list, got a mapping", "name each axis with a dot, such as kwargs.n: [1, 2]"
    if kind not in _EXPECTED:
        return details["msg"], f"got {described(given)}"
    if kind == "literal_error":
        context = {"expected": context["expected"].replace(" or ", ", ").replace("'", "")}
    what = f"expected {_EXPECTED[kind].format(**context)}"
    unquoted = kind == "string_type" and isinstance(given, bool | int | float)
    return what, f"got {described(given)}, which needs quotes" if unquoted else f"got {described(given)}"


def suggestion(name: str, known: Sequence[str], remedy: str = "known here: {}") -> str:
    """Return the remedy for a name that is not among the known ones."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {described(near[0])}?" if near else remedy.format(", ".join(known))


def problem_of(details: ErrorDetails, value: dict[str, Any]) -> Problem:
    path, key = _spec_path(details["loc"])
    if details["type"] == "extra_forbidden":
        return _unknown_key(path, value)
    if details["type"] in ("union_tag_invalid", "union_tag_not_found"):
        given = details["input"].get("model")
        if given is None:
            return Problem(path, "names no model", f"add `model:`, one of {', '.join(registry.NAMES)}")
        path = path if isinstance(value["models"][path[1]], str) else (*path, "model")
        if not isinstance(given, str):
            return Problem(path, "expected a model's name", f"got {described(given)}")
        return Problem(path, f"unknown model {described(given)}", suggestion(given, registry.NAMES, "known: {}"))
    return Problem(path, *refusal(details), key=key)


def _unknown_key(path: KeyPath, value: dict[str, Any]) -> Problem:
    if path in RESERVED:
        return Problem(path, "is reserved for a later version", "delete it", key=True)
    name = str(path[-1])
    remedy = suggestion(name, _known_keys(path[:-1], value))
    if len(path) == 1 and remedy.startswith("known"):
        options = {option for kind in ENTRY_CLASSES.values() for option in kind.model_fields}
        under = [part for part, kind in _PARTS.items() if name in kind.model_fields]
        under += ["matrix (as a list), or in an entry of models"] * (name in options and "workload" not in under)
        remedy = f"write it under {under[0]}" if under else remedy
    return Problem(path, f"unknown key {described(name)}", remedy, key=True)


def _spec_path(location: tuple[int | str, ...]) -> tuple[KeyPath, bool]:
    """Return the path in the file, and whether its key is meant; pydantic's own also names the branches of unions."""
    if location[:1] == ("models",) and len(location) > 2:
        location = location[:2] + location[3:]
    return (location[:-1], True) if location[-1:] == ("[key]",) else (location, False)


_PARTS: dict[object, type[BaseModel]] = {
    "workload": Workload,
    "measure": Measure,
    "limits": Limits,
    "expect": Expectation,
}


def _known_keys(parent: KeyPath, value: dict[str, Any]) -> list[str]:
    """Return the keys that the spec knows below `parent`."""
    if parent[:1] == ("models",):
        given = value["models"][parent[1]]
        return list(ENTRY_CLASSES[given["model"]].model_fields)
    return list((_PARTS[parent[0]] if parent else Experiment).model_fields)
