"""The form of a spec: a checked and frozen `Experiment`. `document` and `loading` read one from a file."""

from __future__ import annotations

import re
from collections.abc import Container
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    PlainSerializer,
    StringConstraints,
    WithJsonSchema,
    create_model,
    model_validator,
)
from pydantic_core import PydanticCustomError

from ..runner import registry
from .document import described

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

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SHORTEST_S, _LONGEST_S = 0.001, 500 * 3600.0  # poll(2) takes less than 2**31 ms, which is 596 h


def _refused(what: str, remedy: str) -> PydanticCustomError:
    return PydanticCustomError("refused", "{what}; {remedy}", {"what": what, "remedy": remedy})


def parse_seconds(value: object) -> float:
    """Return the seconds of a duration such as `500ms`, `60s`, `2m`, `1h`; raises PydanticCustomError."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|min|h)", value) if isinstance(value, str) else None
    found = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not _SHORTEST_S <= found <= _LONGEST_S:
        what = f"{described(value)} is not a duration from 1ms to 500h"
        raise _refused(what, "write a number with ms, s, m or h, such as 60s")
    return found


def parse_fraction(value: object) -> float:
    """Return the fraction that a percentage such as `3%` is; raises PydanticCustomError."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%", value) if isinstance(value, str) else None
    found = round(float(match[1]) / 100, 12) if match else 0.0  # so that it is the same when written and read again
    if not 0.0001 <= found <= 1:
        what = f"{described(value)} is not a percentage from 0.01% to 100%"
        raise _refused(what, "write a number with %, such as 3%")
    return found


_UNITS_BYTES = {"B": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("KMGT", 1)
    for suffix, base in (("iB", 1024), ("B", 1000))
}


def parse_bytes(value: object) -> int:
    """Return the bytes of a size such as `512MiB` or `2GB`; raises PydanticCustomError."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([KMGT]i?B|B)", value) if isinstance(value, str) else None
    found = round(float(match[1]) * _UNITS_BYTES[match[2]]) if match else 0
    if not 2**20 <= found <= 2**50:
        raise _refused(
            f"{described(value)} is not a size from 1MiB to 1024TiB", "write a number with a unit, such as 2GiB"
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
    BeforeValidator(parse_seconds),
    PlainSerializer(lambda s: f"{str(s).removesuffix('.0')}s", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|min|h)$"}),
]
Percentage = Annotated[
    float,
    BeforeValidator(parse_fraction),
    PlainSerializer(lambda part: f"{part * 100:.12g}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$"}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_bytes),
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

# of a batch, and of a variant
MOST_TASKS, MOST_WORKERS = 10_000_000, 4096
Count = Annotated[int, Field(ge=1, le=MOST_TASKS)]
WorkerCount = Annotated[int, Field(ge=1, le=MOST_WORKERS)]
_as_tuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Keyword = Annotated[str, StringConstraints(pattern=KEYWORD)]


class Strict(BaseModel):
    """What the parts of a spec have in common: no unknown keys, no conversions, no changes."""

    # built when first used: only `Experiment` is ever validated, with the others inside
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Workload(Strict):
    """The user's function under test, with its hooks."""

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

    @property
    def name(self) -> str:
        """What its variants are called: the label that it was given, or its model."""
        return self.label or self.model

    def fixes(self, axis: str) -> bool:
        """Return whether this entry sets a worker count, interpreter or option itself, so that no axis varies it."""
        return axis in self.model_fields_set and (axis != "workers" or self.workers is not None)

    def resolved(self, axes: Container[str]) -> dict[str, Any]:
        """Return the entry as plain data with its defaults, but without what `axes` of the matrix vary."""
        return {
            name: value for name, value in self.model_dump(mode="json").items() if self.fixes(name) or name not in axes
        }


def _entry_class(name: str) -> type[ModelEntry]:
    fields: dict[str, Any] = {"model": (Literal[name], name)}
    for option, about in registry.load(name).OPTIONS.items():
        kind: Any = Literal[about.choices] if about.choices else Annotated[int, Field(ge=about.minimum)]
        fields[option] = (kind | None, Field(about.default, description=about.help))
    return create_model(f"{name.title().replace('_', '')}Entry", __base__=ModelEntry, **fields)


def _spelled_out(value: object) -> object:
    return {"model": value} if isinstance(value, str) else value


ENTRY_CLASSES = {name: _entry_class(name) for name in registry.NAMES}
if TYPE_CHECKING:
    Entry = ModelEntry
else:
    _AnyEntry = Annotated[Union[tuple(ENTRY_CLASSES.values())], Field(discriminator="model")]  # noqa: UP007  # from a list
    Entry = Annotated[
        _AnyEntry, BeforeValidator(_spelled_out, json_schema_input_type=Literal[registry.NAMES] | _AnyEntry)
    ]


def _every(value: object) -> object:
    """Return an entry for each model in the place of `all`."""
    return tuple({"model": name, "optional": True} for name in registry.NAMES) if value == "all" else value


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

    def resolved(self) -> dict[str, Any]:
        """Return the claim as plain data; without `equals` where it is not given, since `equals: null` is a claim."""
        return {k: v for k, v in self.model_dump(mode="json").items() if k != "equals" or k in self.model_fields_set}

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
        """Return the complete spec as plain data, defaults included; it reads back as the same experiment."""
        models = [entry.resolved(self.matrix) for entry in self.models]
        expect = [expected.resolved() for expected in self.expect]
        return self.model_dump(mode="json") | {"models": models, "expect": expect}
