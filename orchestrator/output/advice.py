"""Advice for people: which model to use, how sure that is, when its start-up pays, and what threads show of the GIL."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence

from .. import units
from ..analysis import explain, load
from ..analysis.accounts import BUSY_CALL, MULTI_CORE_CALL, Summary
from ..analysis.contest import Contest
from ..analysis.results import PointEvents
from ..journal.derived_events import VariantCompared, VerdictReached
from . import lines

LETS_GO, HOLDS = 0.5, 0.25
"""The share of the time that speaks for code that releases the GIL, and for code that holds it."""

SOME, LETS_ALL_GO = 0.05, 0.9  # less than the one may be nothing, more than the other all of it

ENOUGH_CORES = 1.5  # free cores from which on two threads can be expected to run at once


def choice(found: PointEvents) -> str:
    """Return what to use at a point, in a sentence; nothing if the point was skipped."""
    return _choice(found.verdict, {event.variant: event for event in found.compared}) if found.verdict else ""


def reasons(
    contest: Contest, found: PointEvents, without_gil: Collection[str], *, has_start_up: bool = True
) -> list[str]:
    """Return what else to know for that choice, a sentence or two each: start-up, cores, and the GIL."""
    if found.verdict is None:
        return []
    compared = {event.variant: event for event in found.compared}
    recommended = compared.get(found.verdict.recommended or "")
    sentences = list(_start_up(contest, recommended)) if has_start_up else []
    sentences += _together(found)
    sentences += _cores(contest, compared, is_parallel="parallel_by_itself" in found.verdict.warnings)
    return sentences + [text for event in compared.values() if (text := _gil(contest, event, without_gil))]


def remedy(found: PointEvents, command: Sequence[str]) -> str:
    """Return what may make the recommended variant faster, with the command that tries it; nothing if not known."""
    recommended = found.verdict and found.verdict.recommended
    event = next((event for event in found.explained if event.variant == recommended), None)
    if event is None or not event.advice:
        return ""
    tried = lines.tried(event, command)
    return f"Worth a try: {event.advice}" + (f"; {tried}" if tried else ".")


def _choice(verdict: VerdictReached, compared: Mapping[str, VariantCompared]) -> str:
    best = verdict.recommended
    if len(compared) == 1:
        return f"No advice: {next(iter(compared))} ran alone, and there is nothing to compare it with."
    if best is None:
        return f"No advice yet. {verdict.sentence}"
    event = compared[best]
    is_baseline = best == event.baseline
    named = _named(event)
    gain = "" if is_baseline or event.speedup is None else f", {_ratio(event)} times as fast as {_plain(event)}"
    if verdict.verdict == "tie":
        return f"Use {named}, the simplest of {len(verdict.winners)} that tie{gain}."
    if verdict.verdict == "undecided":
        why = "it was ahead in every block" if verdict.ratio_low is None else "it is the simplest that can still win"
        return f"Use {named} until more is known{gain}: {why}."
    if is_baseline:
        return f"Use {named}: nothing else is faster."
    return f"Use {named}{gain}."


def _named(event: VariantCompared) -> str:
    if event.model == "sequential" and event.variant.startswith("sequential"):  # and not a label of its own
        return "a plain loop"
    workers = "" if event.workers is None or "workers=" in event.variant else units.count(event.workers, "worker")
    return f"{event.variant} ({workers})" if workers else event.variant


def _plain(event: VariantCompared) -> str:
    return "a plain loop" if event.baseline == "sequential" else event.baseline


def _ratio(event: VariantCompared) -> str:
    return units.ratio(event.speedup, event.speedup_low, event.speedup_high)


def _start_up(contest: Contest, event: VariantCompared | None) -> Iterator[str]:
    if event and event.break_even_batches:
        batches = units.count(event.break_even_batches, "batch")
        calls = units.count(contest.point.tasks, "call")
        startup = units.duration(event.startup_ns)
        yield f"Against {_plain(event)}, its start-up of {startup} pays after {batches} of {calls}."


def _together(found: PointEvents) -> Iterator[str]:
    """Yield which variants are slower mainly because their calls run at the same time."""
    for event in found.explained:
        if event.causes and event.causes[0] == "contention":
            yield f"{event.variant} is slower together: {explain.together(event)}."


def _cores(contest: Contest, compared: Mapping[str, VariantCompared], *, is_parallel: bool) -> Iterator[str]:
    event = compared.get(contest.plan.baseline.label)
    if not (event and event.wall_ns and event.cpu_ns):
        return
    busy = event.cpu_ns / event.wall_ns
    if is_parallel and busy > MULTI_CORE_CALL:
        yield f"The function is parallel by itself: alone, it keeps {busy:.1f} cores busy."
    elif event.model == "event_loop" and busy > BUSY_CALL:
        yield f"A call is on a core for {units.percent(busy)} of its time, which leaves a loop little waiting to fill."


def _gil(contest: Contest, event: VariantCompared, without_gil: Collection[str]) -> str | None:
    """Return whether threads ran in parallel, and what that shows about the GIL."""
    low, high = event.parallel_share_low, event.parallel_share_high
    if event.parallel_share is None:
        return None
    interval = "" if low is None or high is None else f" [{low * 100:.0f}, {high * 100:.0f}]"
    found = f"Two threads ran in parallel for {units.percent(event.parallel_share)}{interval} of their time"
    account = explain.summary(contest, event.variant)
    lock = _lock(account) if account else ""
    if event.variant in without_gil:
        return f"{found}; this interpreter has no GIL{', and ' * bool(lock)}{lock}."
    if lock:
        return f"{found}: {lock}, so this says nothing about the GIL."
    if low is None or high is None:
        return f"{found}; too few blocks to say more."
    if low >= LETS_GO:
        return f"{found}: the code releases the GIL."
    free = load.free_cores(contest)
    if free is not None and free < ENOUGH_CORES:
        return f"{found}, but only {free:.2g} cores were free, which says little about the GIL."
    if high <= HOLDS:
        return f"{found}: the code holds the GIL."
    if low < SOME:
        return f"{found}: too wide an interval to say whether the code releases the GIL; run it again, or for longer."
    return f"{found}: the code releases the GIL for a part of it{' at least' * (high > LETS_ALL_GO)}."


def _lock(account: Summary) -> str:
    """Return that calls wait for each other without the GIL; nothing where they do not."""
    if account.shares_a_lock:
        held = f", held in {account.median.lock_held_at}" if account.median.lock_held_at else ""
        return f"calls wait {units.percent(account.shares['lock'])} of the workers' time for each other's lock{held}"
    return "calls share a resource" if account.shares_something else ""
