"""Diagnostics after the rounds of a block: how parallel threads run, and where the time goes.

Best effort: after a failure here, which is logged, or where the time is too short, the block still counts.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from ..analysis.accounts import DISTURBED_BATCH
from ..journal.event import Event
from ..journal.raw_events import AccountMeasured, OverlapMeasured, RunnerReady, TimelineRecorded
from ..journal.window_events import WindowAccounted
from ..log import logger
from ..spec.plan import is_accounted
from ..supervisor.group import RunnerGroup
from ..supervisor.process import RunnerFailed
from .hosts import BlockTask

ACCOUNT_S, ACCOUNT_MARGIN = 0.5, 3
"""The time that an instrumented trial needs in seconds, and as a multiple of the other trials."""

STAMPS_NS = 10_000
"""The most that instruments add to a call: a batch is made again only if it took longer than that explains."""

ROUNDING = 1e-5  # of a share, which has six decimals

LONG_TRIAL_NS = 1_000_000_000
"""Where trials take longer, or a variant is far behind, the instrumented one has one call for each worker."""

WINDOW_MARGIN_S = 5.0  # for calls that are cancelled, and for an answer, beside the window and its drain

OVERLAP_CALLS, OVERLAP_SHARE = 3, 0.1
"""The calls one after the other that show how threads overlap, and which part of the trials' time they may take."""


def overlaps(
    task: BlockTask,
    runner_group: RunnerGroup,
    runners: Sequence[RunnerReady],
    rounds: int,
    calls_ns: Mapping[str, int],
    trials_ns: int,
    notify: Callable[[str], None],
) -> Iterator[Event]:
    """Yield how parallel the threads of one process can run, for workloads whose calls are alike and repeatable.

    Long calls are measured in the blocks that have accounts, not in the others. `calls_ns` is the time of a call in
    every worker, and `trials_ns` that of all trials.
    """
    if any(task.point.workload.get(name) for name in ("item", "items", "reset")):
        return
    for ready in runners:
        is_long = OVERLAP_CALLS * calls_ns.get(ready.variant, trials_ns) > OVERLAP_SHARE * trials_ns
        if is_long and not is_due(task, rounds):
            continue
        variant = next(variant for variant in task.variants if variant.label == ready.variant)
        shares_all = not variant.needs.pickles
        if shares_all and len(set(ready.worker_pids)) == 1 and len(set(ready.worker_threads)) > 1:
            notify(f"timing two calls of {ready.variant} at once")
            allowed_s = max(0.0, _allowed_s(task))
            request = {"op": "overlap", "within_ns": round(allowed_s * 1e9)}
            answer = _ask(runner_group, ready.variant, request, allowed_s)
            if answer and answer["alone_ns"]:
                measured = {key: answer[key] for key in ("calls", "alone_ns", "together_ns")}
                yield OverlapMeasured(**task.about(variant), **measured)


def accounts(
    task: BlockTask,
    runner_group: RunnerGroup,
    rounds: int,
    repeats: Mapping[str, int],
    trials_ns: Mapping[str, Sequence[int]],
    far_behind: Collection[str],
    notify: Callable[[str], None],
) -> Iterator[Event]:
    """Yield where each variant's time goes, in some blocks, from one more trial.

    `trials_ns` are the times of each variant's trials. For variants `far_behind` it has fewer calls, see
    `LONG_TRIAL_NS`. One with all calls that was disturbed (beyond `DISTURBED_BATCH` and `STAMPS_NS`) is made once more.
    """
    if not is_due(task, rounds):
        return
    for variant in task.variants:
        label = variant.label
        longest_ns = max(trials_ns[label], default=0)
        needed_s = ACCOUNT_S + ACCOUNT_MARGIN * longest_ns / 1e9
        if _allowed_s(task) < needed_s:
            continue
        notify(f"accounting for the time of {label}")
        is_long = longest_ns > LONG_TRIAL_NS or label in far_behind
        is_cut = is_long and not task.point.items  # unequal calls are all accounted
        calls = variant.at_once(task.point.tasks) if is_cut else None
        request = {"op": "account", "repeats": repeats[label], "calls": calls, "is_far_behind": label in far_behind}
        batch_ns = median(trials_ns[label] or [0]) / repeats[label]
        most_ns = math.inf if is_cut else max(DISTURBED_BATCH * batch_ns, batch_ns + STAMPS_NS * task.point.tasks)
        answers = _until_undisturbed(task, runner_group, label, request, needed_s, most_ns)
        answer = min(answers, key=lambda account: account["wall_ns"], default=None)
        if answer is None:
            continue
        about = task.about(variant)
        timeline = answer.pop("timeline")
        yield AccountMeasured(**about, **{key: value for key, value in answer.items() if key != "event"})
        if task.records_timeline:
            yield TimelineRecorded(**about, **timeline)


def _until_undisturbed(
    task: BlockTask, runner_group: RunnerGroup, label: str, request: Mapping[str, Any], needed_s: float, most_ns: float
) -> list[dict[str, Any]]:
    """Return the account of an instrumented trial, and that of a second one if its batch took more than `most_ns`.

    Failed and impossible accounts are left out, so the list may be empty.
    """
    found: list[dict[str, Any]] = []
    for _ in range(2):
        if _allowed_s(task) < needed_s or not (answer := _ask(runner_group, label, request, _allowed_s(task))):
            break
        if reason := _impossible(answer):
            logger().warning("account.failed", variant=label, op=request["op"], error=reason)
            break
        found.append(answer)
        if answer["wall_ns"] <= most_ns:
            break
    return found


def window_accounts(
    task: BlockTask,
    runner_group: RunnerGroup,
    labels: Collection[str],
    rounds: int,
    notify: Callable[[str], None],
) -> Iterator[Event]:
    """Yield where the time of calls that arrive at a rate went, in some blocks: from one more window of a variant."""
    if not is_due(task, rounds) or task.point.arrivals is None:
        return
    for variant in task.variants:
        most_s = 2 * task.point.arrivals.window_s + WINDOW_MARGIN_S
        if variant.label not in labels or task.deadline - time.monotonic() < most_s:
            continue
        notify(f"accounting for the time of the calls of {variant.label}")
        answer = _ask(runner_group, variant.label, {"op": "account_window", "number": rounds}, most_s)
        if answer and answer["account"]["ended"]:
            yield WindowAccounted(**task.about(variant), **answer["account"])


def _impossible(account: Mapping[str, Any]) -> str | None:
    """Return why an account can't be true; None if it can.

    The shim (`gil_shim.c`) keeps /proc/thread-self/schedstat open in each thread. A function that closes descriptors
    which it has not opened closes those, too, and later reads give nothing, or what another file holds.
    """
    shares = {name: value for name, value in account.items() if name.endswith("_share") and value is not None}
    wrong = [f"{name} is {value:.3g}" for name, value in shares.items() if not -ROUNDING <= value <= 1 + ROUNDING]
    if account["longest_call_ns"] > account["wall_ns"] * account["batches"]:
        wrong.append("a call took longer than its batch")
    if not wrong:
        return None
    return f"the account is impossible ({', '.join(wrong)}): the function may close files that it has not opened"


def is_due(task: BlockTask, rounds: int) -> bool:
    """Return whether a block has instrumented trials, and checks the results."""
    return task.records_timeline or is_accounted(task.number, rounds)


def _ask(runner_group: RunnerGroup, label: str, request: Mapping[str, Any], allowed_s: float) -> dict[str, Any] | None:
    """Return the answer of a runner; None if it failed, which is logged, or had too little time."""
    try:
        return runner_group.ask(label, request, allowed_s)
    except RunnerFailed as error:
        if error.cause != "timeout":
            logger().warning("account.failed", variant=label, op=request["op"], error=str(error))
        return None


def _allowed_s(task: BlockTask) -> float:
    return min(task.timeout_s, task.deadline - time.monotonic())
