"""The spec: a YAML file, with overrides from the command line, as a checked and frozen `Experiment`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    ValidationError,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic_core import ErrorDetails, PydanticCustomError

from . import document
from .document import Document, KeyPath, key_path
from .errors import BadInput
from .runner import models

REFERENCE = r"^[A-Za-z_][A-Za-z0-9_.]*:[A-Za-z_][A-Za-z0-9_.]*$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}


def seconds(value: object) -> float:
    """Return the seconds of a duration such as `500ms`, `60s`, `2m`, `1h`; raises PydanticCustomError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?(ms|s|m|min|h)", value) if isinstance(value, str) else None
    if match is None or float(match[1]) == 0:
        raise PydanticCustomError("duration", "not a duration; write a number above 0 with ms, s, m or h, such as 60s")
    return float(match[1]) * _UNITS_S[match[2]]


def fraction(value: object) -> float:
    """Return the fraction that a percentage such as `3%` is; raises PydanticCustomError."""
    match = re.fullmatch(r"(\d+(?:\.\d+)?) ?%", value) if isinstance(value, str) else None
    if match is None or not 0 < float(match[1]) <= 100:
        raise PydanticCustomError("percentage", "not a percentage; write a number above 0 with %, such as 3%")
    return float(match[1]) / 100


def _quoted_version(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise PydanticCustomError("version", "a Python version must be quoted (YAML reads 3.10 as the number 3.1)")
    return value


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    PlainSerializer(lambda s: f"{s:.12g}s", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? ?(ms|s|m|min|h)$"}),
]
Percentage = Annotated[
    float,
    BeforeValidator(fraction),
    PlainSerializer(lambda part: f"{part * 100:.12g}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^\d+(\.\d+)? ?%$"}),
]
Reference = Annotated[str, StringConstraints(pattern=REFERENCE)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
Label = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9 ._()=,+-]{0,63}$")]
Python = Annotated[str, BeforeValidator(_quoted_version), StringConstraints(min_length=1, max_length=1024)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
WorkerCount = Annotated[int, Field(ge=1, le=4096)]
_as_tuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Keyword = Annotated[str, StringConstraints(pattern=r"^[A-Za-z_][A-Za-z0-9_]*$")]


class Strict(BaseModel):
    """What the parts of a spec have in common: no unknown keys, no conversions, no changes."""

    # built when first used: only `Experiment` is ever validated, with the others inside
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Workload(Strict):
    """The user's function under test, with its companions."""

    call: Reference | None = Field(default=None, description="the function, plain or async")
    async_call: Reference | None = Field(
        default=None, description="the coroutine function that event loops run instead"
    )
    kwargs: dict[Keyword, Any] = Field(default={}, description="keyword arguments of every call")
    item: Keyword | None = Field(default=None, description="keyword that receives the number of the call, 0 to tasks-1")
    setup: Reference | None = Field(default=None, description="context manager, entered once per runner")
    initializer: Reference | None = Field(default=None, description="called in every worker with initargs")
    reset: Reference | None = Field(default=None, description="called with initargs before every batch, untimed")
    observe: Reference | None = Field(default=None, description="(results, initargs) -> flat dict, after every trial")
    check: Literal["same", "none"] | Reference = Field(default="same", description="how results are held to be right")

    @model_validator(mode="after")
    def _has_something_to_call(self) -> Workload:
        if not (self.call or self.async_call):
            raise PydanticCustomError("nothing_to_call", "nothing to call; give `call: module:function`")
        return self


class ModelEntry(Strict):
    """A model of the contest with what it overrides; each model adds its own options."""

    model: str
    label: Label | None = None
    workers: WorkerCount | None = None
    python: Python | None = None
    call: Reference | None = None
    async_call: Reference | None = None
    kwargs: dict[Keyword, Any] = {}
    path: str | None = Field(default=None, description="directory put first on the import path")
    env: dict[Keyword, str] = {}

    def options(self) -> dict[str, Any]:
        """Return the options that this entry sets."""
        return {name: getattr(self, name) for name in sorted(self.model_fields_set - set(ModelEntry.model_fields))}


def _entry_class(name: str) -> type[ModelEntry]:
    fields: dict[str, Any] = {"model": (Literal[name], name)}
    for option, about in models.load(name).OPTIONS.items():
        kind: Any = Literal[about.choices] if about.choices else Annotated[int, Field(ge=about.minimum)]
        fields[option] = (kind | None, Field(about.default, description=about.help))
    return create_model(f"{name.title().replace('_', '')}Entry", __base__=ModelEntry, **fields)


def _spelled_out(value: object) -> object:
    return {"model": value} if isinstance(value, str) else value


ENTRY_CLASSES = {name: _entry_class(name) for name in models.NAMES}
if TYPE_CHECKING:
    Entry = ModelEntry
else:
    _AnyEntry = Annotated[Union[tuple(ENTRY_CLASSES.values())], Field(discriminator="model")]  # noqa: UP007  # from a list
    Entry = Annotated[
        _AnyEntry, BeforeValidator(_spelled_out, json_schema_input_type=Literal[models.NAMES] | _AnyEntry)
    ]


class Measure(Strict):
    """How long and how precisely to measure."""

    precision: Percentage | None = Field(default=None, description="after a win, go on to an interval of +- this")
    tie: Percentage = Field(default=0.03, description="ratios within this of 1 are a tie")
    max_time: Duration = Field(default=60.0, description="bounds the whole run")
    timeout: Duration = Field(default=30.0, description="bounds one trial")
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="of all random orders; drawn if absent")


class Expectation(Strict):
    """A claim that the exit status speaks for."""

    of: str = Field(description="a model or a label")
    where: dict[str, Any] = Field(default={}, description="columns that points and variants must match")
    against: str | None = Field(default=None, description="a model or a label; the baseline if absent")
    metric: Annotated[
        str, StringConstraints(pattern=r"^(speedup|wall_ns|startup_ns|observed\.[A-Za-z_][A-Za-z0-9_]*)$")
    ] = "speedup"
    min: float | None = None
    max: float | None = None
    equals: Any = None

    @model_validator(mode="after")
    def _claims_something(self) -> Expectation:
        if self.min is None and self.max is None and "equals" not in self.model_fields_set:
            raise PydanticCustomError("no_bound", "claims nothing; give min, max or equals")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise PydanticCustomError("bounds", "can never hold: min is above max")
        if "equals" in self.model_fields_set and not self.metric.startswith("observed."):
            raise PydanticCustomError(
                "equals",
                "equals is for observed values; give min and max for {metric}",
                {"metric": self.metric},
            )
        return self


class Experiment(Strict):
    """One YAML spec."""

    name: Name
    description: str = ""
    workload: Workload
    tasks: Count = Field(default=1, description="calls in one batch")
    models: Annotated[tuple[Entry, ...], _as_tuple, Field(min_length=1)]
    matrix: dict[str, Annotated[tuple[Any, ...], _as_tuple, Field(min_length=1)]] = Field(
        {},
        description="every combination is measured: tasks, kwargs.*, workload.*, workers, python, model options",
    )
    baseline: str | None = Field(default=None, description="a model or a label; else sequential, or the first")
    measure: Measure = Measure()
    expect: Annotated[tuple[Expectation, ...], _as_tuple] = ()

    def resolved(self) -> dict[str, Any]:
        """Return the spec as plain data that reads back as the same experiment."""
        return self.model_dump(mode="json", exclude_defaults=True) | {
            "models": [
                entry.model_dump(mode="json", exclude_unset=True) | {"model": entry.model} for entry in self.models
            ]
        }


class Problem(Exception):
    """Something wrong at `path` of a spec, found where the file is out of sight."""

    def __init__(self, path: KeyPath, what: str, remedy: str, *, key: bool = False) -> None:
        super().__init__(what)
        self.path = path
        self.what = what
        self.remedy = remedy
        self.key = key


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
        what = f"{shown}: {problem.what}" if shown else problem.what
        given = [text for path, text in self._overrides.items() if path == problem.path[: len(path)]]
        where = f"override {given[-1]}" if given else self._document.where(problem.path, key=problem.key)
        return BadInput(what, where=where, remedy=problem.remedy)


def load(file: Path, overrides: Sequence[str] = ()) -> tuple[Experiment, Source]:
    """Return the experiment of `file` with `key.sub=value` overrides, and where each part stands; raises BadInput."""
    read = document.read(file)
    value: dict[str, Any] = read.value
    value.setdefault("name", file.stem)
    overridden: dict[KeyPath, str] = {}
    for text in overrides:
        path, given = _override(text)
        _put(value, path, given, text)
        overridden[path] = text
    source = Source(read, overridden)
    return parse(value, source), source


def parse(value: dict[str, Any], source: Source) -> Experiment:
    """Return the experiment that plain data describes; raises BadInput with every problem of its form."""
    try:
        return Experiment.model_validate(value)
    except ValidationError as error:
        problems = [_problem(details, value) for details in error.errors()]
    raise source.failure(*problems)


def _override(text: str) -> tuple[KeyPath, object]:
    name, equals, raw = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)*", name):
        raise BadInput(f"{document.shown(text)} is not an override", remedy="write key.sub=value, such as tasks=8")
    parts = name.split(".")
    if parts[0] == "kwargs":
        parts.insert(0, "workload")
    path = ("matrix", ".".join(parts[1:])) if parts[0] == "matrix" and len(parts) > 1 else tuple(parts)
    try:
        parsed = document.parse(f"value: {raw}".encode("utf-8", "surrogateescape"), "override")
    except BadInput as error:
        raise BadInput(error.what, where=f"override {document.shown(text)}", remedy=error.remedy) from error
    if set(parsed.value) != {"value"}:
        raise BadInput("more than one value", where=f"override {document.shown(text)}", remedy="write key.sub=value")
    return path, parsed.value["value"]


def _put(value: dict[str, Any], path: KeyPath, given: object, text: str) -> None:
    matrix = value.get("matrix")
    axis = ".".join(str(part) for part in (path[1:] if path[:2] == ("workload", "kwargs") else path))
    if isinstance(matrix, dict) and axis in matrix:
        remedy = f"override matrix.{axis}=[...] instead"
        raise BadInput(f"{axis} is an axis of the matrix", where=f"override {document.shown(text)}", remedy=remedy)
    place: Any = value
    for part in path[:-1]:
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            raise BadInput(f"{part} has no keys", where=f"override {document.shown(text)}", remedy="check the path")
    place[path[-1]] = given


_MESSAGES = {
    "int_type": "expected a whole number",
    "float_type": "expected a number",
    "string_type": "expected text",
    "dict_type": "expected a mapping of keys to values",
    "tuple_type": "expected a list",
    "model_type": "expected a mapping of keys to values",
    "model_attributes_type": "expected a mapping of keys to values, or a model's name",
    "missing": "is missing",
}


def _problem(details: ErrorDetails, value: dict[str, Any]) -> Problem:
    kind, given = details["type"], details["input"]
    path = _spec_path(details["loc"])
    if kind == "extra_forbidden":
        fields = _known_keys(path[:-1], value)
        near = difflib.get_close_matches(str(path[-1]), fields, 1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known here: {', '.join(fields)}"
        return Problem(path, f"unknown key {path[-1]!r}", remedy, key=True)
    if kind in ("union_tag_invalid", "union_tag_not_found"):
        named = given.get("model") if isinstance(given, dict) else given
        if named is None:
            return Problem(path, "names no model", f"add `model:`, one of {', '.join(models.NAMES)}")
        near = difflib.get_close_matches(str(named), models.NAMES, 1)
        remedy = f"did you mean {near[0]!r}?" if near else f"known: {', '.join(models.NAMES)}"
        return Problem(path, f"unknown model {document.shown(str(named))}", remedy)
    if kind == "missing":
        return Problem(path, "is missing", "add it")
    if kind == "string_pattern_mismatch":
        return Problem(path, f"{document.shown(str(given))} does not fit", _pattern_remedy(details["ctx"]["pattern"]))
    if details["msg"].count("; "):  # our own, already with the remedy
        what, _, remedy = details["msg"].partition("; ")
        return Problem(path, what, remedy)
    what = _MESSAGES.get(kind, details["msg"][0].lower() + details["msg"][1:].replace("Input", "it"))
    return Problem(path, what, f"got {_kind(given)}")


def _pattern_remedy(pattern: str) -> str:
    if pattern == REFERENCE:
        return "write module:function"
    if pattern == NAME:
        return "use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first"
    return f"it must match {pattern}"


def _kind(given: object) -> str:
    names = {dict: "a mapping", list: "a list", type(None): "nothing", bool: "true or false"}
    return names.get(type(given)) or document.shown(str(given))


def _spec_path(location: tuple[int | str, ...]) -> KeyPath:
    """Return the path in the file: pydantic's own also names the branches of unions."""
    if location[:1] == ("models",) and len(location) > 2:
        return location[:2] + location[3:]
    return location[:2] if location[:2] == ("workload", "check") else location


def _known_keys(parent: KeyPath, value: dict[str, Any]) -> list[str]:
    """Return the keys that the spec knows below `parent`."""
    if parent[:1] == ("models",):
        given = value["models"][parent[1]]
        return list(ENTRY_CLASSES[given["model"]].model_fields)
    parts: dict[object, type[BaseModel]] = {"workload": Workload, "measure": Measure, "expect": Expectation}
    return list((parts[parent[0]] if parent else Experiment).model_fields)
