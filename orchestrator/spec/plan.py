"""The plan: points, variants and claims, and the random order of each block. Pure.

Every id is a hash of canonical JSON; every random order follows from the seed, the point and the block's number.
"""

from __future__ import annotations

import hashlib
import json
import math
import random
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..runner import registry
from .model import Expectation, Experiment

MOST_ROUNDS = 40
ROUNDS_S = 0.5  # the rounds of the first two blocks take at least about this long; after that their number is chosen
FAR_BEHIND = 10.0
"""A variant that takes so many times as long as the quickest runs one round of each block."""

ROUNDS_PER_ACCOUNT = 40
"""A variant has one instrumented trial per this many others, or fewer: it takes up to twice their time."""

BLOCKS_PER_ACCOUNT = 3  # at most every third block has them: where a block has many rounds, they take a fifth of it

MOST_FUNCTIONS = 3  # are named in the label of a point

REFERENCE = "=reference"  # the name of the reference loop among the variants of a round; no label begins with `=`


@dataclass(frozen=True)
class Items:
    """The items of a batch, read once before the start: `count` of the `total` of a source, evenly spread.

    `tasks` is the number that the spec asks for, None for all. `digest` and `size` are of their pickle; `data` is what
    runners unpack, None where nothing is measured.
    """

    source: str | Sequence[Any]
    tasks: int | None
    count: int
    total: int
    size: int
    digest: str
    data: str | None = field(default=None, repr=False, compare=False)


@dataclass(frozen=True)
class PointArrivals:
    """How calls arrive at a point: at `rate` a second for `window_s`, in `windows` windows of each block."""

    rate: float
    process: str
    window_s: float
    windows: int
    metric: str
    """What the verdict is about: a percentile of the latencies of a block, or their mean."""

    @property
    def window_ns(self) -> int:
        return round(self.window_s * 1e9)

    def fields(self) -> dict[str, Any]:
        """Return the columns of events, which are also a part of the point's id."""
        window = f"{self.window_s:g}s"
        return {"arrivals_rate": self.rate, "arrivals_process": self.process, "arrivals_window": window}

    def text(self, without: str = "") -> str:
        """Return the rate as labels have it, such as ` at 200/s`, without the value of the axis `without`."""
        at = " at a rate" if without == "arrivals.rate" else f" at {self.rate:g}/s"
        return at + ", constant" * (self.process == "constant" and without != "arrivals.process")


@dataclass(frozen=True)
class Point:
    """One combination of what is asked of every variant.

    Where calls arrive at a rate, `tasks` is how many a window has on average.
    """

    id: str
    label: str
    columns: Mapping[str, Any]
    workload: Mapping[str, Any]
    tasks: int
    items: Items | None = None
    arrivals: PointArrivals | None = None
    functions: Sequence[str] = ()
    """The functions of the variants, by name, where these are several."""


@dataclass(frozen=True)
class Variant:
    """A model with its options, worker count (None: one per task) and interpreter."""

    id: str
    label: str
    columns: Mapping[str, Any]
    model: str
    workers: int | None
    python: str | None
    options: Mapping[str, Any]
    overrides: Mapping[str, Any] = field(default_factory=dict)
    path: str | None = None
    env: Mapping[str, str] = field(default_factory=dict)
    entry: int = 0

    @property
    def is_per_task(self) -> bool:
        """Whether each call has a worker of its own, which ends with it."""
        return registry.load(self.model).WORKERS == "per_task"

    @property
    def needs(self) -> registry.Needs:
        """What its model needs with its options."""
        return registry.load(self.model).needs(self.options)

    def at_once(self, tasks: int) -> int:
        """Return how many calls of a batch of `tasks` can be in flight."""
        return tasks if self.workers is None else self.workers * self.needs.per_worker


@dataclass(frozen=True)
class Claim:
    """One expectation about `variant` at one point, compared with `against` if the metric is a ratio."""

    expectation: Expectation
    point: Point
    variant: Variant
    against: Variant


@dataclass(frozen=True)
class Plan:
    """Everything that a run measures."""

    experiment: Experiment
    points: tuple[Point, ...]
    variants: tuple[Variant, ...]
    baseline: Variant
    claims: tuple[Claim, ...]
    cores: int
    level_split: int = 1
    """The number of points that share the level of a look, so that statements about an axis hold jointly."""


@dataclass(frozen=True)
class Start:
    """How one runner of a block is started."""

    variant: str
    hash_seed: int
    padding: int


def canonical(value: object) -> str:
    """Return the JSON text of a value, equal for equal values."""
    return json.dumps(value, sort_keys=True, separators=(",", ":"), ensure_ascii=False)


def content_id(value: object) -> str:
    """Return the id of plain data: 12 hexadecimal digits of its hash."""
    return hashlib.sha256(canonical(value).encode()).hexdigest()[:12]


def runner_request(point: Point, variant: Variant) -> dict[str, Any]:
    """Return the request that makes a runner run `point` under `variant`."""
    workload = {**point.workload, **variant.overrides}
    if "call" in variant.overrides and "async_call" not in variant.overrides:
        workload.pop("async_call", None)  # the twin of another function
    if "kwargs" in variant.overrides:
        workload["kwargs"] = {**point.workload.get("kwargs", {}), **variant.overrides["kwargs"]}
    return {
        "model": variant.model,
        "workers": point.tasks if variant.workers is None else variant.workers,
        "options": dict(variant.options),
        "tasks": point.tasks,
        "workload": {key: value for key, value in workload.items() if key != "check"},
        **({"items": point.items.data} if point.items else {}),
    }


def arrivals_request(point: Point, seed: int, block: int) -> dict[str, Any]:
    """Return the part of a runner's request about arrivals, equal for all variants of a block; empty for batches."""
    if point.arrivals is None:
        return {}
    about = {"process": point.arrivals.process, "rate": point.arrivals.rate, "window_ns": point.arrivals.window_ns}
    return {"arrivals": {**about, "seed": _dice(seed, point.id, block, "arrivals").randrange(2**62)}}


def columns(point: Point, variant: Variant | None = None) -> dict[str, Any]:
    """Return the label, the id and the parts of a point, and of a variant, as the columns of an event."""
    found: dict[str, Any] = {"point": point.label, "point_id": point.id}
    if variant is None:
        return {**found, **point.columns}
    return {**found, "variant": variant.label, "variant_id": variant.id, **point.columns, **variant.columns}


def draw_starts(seed: int, point: str, block: int, variants: Sequence[str]) -> list[Start]:
    """Return the runners of a block in the order of their start, each with its hash seed and environment padding."""
    dice = _dice(seed, point, block, "starts")
    order = _shuffled(dice, variants)
    return [Start(variant, dice.randrange(1, 2**32), dice.randrange(4096)) for variant in order]


def draw_rounds(seed: int, point: str, block: int, variants: Sequence[str], count: int) -> list[list[str]]:
    """Return `count` rounds, each with every variant once, in random order."""
    dice = _dice(seed, point, block, "rounds")
    return [_shuffled(dice, variants) for _ in range(count)]


def first_rounds(round_s: float, before_s: float) -> int:
    """Return the rounds of the first two blocks, in which a round takes `round_s` and starting the runners `before_s`.

    They take `ROUNDS_S`. Where starting takes much longer than a round, they are as many as would be best if trials
    varied as much within a block as between blocks, see `analysis.pace.rounds`.
    """
    return max(1, min(MOST_ROUNDS, round(max(ROUNDS_S / round_s, math.sqrt(before_s / round_s)))))


def is_accounted(block: int, rounds: int) -> bool:
    """Return whether a block has instrumented trials: the first has, and one in a few of the others."""
    return block % max(BLOCKS_PER_ACCOUNT, math.ceil(ROUNDS_PER_ACCOUNT / rounds)) == 0


def _dice(seed: int, point: str, block: int, what: str) -> random.Random:
    return random.Random(f"{seed}/{point}/{block}/{what}")


def _shuffled(dice: random.Random, items: Iterable[str]) -> list[str]:
    shuffled = sorted(items)
    dice.shuffle(shuffled)
    return shuffled


def column(axis: str) -> str:
    """Return the column of events for an axis: `kwargs_n` for `kwargs.n`."""
    return axis.replace(".", "_")


def label_of(
    workload: Mapping[str, Any],
    tasks: int,
    without: str = "",
    arrivals: PointArrivals | None = None,
    functions: Sequence[str] = (),
) -> str:
    """Return the label of a point, such as `work(n=1) x 4` or `work(n=1) at 200/s`.

    It is without the value of the axis `without`. Several `functions` are all named if they are few, else none is.
    """
    called = (workload.get("call") or workload["async_call"]).rpartition(":")[2]
    if len(functions) > 1:
        called = " or ".join(functions) if len(functions) <= MOST_FUNCTIONS else f"{len(functions)} functions"
    names = workload["kwargs"].items()
    source = items_of(workload)
    keyword = f"{workload['item']}=" if workload.get("item") else ""
    arguments = [f"{keyword}each of {source}"] if source else []
    arguments += map(_brief, workload.get("args", ()))
    arguments += [name if without == f"kwargs.{name}" else f"{name}={_brief(value)}" for name, value in names]
    load = arrivals.text(without) if arrivals else "" if without == "tasks" else f" x {tasks}"
    return f"{called}({', '.join(arguments)}){load}"


def _label(point: Point, without: str) -> str:
    return label_of(point.workload, point.tasks, without, point.arrivals, point.functions)


def label_along(point: Point, axis: str) -> str:
    """Return the label shared by the points that differ from `point` along `axis` alone, such as `work(n) x 4`."""
    beside = point.label.removeprefix(_label(point, ""))
    return _label(point, axis) + beside  # what axes of the workload say


def items_of(workload: Mapping[str, Any]) -> str | None:
    """Return the source of a workload's items as text; None without any."""
    source = workload.get("items")
    return source if source is None or isinstance(source, str) else f"{len(source)} items"


def _brief(value: object) -> str:
    text = canonical(value)
    return text if len(text) <= 24 else f"{text[:14]}..{content_id(value)[:6]}"
