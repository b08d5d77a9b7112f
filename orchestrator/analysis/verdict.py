"""From contests to what is said of them: comparisons with the baseline, verdicts, and the outcome of a run.

Pure: the same contests give the same derived events, whether the run has just ended or is read from its journal.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any, Literal

from .. import errors, units
from ..journal.derived_events import HostJudged, VariantCompared, VariantExplained, VariantObserved, VerdictReached
from ..journal.event import Event
from ..spec.plan import Plan, Variant, columns
from . import crossover_events, figures, load, per_host, scaling
from .blocks import Look
from .contest import Contest
from .expect import check
from .explain import explained
from .stats import (
    STATS_VERSION,
    Estimate,
    Ratio,
    can_decide,
    fields,
    is_correlated,
    lag1_autocorrelation,
    log_statistics,
    quartiles,
)

STEADY = 0.01
"""A batch that takes this much more or less in the later half of a block is told of."""

Outcome = Literal["decided", "undecided", "expectation_broken", "workload_failed", "interrupted"]


def derive(plan: Plan, contests: Sequence[Contest]) -> list[Event]:
    """Return every derived event: per point its comparisons and its verdict, then crossovers and expectations."""
    derived: list[Event] = []
    for contest in contests:
        if contest.is_skipped:
            continue
        comparisons = [compared(contest, variant) for variant in contest.variants.values()]
        derived += comparisons
        explanations = [event for variant in contest.variants.values() if (event := explained(contest, variant))]
        derived += explanations
        derived += scaling.fitted(contest)
        derived += [event for variant in contest.variants.values() for event in observed(contest, variant)]
        derived += reached(contest, comparisons, explanations)
    derived += crossover_events.events(plan, contests)
    by_point = {contest.point.id: contest for contest in contests}
    derived += [check(claim, by_point[claim.point.id], columns(claim.point, claim.variant)) for claim in plan.claims]
    return derived


def compared(contest: Contest, variant: Variant) -> VariantCompared:
    """Return how a variant stands to the baseline, over the blocks that both ran."""
    label, baseline = variant.label, contest.plan.baseline.label
    blocks = contest.counting
    ratio = None
    if label not in contest.excluded and baseline not in contest.excluded and label != baseline:
        ratio = contest.compare(label, baseline, contest.look_level)
    mine = [block for block in blocks if label in block.walls]
    walls = [median(block.walls[label]) for block in mine]
    low_ns, high_ns = quartiles(walls) if walls else (None, None)
    against_itself = Estimate(1.0, None, None) if label == baseline and walls else None
    return VariantCompared(
        **columns(contest.point, variant),
        stats_version=STATS_VERSION,
        baseline=baseline,
        **fields("speedup", ratio or against_itself),
        blocks=len(mine),
        failures=contest.failures[label],
        wall_ns=_rounded(median(walls) if walls else None),
        wall_ns_low=_rounded(low_ns),
        wall_ns_high=_rounded(high_ns),
        cpu_ns=_rounded(median([median(block.cpus[label]) for block in mine]) if mine else None),
        startup_ns=figures.startup_ns(contest, label),
        break_even_batches=figures.break_even_batches(contest, label, baseline) if label != baseline else None,
        **figures.of_variant(contest, variant),
        dropped_after=contest.dropped.get(label),
        dropped_for_futility=label in contest.dropped_for_futility,
        excluded=label in contest.excluded,
    )


def observed(contest: Contest, variant: Variant) -> list[VariantObserved]:
    """Return what was observed of a variant, one event for each key of `observe`."""
    return [
        VariantObserved(**columns(contest.point, variant), stats_version=STATS_VERSION, **asdict(found))
        for found in figures.observed(contest, variant.label)
    ]


def reached(
    contest: Contest, comparisons: Sequence[VariantCompared], explanations: Sequence[VariantExplained]
) -> list[VerdictReached | HostJudged]:
    """Return the verdict on a point, as its last look stands, and that of each host where there are several."""
    look = next((look for look in reversed(contest.looks) if look.decision), None)
    look = look or (contest.looks[-1] if contest.looks else None)
    verdict = look.decision if look and look.decision and len(contest.variants) > 1 else "undecided"
    winners = _winners(contest, look)
    best, rival, gap = _best_and_rival(contest, winners, verdict)
    doubts = _doubts(contest, best, rival, gap if verdict == "win" else None)
    on_hosts = per_host.judged(contest, best, rival)
    disagreeing = per_host.disagreement(contest, on_hosts)
    reached = VerdictReached(
        **columns(contest.point),
        stats_version=STATS_VERSION,
        verdict=verdict,  # type: ignore[arg-type]  # one of the three words
        winners=winners,
        recommended=winners[0] if look and winners else None,
        runner_up=rival,
        **fields("ratio", gap),
        blocks=len(contest.counting),
        autocorrelation=doubts.autocorrelation,
        load_signal=doubts.load_slope.signal if doubts.load_slope else None,
        **fields("load_slope", doubts.load_slope.slope if doubts.load_slope else None),
        at_this_load=doubts.at_this_load,
        warnings=_warnings(contest, look, verdict, doubts, comparisons)
        + ["contaminated"] * any(event.contaminated for event in explanations)
        + ["hosts_disagree"] * bool(disagreeing),
        hosts_disagree=disagreeing or None,
        gil_enabled_by=_gil_enabled_by(contest) or None,
        workload_warnings=figures.warned(contest) or None,
        sentence=_sentence(contest, verdict, winners, best, rival, gap, doubts),
        why=[f"{event.variant}: {event.why}" for event in explanations if event.why],
    )
    return [reached, *(_on_host(contest, found, best, rival) for found in on_hosts)]


def _on_host(contest: Contest, found: per_host.HostVerdict, best: str | None, rival: str | None) -> HostJudged:
    ratio = f"; {best} is {_times(found.ratio)} as fast as {rival}" if found.ratio else ""
    return HostJudged(
        **columns(contest.point),
        stats_version=STATS_VERSION,
        host=found.host,
        verdict=found.look.decision or "undecided",  # type: ignore[arg-type]  # one of the three words
        winners=list(found.winners),
        best=best,
        runner_up=rival,
        **fields("ratio", found.ratio),
        blocks=found.look.blocks,
        sentence=f"on {found.host}: {found.decision}{ratio}, after {units.count(found.look.blocks, 'block')}.",
    )


def outcome(derived: Sequence[Mapping[str, Any]], failures: int) -> tuple[Outcome, int]:
    """Return how a run ended and its exit status, from its derived events and the number of failed trials."""
    checked = [event["outcome"] for event in derived if event["event"] == "expectation.checked"]
    statuses = [errors.FAILED] * bool(failures)
    statuses += [errors.BROKEN] * ("broken" in checked) + [errors.UNDECIDED] * ("undecided" in checked)
    verdicts = [event["verdict"] for event in derived if event["event"] == "verdict.reached"]
    words: dict[int, Outcome] = {
        errors.FAILED: "workload_failed",
        errors.BROKEN: "expectation_broken",
        errors.UNDECIDED: "undecided",
    }
    status = errors.worst(statuses)
    return words.get(status, "undecided" if "undecided" in verdicts else "decided"), status


def _winners(contest: Contest, look: Look | None) -> list[str]:
    """Return the variants not separated from the best, the simplest first."""
    remaining = [label for label in look.remaining if label not in contest.excluded] if look else contest.contenders
    return figures.simplest_first(contest, remaining)


def _best_and_rival(contest: Contest, winners: list[str], verdict: str) -> tuple[str | None, str | None, Ratio | None]:
    """Return the best, who the ratio of the verdict is to, and how many times as fast the best is."""
    best = contest.fastest(winners, contest.counting)
    if best is None:
        return None, None, None
    kind = contest.kind(best)
    others = [label for label in contest.variants if label != best and label not in contest.excluded]
    if verdict == "win":
        others = [label for label in others if contest.kind(label) != kind]
    else:
        others = [label for label in others if label in winners] or others
    gaps = {label: gap for label in others if (gap := contest.compare(best, label, contest.level))}
    if not gaps:
        return best, None, None
    sure = {label: gap for label, gap in gaps.items() if gap.low is not None} or gaps
    pick = max if verdict == "tie" else min  # of a tie the widest gap tells most
    rival = pick(sure, key=lambda label: sure[label].value)
    return best, rival, gaps[rival]


@dataclass(frozen=True)
class Doubts:
    """What makes the ratio of a verdict less than it seems."""

    autocorrelation: float | None = None
    correlated: bool = False
    load_slope: load.LoadSlope | None = None
    at_this_load: bool = False


def _doubts(contest: Contest, best: str | None, rival: str | None, won_by: Ratio | None) -> Doubts:
    if best is None or rival is None:
        return Doubts()
    logs = log_statistics([block.walls for block in contest.counting], best, rival)
    return Doubts(
        autocorrelation=lag1_autocorrelation(logs),
        correlated=is_correlated(logs),
        load_slope=load.load_slope(contest, best, rival),
        at_this_load=won_by is not None and load.is_at_this_load(contest, best, rival, won_by),
    )


def _warnings(
    contest: Contest, look: Look | None, verdict: str, doubts: Doubts, comparisons: Sequence[VariantCompared]
) -> list[str]:
    warnings = []
    decides = look is not None and can_decide(look.blocks, contest.level)
    if not decides and contest.blocks:
        warnings.append("too_few_blocks")
    if verdict == "win" and look and not contest.is_precise(look):
        warnings.append("precision_missed")
    if doubts.correlated:
        warnings.append("blocks_correlated")
    if doubts.load_slope:
        warnings.append("load_dependent")
    elif doubts.at_this_load:
        warnings.append("cores_decide")
    if load.is_crowded(contest):
        warnings.append("crowded")
    if any(map(_drifts, comparisons)):
        warnings.append("no_steady_state")
    if contest.excluded:
        warnings.append("variants_excluded")
    if contest.discarded:
        warnings.append("blocks_discarded")
    if any(block.unchecked for block in contest.counting):
        warnings.append("results_unchecked")
    if _gil_enabled_by(contest):
        warnings.append("gil_enabled")
    if figures.warned(contest):
        warnings.append("workload_warned")
    if contest.differences:
        warnings.append("recomputed_differs")
    return warnings


def _gil_enabled_by(contest: Contest) -> dict[str, str]:
    """Return by variant the module that switched the GIL back on in a block that counts."""
    found = {label: module for block in contest.counting for label, module in block.gil_enabled_by.items()}
    return {label: found[label] for label in contest.variants if label in found}


def _drifts(event: VariantCompared) -> bool:
    """Return whether a variant surely grows slower or faster within a block, by more than `STEADY`."""
    if event.drift_low is None or event.drift_high is None:
        return False
    return event.drift_low > 1 + STEADY or event.drift_high < 1 / (1 + STEADY)


def _sentence(
    contest: Contest,
    verdict: str,
    winners: list[str],
    best: str | None,
    rival: str | None,
    gap: Ratio | None,
    doubts: Doubts,
) -> str:
    about = contest.point.label
    count = gap.blocks if gap else len(contest.counting)
    counted = f"after {units.count(count, 'block')}"
    if not contest.contenders or not contest.blocks:
        why = "every variant failed" if not contest.contenders else "no block was finished within the budget"
        return f"{about}: undecided: {why}."
    if len(contest.variants) == 1:
        return f"{about}: undecided: {winners[0]} ran alone, there is nothing to compare it with."
    if verdict == "win":
        best = best or winners[0]
        named = best if len(winners) == 1 else f"{contest.kind(best)} ({' or '.join(winners)})"
        if rival is None or gap is None:
            return f"{about}: {named} wins: every other variant failed."
        here = " at this load" * doubts.at_this_load
        return f"{about}: {named} wins{here}, {_times(gap)} as fast as {rival}, {counted}{_pays(contest, best, rival)}."
    if verdict == "tie":
        tie = f"{contest.plan.experiment.measure.tie * 100:.3g} %"
        return f"{about}: {units.listed(winners)} tie within {tie}, {counted}; {winners[0]} is the simplest."
    if rival is None or gap is None:
        return f"{about}: undecided {counted}."
    best = best or winners[0]
    if gap.low is None:
        agreeing = f"{'it' if gap.value >= 1 else rival} was faster in {gap.agreeing} of {gap.blocks}"
        return (
            f"{about}: undecided {counted}, too few to decide: {best} is {_times(gap)} as fast as {rival}; {agreeing}."
        )
    return f"{about}: undecided {counted}: {best} is not separated from {rival}, {_times(gap)} as fast."


def _times(gap: Ratio) -> str:
    return f"{units.ratio(gap.value, gap.low, gap.high)} times"


def _pays(contest: Contest, best: str, rival: str) -> str:
    """Return after how many batches a slower start has paid for itself, as the end of a sentence."""
    batches = figures.break_even_batches(contest, best, rival)
    if not batches:
        return ""
    startup = units.duration(figures.startup_ns(contest, best))
    return f"; pays for its {startup} of start-up after {units.count(batches, 'batch')}"


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
