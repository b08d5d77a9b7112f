"""The spec: a YAML file, with overrides from the command line, as a checked and frozen `Experiment`."""

from __future__ import annotations

import difflib
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
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

FUNCTION = r"[^\W\d][\w.]*:[^\W\d][\w.]*"
REFERENCE = f"^{FUNCTION}$"
CHECK = f"^(same|none|{FUNCTION})$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
LABEL = r"^[A-Za-z0-9][A-Za-z0-9 ._()=,+-]{0,63}$"
KEYWORD = r"^[^\W\d]\w*$"
REQUIREMENT = (
    r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9._, -]+\])?"  # the name and its extras
    r" *([<>=!~(][^;@]*|@ *[^ ;]+)? *(;.+)?$"  # versions or a URL, and a condition
)
METRIC = r"^(speedup|wall_ns|startup_ns|observed\.[A-Za-z_][A-Za-z0-9_]*)$"

PATTERNS = {
    REFERENCE: ("names no function", "write module:function"),
    CHECK: ("is not a check", "write same, none or module:function"),
    NAME: ("is not a name", "use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first"),
    LABEL: ("is not a label", "use up to 64 letters, digits, spaces and ._()=,+-, a letter or digit first"),
    KEYWORD: ("is not a Python name", "use letters, digits and underscores, no digit first"),
    REQUIREMENT: ("is not a requirement", "write a package's name with versions, such as numpy or Pillow>=11"),
    METRIC: ("is not a metric", "write speedup, wall_ns, startup_ns or observed.<key>"),
}
"""What each pattern finds wrong, and the remedy."""

RESERVED = (("measure", "metric"),)
"""Keys that later versions give a meaning to."""

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SHORTEST_S, _LONGEST_S = 0.001, 500 * 3600.0  # poll(2) takes less than 2**31 ms, which is 596 h


def _refused(what: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{what}; {remedy}", {"what": what, "remedy": remedy})


def seconds(value: object) -> float:
    """Return the seconds of a duration such as `500ms`, `60s`, `2m`, `1h`; raises PydanticCustomError."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|min|h)", value) if isinstance(value, str) else None
    found = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not _SHORTEST_S <= found <= _LONGEST_S:
        what = f"{_shown(value)} is not a duration from 1ms to 500h"
        raise _refused(what, "write a number with ms, s, m or h, such as 60s")
    return found


def fraction(value: object) -> float:
    """Return the fraction that a percentage such as `3%` is; raises PydanticCustomError."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%", value) if isinstance(value, str) else None
    found = round(float(match[1]) / 100, 12) if match else 0.0  # so that it is the same when written and read again
    if not 0.0001 <= found <= 1:
        what = f"{_shown(value)} is not a percentage from 0.01% to 100%"
        raise _refused(what, "write a number with %, such as 3%")
    return found


_UNITS_BYTES = {"B": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("KMGT", 1)
    for suffix, base in (("iB", 1024), ("B", 1000))
}


def size(value: object) -> int:
    """Return the bytes of a size such as `512MiB` or `2GB`; raises PydanticCustomError."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([KMGT]i?B|B)", value) if isinstance(value, str) else None
    found = round(float(match[1]) * _UNITS_BYTES[match[2]]) if match else 0
    if not 2**20 <= found <= 2**50:
        raise _refused(
            f"{_shown(value)} is not a size from 1MiB to 1024TiB", "write a number with a unit, such as 2GiB"
        )
    return found


def _without_secret(value: object) -> object:
    if isinstance(value, str) and re.search(r"https?://[^/\s]*@", value):
        what = "a URL with a user in it would be kept in the log for everybody to read"
        raise _refused(what, "leave the user out, and let uv find it in ~/.netrc")
    return value


def package(requirement: str) -> str:
    """Return the name of the package that is required, as indexes spell it."""
    found = re.match(r"[\w.-]+", requirement)
    return re.sub(r"[-_.]+", "-", found[0]).lower() if found else requirement


def _each_once(requirements: tuple[str, ...]) -> tuple[str, ...]:
    names = [package(each) for each in requirements if ";" not in each]  # conditions may tell them apart
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise _refused(f"names {twice} twice", "keep one of them, with all it says of versions")
    return requirements


def _quoted_version(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        raise _refused("a version without quotes is a number, and 3.10 the same as 3.1", 'quote it, such as "3.10"')
    return value


Duration = Annotated[
    float,
    BeforeValidator(seconds),
    PlainSerializer(lambda s: f"{str(s).removesuffix('.0')}s", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|min|h)$"}),
]
Percentage = Annotated[
    float,
    BeforeValidator(fraction),
    PlainSerializer(lambda part: f"{part * 100:.12g}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$"}),
]
Size = Annotated[
    int,
    BeforeValidator(size),
    PlainSerializer(lambda count: f"{count}B", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?B|B)$"}),
]
Reference = Annotated[str, StringConstraints(pattern=REFERENCE)]
Check = Annotated[str, StringConstraints(pattern=CHECK)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
Label = Annotated[str, StringConstraints(pattern=LABEL)]
Metric = Annotated[str, StringConstraints(pattern=METRIC)]
Python = Annotated[str, StringConstraints(min_length=1, max_length=1024), BeforeValidator(_quoted_version)]
Requirement = Annotated[str, StringConstraints(pattern=REQUIREMENT, max_length=1024), BeforeValidator(_without_secret)]
Count = Annotated[int, Field(ge=1, le=10_000_000)]
WorkerCount = Annotated[int, Field(ge=1, le=4096)]
_as_tuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Keyword = Annotated[str, StringConstraints(pattern=KEYWORD)]


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
    async_initializer: Reference | None = Field(
        default=None,
        description="async context manager of initargs that event loops enter instead, for as long as they run",
    )
    reset: Reference | None = Field(default=None, description="called with initargs before every batch, untimed")
    observe: Reference | None = Field(default=None, description="(results, initargs) -> flat dict, after every trial")
    check: Check = Field(default="same", description="how results are held to be right")
    unavailable: Reference | None = Field(
        default=None, description="() -> None, or 'reason; remedy' where the workload lacks something to run"
    )

    @model_validator(mode="after")
    def _has_something_to_call(self) -> Workload:
        if not (self.call or self.async_call):
            raise _refused("nothing to call", "give `call: module:function`")
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
    initializer: Reference | None = None
    async_initializer: Reference | None = None
    path: str | None = Field(default=None, description="directory put first on the import path")
    env: dict[Keyword, str] = {}
    optional: bool = Field(default=False, description="left out, not refused, where it can't run the workload")

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


def _every(value: object) -> object:
    """Return an entry for each model in the place of `all`."""
    return tuple({"model": name, "optional": True} for name in models.NAMES) if value == "all" else value


Entries = Annotated[
    tuple[Entry, ...],
    Field(min_length=1),
    _as_tuple,
    BeforeValidator(_every, json_schema_input_type=Literal["all"] | tuple[Entry, ...]),
]


class Measure(Strict):
    """How long and how precisely to measure."""

    precision: Percentage | None = Field(default=None, description="after a win, go on to an interval of +- this")
    tie: Percentage = Field(
        default=0.03, description="ratios within this of 1 are a tie", json_schema_extra={"default": "3%"}
    )
    max_time: Duration = Field(default=60.0, description="bounds the whole run", json_schema_extra={"default": "60s"})
    timeout: Duration = Field(default=30.0, description="bounds one trial", json_schema_extra={"default": "30s"})
    blocks: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="a fixed design: so many blocks of every variant, and one look at their end"
    )
    rounds: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="rounds of a block; if absent, as many as take a second"
    )
    refine: str | None = Field(
        default=None,
        description="an axis of the matrix, of three numbers or more: both ends and some between are measured first, "
        "then those of the others that tell where the winner changes",
    )
    overrun: Literal["cancel", "count"] = Field(
        default="cancel",
        description="on a cluster: what becomes of blocks that still run when the verdict on their point is reached",
    )
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="of all random orders; drawn if absent")

    @model_validator(mode="after")
    def _has_one_end(self) -> Measure:
        if self.blocks is not None and self.precision is not None:
            raise _refused("blocks fix the end, which precision leaves open", "delete one of them")
        if self.refine is not None and self.precision is not None:
            what = "refine asks where the winner changes, precision how large a ratio is"
            raise _refused(what, "delete one of them")
        return self


class Limits(Strict):
    """What bounds the runners; nothing unless it is given."""

    memory: Size | None = Field(default=None, description="address space of each process, such as 2GiB (RLIMIT_AS)")
    open_files: Annotated[int, Field(ge=16, le=2**20)] | None = Field(
        default=None, description="of each process (RLIMIT_NOFILE)"
    )
    processes: Annotated[int, Field(ge=1, le=2**22)] | None = Field(
        default=None, description="of this user, threads too (RLIMIT_NPROC); root is not bound"
    )
    cpus: Annotated[tuple[Annotated[int, Field(ge=0, le=8191)], ...], Field(min_length=1), _as_tuple] | None = Field(
        default=None, description="the processors to run on: the whole run, this program included"
    )

    def bounds(self) -> tuple[tuple[str, int], ...]:
        """Return what each runner is started with: the name and the bound of each limit of its own."""
        given = (("memory", self.memory), ("open_files", self.open_files), ("processes", self.processes))
        return tuple((name, bound) for name, bound in given if bound is not None)


class Expectation(Strict):
    """A claim that the exit status speaks for."""

    of: str = Field(description="a model or a label")
    where: dict[str, Any] = Field(default={}, description="columns that points and variants must match")
    against: str | None = Field(default=None, description="a model or a label; the baseline if absent")
    metric: Metric = "speedup"
    min: float | None = None
    max: float | None = None
    equals: Any = None

    @model_validator(mode="after")
    def _claims_something(self) -> Expectation:
        observed = self.metric.startswith("observed.")
        if self.min is None and self.max is None and "equals" not in self.model_fields_set:
            raise _refused("claims nothing", "give min, max or equals")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise _refused("min is above max, so it can never hold", "swap them")
        if "equals" in self.model_fields_set and not observed:
            raise _refused("equals is for observed values", f"give min or max for {self.metric}")
        if self.against is not None and self.metric != "speedup":
            raise _refused(f"{self.metric} is compared with nothing", "delete `against`, or claim a speedup")
        return self


class Experiment(Strict):
    """One YAML spec."""

    name: Name
    description: str = ""
    workload: Workload
    tasks: Count = Field(default=1, description="calls in one batch")
    models: Entries = Field(description="the contestants; `all` takes every model that can run the workload here")
    matrix: dict[str, Annotated[tuple[Any, ...], Field(min_length=1), _as_tuple]] = Field(
        {},
        description="every combination is measured: tasks, kwargs.*, workload.*, workers, python, model options",
    )
    baseline: str | None = Field(default=None, description="a model or a label; else sequential, or the first")
    measure: Measure = Measure()
    limits: Limits = Limits()
    requirements: Annotated[tuple[Requirement, ...], _as_tuple, AfterValidator(_each_once)] = Field(
        (),
        description="packages that the workload imports, such as numpy or Pillow>=11: installed for the default"
        " interpreter and for versions in `python`, not for paths",
    )
    expect: Annotated[tuple[Expectation, ...], _as_tuple] = ()

    def resolved(self) -> dict[str, Any]:
        """Return the spec as plain data that reads back as the same experiment."""
        models = [entry.model_dump(mode="json", exclude_unset=True) | {"model": entry.model} for entry in self.models]
        # not without defaults: `equals: null` is a claim
        expect = [expected.model_dump(mode="json", exclude_unset=True) for expected in self.expect]
        told = self.model_dump(mode="json", exclude_defaults=True) | {"models": models}
        return told | {"expect": expect} if expect else told


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
            what = f"the file's name can't be the experiment's: {_shown(file.stem)} {PATTERNS[NAME][0]}"
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
        told = [details for details in error.errors() if details["type"] != "too_short" or not details["input"]]
        problems = [_problem(details, value) for details in told]
    raise source.failure(*problems)


def _override(text: str) -> tuple[KeyPath, object]:
    name, equals, raw = text.partition("=")
    if not equals or not re.fullmatch(r"[A-Za-z_][\w]*(\.[A-Za-z_][\w]*)*", name):
        raise BadInput(f"{_shown(text)} is not an override", remedy="write key.sub=value, such as tasks=8")
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
    return f"override {_shown(text)}"


def _put(value: dict[str, Any], path: KeyPath, given: object, text: str) -> None:
    place: Any = value
    for depth, part in enumerate(path[:-1], 1):
        place = place.setdefault(part, {})
        if not isinstance(place, dict):
            name = key_path(path[:depth])
            what = f"{name} is {_shown(place)}, not a mapping"
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
    "models": "add `models: all`, or with a list of " + ", ".join(models.NAMES),
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
        return f"{_shown(given)} {what}", remedy
    if kind not in _EXPECTED:
        return details["msg"], f"got {_shown(given)}"
    if kind == "literal_error":
        context = {"expected": context["expected"].replace(" or ", ", ").replace("'", "")}
    what = f"expected {_EXPECTED[kind].format(**context)}"
    unquoted = kind == "string_type" and isinstance(given, bool | int | float)
    return what, f"got {_shown(given)}, which needs quotes" if unquoted else f"got {_shown(given)}"


def nearest(name: str, known: Sequence[str], remedy: str = "known here: {}") -> str:
    """Return the remedy for a name that is not among the known ones."""
    near = difflib.get_close_matches(name, known, 1)
    return f"did you mean {_shown(near[0])}?" if near else remedy.format(", ".join(known))


def _problem(details: ErrorDetails, value: dict[str, Any]) -> Problem:
    path, key = _spec_path(details["loc"])
    if details["type"] == "extra_forbidden":
        return _unknown_key(path, value)
    if details["type"] in ("union_tag_invalid", "union_tag_not_found"):
        given = details["input"].get("model")
        if given is None:
            return Problem(path, "names no model", f"add `model:`, one of {', '.join(models.NAMES)}")
        path = path if isinstance(value["models"][path[1]], str) else (*path, "model")
        if not isinstance(given, str):
            return Problem(path, "expected a model's name", f"got {_shown(given)}")
        return Problem(path, f"unknown model {_shown(given)}", nearest(given, models.NAMES, "known: {}"))
    return Problem(path, *refusal(details), key=key)


def _unknown_key(path: KeyPath, value: dict[str, Any]) -> Problem:
    if path in RESERVED:
        return Problem(path, "is reserved for a later version", "delete it", key=True)
    name = str(path[-1])
    remedy = nearest(name, _known_keys(path[:-1], value))
    if len(path) == 1 and remedy.startswith("known"):
        options = {option for kind in ENTRY_CLASSES.values() for option in kind.model_fields}
        under = [part for part, kind in _PARTS.items() if name in kind.model_fields]
        under += ["matrix (as a list), or in an entry of models"] * (name in options and "workload" not in under)
        remedy = f"write it under {under[0]}" if under else remedy
    return Problem(path, f"unknown key {_shown(name)}", remedy, key=True)


def _shown(given: object) -> str:
    names = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "nothing"}
    if isinstance(given, str):
        return document.shown(given)
    return names.get(type(given)) or (str(given).lower() if isinstance(given, bool) else str(given)[:60])


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
