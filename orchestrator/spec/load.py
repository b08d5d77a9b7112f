"""A spec from its file, with overrides from the command line; every error names the place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import (
    ValidationError,
)

from ..errors import BadInput
from . import document
from .document import Document, KeyPath, described, key_path
from .model import NAME, PATTERNS, Experiment
from .problem import Problem, problem_of


class Source:
    """Where a spec came from: the file with its positions, and the overrides."""

    def __init__(self, read: Document, overrides: dict[KeyPath, str]) -> None:
        self._document = read
        self._overrides = overrides

    def failure(self, *problems: Problem) -> BadInput:
        """Return the problems as one error, a line each: place, path in the spec, what is wrong, and the remedy."""
        return BadInput("\n".join(str(self._located(problem)) for problem in problems))

    def _located(self, problem: Problem) -> BadInput:
        shown = key_path(problem.path)
        what = " ".join(f"{shown}: {problem.what}".split() if shown else problem.what.split())
        return BadInput(what, where=self._where(problem), remedy=" ".join(problem.remedy.split()))

    def _where(self, problem: Problem) -> str:
        above = [text for path, text in self._overrides.items() if path == problem.path[: len(path)]]
        # what the file does not have, an override of something below it has made
        below = [text for path, text in self._overrides.items() if problem.path == path[: len(problem.path)]]
        if above or (below and problem.path not in self._document.values):
            return _override_place((above or below)[-1])
        return self._document.where(problem.path, key=problem.key)


def load(file: Path, overrides: Sequence[str] = ()) -> tuple[Experiment, Source]:
    """Return the experiment of `file` with `key.sub=value` overrides, and where each part stands; raises BadInput."""
    read = document.read(file)
    value: dict[str, Any] = read.value
    overridden: dict[KeyPath, str] = {}
    for text in overrides:
        path, given = _override(text)
        _put(value, path, given, text)
        overridden[path] = text
    _refuse_axes(value.get("matrix"), overridden)
    source = Source(read, overridden)
    if "name" not in value:
        if not re.fullmatch(NAME, file.stem):
            what = f"the file's name can't be the experiment's: {described(file.stem)} {PATTERNS[NAME][0]}"
            raise source.failure(Problem(("name",), what, "give a `name:`"))
        value["name"] = file.stem
    return parse(value, source), source


def loads(text: str, source: str) -> tuple[Experiment, Source]:
    """Return the experiment that `text` describes, and where each part stands, places named after `source`."""
    read = document.parse(text.encode(), source)
    found = Source(read, {})
    return parse(read.value, found), found


def parse(value: dict[str, Any], source: Source) -> Experiment:
    """Return the experiment that plain data describes; raises BadInput with every problem of its form."""
    try:
        return Experiment.model_validate(value)
    except ValidationError as error:
        # pydantic counts the valid items of a list, and those that aren't are told anyway
        reported = [details for details in error.errors() if details["type"] != "too_short" or not details["input"]]
        problems = [problem_of(details, value) for details in reported]
    raise source.failure(*problems)


def _override(text: str) -> tuple[KeyPath, object]:
    name, equals, raw = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)*", name):
        raise BadInput(f"{described(text)} is not an override", remedy="write key.sub=value, such as tasks=8")
    parts = name.split(".")
    if parts[0] == "kwargs":
        parts.insert(0, "workload")
    path = ("matrix", ".".join(parts[1:])) if parts[0] == "matrix" and len(parts) > 1 else tuple(parts)
    return path, plain_value(name, raw, _override_place(text))


def plain_value(name: str, raw: str, where: str) -> object:
    """Return what the text of the value of `name`, given at `where`, means as YAML; raises BadInput."""
    if "\n" in raw or "\r" in raw:
        raise BadInput(f"{name}: a line break in the value", where=where, remedy="write one line")
    try:
        return document.parse(f"value: {raw}".encode("utf-8", "surrogateescape"), "override").value["value"]
    except BadInput as error:
        what = error.what.removeprefix("value") if error.what.startswith("value") else f": {error.what}"
        raise BadInput(name + what, where=where, remedy=error.remedy) from error


def _override_place(text: str) -> str:
    return f"override {described(text)}"


def _put(value: dict[str, Any], path: KeyPath, given: object, text: str) -> None:
    place: Any = value
    for depth, part in enumerate(path[:-1], 1):
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            name = key_path(path[:depth])
            what = f"{name} is {described(place)}, not a mapping"
            raise BadInput(what, where=_override_place(text), remedy=f"override {name} as a whole")
    place[path[-1]] = given


def _refuse_axes(matrix: object, overridden: Mapping[KeyPath, str]) -> None:
    """Refuse to override what the matrix varies: the matrix would win."""
    for path, text in overridden.items():
        names = [".".join(map(str, path)), ".".join(map(str, path[1:]))]
        axis = next((name for name in names if isinstance(matrix, dict) and name in matrix), None)
        if axis and path[0] != "matrix":
            remedy = f"override matrix.{axis}=[...] instead"
            raise BadInput(f"{axis} is an axis of the matrix", where=_override_place(text), remedy=remedy)
