"""The figures of one variant at one point: start-up and break-even, share of the ideal, parallel share, drift. Pure.

Each is computed over the blocks that count.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from statistics import mean, median
from typing import Any

import numpy as np

from ..runner import registry
from ..spec.plan import Variant
from .contest import Contest
from .stats import Estimate, block_interval, fields, geometric, hodges_lehmann

ALIKE = 1.2  # calls are alike when the longest takes at most this many times the mean
SAME_CPU = 1.25  # CPU times up to this many times the least say nothing about which variant is simpler
NEGLIGIBLE = 0.01  # a difference of start-ups below this share of the gain of one batch counts as none


def startup_ns(contest: Contest, label: str) -> int | None:
    """Return the median time to start a variant's workers; None without blocks."""
    startups = [block.startups[label] for block in contest.counting if label in block.startups]
    return round(median(startups)) if startups else None


def break_even_batches(contest: Contest, label: str, other: str) -> int | None:
    """Return after how many batches the longer start-up of the faster `label` pays off against `other`.

    0 when its start-up is not longer, see `NEGLIGIBLE`; None when it is not faster, or when they share no block.
    """
    common = [block for block in contest.counting if label in block.walls and other in block.walls]
    if not common or contest.point.arrivals:
        return None
    gain_ns = median([median(b.walls[other]) for b in common]) - median([median(b.walls[label]) for b in common])
    more_ns = (startup_ns(contest, label) or 0) - (startup_ns(contest, other) or 0)
    if gain_ns <= 0:
        return None
    return 0 if more_ns < NEGLIGIBLE * gain_ns else math.ceil(more_ns / gain_ns)


def ideal_share(contest: Contest, variant: Variant) -> Estimate | None:
    """Return the least possible time of a batch on this machine as a share of its time; None if unknown.

    Above 1 only by noise; estimate and interval over blocks as for ratios. The least time, see `_least_ns`, follows
    from the times of the calls alone: those of the sequential variant in the same block, or else those that the
    variant's own account timed, unless the calls differ and only some of them were timed.
    """
    label = variant.label
    code = _code(variant)
    sequential = next((v for v in contest.variants.values() if v.model == "sequential" and _code(v) == code), None)
    of_sequential = _longest_share(contest, sequential.label) if sequential else None
    longest = _longest_share(contest, label)
    logs = []
    for block in contest.counting:
        if label not in block.walls:
            continue
        if sequential and sequential.label in block.walls:
            cpu_ns, wall_ns = median(block.cpus[sequential.label]), median(block.walls[sequential.label])
            least_ns = _least_ns(contest, variant, cpu_ns, wall_ns, of_sequential)
        elif own := block.accounts.get(label):
            tasks = contest.point.tasks
            if own.alone_calls < tasks and not _are_alike(longest, tasks):
                continue
            alone_ns = tasks * own.alone_cpu_ns, tasks * (own.alone_cpu_ns + own.alone_blocked_ns + own.alone_lock_ns)
            least_ns = _least_ns(contest, variant, *alone_ns, longest)
        else:
            continue
        logs.append(math.log(max(1.0, least_ns) / median(block.walls[label])))
    if not logs:
        return None
    found = geometric(logs, contest.look_level)
    return Estimate(round(found.value, 4), found.low and round(found.low, 4), found.high and round(found.high, 4))


def _code(variant: Variant) -> tuple[object, ...]:
    """Return what two variants that make the same calls have in common."""
    return dict(variant.overrides), variant.path, dict(variant.env), variant.python


def _least_ns(contest: Contest, variant: Variant, cpu_ns: float, wall_ns: float, longest: float | None) -> float:
    """Return the least time of a batch whose calls take `cpu_ns` of CPU time and `wall_ns` one after the other.

    It is the maximum of the CPU time divided by the usable cores, of the time of all calls divided by the workers, and
    of the longest chain of calls of one worker: ceil(tasks / workers) where the calls are alike, else the longest call.
    """
    tasks = contest.point.tasks
    workers = variant.at_once(tasks)
    chain = math.ceil(tasks / workers) / tasks
    if longest is not None and not _are_alike(longest, tasks):
        chain = max(1 / workers, longest)
    usable = min(contest.plan.cores, workers * max(1.0, cpu_ns / wall_ns))  # a call may use several cores by itself
    return max(cpu_ns / usable, chain * wall_ns)


def _are_alike(longest: float | None, tasks: int) -> bool:
    return longest is None or longest <= ALIKE / tasks


def _longest_share(contest: Contest, label: str) -> float | None:
    """Return the longest call as a share of the time of all calls, the median over accounts; None without any."""
    shares = [account.longest_share for account, _ in contest.undisturbed(label)]
    return median(shares) if shares else None


def parallel_share(contest: Contest, variant: Variant) -> Estimate | None:
    """Return the share of time that two workers with calls ran at once; None if it was not measured.

    2 - (time of two at once / time of one alone); estimate and interval over blocks as for ratios. For threads it is
    the share of time in which the code releases the GIL or waits; the dispatch of calls is not included.
    """
    logs = np.log([block.overlaps[variant.label] for block in contest.counting if variant.label in block.overlaps])
    if not len(logs):
        return None
    interval = block_interval(logs, contest.look_level)
    low, high = (None, None) if interval is None else (_share(interval[1]), _share(interval[0]))
    return Estimate(_share(hodges_lehmann(logs)), low, high)


def _share(log_ratio: float) -> float:
    return round(min(1.0, max(0.0, 2 - math.exp(log_ratio))), 4)


def drift(contest: Contest, variant: Variant) -> Estimate | None:
    """Return the time of a batch in the later half of a block divided by that in the earlier; None if unknown.

    Estimate and interval over blocks as for ratios; in each block, the difference between the two halves of its rounds
    in the median of log(time / time of the reference loop). 1 is a steady state; above 1, it slows down.
    """
    pairs = [(block.walls.get(variant.label, ()), block.reference) for block in contest.counting]
    timed = [pair for pair in pairs if len(pair[0]) >= 4 and len(pair[0]) == len(pair[1])]
    if not timed:
        return None
    # of all blocks at once: they are many and short
    logs = np.log(np.concatenate([walls for walls, _ in timed])) - np.log(np.concatenate([loop for _, loop in timed]))
    ends = np.cumsum([len(walls) for walls, _ in timed])
    blocks = [rounds.tolist() for rounds in np.split(logs, ends[:-1])]
    grown = [median(rounds[-(len(rounds) // 2) :]) - median(rounds[: len(rounds) // 2]) for rounds in blocks]
    return geometric(grown, contest.look_level)


OF_VARIANT: tuple[Callable[[Contest, Variant], Estimate | None], ...] = (ideal_share, parallel_share, drift)
"""The figures that `variant.compared` has by their names, with their intervals."""


def of_variant(contest: Contest, variant: Variant) -> dict[str, Any]:
    """Return the fields of all figures in `OF_VARIANT`; they are of batches only."""
    has_any = contest.point.arrivals is None
    estimates = {figure.__name__: figure(contest, variant) if has_any else None for figure in OF_VARIANT}
    return {key: value for name, found in estimates.items() for key, value in fields(name, found).items()}


def simplest_first(contest: Contest, labels: Sequence[str]) -> list[str]:
    """Return the variants, the simplest first: plain calls, threads, processes; then fewer workers, less CPU time.

    CPU times within `SAME_CPU` of the least are the same: their variants stay in the order of the spec.
    """

    def simplicity(label: str) -> tuple[int, int]:
        variant = contest.variants[label]
        return registry.NAMES.index(variant.model), variant.at_once(contest.point.tasks)

    def key(label: str) -> tuple[tuple[int, int], float]:
        mine = simplicity(label)
        least_ns = min(_cpu_ns(contest, other) for other in labels if simplicity(other) == mine)
        return mine, max(_cpu_ns(contest, label), SAME_CPU * least_ns)

    return sorted(labels, key=key)


def _cpu_ns(contest: Contest, label: str) -> float:
    """Return the median CPU time of a variant's batches; infinity without blocks."""
    cpus = [median(block.cpus[label]) for block in contest.counting if label in block.cpus]
    return median(cpus) if cpus else math.inf


@dataclass(frozen=True)
class Observed:
    """One observed key over all trials: its value if that is always the same, and of numbers the range and the mean."""

    metric: str
    trials: int
    distinct: int
    value: Any
    low: int | float | bool | None
    high: int | float | bool | None
    mean: float | None


WARNING = "observed_warning"  # the key under which `observe` returns a warning about a trial: a sentence, or null


def observed(contest: Contest, label: str) -> list[Observed]:
    """Return a summary of each key that `observe` returned for a variant, in the order of their first use."""
    trials = _observed_of(contest, label)
    keys = dict.fromkeys(key for trial in trials for key in trial if key != WARNING)
    return [_summary(key, trials) for key in keys]


def warned(contest: Contest) -> list[str]:
    """Return the workload's own warnings: a sentence for each variant and warning, with the number of trials."""
    found = []
    for label in contest.variants:
        trials = _observed_of(contest, label)
        for sentence, count in Counter(str(trial[WARNING]) for trial in trials if trial.get(WARNING)).most_common():
            found.append(f"{label}: {sentence} (in {count:,} of {len(trials):,} trials)")
    return found


def _observed_of(contest: Contest, label: str) -> list[dict[str, Any]]:
    return [trial for block in contest.counting for trial in block.observed.get(label, [])]


def _summary(key: str, trials: list[dict[str, Any]]) -> Observed:
    values = [trial[key] for trial in trials if key in trial]
    distinct = list({repr(value): value for value in values}.values())
    kinds = {bool if isinstance(value, bool) else float if isinstance(value, int | float) else None for value in values}
    numbers = values if kinds in ({bool}, {float}) else []  # True counts as 1: the mean is its share
    return Observed(
        metric=key.replace("_", ".", 1),
        trials=len(values),
        distinct=len(distinct),
        value=distinct[0] if len(distinct) == 1 else None,
        low=min(numbers, default=None),
        high=max(numbers, default=None),
        mean=mean(numbers) if numbers else None,
    )
