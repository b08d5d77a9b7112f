"""Read a spec from its file, with overrides from the command line; every error names the place."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError

from ..errors import BadInput
from ..runner import names
from ..runner.problem import Problem
from . import document, project
from .document import Document, KeyPath, Unreadable, described, key_path
from .model import Experiment, Measure
from .problem import SpecProblem, problem_of
from .values import NAME, PATTERNS


class Source:
    """The origin of a spec: the file with its positions, and where what overrides it was given."""

    def __init__(self, read: Document, overrides: Mapping[KeyPath, str]) -> None:
        self._document = read
        self._overrides = overrides

    def failure(self, *problems: SpecProblem) -> BadInput:
        """Return the problems as one error, a line each: place, path in the spec, what is wrong, and the remedy."""
        lines = []
        for found in problems:
            shown, problem = key_path(found.path), found.problem
            what = " ".join(f"{shown}: {problem.what}".split() if shown else problem.what.split())
            lines.append(BadInput(what, where=self._where(found), remedy=" ".join(problem.remedy.split())))
        return BadInput("\n".join(map(str, lines)))

    def line(self, path: KeyPath) -> int:
        """Return the line of the file with the value at `path`, or with its nearest parent."""
        position = self._document.position(path)
        return position.line if position else 1

    def _where(self, problem: SpecProblem) -> str:
        above = [place for path, place in self._overrides.items() if path == problem.path[: len(path)]]
        # an override of a key below makes a mapping that the file does not have
        below = [place for path, place in self._overrides.items() if problem.path == path[: len(problem.path)]]
        if above or (below and problem.path not in self._document.values):
            return (above or below)[-1]
        return self._document.where(problem.path, key=problem.key)


class Reasons(Source):
    """The origin of an experiment that is in no file: its problems are reported without a place and a remedy."""

    def __init__(self) -> None:
        super().__init__(Document("", {}, {}, {}), {})

    def failure(self, *problems: SpecProblem) -> BadInput:
        """Return what is wrong, as one error."""
        return BadInput("; ".join(" ".join(found.problem.what.split()) for found in problems))


def load(file: Path, overrides: Sequence[str] = ()) -> tuple[Experiment, Source]:
    """Return the experiment in `file` with `key.sub=value` overrides, and the origin of each part; raises BadInput."""
    read = document.read(file)
    value: dict[str, Any] = read.value
    overridden: dict[KeyPath, str] = {}
    for text in overrides:
        path, given = _override(text)
        _put(value, path, given, _override_place(text))
        overridden[path] = text
    _refuse_axes(value.get("matrix"), overridden)
    _fill_in(value)
    _name_as_modules(value)
    source = Source(read, {path: _override_place(text) for path, text in overridden.items()})
    if "name" not in value:
        if not re.fullmatch(NAME, file.stem):
            what = f"the file's name can't be the experiment's: {described(file.stem)} {PATTERNS[NAME][0]}"
            raise source.failure(SpecProblem(("name",), Problem("name_missing", what, "give a `name:`")))
        value["name"] = file.stem
    return parse(value, source), source


_EXCLUDED_BY = {"precision": ("blocks", "refine"), "blocks": ("precision",)}
"""The keys of `measure` that a default gives way to: the spec's own design comes first."""


def _fill_in(value: dict[str, Any]) -> None:
    """Fill in the project's defaults of `measure`, where the spec says nothing itself; raises BadInput."""
    found = project.read()
    own = value.get("measure", {})
    if not found.measure or not isinstance(own, dict):
        return
    check_defaults(found)
    absent = {key: default for key, default in found.measure.items() if key not in own}
    kept = {k: v for k, v in absent.items() if not any(other in own for other in _EXCLUDED_BY.get(k, ()))}
    value["measure"] = own | kept


def check_defaults(found: project.Project) -> None:
    """Raise BadInput if the project's defaults of `measure` are wrong, with a line for each problem."""
    shown = ".".join((*project.TABLE, "measure"))
    problems = []
    if "refine" in found.measure:
        remedy = "write it in the specs that have the axis"
        problems.append(
            BadInput(f"{shown}.refine: names an axis", where=found.where("measure", "refine"), remedy=remedy)
        )
    try:
        Measure.model_validate(dict(found.measure))
    except ValidationError as error:
        for details in error.errors():
            problem = problem_of({**details, "loc": ("measure", *details["loc"])}, {})
            path = [str(part) for part in problem.path]
            what = f"{key_path(tuple(path), '.'.join(project.TABLE))}: {problem.problem.what}"
            problems.append(BadInput(what, where=found.where(*path), remedy=problem.problem.remedy))
    if problems:
        raise BadInput("\n".join(map(str, problems)))


def loads(
    text: str, source: str, changes: Mapping[KeyPath, tuple[object, str]] = MappingProxyType({})
) -> tuple[Experiment, Source]:
    """Return the experiment in `text`, and the origin of each part; places are named after `source`.

    `changes` has by path the values that override those in the text, each with the name of its place.
    """
    read = document.parse(text.encode(), source)
    for path, (given, place) in changes.items():
        _put(read.value, path, given, place)
    found = Source(read, {path: place for path, (_, place) in changes.items()})
    return parse(read.value, found), found


def parse(value: dict[str, Any], source: Source) -> Experiment:
    """Return the experiment that plain data describes; raises BadInput with all that does not validate."""
    try:
        return Experiment.model_validate(value)
    except ValidationError as error:
        # pydantic also reports a list as too short if items in it are invalid, which it reports by themselves
        reported = [details for details in error.errors() if details["type"] != "too_short" or not details["input"]]
        problems = [problem_of(details, value) for details in reported]
    raise source.failure(*problems)


def _name_as_modules(value: dict[str, Any]) -> None:
    """Let each function have one name in the spec, however it was typed (see `names.canonical`)."""
    here = str(Path.cwd())

    def named(given: Any) -> Any:
        return names.canonical(given, here) if isinstance(given, str) else given

    models = value.get("models")
    for part in (value.get("workload"), *(models if isinstance(models, list) else ())):
        if isinstance(part, dict):
            part |= {field: named(part[field]) for field in names.FIELDS if field in part}
    matrix = value.get("matrix")
    if isinstance(matrix, dict):
        for field in names.FIELDS:
            axis = f"workload.{field}"
            if isinstance(matrix.get(axis), list):
                matrix[axis] = [named(given) for given in matrix[axis]]


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
    """Return the YAML value of `raw`, given for `name` at `where`; raises BadInput."""
    if "\n" in raw or "\r" in raw:
        raise BadInput(f"{name}: a line break in the value", where=where, remedy="write one line")
    try:
        return document.read_text(f"value: {raw}".encode("utf-8", "surrogateescape"), where).value["value"]
    except Unreadable as error:
        what = f"{key_path(error.path[1:], start=name)}: {error.problem.what}"
        raise BadInput(what, where=where, remedy=error.problem.remedy) from error


def _override_place(text: str) -> str:
    return f"override {described(text)}"


def _put(value: dict[str, Any], path: KeyPath, given: object, override: str) -> None:
    holder: Any = value
    for depth, part in enumerate(path[:-1], 1):
        holder = holder.setdefault(part, {})
        if not isinstance(holder, dict):
            name = key_path(path[:depth])
            what, remedy = f"{name} is {described(holder)}, not a mapping", f"override {name} as a whole"
            raise BadInput(what, where=override, remedy=remedy)
    holder[path[-1]] = given


def _refuse_axes(matrix: object, overridden: Mapping[KeyPath, str]) -> None:
    """Refuse to override a key that the matrix varies: the override would have no effect."""
    for path, text in overridden.items():
        names = [".".join(map(str, path)), ".".join(map(str, path[1:]))]
        axis = next((name for name in names if isinstance(matrix, dict) and name in matrix), None)
        if axis and path[0] != "matrix":
            remedy = f"override matrix.{axis}=[...] instead"
            raise BadInput(f"{axis} is an axis of the matrix", where=_override_place(text), remedy=remedy)
