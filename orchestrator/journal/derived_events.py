"""Derived events: what is computed from the raw events, with the version of the statistics that did it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

from ..runner.account.figures import Figures
from .event import AboutPoint, AboutVariant, Event


class VariantCompared(AboutVariant):
    derived: ClassVar[bool] = True
    event: Literal["variant.compared"] = "variant.compared"
    stats_version: int
    baseline: str
    speedup: float | None
    speedup_low: float | None
    speedup_high: float | None
    blocks: int
    failures: int
    wall_ns: int | None
    wall_ns_low: int | None
    wall_ns_high: int | None
    """Median over blocks of the median over rounds, with the quartiles over blocks."""
    cpu_ns: int | None
    startup_ns: int | None
    break_even_batches: int | None
    """The number of batches after which the longer start-up pays off against the baseline; null: never."""
    ideal_share: float | None
    ideal_share_low: float | None
    ideal_share_high: float | None
    """The least possible time of a batch on this machine as a share of its time, with its interval."""
    parallel_share: float | None
    parallel_share_low: float | None
    parallel_share_high: float | None
    """Threads only: the share of time that two of them with calls ran at once, 0 to 1, with its interval."""
    drift: float | None
    drift_low: float | None
    drift_high: float | None
    """The time of a batch late in a block divided by that early in it, relative to the reference loop."""
    dropped_after: int | None
    dropped_for_futility: bool
    """Dropped as futile, before the first look."""
    excluded: bool
    repeats_loop: str | None
    """The plain loop whose calls it also makes one after the other, so that it is no rival; null for all others."""


class VariantExplained(Figures, AboutVariant):
    """Where the time of a variant's workers went: medians over its accounts, with causes and advice.

    The shares are scaled so that together they are 1.
    """

    derived: ClassVar[bool] = True
    event: Literal["variant.explained"] = "variant.explained"
    stats_version: int
    accounts: int
    missing: list[str]
    """The figures that this machine does not report, by the names of the fields."""
    instrumented_ratio: float | None
    """The time of an instrumented batch over the others; null when it held only a part of the calls."""
    causes: list[str]
    cause_shares: list[float]
    """At most two, the larger first."""
    why: str
    advice: str | None
    advice_code: str | None = None
    """What the advice is about, such as `chunks`, for programs; null without advice."""
    try_overrides: list[str]
    """Overrides of the spec for `run`, to try the advice."""
    cpu_ns_per_call: int | None
    """Of the runner and all workers, without instruments."""
    copied_bytes: int | None
    """Per batch, both ways."""
    contaminated: bool
    """A single worker waited for a core, so other processes distort the account."""


class ScalingFitted(AboutPoint):
    """How one model scales with its workers at a point, over the blocks that ran every number of workers."""

    derived: ClassVar[bool] = True
    event: Literal["scaling.fitted"] = "scaling.fitted"
    stats_version: int
    of: str
    """The label of the variants, without the number of workers."""
    model: str
    blocks: int
    workers: list[int]
    speedups: list[float]
    speedup_lows: list[float | None]
    speedup_highs: list[float | None]
    """Relative to the fewest workers."""
    amdahl_serial: float | None
    amdahl_serial_low: float | None
    amdahl_serial_high: float | None
    usl_sigma: float | None
    usl_sigma_low: float | None
    usl_sigma_high: float | None
    usl_kappa: float | None
    usl_kappa_low: float | None
    usl_kappa_high: float | None
    peak_workers: float | None
    peak_workers_low: float | None
    peak_workers_high: float | None
    """The number of workers at the highest speed; null where the interval of sigma or kappa includes 0."""
    enough_workers: float
    enough_workers_low: float | None
    enough_workers_high: float | None
    """The fewest measured workers that are as fast as any other number, within the tie bounds."""
    descriptive: bool
    """Whether the Universal Scalability Law only describes the curve: the interval of sigma or kappa includes 0."""


class VariantObserved(AboutVariant):
    derived: ClassVar[bool] = True
    event: Literal["variant.observed"] = "variant.observed"
    stats_version: int
    metric: str
    trials: int
    distinct: int
    value: Any
    """The value, if it was the same in all trials."""
    low: int | float | bool | None
    high: int | float | bool | None
    mean: float | None
    """Of numbers; true counts as 1, so that its mean is a share."""


class HostJudged(AboutPoint):
    """The verdict from the blocks of one host, where a point was measured on several."""

    derived: ClassVar[bool] = True
    event: Literal["host.judged"] = "host.judged"
    stats_version: int
    host: str
    verdict: Literal["win", "tie", "undecided"]
    winners: list[str]
    best: str | None
    runner_up: str | None
    """The two variants that the verdict on the point compares."""
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    blocks: int
    sentence: str


class VerdictReached(AboutPoint):
    derived: ClassVar[bool] = True
    event: Literal["verdict.reached"] = "verdict.reached"
    stats_version: int
    verdict: Literal["win", "tie", "undecided"]
    winners: list[str]
    recommended: str | None
    """What to use: the simplest of the winners; where each call uses several cores by itself, a plain loop unless
    another one is surely 1.1 times as fast; of an undecided point, what to choose until more is known."""
    runner_up: str | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    """How many times as fast the fastest winner is as `runner_up`; the interval holds against all rivals at once, so it
    is wider than the pairwise one in `sentence`."""
    blocks: int
    more_blocks: int | None = None
    more_s: float | None = None
    """About how many more blocks, and seconds, would decide an undecided point; null where none would."""
    autocorrelation: float | None
    """Lag-1 autocorrelation of the block statistics of the ratio."""
    load_signal: Literal["pressure", "steal_share"] | None
    load_slope: float | None
    load_slope_low: float | None
    load_slope_high: float | None
    """The change of the logarithm of the ratio as the load signal goes from 0 to 1; null: not significant."""
    at_this_load: bool
    """Whether a win may change with the load of the machine."""
    warnings: list[str]
    gil_enabled_by: dict[str, str] | None = None
    """By variant, the module that enabled the GIL of a free-threaded interpreter."""
    workload_warnings: list[str] | None = None
    """The warnings that `observe` returned, by variant, with the number of trials."""
    hosts_disagree: list[str] | None = None
    """The verdicts of the hosts of a cluster, where they disagree significantly."""
    kept_by: dict[str, str] | None = None
    """By variant, what answered all calls but the first, such as a cache."""
    copied: dict[str, str] | None = None
    """By variant, an argument that calls change, so that each call gets copies, made before the time."""
    sentence: str
    why: list[str]
    """Where the time of each variant went: one sentence for each variant with an account."""


class CrossoverLocated(Event):
    """Where along an axis one variant begins to be faster than another; columns of all points are extra fields."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    derived: ClassVar[bool] = True
    event: Literal["crossover.located"] = "crossover.located"
    stats_version: int
    points: str
    """The label of its points, without the value of the axis."""
    axis: str
    """The column of the axis."""
    levels: list[int | float]
    """The values of the axis that had a look, in ascending order."""
    from_variant: str
    to_variant: str
    """The variants that are faster below and above the change; without one, the faster variant and the other."""
    of_winners: bool
    """Whether each of the two is somewhere along the axis the best, or not separated from it."""
    decision: Literal["found", "none", "undecided"]
    changes: int
    """The number of changes of the faster variant along the axis; each has its own event."""
    low: int | float
    high: int | float
    """Found: the nearest values at which one and then the other is significantly faster. None: the ends of the axis.
    Undecided: the values between which it is unknown."""
    low_ratio: float | None
    low_ratio_low: float | None
    low_ratio_high: float | None
    """How many times as fast `from_variant` is at `low`."""
    high_ratio: float | None
    high_ratio_low: float | None
    high_ratio_high: float | None
    """How many times as fast `to_variant` is at `high`."""
    at_this_load: bool
    """Whether a crossover that was found may move with the load of the machine."""
    sentence: str


class ExpectationChecked(AboutVariant):
    derived: ClassVar[bool] = True
    event: Literal["expectation.checked"] = "expectation.checked"
    stats_version: int
    of: str
    against: str | None
    metric: str
    min: float | None
    max: float | None
    equals: Any = None
    value: int | float | str | bool | None
    low: float | None
    high: float | None
    outcome: Literal["held", "broken", "undecided"]
    reason: str | None


class VariantChanged(AboutVariant):
    """The change of a variant between two runs; printed by `compare`, and in no journal."""

    derived: ClassVar[bool] = True
    event: Literal["variant.changed"] = "variant.changed"
    stats_version: int
    level: float
    tolerance: float
    blocks_before: int
    blocks_after: int
    wall_ns_before: int
    wall_ns_after: int
    wall_ratio: float
    wall_ratio_low: float | None
    wall_ratio_high: float | None
    """The wall-clock time of a batch in the later run divided by that in the earlier."""
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    """The same, relative to the reference loop of each block; null when the runs did not time the same loop."""
    change: Literal["slower", "faster", "same", "shifted", "undecided"]
    """Shifted: the times changed, and so did those of the reference loop."""
