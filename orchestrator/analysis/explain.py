"""Why a variant takes as long as it does: causes, a sentence and advice, from its accounts. Pure.

A cause is a share of the workers' time that is not work. None is named below `LEAST`, or below its own noise: half the
range of the share over the accounts. `remedies` holds the advice.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from .. import units
from ..journal.derived_events import VariantExplained
from ..runner import registry
from ..runner.account.figures import FIGURES, Figures
from ..spec.plan import Variant, columns
from . import accounts, load, remedies
from .accounts import MUCH, Account, Summary, is_of_machine
from .contest import Contest
from .figures import ALIKE
from .stats import STATS_VERSION

LEAST = 0.05  # the least share of the workers' time that is named as a cause
MOST_CAUSES = 2
BUSY = 0.5  # from this share on a core, and with no cause half as large, work itself is named first
AGREE = 0.08  # the measured and the estimated share of the GIL agree when they differ by no more than this
BY_OTHERS = 0.25  # other processes explain a wait for cores when they used this part of what was waited for
_CAN_BE_MISSING = ("run_queue_share", "peak_pss_bytes", "worker_private_bytes")

CONTAMINATED = 0.05
"""A single worker waits for a core only when other processes use it; from this share on, they distort its account."""


@dataclass(frozen=True)
class Cause:
    """Where a share of the workers' time went: `kind` is one of `SHARES`, or `loop_blocked`."""

    kind: str
    share: float
    text: str
    detail: str = ""

    def sentence(self, of: str = "") -> str:
        """Return the cause with its share `of` something, such as `waiting for the GIL 63 % of the time`."""
        return f"{self.text} {units.percent(self.share)}{of}{self.detail}"


def explained(contest: Contest, variant: Variant) -> VariantExplained | None:
    """Return where the time of a variant went, and why; None where no account was taken of it."""
    label = variant.label
    found = summary(contest, label)
    if found is None:
        return None
    causes = _causes(contest, variant, found)
    remedy = remedies.remedy(contest, variant, found, {cause.kind: cause.share for cause in causes})
    middle, tasks = found.median, contest.point.tasks
    sent = middle.result_bytes
    cpus = [median(block.cpus[label]) for block in contest.counting if label in block.cpus]
    return VariantExplained(
        **columns(contest.point, variant),
        **_figures(found),
        stats_version=STATS_VERSION,
        accounts=found.accounts,
        missing=[name for name in _CAN_BE_MISSING if getattr(middle, name) is None] + list(missing_because(middle)),
        instrumented_ratio=_instrumented_ratio(contest, label),
        causes=[cause.kind for cause in causes],
        cause_shares=[round(cause.share, 4) for cause in causes],
        why=_why(variant, found, causes),
        advice=remedy.advice if remedy else None,
        advice_code=remedy.code if remedy else None,
        try_overrides=list(remedy.overrides) if remedy else [],
        cpu_ns_per_call=round(median(cpus) / tasks) if cpus else None,
        copied_bytes=None if sent is None else ((middle.call_bytes or 0) + sent) * tasks,
        contaminated=middle.lanes == 1 and found.shares["run_queue"] > CONTAMINATED and found.outside_cores < MUCH,
    )


def missing_because(figures: Figures) -> dict[str, str]:
    """Return why a figure is null, for those of which the account knows it."""
    reasons = {"contention_share": figures.contention_missing, "contended_objects": figures.objects_missing}
    return {name: reason for name, reason in reasons.items() if reason and getattr(figures, name) is None}


def _figures(found: Summary) -> dict[str, Any]:
    """Return the median of every figure, with the scaled shares."""
    values = {name: getattr(found.median, name) for name in FIGURES}
    for name, share in found.shares.items():
        if values[f"{name}_share"] is not None:
            values[f"{name}_share"] = share
    return {name: round(value, 4) if isinstance(value, float) else value for name, value in values.items()}


def summary(contest: Contest, label: str) -> Summary | None:
    """Return the summary of a variant's accounts over the blocks that count; None without any."""
    return accounts.summary([account for account, _ in contest.undisturbed(label)])


def _causes(contest: Contest, variant: Variant, found: Summary) -> list[Cause]:
    texts = _texts(contest, variant, found)
    # a worker that ends with its call is idle after it by design
    excluded = {"on_core", "idle"} if variant.is_per_task else {"on_core"}
    lost = [
        Cause(name, share, *texts[name])
        for name, share in found.shares.items()
        if name not in excluded and share >= max(LEAST, found.noise[name])
    ]
    work = found.shares["on_core"]
    held = work + sum(found.shares[name] for name in ("gil", "lock", "blocked"))
    has_loop = variant.needs.loop is not None
    # a plain function inside an event loop blocks it
    is_blocking = has_loop and found.median.in_own_thread and not found.median.is_async and held >= LEAST
    if is_blocking:
        blocking = Cause("loop_blocked", held, "event loop blocked by a plain function")
        lost = [blocking, *(cause for cause in lost if cause.kind not in ("gil", "lock", "blocked"))]
    # calls that wait for each other also end one after the other, and then workers are idle
    lost.sort(key=lambda cause: (cause.kind == "idle" and found.shares_a_lock, -cause.share))
    if not is_blocking and work >= BUSY and (not lost or lost[0].share < work / 2):
        lost.insert(0, Cause("on_core", work, *texts["on_core"]))
    return lost[:MOST_CAUSES]


def _why(variant: Variant, found: Summary, causes: list[Cause]) -> str:
    """Return the causes as one sentence; idle time first if each call has its own worker and nothing is larger."""
    idle = found.shares["idle"]
    if variant.is_per_task and causes and idle > causes[0].share:
        causes = [Cause("idle", idle, "idle", " (each worker ends with its call)"), *causes]
    of = " of the workers' time" if found.median.lanes > 1 else " of the time"
    return "; ".join(cause.sentence("" if place else of) for place, cause in enumerate(causes))


def _texts(contest: Contest, variant: Variant, found: Summary) -> dict[str, tuple[str, str]]:
    """Return the words for each share: those before its percentage, and those behind it."""
    middle, cores = found.median, contest.plan.cores
    busy = [f"{found.busy_cores:.1f} of {cores} cores busy"] if cores > 1 else []
    sizes = ""
    if middle.call_bytes is not None and middle.result_bytes is not None:
        sizes = f" ({units.size(middle.call_bytes)} per call, {units.size(middle.result_bytes)} per result)"
    return {
        "on_core": ("on a core", _details(*busy, middle.on_core_at)),
        "contention": ("slower together", f" ({together(middle)})"),
        "run_queue": ("waiting for a core", f" ({_cores_taken(contest, found)})"),
        "gil": _gil_text(variant, found),
        "lock": ("waiting for a lock", _details(_lock_of(found), middle.lock_at and f"waits in {middle.lock_at}")),
        "blocked": ("blocked in calls", _details(_blocked_by(variant, found), middle.blocked_at)),
        "serialisation": ("pickling", sizes),
        "dispatch": _dispatch_text(variant, middle),
        "executor": executor_text(middle),
        "waiting": ("all calls waiting", " (I/O, sleep)"),
        "idle": ("idle", _uneven(found)),
    }


def together(middle: Figures) -> str:
    """Return how much CPU time a call takes in parallel and alone, and what the calls share.

    The share says how much more it is: the mean of a batch also holds single calls that were the first to use memory.
    """
    contention = middle.contention_share or 0.0
    on_core = middle.on_core_share or 0.0
    taken_ns = middle.alone_cpu_ns * (1 + contention / on_core) if on_core else middle.call_cpu_ns
    taken, alone = units.duration(taken_ns), units.duration(middle.alone_cpu_ns)
    return f"{taken} of CPU a call instead of {alone}{_shared(middle)}"


def _shared(middle: Figures) -> str:
    machine = middle.contention_machine_share or 0.0
    of_machine = f"; the machine itself {units.percent(machine)}" if machine >= MUCH else ""
    if is_of_machine(machine, middle.contention_share):
        return f"{of_machine}: a loop that shares nothing loses as much"
    if middle.contended_objects is None and middle.objects_missing:
        return f"; what the threads share is not known{of_machine}"
    if middle.contended_objects is None:
        others = ", with other processes too" if (middle.run_queue_share or 0.0) >= MUCH else ""
        return f"; memory or caches are shared{others}{of_machine}"
    if not middle.contended_objects:
        return f"; what the threads share was not found{of_machine}"
    return f"; threads share {middle.contended_objects}{of_machine}"


def _cores_taken(contest: Contest, found: Summary) -> str:
    if found.outside_cores > MUCH:
        return "the workload's own threads or processes used it"
    lanes, cores = found.median.lanes, contest.plan.cores
    if lanes > cores:
        return f"{lanes} workers on {units.count(cores, 'core')}"
    free = load.free_cores(contest)
    others = cores if free is None else max(0.0, cores - free)
    if found.median.in_own_thread or others >= found.shares["run_queue"] * lanes * BY_OTHERS:
        return "other processes used it"
    return "the workers and the thread that submits calls shared a core; other processes used little"


def _gil_text(variant: Variant, found: Summary) -> tuple[str, str]:
    if variant.needs.pickles and found.waits_to_dispatch:
        return "dispatch waiting for the GIL of the submitting process", ""
    middle = found.median
    other = middle.gil_share_estimated
    doubt = None
    if middle.gil_source == "estimated":
        doubt = "estimated"
    elif abs(found.shares["gil"] - other) > AGREE:
        doubt = f"estimated from blocked time: {units.percent(other)}"
    return "waiting for the GIL", _details(middle.gil_held_at and f"held by {middle.gil_held_at}", doubt)


def _dispatch_text(variant: Variant, middle: Account) -> tuple[str, str]:
    if (variant.needs.loop or variant.needs.yields) and middle.in_own_thread:
        return "event loop overhead", ""
    service = units.duration(middle.call_cpu_ns + middle.call_blocked_ns)
    return dispatch_name(variant.model), f" (calls of {service})"


def dispatch_name(model: str) -> str:
    """Return what the dispatch of a model is called: a plain loop passes its calls to no worker."""
    return "between calls" if registry.load(model).WORKERS == "none" else "dispatch"


def _blocked_by(variant: Variant, found: Summary) -> str:
    is_measured = found.median.gil_source == "measured"  # then waits for locks are a share of their own
    if found.outside_cores > MUCH:
        return "the workload's own threads or processes ran meanwhile"
    if variant.needs.yields:
        return "without letting other calls run"
    if found.shares_something:
        own = "a resource, or a lock in native code" if is_measured else "a lock or another resource"
        return f"longer than in a call alone: calls share {own}"
    return "I/O, sleep" if is_measured else "I/O, locks, sleep"


def _details(*parts: str | None) -> str:
    """Return what is known beside a share, in parentheses."""
    known = "; ".join(part for part in parts if part)
    return f" ({known})" if known else ""


def _lock_of(found: Summary) -> str:
    """Return whose lock calls wait for."""
    if found.shares_a_lock:
        where, missing = found.median.lock_held_at, found.median.lines_missing
        return "held by other calls" + (f" in {where}" if where else f"; no lines: {missing}" if missing else "")
    if found.outside_cores > MUCH:
        return "the workload's own threads or processes ran meanwhile"
    return "a call alone waits too: for its own threads, queue or event"


def executor_text(middle: Figures) -> tuple[str, str]:
    """Return the words for waits of coroutines for what serves only so many calls at once."""
    size = middle.executor_size
    if middle.executor_kind == "semaphore":
        return "waiting for a semaphore", _details(f"it lets {size} through" if size else None, middle.executor_at)
    if middle.executor_kind == "asyncio lock":
        return "waiting for a lock of asyncio", _details("held by other calls", middle.executor_at)
    if middle.executor_kind == "limiter":
        return "waiting for a token of a limiter", _details(f"it has {size}", middle.executor_at)
    of = "the default executor has" if middle.executor_kind == "default executor" else "the executor has"
    where = " on this machine" if middle.executor_kind == "default executor" else ""
    has = f"{of} {units.count(size or 0, 'thread')}{where}"
    return "waiting for an executor thread", _details(has, middle.executor_at)


def _uneven(found: Summary) -> str:
    middle = found.median
    if found.shares_a_lock:
        return " (calls that wait for a lock end one after the other)"
    if middle.calls < middle.lanes:
        return f" ({units.count(middle.calls, 'call')} for {middle.lanes} workers)"
    is_alike = middle.longest_share * middle.calls <= ALIKE
    if middle.calls % middle.lanes and middle.calls < 4 * middle.lanes and is_alike:
        return f" ({middle.calls} calls do not divide evenly among {middle.lanes} workers)"
    if not is_alike:
        return f" ({longest_call(middle)} of the batch)"
    return " (no calls left)"


def longest_call(middle: Figures) -> str:
    """Return how much of its batch the longest call takes, with its item."""
    named = f", with item {middle.longest_item}," if middle.longest_item else ""
    return f"the longest call{named} takes {units.percent(longest_part(middle))}"


def longest_part(middle: Figures) -> float:
    """Return the time of the longest call as a part of that of its batch."""
    return middle.longest_call_ns / max(1, middle.wall_ns)


def _instrumented_ratio(contest: Contest, label: str) -> float | None:
    """Return the time of an instrumented batch over the others of its block."""
    ratios = [ratio for _, ratio in contest.undisturbed(label) if ratio is not None]
    return round(median(ratios), 4) if ratios else None
