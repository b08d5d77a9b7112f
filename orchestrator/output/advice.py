"""Advice for people: which model to use, how sure that is, when its start-up pays, and what threads show of the GIL."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from statistics import median

from .. import units
from ..analysis import explain, load
from ..analysis.accounts import BUSY_CALL, MULTI_CORE_CALL, Summary
from ..analysis.capacity import in_words
from ..analysis.contest import Contest
from ..analysis.decide import WORTH_IT
from ..analysis.results import PointEvents, Results
from ..journal.derived_events import VariantCompared, VariantExplained, VerdictReached
from ..journal.window_events import VariantServed
from . import causes, tables, warning_words

LOOKED_UP = "answers_kept"
"""The warning that `caveat` puts into words."""

LETS_GO, HOLDS = 0.5, 0.25
"""The share of the time that speaks for code that releases the GIL, and for code that holds it."""

DISTURBED = 2.5
"""The time of two threads at once, relative to one alone, above which they disturb each other: in turns it is 2."""

FEWEST_OVERLAPS = 3
"""Of fewer blocks, how far two threads ran in parallel is not said: one of them may read anything."""

SOME, LETS_ALL_GO = 0.05, 0.9  # less than the one may be nothing, more than the other all of it

ENOUGH_CORES = 1.5  # free cores from which on two threads can be expected to run at once


def choice(found: PointEvents) -> str:
    """Return what to use at a point, in a sentence; nothing if the point was skipped."""
    if not found.verdict:
        return ""
    served = next((event for event in found.served if event.variant == found.verdict.recommended), None)
    if found.served and all(event.is_saturated for event in found.served):
        return _overloaded(found.served, found.compared)
    answers = f" ({served.metric} {tables.latency(served, served.metric)}, {tables.achieved(served)})" if served else ""
    return _choice(found.verdict, {event.variant: event for event in found.compared}).removesuffix(".") + answers + "."


def caveat(found: PointEvents) -> str:
    """Return why the choice at a point is nearly worthless, in a sentence or two; empty if it is not."""
    if not found.verdict or LOOKED_UP not in found.verdict.warnings:
        return ""
    answered = f"answered{warning_words.answered(found.verdict)}"
    return (
        f"Calls after the first computed next to nothing: {answered}, so the times are those of look-ups. Give each "
        "call another item, or name a function that keeps nothing."
    )


def capacity(results: Results) -> Iterator[str]:
    """Yield what to use to hold an objective at the highest rate, a sentence for each line of rates."""
    for verdict in results.capacity_verdicts:
        own = [event for event in results.capacities if event.variant in verdict.winners]
        if verdict.verdict == "undecided" or not own:
            yield f"No advice yet. {verdict.sentence}"
            continue
        objective = f"{verdict.metric} within {units.duration(verdict.bound_ns)}"
        simplest = "" if len(own) == 1 else f", the first of {len(own)} that tie"
        yield f"Use {own[0].variant}{simplest}: it holds {objective} {in_words(own[0])}."


def reasons(
    contest: Contest,
    found: PointEvents,
    without_gil: Collection[str],
    *,
    has_start_up: bool = True,
    has_parallel: bool = True,
) -> list[str]:
    """Return what else to know for that choice, a sentence or two each: start-up, cores, and the GIL.

    `has_start_up` and `has_parallel`: also what the start-up costs, and that a call is parallel by itself.
    """
    if found.verdict is None:
        return []
    compared = {event.variant: event for event in found.compared}
    recommended = compared.get(found.verdict.recommended or "")
    sentences = [*_start_method(contest, recommended), *(_start_up(contest, recommended) if has_start_up else ())]
    is_parallel = "parallel_by_itself" in found.verdict.warnings
    sentences += _cores(contest, compared, is_parallel=is_parallel, has_parallel=has_parallel)
    gil = (_gil(contest, event, without_gil, is_parallel=is_parallel) for event in compared.values())
    return sentences + [text for text in gil if text]


def remedy(found: PointEvents, trying: Callable[[VariantExplained], str]) -> str:
    """Return what may make the recommended variant faster, with what `trying` has to try it; nothing if not known."""
    recommended = found.verdict and found.verdict.recommended
    event = next((event for event in found.explained if event.variant == recommended), None)
    if event is None or not event.advice:
        return ""
    if event.advice_code == "longest_first" and (causes.is_dominated(event) or causes.is_disturbed(event)):
        return ""  # `causes` say it, or it is not known
    tried = trying(event)
    return f"Worth a try: {event.advice}" + (f"; {tried}" if tried else ".")


def _choice(verdict: VerdictReached, compared: Mapping[str, VariantCompared]) -> str:
    best = verdict.recommended
    if len(compared) == 1:
        return f"No advice: {next(iter(compared))} ran alone, and there is nothing to compare it with."
    if best is None:
        return f"No advice yet. {verdict.sentence}"
    event = compared[best]
    is_baseline = best == event.baseline
    named = f"{_named(event)}{' at this load' * verdict.at_this_load}"
    gain = "" if is_baseline or event.speedup is None else f", {_ratio(event)} times as fast as {_plain(event)}"
    if verdict.verdict == "tie":
        return f"Use {named}, the simplest of {len(verdict.winners)} that tie{gain}."
    if verdict.verdict == "undecided":
        return f"Use {named} until more is known{gain}: it is the simplest that no other has beaten so far."
    if verdict.runner_up is None:
        is_alone = all(event.excluded for label, event in compared.items() if label != best)
        others = "other variant" if is_alone else "variant of another kind"
        return f"Use {named}: every {others} failed, so nothing is known of its speed against them."
    if best not in verdict.winners:
        lead = _lead(compared[verdict.winners[0]], best)
        return f"Use {_named(event)}: its calls are parallel by themselves, and {lead}."
    if is_baseline:
        return f"Use {named}: nothing else is faster."
    return f"Use {named}{gain}."


def _lead(event: VariantCompared, loop: str) -> str:
    """Return that a winner is not surely faster than a loop by so much that it is worth it."""
    ratio = f" ({_ratio(event)})" if event.baseline == loop and event.speedup is not None else ""
    return f"{event.variant} is not surely {WORTH_IT:g} times as fast{ratio}"


def _overloaded(served: Sequence[VariantServed], compared: Sequence[VariantCompared]) -> str:
    """Return what to do where no variant keeps up with the rate."""
    most = max(served, key=lambda event: event.achieved_rate or 0.0)
    named = _named(next(event for event in compared if event.variant == most.variant))
    serves = f"; {named} serves the most, {units.significant(most.achieved_rate)}/s" if most.achieved_rate else ""
    return f"No variant keeps up with the rate{serves}. Try more workers, or spread the calls over more machines."


def _named(event: VariantCompared) -> str:
    if event.variant == event.model == "sequential":  # without a label or an interpreter of its own
        return "a plain loop"
    workers = tables.unnamed_workers(event)
    return event.variant if workers is None else f"{event.variant} ({units.count(workers, 'worker')})"


def _plain(event: VariantCompared) -> str:
    return "a plain loop" if event.baseline == "sequential" else event.baseline


def _ratio(event: VariantCompared) -> str:
    return units.ratio(event.speedup, event.speedup_low, event.speedup_high)


def _start_method(contest: Contest, event: VariantCompared | None) -> Iterator[str]:
    """Yield how workers are started, where that was chosen and is not in their variant's name."""
    variant = contest.variants.get(event.variant) if event else None
    chosen = variant.options.get("start_method") if variant else None
    if event and chosen and f"start_method={chosen}" not in event.variant:
        yield f"The workers of {event.variant} are started by `start_method: {chosen}`."


def _start_up(contest: Contest, event: VariantCompared | None) -> Iterator[str]:
    if event and event.break_even_batches:
        batches = units.count(event.break_even_batches, "batch")
        calls = units.count(contest.point.tasks, "call")
        startup = units.duration(event.startup_ns)
        pays_off = f"({startup}) pays off after {batches} of {calls}"
        yield f"Against {_plain(event)}, the start-up of {event.variant} {pays_off}."


def _cores(
    contest: Contest, compared: Mapping[str, VariantCompared], *, is_parallel: bool, has_parallel: bool
) -> Iterator[str]:
    event = compared.get(contest.plan.baseline.label)
    if contest.point.arrivals or not (event and event.wall_ns and event.cpu_ns):
        return
    busy = median(block.busy_cores(event.variant) for block in contest.counting if event.variant in block.walls)
    if is_parallel and busy > MULTI_CORE_CALL:
        if has_parallel:
            yield f"The function is parallel by itself: alone, it keeps {busy:.1f} cores busy."
        return
    account = explain.summary(contest, event.variant)
    if account and account.shares["run_queue"] < 1:  # a loop that waits for its core would compute in that time, too
        busy = account.shares["on_core"] / (1 - account.shares["run_queue"])
    if event.model == "event_loop" and busy > BUSY_CALL:
        share = units.percent(min(1.0, busy))
        yield f"A call computes for {share} of its time, so calls in flight in one event loop take turns on one core."


def _gil(contest: Contest, event: VariantCompared, without_gil: Collection[str], *, is_parallel: bool) -> str | None:
    """Return whether threads ran in parallel, and what that shows about the GIL; None where too little is known."""
    low, high = event.parallel_share_low, event.parallel_share_high
    overlaps = [block.overlaps[event.variant] for block in contest.counting if event.variant in block.overlaps]
    if event.parallel_share is None or len(overlaps) < FEWEST_OVERLAPS:
        return None
    together = median(overlaps)
    if together > DISTURBED:
        disturbed = (
            f"Two threads at once took {together:.1f} times as long as one alone: their calls disturb each other"
        )
        return disturbed + ("." if event.variant in without_gil else ", so this says nothing about the GIL.")
    interval = "" if low is None or high is None else f" [{low * 100:.0f}, {high * 100:.0f}]"
    found = f"Two threads ran in parallel for {units.percent(event.parallel_share)}{interval} of their time"
    account = explain.summary(contest, event.variant)
    obstacle = _obstacle(account, is_parallel=is_parallel) if account else ""
    if event.variant in without_gil:
        return f"{found}; this interpreter has no GIL{', and ' * bool(obstacle)}{obstacle}."
    if obstacle:
        return f"{found}: {obstacle}, so this says nothing about the GIL."
    if low is None or high is None:
        return f"{found}, in {len(overlaps)} blocks: too few for an interval."
    if low >= LETS_GO:
        return f"{found}: the code releases the GIL."
    free = load.free_cores(contest)
    if free is not None and free < ENOUGH_CORES:
        left = f"other processes left only {free:.2g} of {units.count(contest.plan.cores, 'core')}"
        return f"{found}, but {left}, so this says little about the GIL."
    if high <= HOLDS:
        return f"{found}: the code holds the GIL."
    if low < SOME:
        return f"{found}: too wide an interval to say whether the code releases the GIL; run it again, or for longer."
    return f"{found}: the code releases the GIL for {'at least ' * (high > LETS_ALL_GO)}part of it."


def _obstacle(account: Summary, *, is_parallel: bool) -> str:
    """Return what else than the GIL keeps calls from running at once; nothing if none is seen."""
    if account.shares_a_lock:
        held = f", held in {account.median.lock_held_at}" if account.median.lock_held_at else ""
        return f"calls wait {units.percent(account.shares['lock'])} of the workers' time for each other's lock{held}"
    if is_parallel or account.outside_cores > causes.MUCH_OUTSIDE:
        return "calls compute in threads or processes of their own"
    return "calls share a resource" if account.shares_something else ""
