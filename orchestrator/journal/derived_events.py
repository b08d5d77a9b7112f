"""What can be computed again from the raw events, with the version of the statistics that made it."""

from __future__ import annotations

from typing import Any, ClassVar, Literal

from pydantic import ConfigDict

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
    """After so many batches, the start-up is paid for by what the variant gains over the baseline; null: never."""
    ideal_share: float | None
    ideal_share_low: float | None
    ideal_share_high: float | None
    """The least time that this machine could take for the batch, as a share of the time taken, with its interval."""
    parallel_share: float | None
    parallel_share_low: float | None
    parallel_share_high: float | None
    """Threads only: for what part of the time two of them ran at once when both could, 0 to 1, with its interval."""
    drift: float | None
    drift_low: float | None
    drift_high: float | None
    """How many times as long a batch took late in a block as early in it, against the reference loop."""
    dropped_after: int | None
    dropped_for_futility: bool
    """Dropped as futile, before the first look."""
    excluded: bool


class VariantExplained(AboutVariant):
    """Where the time of a variant's workers went: medians over its accounts, the shares scaled to be 1 together."""

    derived: ClassVar[bool] = True
    event: Literal["variant.explained"] = "variant.explained"
    stats_version: int
    accounts: int
    lanes: int
    on_core_share: float
    run_queue_share: float | None
    gil_share: float
    blocked_share: float
    serialisation_share: float
    dispatch_share: float
    waiting_share: float
    idle_share: float
    gil_source: Literal["measured", "estimated"]
    gil_share_estimated: float
    missing: list[str]
    """What could not be had on this machine, by the names of the fields."""
    instrumented_ratio: float | None
    """How many times as long an instrumented batch takes as the others; null when it held only a part of the calls."""
    causes: list[str]
    cause_shares: list[float]
    """At most two, the larger first."""
    why: str
    advice: str | None
    try_overrides: list[str]
    """What to give to `run` beside the spec, to try the advice."""
    call_cpu_ns: int
    call_blocked_ns: int
    cpu_ns_per_call: int | None
    """Of the runner and all workers, without instruments."""
    outside_cpu_ns: int | None
    voluntary_switches: int
    involuntary_switches: int
    loop_lag_p50_ns: int | None
    loop_lag_p99_ns: int | None
    loop_longest_ns: int | None
    peak_pss_bytes: int | None
    worker_private_bytes: int | None
    copied_bytes: int | None
    """Per batch, both ways."""
    contaminated: bool
    """One worker alone had to wait for a core: others' work is in the account."""


class ScalingFitted(AboutPoint):
    """How one model scales with its workers at a point, over the blocks that had all of their numbers."""

    derived: ClassVar[bool] = True
    event: Literal["scaling.fitted"] = "scaling.fitted"
    stats_version: int
    of: str
    model: str
    blocks: int
    workers: list[int]
    speedups: list[float]
    speedup_lows: list[float | None]
    speedup_highs: list[float | None]
    """Against the fewest workers."""
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
    """Null where the interval of kappa includes 0: the data show no peak."""
    enough_workers: float
    enough_workers_low: float | None
    enough_workers_high: float | None
    """The fewest of the measured numbers that are as fast as any of them, give or take a tie."""
    descriptive: bool
    """The parameters of the Universal Scalability Law describe the curve, and no more: an interval includes 0."""


class VariantObserved(AboutVariant):
    derived: ClassVar[bool] = True
    event: Literal["variant.observed"] = "variant.observed"
    stats_version: int
    metric: str
    trials: int
    distinct: int
    value: Any
    """The value, where it was the same in all trials."""
    low: int | float | bool | None
    high: int | float | bool | None
    mean: float | None
    """Of numbers; true counts as 1, so that its mean is a share."""


class HostJudged(AboutPoint):
    """What the blocks of one host say by themselves, where a point was measured on several."""

    derived: ClassVar[bool] = True
    event: Literal["host.judged"] = "host.judged"
    stats_version: int
    host: str
    verdict: Literal["win", "tie", "undecided"]
    winners: list[str]
    best: str | None
    runner_up: str | None
    """The two that the verdict on the point compares, on this host."""
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
    """The simplest of the winners."""
    runner_up: str | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    blocks: int
    autocorrelation: float | None
    """Of the block statistics behind the ratio, from one block to the next."""
    load_signal: Literal["pressure", "steal_share"] | None
    load_slope: float | None
    load_slope_low: float | None
    load_slope_high: float | None
    """By how much the logarithm of the ratio grows as the signal goes from 0 to 1; null: it does not follow it."""
    at_this_load: bool
    """A win that another load could take away."""
    warnings: list[str]
    gil_enabled_by: dict[str, str] | None = None
    """By variant, the module that switched the GIL back on where there was none."""
    workload_warnings: list[str] | None = None
    """What `observe` returned as `warning`, by variant, and in how many trials."""
    hosts_disagree: list[str] | None = None
    """What the hosts of a cluster say, where they surely differ."""
    sentence: str
    why: list[str]
    """Where the time of each variant went, a sentence for each that was accounted."""


class CrossoverLocated(Event):
    """Where along an axis one variant begins to be faster than another; what all its points share are extra fields."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)
    derived: ClassVar[bool] = True
    event: Literal["crossover.located"] = "crossover.located"
    stats_version: int
    points: str
    """What its points have in common, in short."""
    axis: str
    """The column that differs."""
    levels: list[int | float]
    """Those that were looked at, in ascending order."""
    from_variant: str
    to_variant: str
    """The faster variant below and above the change; if none was found, the faster one and the other."""
    of_winners: bool
    """Each of the two is somewhere along the axis the best, or not separated from it."""
    decision: Literal["found", "none", "undecided"]
    changes: int
    """How often the faster one of the two changes along the axis; each change has an event of its own."""
    low: int | float
    high: int | float
    """Found: the next levels at which one and then the other is surely faster. None: the ends of the axis. Undecided:
    what is between them is not known."""
    low_ratio: float | None
    low_ratio_low: float | None
    low_ratio_high: float | None
    """How many times as fast `from_variant` is at `low`."""
    high_ratio: float | None
    high_ratio_low: float | None
    high_ratio_high: float | None
    """How many times as fast `to_variant` is at `high`."""
    at_this_load: bool
    """Found, but another load could move it: it could take the lead at `low` or at `high` away."""
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
    """Not of one journal: what `compare` prints of two."""

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
    """How many times as long a batch takes in the later run, as the clock has it."""
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    """The same against the reference loop of each block; null when one of the runs has not timed the same loop."""
    change: Literal["slower", "faster", "same", "shifted", "undecided"]
    """Shifted: the times have changed, but so has the machine."""
