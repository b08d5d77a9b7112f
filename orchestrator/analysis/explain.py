"""Why a variant takes as long as it does: from accounts of the workers' time to causes, a sentence, and a remedy. Pure.

A cause is a share of the workers' time that is not work. None is told below `LEAST`, or below its own noise: half the
range of the share over the accounts. `remedies` has what can be done about it.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import median
from typing import Any

from .. import units
from ..journal.derived_events import VariantExplained
from ..runner import registry
from ..spec.plan import Variant, columns
from . import accounts, remedies
from .accounts import MUCH, Summary
from .contest import Contest
from .figures import ALIKE
from .stats import STATS_VERSION

LEAST = 0.05
"""The least share of the workers' time that is told as a cause."""

MOST_CAUSES = 2

BUSY = 0.5
"""Who works on a core for so much of the time, and loses less than half as much to any cause, is told to work."""

AGREE = 0.08
"""Two ways to know the share of the GIL agree when they differ by no more than this."""

_CAN_BE_MISSING = ("run_queue_share", "peak_pss_bytes", "worker_private_bytes")

CONTAMINATED = 0.05
"""One worker alone waits for a core only when others have it; so much of it, and the account is of them as well."""


@dataclass(frozen=True)
class Cause:
    """Where a share of the workers' time went: `kind` is one of `SHARES`, or `loop_blocked`."""

    kind: str
    share: float
    text: str

    @property
    def sentence(self) -> str:
        """Return the share and what it was, such as `63 % of the workers' time waited for the GIL`."""
        return f"{units.percent(self.share)} {self.text}"


def explained(contest: Contest, variant: Variant) -> VariantExplained | None:
    """Return where the time of a variant went, and why; None where no account was taken of it."""
    label = variant.label
    found = summary(contest, label)
    if found is None:
        return None
    causes = _causes(contest, variant, found)
    remedy = remedies.remedy(contest, variant, found, {cause.kind: cause.share for cause in causes})
    middle = found.median
    shares: dict[str, Any] = {f"{name}_share": round(share, 4) for name, share in found.shares.items()}
    if middle.run_queue_share is None:
        shares["run_queue_share"] = None
    return VariantExplained(
        **columns(contest.point, variant),
        stats_version=STATS_VERSION,
        accounts=found.accounts,
        lanes=middle.lanes,
        **shares,
        gil_source=middle.gil_source,
        gil_share_estimated=round(middle.gil_share_estimated, 4),
        missing=[name for name in _CAN_BE_MISSING if getattr(middle, name) is None],
        instrumented_ratio=_instrumented_ratio(contest, label),
        causes=[cause.kind for cause in causes],
        cause_shares=[round(cause.share, 4) for cause in causes],
        why="; ".join(cause.sentence for cause in causes),
        advice=remedy.advice if remedy else None,
        try_overrides=list(remedy.overrides) if remedy else [],
        call_cpu_ns=middle.call_cpu_ns,
        call_blocked_ns=middle.call_blocked_ns,
        cpu_ns_per_call=_cpu_per_call(contest, label),
        outside_cpu_ns=middle.outside_cpu_ns,
        voluntary_switches=middle.voluntary_switches,
        involuntary_switches=middle.involuntary_switches,
        loop_lag_p50_ns=middle.loop_lag_p50_ns,
        loop_lag_p99_ns=middle.loop_lag_p99_ns,
        loop_longest_ns=middle.loop_longest_ns,
        peak_pss_bytes=middle.peak_pss_bytes,
        worker_private_bytes=middle.worker_private_bytes,
        copied_bytes=_copied(found, contest.point.tasks),
        contaminated=is_contaminated(found),
    )


def summary(contest: Contest, label: str) -> Summary | None:
    """Return the summary of a variant's accounts over the blocks that count; None without any."""
    return accounts.summary([block.accounts[label] for block in contest.counting if label in block.accounts])


def is_contaminated(found: Summary) -> bool:
    """Return whether one worker alone had to wait for a core, so that its account is of others' work too."""
    return found.median.lanes == 1 and found.shares["run_queue"] > CONTAMINATED and found.outside_cores < MUCH


def blocks_loop(variant: Variant, found: Summary) -> bool:
    """Return whether a variant runs a plain function inside its event loop, which reacts to nothing meanwhile."""
    has_loop = registry.load(variant.model).needs(variant.options).loop is not None
    return has_loop and found.median.in_own_thread and not found.median.is_async


def _causes(contest: Contest, variant: Variant, found: Summary) -> list[Cause]:
    texts = _texts(contest, variant, found)
    # a worker that ends with its call has none left after it by design
    told_apart = {"on_core", "idle"} if registry.load(variant.model).WORKERS == "per_task" else {"on_core"}
    lost = [
        Cause(name, share, texts[name])
        for name, share in found.shares.items()
        if name not in told_apart and share >= max(LEAST, found.noise[name])
    ]
    work = found.shares["on_core"]
    held = work + found.shares["blocked"] + found.shares["gil"]
    is_blocking = blocks_loop(variant, found) and held >= LEAST
    if is_blocking:
        blocking = Cause("loop_blocked", held, "of the time the loop was blocked by a plain function")
        lost = [blocking, *(cause for cause in lost if cause.kind not in ("blocked", "gil"))]
    lost.sort(key=lambda cause: -cause.share)
    if not is_blocking and work >= BUSY and (not lost or lost[0].share < work / 2):
        lost.insert(0, Cause("on_core", work, texts["on_core"]))
    return lost[:MOST_CAUSES]


def _texts(contest: Contest, variant: Variant, found: Summary) -> dict[str, str]:
    """Return what is said of each share, to be read after its percentage."""
    middle, cores = found.median, contest.plan.cores
    whose = "of the workers' time" if middle.lanes > 1 else "of the time"
    busy = found.busy_cores
    model = registry.load(variant.model)
    needs = model.needs(variant.options)
    own_gil = f"waited for the GIL{_doubt(found)}"
    handing = needs.pickles and found.waits_to_dispatch
    gil = "the process that hands over waited for its GIL" if handing else own_gil
    service = units.duration(middle.call_cpu_ns + middle.call_blocked_ns)
    between = f"{'spent between' if model.WORKERS == 'none' else 'handing over'} calls of {service}"
    if needs.loop and middle.in_own_thread:
        between = "the event loop's own work"
    queue = f"{middle.lanes} workers on {units.count(cores, 'core')}" if middle.lanes > cores else "others had it"
    if found.outside_cores > MUCH:
        queue = "threads or processes of its own had it"
    return {
        "on_core": f"{whose} on a core" + (f", which keeps {busy:.1f} of {cores} busy" if cores > 1 else ""),
        "run_queue": f"{whose} waited for a core: {queue}",
        "gil": f"{whose} {gil}",
        "blocked": f"{whose} was blocked in calls{_blocked_by(found)}",
        "serialisation": f"{whose} was pickling{_sizes(found)}",
        "dispatch": f"{whose} was {between}",
        "waiting": f"{whose} nothing could go on: all calls waited (I/O, sleep)",
        "idle": f"{whose} had no call left{_uneven(found)}",
    }


def _doubt(found: Summary) -> str:
    """Return how the share of the GIL is known, where that is worth a word."""
    if found.median.gil_source == "estimated":
        return " (estimated)"
    other = found.median.gil_share_estimated
    differs = abs(found.shares["gil"] - other) > AGREE
    return f" (from blocked time alone: {units.percent(other)})" if differs else ""


def _blocked_by(found: Summary) -> str:
    if found.outside_cores > MUCH:
        return ", while threads or processes of its own worked"
    if found.shares_something:
        return " beyond what a call alone is: a lock, or something else that they share"
    return " (I/O, locks, sleep)"


def _sizes(found: Summary) -> str:
    there, back = found.median.call_bytes, found.median.result_bytes
    if there is None or back is None:
        return ""
    return f" {units.size(there)} there and {units.size(back)} back"


def _uneven(found: Summary) -> str:
    middle = found.median
    if middle.calls < middle.lanes:
        return f": {units.count(middle.calls, 'call')} for {middle.lanes} workers"
    if middle.calls % middle.lanes and middle.calls < 4 * middle.lanes and is_alike(found):
        return f": {middle.calls} calls are not shared evenly by {middle.lanes} workers"
    if not is_alike(found):
        return f": the longest call takes {units.percent(middle.longest_call_ns / middle.wall_ns)} of the batch"
    return ""


def is_alike(found: Summary) -> bool:
    """Return whether the calls of a batch are about equally long."""
    return found.median.longest_share * found.median.calls <= ALIKE


def _instrumented_ratio(contest: Contest, label: str) -> float | None:
    """Return how many times as long an instrumented batch takes as the others of its block."""
    ratios = [
        account.wall_ns / median(block.walls[label])
        for block in contest.counting
        if (account := block.accounts.get(label)) and account.calls == contest.point.tasks and block.walls.get(label)
    ]
    return round(median(ratios), 4) if ratios else None


def _cpu_per_call(contest: Contest, label: str) -> int | None:
    cpus = [median(block.cpus[label]) for block in contest.counting if label in block.cpus]
    return round(median(cpus) / contest.point.tasks) if cpus else None


def _copied(found: Summary, tasks: int) -> int | None:
    middle = found.median
    if middle.result_bytes is None:
        return None
    return ((middle.call_bytes or 0) + middle.result_bytes) * tasks
