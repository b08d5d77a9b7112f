"""The spec as a checked and frozen `Experiment`; `load` reads one from a file."""

from __future__ import annotations

from collections.abc import Container
from typing import TYPE_CHECKING, Annotated, Any, Literal, Union

from pydantic import (
    AfterValidator,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    WithJsonSchema,
    create_model,
    model_validator,
)

from ..runner import registry
from ..runner.arrival_times import PROCESSES
from .values import (
    LATENCIES,
    Bound,
    Check,
    Count,
    Duration,
    ItemSource,
    Keyword,
    Label,
    Metric,
    Name,
    Percentage,
    Python,
    Rate,
    Reference,
    Requirement,
    Size,
    WorkerCount,
    as_tuple,
    each_once,
    parse_ns,
    refused,
)


class Strict(BaseModel):
    """Base of the parts of a spec: no unknown keys, no conversions, no changes."""

    # built when first used: only `Experiment` is ever validated, with the others inside
    model_config = ConfigDict(extra="forbid", frozen=True, strict=True, defer_build=True)


class Workload(Strict):
    """The user's function under test, with its hooks."""

    call: Reference | None = Field(default=None, description="the function, plain or async")
    async_call: Reference | None = Field(
        default=None, description="the coroutine function that event loops run instead"
    )
    kwargs: dict[Keyword, Any] = Field(default={}, description="keyword arguments of every call")
    args: Annotated[tuple[Any, ...], as_tuple] = Field(default=(), description="positional arguments of every call")
    items: ItemSource | None = Field(
        default=None,
        description="what the calls get, one each: module:function or a list of a module, glob:data/*.json, "
        "lines:urls.txt, jsonl:rows.jsonl, range:0:100, or a list",
    )
    item: Keyword | None = Field(
        default=None,
        description="keyword that receives the item; if absent, it is the first positional argument. Without `items`, "
        "the keyword receives the number of the call, 0 to tasks-1",
    )
    setup: Reference | None = Field(default=None, description="context manager, entered once per runner")
    initializer: Reference | None = Field(default=None, description="called in every worker with initargs")
    async_initializer: Reference | None = Field(
        default=None,
        description="async context manager of initargs that event loops enter instead, for as long as they run",
    )
    reset: Reference | None = Field(default=None, description="called with initargs before every batch, untimed")
    observe: Reference | None = Field(default=None, description="(results, initargs) -> flat dict, after every trial")
    check: Check = Field(default="same", description="how results are checked")
    unavailable: Reference | None = Field(
        default=None, description="() -> None, or (what is missing, how to get it) where the workload can't run"
    )

    @model_validator(mode="after")
    def _has_something_to_call(self) -> Workload:
        if not (self.call or self.async_call):
            raise refused("call_missing", "nothing to call", "give `call: module:function`")
        return self


class ModelEntry(Strict):
    """An entry of `models`: a model and what it overrides; each model adds its own options."""

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
    optional: bool = Field(default=False, description="skip it where it can't run the workload, rather than fail")

    @property
    def name(self) -> str:
        """The name of its variants: its label, or its model."""
        return self.label or self.model

    def fixes(self, axis: str) -> bool:
        """Return whether this entry sets a worker count, interpreter or option itself, so that no axis varies it."""
        return axis in self.model_fields_set and (axis != "workers" or self.workers is not None)

    def resolved(self, axes: Container[str]) -> dict[str, Any]:
        """Return the entry as plain data with its defaults, but without what `axes` of the matrix vary."""
        return {
            name: value for name, value in self.model_dump(mode="json").items() if self.fixes(name) or name not in axes
        }


def option_type(about: registry.Option) -> Any:
    """Return the type that the values of a model's option have."""
    return Literal[about.choices] if about.choices else Annotated[int, Field(ge=about.minimum)]


def _entry_class(name: str) -> type[ModelEntry]:
    fields: dict[str, Any] = {"model": (Literal[name], name)}
    for option, about in registry.load(name).OPTIONS.items():
        fields[option] = (option_type(about) | None, Field(about.default, description=about.help))
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
    as_tuple,
    BeforeValidator(_every, json_schema_input_type=Literal["all"] | tuple[Entry, ...]),
]


_Process: Any = Literal[PROCESSES]
_Latency: Any = Literal[LATENCIES]


class Arrivals(Strict):
    """Calls that arrive at a rate, whether or not earlier ones have ended: an open loop."""

    rate: Rate | None = Field(default=None, description="calls a second; left out where the matrix has arrivals.rate")
    process: _Process = Field(
        default="poisson", description="independent calls, as of many clients, or equal gaps between them"
    )
    window: Duration = Field(
        default=2.0,
        description="one trial: calls arrive for this long, and the last ones get as long again to end",
        json_schema_extra={"default": "2s"},
    )


_Ns = Annotated[float, BeforeValidator(parse_ns), WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string"}]})]
Objective = Annotated[dict[_Latency, _Ns], Field(min_length=1, max_length=1)]


class Measure(Strict):
    """How long and how precisely to measure."""

    metric: _Latency | None = Field(
        default=None, description="with arrivals: the latency that the verdict is about [default: p99]"
    )
    precision: Percentage | None = Field(default=None, description="after a win, go on to an interval of +- this")
    tie: Percentage = Field(
        default=0.03, description="ratios within this of 1 are a tie", json_schema_extra={"default": "3%"}
    )
    max_time: Duration | None = Field(
        default=None,
        description="bounds the whole run; if absent, a minute, or up to five where a block takes longer",
    )
    timeout: Duration = Field(default=30.0, description="bounds one trial", json_schema_extra={"default": "30s"})
    blocks: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None, description="a fixed design: so many blocks of every variant, and one look at their end"
    )
    rounds: Annotated[int, Field(ge=1, le=1000)] | None = Field(
        default=None,
        description="rounds of a block; if absent, at first as many as take half a second or more, then as many as "
        "their spread suggests; at most 40",
    )
    refine: str | None = Field(
        default=None,
        description="an axis of the matrix, of three numbers or more: both ends and some between are measured first, "
        "then the points next to where the winner changes",
    )
    overrun: Literal["cancel", "count"] = Field(
        default="cancel",
        description="on a cluster: what to do with blocks that still run when the verdict on their point is reached",
    )
    seed: int | None = Field(default=None, ge=0, lt=2**63, description="of all random orders; drawn if absent")

    @model_validator(mode="after")
    def _has_one_end(self) -> Measure:
        if self.blocks is not None and self.precision is not None:
            raise refused("options_exclude", "blocks fix the end, which precision leaves open", "delete one of them")
        if self.refine is not None and self.precision is not None:
            what = "refine looks for where the winner changes, precision for how large a ratio is"
            raise refused("options_exclude", what, "delete one of them")
        return self


class Limits(Strict):
    """Bounds of the runners; none by default."""

    memory: Size | None = Field(default=None, description="address space of each process, such as 2GiB (RLIMIT_AS)")
    open_files: Annotated[int, Field(ge=16, le=2**20)] | None = Field(
        default=None, description="of each process (RLIMIT_NOFILE)"
    )
    processes: Annotated[int, Field(ge=1, le=2**22)] | None = Field(
        default=None, description="of this user, threads too (RLIMIT_NPROC); root is not bound"
    )
    cpus: Annotated[tuple[Annotated[int, Field(ge=0, le=8191)], ...], Field(min_length=1), as_tuple] | None = Field(
        default=None, description="the processors to run on: the whole run, this program included"
    )

    def bounds(self) -> tuple[tuple[str, int], ...]:
        """Return the name and the value of each limit that every runner is started with."""
        given = (("memory", self.memory), ("open_files", self.open_files), ("processes", self.processes))
        return tuple((name, bound) for name, bound in given if bound is not None)


class Expectation(Strict):
    """A claim that the exit status reports on."""

    of: str = Field(description="a model or a label; a model stands for all its variants except the one in `against`")
    where: dict[str, Any] = Field(default={}, description="columns that points and variants must match")
    against: str | None = Field(default=None, description="a model or a label; the baseline if absent")
    metric: Metric = "speedup"
    min: Bound | None = Field(default=None, description="a number; of a latency a time such as 50ms")
    max: Bound | None = Field(default=None, description="a number; of a latency a time such as 50ms")
    equals: Any = None

    @model_validator(mode="before")
    @classmethod
    def _times_in_ns(cls, value: Any) -> Any:
        """Turn the bounds of a latency into ns."""
        if not isinstance(value, dict) or value.get("metric") not in LATENCIES:
            return value
        return value | {key: parse_ns(value[key]) for key in ("min", "max") if value.get(key) is not None}

    def resolved(self) -> dict[str, Any]:
        """Return the claim as plain data; without `equals` where it is not given, since `equals: null` is a claim."""
        return {k: v for k, v in self.model_dump(mode="json").items() if k != "equals" or k in self.model_fields_set}

    @model_validator(mode="after")
    def _claims_something(self) -> Expectation:
        observed = self.metric.startswith("observed.")
        if self.min is None and self.max is None and "equals" not in self.model_fields_set:
            raise refused("claim_empty", "claims nothing", "give min, max or equals")
        if self.min is not None and self.max is not None and self.min > self.max:
            raise refused("claim_impossible", "min is above max, so it can never hold", "swap them")
        if "equals" in self.model_fields_set and not observed:
            raise refused("claim_misplaced", "equals is for observed values", f"give min or max for {self.metric}")
        if self.against is not None and self.metric != "speedup":
            what = f"{self.metric} is compared with nothing"
            raise refused("claim_misplaced", what, "delete `against`, or claim a speedup")
        return self


_ModelName: Any = Literal[registry.NAMES]


class Experiment(Strict):
    """One YAML spec."""

    name: Name
    description: str = ""
    findings: Annotated[tuple[str, ...], as_tuple] = Field(
        (), description="what calls before the measurement have shown, a sentence each, as `advise` sets it"
    )
    workload: Workload
    tasks: Count = Field(default=1, description="calls in one batch; if absent, 1, or one for each of `workload.items`")
    arrivals: Arrivals | None = Field(
        default=None, description="in place of tasks: calls arrive at a rate, and the latency of each counts"
    )
    objective: Objective | None = Field(
        default=None,
        description="with arrivals: a latency to hold, such as {p99: 50ms}; searches for the highest rate at which "
        "each variant holds it, along matrix.arrivals.rate, or around arrivals.rate",
    )
    models: Entries = Field(description="the contestants; `all` takes every model that can run the workload here")
    matrix: dict[str, Annotated[tuple[Any, ...], Field(min_length=1), as_tuple]] = Field(
        {},
        description="every combination is measured: tasks, arrivals.*, kwargs.*, workload.*, workers, python, model "
        "options",
    )
    left_out: dict[_ModelName, str] = Field(
        {}, description="models that are no choice, each with the reason: none of them is advised"
    )
    baseline: str | None = Field(default=None, description="a model or a label; else sequential, or the first")
    measure: Measure = Measure()
    limits: Limits = Limits()
    requirements: Annotated[tuple[Requirement, ...], as_tuple, AfterValidator(each_once)] = Field(
        (),
        description="packages that the workload imports, such as numpy or Pillow>=11: installed for the default"
        " interpreter and for versions in `python`, not for paths",
    )
    expect: Annotated[tuple[Expectation, ...], as_tuple] = ()

    @property
    def wanted_tasks(self) -> int | None:
        """The calls of a batch, None for one for each of the items."""
        has_items = self.workload.items is not None or "workload.items" in self.matrix
        is_open = self.arrivals is not None
        return None if is_open or (has_items and "tasks" not in self.model_fields_set) else self.tasks

    def rerunnable(self) -> dict[str, Any]:
        """Return the spec as plain data without the options that no entry sets, so that overrides can vary them.

        It reads back as the same experiment. In the complete spec, an entry seems to fix each option at its default.
        """
        complete = self.resolved()
        models = [
            {name: value for name, value in given.items() if name in ModelEntry.model_fields or entry.fixes(name)}
            for entry, given in zip(self.models, complete["models"], strict=True)
        ]
        return complete | {"models": models}

    def resolved(self) -> dict[str, Any]:
        """Return the complete spec as plain data, defaults included; it reads back as the same experiment."""
        models = [entry.resolved(self.matrix) for entry in self.models]
        expect = [expected.resolved() for expected in self.expect]
        without = {"tasks"} if self.wanted_tasks is None else None
        return self.model_dump(mode="json", exclude=without) | {"models": models, "expect": expect}
