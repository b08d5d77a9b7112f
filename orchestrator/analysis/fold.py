"""The fold from raw events to contests: the conductor, `report` and resume all use it, so they agree.

What a look decides is recomputed from the trials. A journaled look only records that one was taken, and is compared
with the recomputed one.
"""

from __future__ import annotations

from array import array
from collections.abc import Callable, Mapping
from statistics import median
from typing import Any

from ..runner.account.figures import CALL_PARTS
from . import decide
from .accounts import Account
from .contest import Block, Contest
from .windows import Calls, served

Event = Mapping[str, Any]


def add_event(contest: Contest, event: Event) -> None:
    """Add one raw event of the contest's point to it.

    Blocks count in the order of their numbers, each once all before it have ended: where several run at once, a look
    must not depend on how long each took. No block beyond the next look counts before that look is taken.
    """
    name = event["event"]
    if name in _BLOCK_HANDLERS and contest.running:
        _BLOCK_HANDLERS[name](contest.running, event)
    elif name in _HANDLERS:
        _HANDLERS[name](contest, event)


def _end(contest: Contest, number: int, block: Block | None) -> None:
    """Record that a block has ended; None: it does not count."""
    contest.ended[number] = block
    contest.running = None
    _count(contest)


def _count(contest: Contest) -> None:
    """Count the blocks that have ended, up to the first that has not, or up to the next look."""
    most = decide.next_look(contest)
    while contest.following in contest.ended and (most is None or len(contest.blocks) < most):
        block = contest.ended.pop(contest.following)
        contest.following += 1
        if block:
            contest.blocks.append(block)


def _point_skipped(contest: Contest, event: Event) -> None:
    contest.is_skipped = True


def _block_started(contest: Contest, event: Event) -> None:
    if contest.running:
        _end(contest, contest.running.number, None)  # it was cut off
    contest.begun_numbers.add(event["block"])
    contest.is_skipped = False
    contest.running = Block(event["block"], event.get("host"))  # a column of runs on a cluster only


def _runner_ready(block: Block, event: Event) -> None:
    block.startups[event["variant"]] = event["startup_ns"]
    block.threads[event["variant"]] = len(set(event["worker_threads"]))
    if event["gil_enabled_by"]:
        block.gil_enabled_by[event["variant"]] = event["gil_enabled_by"]


def _point_calibrated(contest: Contest, event: Event) -> None:
    contest.repeats[event["variant"]] = event["repeats"]
    contest.rounds = event["rounds"]


def _rounds_chosen(contest: Contest, event: Event) -> None:
    contest.rounds = event["rounds"]
    contest.has_frozen_rounds = True


def _runner_warmed(contest: Contest, event: Event) -> None:
    if contest.running:
        contest.running.calls_ns[event["variant"]] = event["calls_ns"]
    for name in ("copied", "kept_by", "started"):
        if event.get(name):
            getattr(contest, name)[event["variant"]] = event[name]


def _reference_timed(block: Block, event: Event) -> None:
    block.reference = array("q", event["wall_ns"])
    block.reference_version = event["version"]


def _trial_finished(block: Block, event: Event) -> None:
    block.walls.setdefault(event["variant"], array("q")).append(event["wall_ns"])
    block.cpus.setdefault(event["variant"], array("q")).append(event["cpu_ns"])


def _window_finished(block: Block, event: Event) -> None:
    label = event["variant"]
    block.calls.setdefault(label, Calls()).add(event)
    block.spans.setdefault(label, array("q")).append(event["wall_ns"])
    block.cpus.setdefault(label, array("q")).append(event["cpu_ns"])


def _serve(contest: Contest, block: Block) -> None:
    """Take the latency that the verdict is about from the windows of a block, as if it were the time of one trial."""
    arrivals = contest.point.arrivals
    for label, calls in block.calls.items():
        if arrivals and (found := served(calls, arrivals)):
            block.served[label] = found
            block.walls[label] = array("q", [max(1, round(found.latency_ns[arrivals.metric]))])
    block.calls.clear()


def _trial_observed(block: Block, event: Event) -> None:
    seen = {key: value for key, value in event.items() if key.startswith("observed_")}
    block.observed.setdefault(event["variant"], []).append(seen)


def _overlap_measured(block: Block, event: Event) -> None:
    pairs = zip(event["alone_ns"], event["together_ns"], strict=True)
    block.overlaps[event["variant"]] = median(together / alone for alone, together in pairs)


def _account_measured(block: Block, event: Event) -> None:
    block.accounts[event["variant"]] = Account.of(event)


def _window_accounted(block: Block, event: Event) -> None:
    block.call_accounts[event["variant"]] = {name: event[f"{name}_ns"] for name in CALL_PARTS}


def _block_finished(contest: Contest, event: Event) -> None:
    if block := contest.running:
        block.elapsed_ns = event["elapsed_ns"]
        block.overhead_ns = event["starting_ns"] + event["warming_ns"]
        block.rounds_ns = event["trials_ns"]
        block.free_cores = event["free_cores"]
        block.steal_share = event["steal_share"]
        block.pressure = event["pressure"]
        block.unchecked = tuple(event["unchecked"])
        block.check_failed = tuple(event["check_failed"])
        _serve(contest, block)
        _end(contest, block.number, block)


def _block_discarded(contest: Contest, event: Event) -> None:
    contest.discarded += 1
    contest.needs_ns = event.get("needs_ns")
    _end(contest, event["block"], None)


def _trial_failed(contest: Contest, event: Event) -> None:
    contest.failures[event["variant"]] += 1
    if event["cause"] == "timeout":
        contest.hung.add(event["variant"])


def _variant_excluded(contest: Contest, event: Event) -> None:
    contest.excluded.add(event["variant"])
    for label in contest.dropped_for_futility:  # perhaps futile only against the excluded one: back in the contest
        del contest.dropped[label]
    contest.dropped_for_futility.clear()


def _look_taken(contest: Contest, event: Event) -> None:
    look = decide.judge(contest)
    contest.looks.append(look)
    contest.dropped.update(dict.fromkeys(look.dropped, look.blocks))
    if (look.blocks, look.best) != (event["blocks"], event["best"]):
        contest.differences.append(
            f"look at {event['blocks']} blocks: the journal says best {event['best']}, "
            f"recomputed {look.best} at {look.blocks} blocks"
        )
    _count(contest)


def _variant_dropped(contest: Contest, event: Event) -> None:
    label = event["variant"]
    if event["reason"] == "futility" and label in decide.futile(contest):
        contest.dropped[label] = len(contest.blocks)
        contest.dropped_for_futility.add(label)
    contest.logged_drops.add(label)
    if label not in contest.dropped:
        contest.differences.append(f"the journal drops {label}, recomputing does not")


_HANDLERS: Mapping[str, Callable[[Contest, Event], None]] = {
    "point.skipped": _point_skipped,
    "block.started": _block_started,
    "point.calibrated": _point_calibrated,
    "rounds.chosen": _rounds_chosen,
    "runner.warmed": _runner_warmed,
    "runner.guarded": lambda contest, event: contest.guarded.add(event["variant"]),
    "trial.failed": _trial_failed,
    "block.finished": _block_finished,
    "block.discarded": _block_discarded,
    "variant.excluded": _variant_excluded,
    "look.taken": _look_taken,
    "variant.dropped": _variant_dropped,
}
"""What an event does to a contest, by the name of the event."""

_BLOCK_HANDLERS: Mapping[str, Callable[[Block, Event], None]] = {
    "runner.ready": _runner_ready,
    "reference.timed": _reference_timed,
    "trial.finished": _trial_finished,
    "window.finished": _window_finished,
    "trial.observed": _trial_observed,
    "overlap.measured": _overlap_measured,
    "account.measured": _account_measured,
    "window.accounted": _window_accounted,
}
"""What an event does to the block that is being read."""
