"""Facts, written as they come: of a run, its hosts and blocks, and what was decided in between."""

from __future__ import annotations

from typing import Any, Literal

from typing_extensions import TypedDict

from ..runner.account.figures import Figures, TimelineColumns
from .event import AboutPoint, AboutVariant, Event


class ItemsRead(TypedDict):
    """The items of a batch: `count` of the `total` of `source`; `size` and `digest` are of their pickle."""

    source: str | list[Any]
    tasks: int | None
    count: int
    total: int
    size: int
    digest: str


class RunStarted(Event):
    event: Literal["run.started"] = "run.started"
    experiment: str
    spec: str
    """The resolved spec as JSON: what `report` needs, so that the journal alone is enough."""
    spec_sha256: str
    seed: int
    command: list[str]
    cwd: str
    versions: dict[str, str]
    effective_cores: int
    level_split: int
    """The number of points along an axis over which the level of a look is split."""
    identity: dict[str, str]
    """What the results depend on beside the spec, each part in short or as a hash: a run is resumed where all agree."""
    commit: str | None = None
    """Of the repository of `cwd`, with `-dirty` where files differ from it; null without one, or without git."""
    environments: dict[str, list[str]] = {}
    """The packages of each environment that was made for `requirements`, by what the spec has for `python`, or
    `default`."""
    items: list[ItemsRead] = []
    """The items that were read for the batches."""
    most_s: float | None = None
    """The longest time that the run may take by `--max-time`, beside what the spec says; null without it."""


class RunResumed(Event):
    event: Literal["run.resumed"] = "run.resumed"
    experiment: str
    spec_sha256: str
    seed: int
    command: list[str]
    cwd: str
    versions: dict[str, str]
    cut_ts: str
    """When the last record before was written."""
    cut_bytes: int
    """What was cut off of the journal's end, since it was no whole record."""
    spent_s: float
    """What the blocks so far have taken of `measure.max_time`; on a cluster, those of the host that had most."""
    most_s: float | None = None
    """As in `run.started`."""


class ContextSampled(Event):
    event: Literal["context.sampled"] = "context.sampled"
    block: int | None = None
    when: Literal["start", "end"]
    monotonic_ns: int
    hostname: str
    cpu_model: str | None
    cores: int
    effective_cores: int
    quota_cores: float | None = None
    spin_cores: float | None = None
    """Work of one spinning process per effective core at once, as a multiple of one alone; at the start only."""
    affinity: list[int] | None
    governor: str | None
    turbo: bool | None = None
    load_1m: float | None
    steal_ns: int | None
    """Time since boot that the hypervisor kept the processors of `affinity` from running, summed over them."""
    busy_ns: int | None
    """Time since boot that those processors ran anything at all."""
    psi_cpu_some_us: int | None


class PointCalibrated(AboutVariant):
    event: Literal["point.calibrated"] = "point.calibrated"
    repeats: int
    rounds: int
    """The rounds of the first blocks, by the time of the first round, or as the spec says."""


class RoundsChosen(AboutPoint):
    """The number of rounds that all further blocks have, from what the first two spent and how they varied."""

    event: Literal["rounds.chosen"] = "rounds.chosen"
    blocks: int
    rounds: int
    overhead_ns: int
    """The median time of a block outside of its rounds."""
    round_ns: int
    """The median time of a round."""
    within_sd: float
    between_sd: float
    """The standard deviation of the logarithm of a trial's time, from round to round and from block to block."""


class BlockStarted(AboutPoint):
    event: Literal["block.started"] = "block.started"
    block: int
    variants: list[str]


class RunnerReady(AboutVariant):
    event: Literal["runner.ready"] = "runner.ready"
    block: int
    ready_ns: int
    """From starting the runner's process until its workers were up."""
    import_ns: int
    startup_ns: int
    hash_seed: int
    runner_python: str
    executable: str
    gil: bool
    """Whether it was on when the workers were up."""
    gil_after: bool | None = None
    """And after the last trial; null where the block did not get so far."""
    gil_enabled_by: str | None = None
    """The module that switched it back on, of an interpreter that runs without: its full name, or "unknown"."""
    actual_loop: str | None
    """The class of the event loop."""
    actual_start_method: str | None = None
    patched_modules: list[str] | None = None
    """The modules of the standard library that gevent has patched, before the workload was imported."""
    worker_pids: list[int]
    worker_threads: list[int]


class RunnerWarmed(AboutVariant):
    event: Literal["runner.warmed"] = "runner.warmed"
    block: int
    calls_ns: int
    """The time until every worker had run the function once: what a cold start costs beside the start-up."""
    batches: int
    first_ns: int | None
    last_ns: int | None
    """The times of the first and the last batch of the warm-up; null where calls alone were enough."""
    started: int | None = None
    """The processes that a call starts, as far as is known; this and the rest of a variant's first block only."""
    copied: str | None = None
    """An argument that calls change, so that each call gets copies, made before the time."""
    kept_by: str | None = None
    """What answered all calls but the first, such as a cache, where they computed next to nothing."""


class RunnerGuarded(AboutVariant):
    event: Literal["runner.guarded"] = "runner.guarded"
    block: int
    idle_ns: int
    idle_cpu_ns: int
    """CPU time used while other variants held the token, less 0.5 ms a trial for handling requests. From the next block
    on, the runner is stopped whenever another variant holds the token."""


class ReferenceTimed(AboutPoint):
    event: Literal["reference.timed"] = "reference.timed"
    block: int
    version: int
    wall_ns: list[int]
    """The time of the reference loop in every round of the block: it makes runs and machines comparable."""


class TrialFinished(AboutVariant):
    event: Literal["trial.finished"] = "trial.finished"
    block: int
    round: int
    position: int
    repeats: int
    started_ns: int
    wall_ns: int
    cpu_ns: int
    core: int | None = None
    """Where the runner's thread was put to begin, the same core for all variants of a round; it is free to leave."""


class TrialObserved(AboutVariant):
    event: Literal["trial.observed"] = "trial.observed"
    block: int
    round: int
    position: int
    repeats: int


class OverlapMeasured(AboutVariant):
    """How parallel the threads of one process run: the same calls in one worker, and in two at once."""

    event: Literal["overlap.measured"] = "overlap.measured"
    block: int
    calls: int
    """Per worker."""
    alone_ns: list[int]
    """The time of `calls` calls in one worker."""
    together_ns: list[int]
    """The time of as many calls in each of two workers at once, right after the item of `alone_ns`."""


class AccountMeasured(Figures, AboutVariant):
    """Where the workers' time went in one instrumented trial; the shares together are 1."""

    event: Literal["account.measured"] = "account.measured"
    block: int


class TimelineRecorded(TimelineColumns, AboutVariant):
    """The first calls of an instrumented trial, in the order of their begin; times are since the trial's begin."""

    event: Literal["timeline.recorded"] = "timeline.recorded"
    block: int
    wall_ns: int
    """Of the batch."""


class TrialFailed(AboutVariant):
    event: Literal["trial.failed"] = "trial.failed"
    block: int
    round: int | None
    position: int | None
    cause: Literal["exception", "timeout", "signal", "memory", "crash", "result", "worker_lost"]
    error: str
    traceback: str | None
    output: str | None = None
    """The end of what the runner wrote to its standard output and error."""


class BlockFinished(AboutPoint):
    event: Literal["block.finished"] = "block.finished"
    block: int
    variants: list[str]
    elapsed_ns: int
    starting_ns: int
    warming_ns: int
    trials_ns: int
    diagnostics_ns: int
    """For what is asked when the rounds are over: how parallel threads run, and where the time goes."""
    wait_ns: int
    """Of the trials' time, what passed outside of them: the reference loop, the token, resets, observing."""
    unchecked: list[str]
    """Variants whose results can't be pickled, so that they were not compared."""
    check_failed: list[str]
    """Variants whose results were not checked, as the calls that make them failed; some calls of a window had, too."""
    free_cores: float | None
    """Effective cores less what others and the hypervisor took of them during the rounds."""
    steal_share: float | None
    """Of the time of the processors, what the hypervisor took during the rounds."""
    pressure: float | None = None
    """The share of the rounds in which a task on this machine waited for a core (PSI, `cpu some`)."""


class BlockDiscarded(AboutPoint):
    event: Literal["block.discarded"] = "block.discarded"
    block: int
    reason: str
    needs_ns: int | None = None
    """About how long the whole block takes, where the time of the run ended in it; null where that is not known."""


class BlockCancelled(AboutPoint):
    """A block that ran while a verdict was reached on its point, and was ended: nothing of it is recorded."""

    event: Literal["block.cancelled"] = "block.cancelled"
    block: int
    host: str
    reason: str


class HostJoined(Event):
    """A host of a cluster begins to take blocks; the events of its blocks have its name in the column `host`."""

    event: Literal["host.joined"] = "host.joined"
    host: str
    address: str
    """Of its worker."""
    hostname: str
    cpu_model: str | None
    cores: int
    effective_cores: int
    spin_cores: float | None
    """As in `context.sampled`."""
    python: str
    lock: str | None
    """The file that its blocks lock for themselves; null where several workers stand for several hosts on one."""


class HostLeft(Event):
    event: Literal["host.left"] = "host.left"
    host: str
    reason: str


class LookTaken(AboutPoint):
    event: Literal["look.taken"] = "look.taken"
    blocks: int
    level: float
    best: str
    variants: list[str]
    ratios: list[float]
    lows: list[float]
    highs: list[float]
    """How many times as long each of `variants` takes as `best`, with its interval at this look."""


class VariantDropped(AboutVariant):
    event: Literal["variant.dropped"] = "variant.dropped"
    blocks: int
    best: str
    reason: Literal["separated", "futility"]
    """Separated from the best at a look, or so much slower in each of the first blocks that it left before one."""
    ratio: float
    ratio_low: float | None
    ratio_high: float | None


class PointSkipped(AboutPoint):
    """A level of a searched axis that was not measured, and between which measured ones it lies (null: beyond them)."""

    event: Literal["point.skipped"] = "point.skipped"
    axis: str
    low: int | float | None
    high: int | float | None
    reason: Literal["same_winners", "undecided", "no_time", "no_capacity"]
    """The same variants are the best at both; that is undecided; there was no time to measure it; or no variant's
    capacity lies between them."""


class VariantUnavailable(Event):
    event: Literal["variant.unavailable"] = "variant.unavailable"
    variant: str
    variant_id: str
    reason: str
    remedy: str


class VariantExcluded(AboutVariant):
    event: Literal["variant.excluded"] = "variant.excluded"
    failures: int


class RunFinished(Event):
    event: Literal["run.finished"] = "run.finished"
    outcome: Literal["decided", "undecided", "expectation_broken", "workload_failed", "interrupted", "error"]
    exit_status: int
    elapsed_s: float
    cpu_s: float | None = None
    """Of this program itself, its start included."""
    conducting_s: float | None = None
    conducting_cpu_s: float | None = None
    """The time from the first block to the end of the last, and what this program used of a core meanwhile."""
