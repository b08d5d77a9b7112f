"""What keeps calls from running at once, for people: locks, executors, servers, long calls, too few of them."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from .. import units
from ..analysis import explain
from ..analysis.accounts import DISTURBED_BATCH, Summary, is_of_machine
from ..analysis.contest import Contest
from ..analysis.remedies import is_unequal
from ..analysis.results import PointEvents
from ..analysis.stats import compare
from ..journal.derived_events import VariantCompared, VariantExplained

DOMINANT = 0.25
"""From this part of a batch on, the longest of unequal calls is named: more workers make it no shorter."""

ROOM = 0.25  # calls that keep no more than this part of the cores busy leave room for more at once

FULL = 0.75  # from this part of the cores on, calls that wait may wait for a core

MUCH_OUTSIDE = 0.5  # cores that calls keep busy beside their workers: less may be a helper thread

LEAST_TOGETHER = 0.1  # of the workers' time, from which on calls that slow each other are named

MORE_CPU = 1.1  # from so many times the CPU time of a plain loop on, calls slow each other

COMPUTES, NO_CALL = 0.5, 0.1
"""Parts of the time: with less of it on a core, or more outside of calls, the CPU time of calls says little."""

LEAST_EXECUTOR = 0.05  # of the time, from which on a wait for an executor counts


def sentences(contest: Contest, found: PointEvents) -> list[str]:
    """Return what keeps calls from running at once, and which lock recommended workers don't share, a sentence each."""
    accounts = {label: account for label in contest.variants if (account := explain.summary(contest, label))}
    best = (found.verdict and found.verdict.recommended) or ""
    return [
        *_own_locks(contest, accounts, best),
        *_longest(contest, found, best),
        *(list(_together(found)) or _slowed(contest, accounts, best)),
        *_executors(found, best),
        *_queueing(contest, found, accounts, best),
        *_room(contest, accounts, best),
    ]


def _own_locks(contest: Contest, accounts: Mapping[str, Summary], best: str) -> Iterator[str]:
    """Yield that the workers which are recommended do not share the lock that threads wait for."""
    if not _pickles(contest, best):
        return
    shared = next((account for account in accounts.values() if account.shares_a_lock), None)
    own = accounts.get(best)
    if shared and not (own and own.shares_a_lock):
        held = shared.median.lock_held_at
        what = f"each other's lock, held in {held}" if held else "one another: for a lock, a queue or an executor"
        yield (
            f"Threads wait for {what}. The workers of {best} have their own: what it protects (a file, a rate, a "
            "shared counter) is not protected between them."
        )


def _pickles(contest: Contest, label: str) -> bool:
    """Return whether the workers of a variant are in processes of their own, or share as little; no for no variant."""
    variant = contest.variants.get(label)
    return variant is not None and variant.needs.pickles


def _longest(contest: Contest, found: PointEvents, best: str) -> Iterator[str]:
    """Yield that a single call takes much of a batch, of the recommended variant or of the fastest parallel one."""
    tasks = contest.point.tasks
    at_once = {label: variant.at_once(tasks) for label, variant in contest.variants.items()}
    parallel = [each for each in found.explained if each.lanes > 1 or (each.is_async and at_once[each.variant] > 1)]
    walls_ns = {event.variant: event.wall_ns or math.inf for event in found.compared}
    parallel.sort(key=lambda event: (event.variant != best, walls_ns[event.variant]))
    for event in filter(is_dominated, parallel[:1]):
        longest = explain.longest_call(event)
        can_begin_first = at_once[event.variant] < tasks
        remedy = "start the longest calls first, or split them" if can_begin_first else "split it, if that is possible"
        yield f"{longest[:1].upper()}{longest[1:]} of the batch of {event.variant}: {remedy}."


def is_dominated(event: VariantExplained) -> bool:
    """Return whether the longest of unequal calls takes much of a batch."""
    return is_unequal(event) and explain.longest_part(event) >= DOMINANT and not is_disturbed(event)


def is_disturbed(event: VariantExplained) -> bool:
    """Return whether calls that are alike took so long in the accounts that single ones say nothing."""
    is_alike = event.longest_item is None
    return is_alike and event.instrumented_ratio is not None and event.instrumented_ratio > DISTURBED_BATCH


def _together(found: PointEvents) -> Iterator[str]:
    """Yield which variants lose most of what they lose because their calls run at the same time."""
    for event in found.explained:
        if is_disturbed(event):
            continue
        if is_of_machine(event.contention_machine_share, event.contention_share):
            continue
        lost = [cause for cause in event.causes if cause != "on_core"]
        if lost[:1] == ["contention"] and (event.contention_share or 0.0) >= LEAST_TOGETHER:
            yield f"Calls in {event.variant} slow each other: {explain.together(event)}."


def _slowed(contest: Contest, accounts: Mapping[str, Summary], best: str) -> Iterator[str]:
    """Yield that calls of the recommended workers surely take more CPU time than those of a plain loop.

    Accounts are single batches, and may miss it. Workers that calls are sent to are left out, since sending takes CPU
    time too, and so are those that wait, or share a core.
    """
    account, variant = accounts.get(best), contest.variants.get(best)
    if account is None or variant is None or variant.needs.pickles:
        return
    beside = account.shares["gil"] + account.shares["dispatch"]
    if not 1 < account.median.lanes <= contest.plan.cores or account.shares["on_core"] < COMPUTES or beside > NO_CALL:
        return
    loop = next((each for each in contest.plain_loops if contest.runs_as(variant, contest.variants[each])), None)
    more = loop and compare([block.cpus for block in contest.counting], loop, best, contest.look_level)
    if not more or more.low is None or more.low <= 1 or more.value < MORE_CPU:
        return
    ratio = units.ratio(more.value, more.low, more.high)
    yield (
        f"Calls in {best} slow each other: a call takes {ratio} times the CPU time that it takes in a plain loop. They "
        "share memory or caches, or busy cores are slower (frequency, hardware threads)."
    )


def _executors(found: PointEvents, best: str) -> Iterator[str]:
    """Yield that calls wait mainly for an executor, of the recommended variant if it holds for that."""
    waiting = [event for event in found.explained if event.causes and event.causes[0] == "executor"]
    for event in sorted(waiting, key=lambda event: event.variant != best)[:1]:
        text, detail = explain.executor_text(event)
        yield f"{event.variant} spends {units.percent(event.cause_shares[0])} of the time {text}{detail}."


def _queueing(contest: Contest, found: PointEvents, accounts: Mapping[str, Summary], best: str) -> Iterator[str]:
    """Yield that calls at once wait for each other, for something that takes few of them at a time."""
    if contest.is_parallel:
        return  # calls are blocked while the threads or processes that they start compete for cores
    waiting = [event for event in found.explained if event.lanes > 1 and event.causes and event.causes[0] == "blocked"]
    full = {event.variant for event in found.compared if _fills_cores(event, contest.plan.cores)}
    waiting = [event for event in waiting if event.variant not in full]  # for a core, by processes that calls start
    known = [(event, accounts[event.variant]) for event in waiting if event.variant in accounts]
    sharing = [pair for pair in known if pair[1].shares_something and pair[1].outside_cores <= MUCH_OUTSIDE]
    for event, account in sorted(sharing, key=lambda pair: pair[0].variant != best)[:1]:
        together, alone = units.duration(event.call_blocked_ns), units.duration(event.alone_blocked_ns)
        shared = "a server, a disk or a limit" if account.waits else "a lock in native code, or a device"
        where = f" ({event.blocked_at})" if event.blocked_at else ""
        is_shared = not account.waits or best in [each.variant for each, _ in sharing]
        apart = "" if is_shared else _apart(contest, accounts, best)
        yield (
            f"Calls at once wait for each other: a call in {event.variant} is blocked for {together}, and alone for "
            f"{alone}{where}. They share {shared}, which serves few calls at a time{apart}."
        )


def _fills_cores(event: VariantCompared, cores: int) -> bool:
    """Return whether a variant keeps most cores busy, with the processes that its calls start."""
    return bool(event.wall_ns and event.cpu_ns and event.cpu_ns > FULL * cores * event.wall_ns)


def _apart(contest: Contest, accounts: Mapping[str, Summary], best: str) -> str:
    """Return that the recommended workers share less than threads do, as the end of a sentence; nothing if not."""
    account = accounts.get(best)
    if account is None or account.shares_something or account.shares_a_lock or not _pickles(contest, best):
        return ""
    return f"; the workers of {best} do not share it: a rate limit or a count would hold for each of them alone"


def _room(contest: Contest, accounts: Mapping[str, Summary], best: str) -> Iterator[str]:
    """Yield that more calls at once would gain more, where all calls of a batch wait side by side."""
    account = accounts.get(best)
    tasks, cores = contest.point.tasks, contest.plan.cores
    if account is None or contest.point.items or contest.point.arrivals:
        return
    is_held = any(
        each.shares_something or each.shares_a_lock or each.shares["executor"] >= LEAST_EXECUTOR
        for each in accounts.values()
    )
    if (
        contest.variants[best].at_once(tasks) < tasks
        or account.busy_cores > ROOM * cores
        or not account.waits
        or is_held
        or tasks < 2
    ):
        return
    yield (
        f"{tasks} calls at once kept less than a quarter of {units.count(cores, 'core')} busy: unless something limits "
        "them, more `tasks` and `workers` let more calls wait at the same time."
    )
