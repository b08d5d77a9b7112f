"""From contests to the derived events of a run: comparisons with the baseline, verdicts, and how the run ended.

Pure: the same contests give the same derived events, whether the run has just ended or is read from its journal.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict
from statistics import median
from typing import Literal

from .. import errors
from ..journal.capacity_events import CapacityJudged
from ..journal.derived_events import (
    ExpectationChecked,
    HostJudged,
    VariantCompared,
    VariantExplained,
    VariantObserved,
    VerdictReached,
)
from ..journal.event import Event
from ..journal.window_events import VariantServed
from ..spec.plan import Plan, Variant, columns
from . import capacity, crossover, decide, doubts, figures, per_host, scaling, sentences, serving
from .contest import Contest
from .decide import Finding
from .expect import check
from .explain import explained
from .outlook import outlook
from .per_host import HostVerdict
from .stats import STATS_VERSION, Estimate, fields, quartiles

Outcome = Literal["decided", "undecided", "expectation_broken", "workload_failed", "interrupted"]


def derive(plan: Plan, contests: Sequence[Contest]) -> list[Event]:
    """Return every derived event: per point its comparisons and its verdict, then crossovers and expectations."""
    derived: list[Event] = []
    for contest in contests:
        if contest.is_skipped:
            continue
        variants = contest.variants.values()
        comparisons = [compared(contest, variant) for variant in variants]
        explanations = [event for variant in variants if (event := explained(contest, variant))]
        services = [found for variant in variants if (found := serving.served(contest, variant))]
        derived += [*comparisons, *services, *explanations, *scaling.fitted(contest)]
        derived += [event for variant in variants for event in observed(contest, variant)]
        derived += reached(contest, comparisons, explanations, services)
    derived += crossover.events(plan, contests)
    derived += capacity.events(plan, contests)
    by_point = {contest.point.id: contest for contest in contests}
    derived += [check(claim, by_point[claim.point.id]) for claim in plan.claims]
    return derived


def compared(contest: Contest, variant: Variant) -> VariantCompared:
    """Return the figures of a variant, and its speedup over the blocks that the baseline ran too."""
    label, baseline = variant.label, contest.plan.baseline.label
    ratio = None
    if label not in contest.excluded and baseline not in contest.excluded and label != baseline:
        ratio = contest.compare(label, baseline, contest.look_level)
    mine = [block for block in contest.counting if label in block.walls]
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
        repeats_loop=contest.repeated_loops.get(label),
    )


def observed(contest: Contest, variant: Variant) -> list[VariantObserved]:
    """Return the observations of a variant, one event for each key that `observe` returned."""
    return [
        VariantObserved(**columns(contest.point, variant), stats_version=STATS_VERSION, **asdict(found))
        for found in figures.observed(contest, variant.label)
    ]


def reached(
    contest: Contest,
    comparisons: Sequence[VariantCompared],
    explanations: Sequence[VariantExplained],
    services: Sequence[VariantServed] = (),
) -> list[VerdictReached | HostJudged]:
    """Return the verdict on a point by its last deciding look, and that of each host where there are several.

    The interval of `ratio` is the one that decides: simultaneous, at the level divided among all rivals. The sentence
    of a win shows the narrower pairwise one, as `variant.compared` does.
    """
    finding = decide.finding(contest)
    doubted = doubts.of_ratio(contest, finding)
    slope = doubted.load_slope
    on_hosts = per_host.judged(contest, finding.best, finding.rival)
    expected = outlook(contest, finding)
    disagreeing = per_host.disagreement(contest, on_hosts)
    grounds = doubts.Grounds(contest, finding, doubted, comparisons, explanations, disagreeing, services)
    reached = VerdictReached(
        **columns(contest.point),
        stats_version=STATS_VERSION,
        verdict=finding.verdict,
        winners=finding.winners,
        recommended=expected.choice if expected else decide.recommended(contest, finding),
        runner_up=finding.rival,
        **fields("ratio", finding.gap),
        blocks=len(contest.counting),
        more_blocks=expected.blocks if expected else None,
        more_s=round(expected.seconds, 1) if expected and expected.seconds is not None else None,
        autocorrelation=doubted.autocorrelation,
        load_signal=slope.signal if slope else None,
        **fields("load_slope", slope.slope if slope else None),
        at_this_load=doubted.at_this_load,
        warnings=doubts.warnings(grounds),
        hosts_disagree=disagreeing or None,
        gil_enabled_by=doubts.gil_enabled_by(contest) or None,
        workload_warnings=figures.warned(contest) or None,
        kept_by=contest.kept_by or None,
        copied=contest.copied or None,
        sentence=sentences.of_point(contest, finding, expected, at_this_load=doubted.at_this_load),
        why=[f"{event.variant}: {event.why}" for event in explanations if event.why],
    )
    return [reached, *(_on_host(contest, found, finding) for found in on_hosts)]


def outcome(derived: Sequence[Event], contests: Sequence[Contest]) -> tuple[Outcome, int]:
    """Return how a run ended and its exit status; a run without a finished block has measured nothing."""
    checked = [event.outcome for event in derived if isinstance(event, ExpectationChecked)]
    of_capacity = [event.verdict for event in derived if isinstance(event, CapacityJudged)]
    verdicts = of_capacity or [event.verdict for event in derived if isinstance(event, VerdictReached)]
    statuses = [errors.FAILED] * any(contest.failures.total() for contest in contests)
    statuses += [errors.UNDECIDED] * (not any(contest.blocks for contest in contests))
    statuses += [errors.BROKEN] * ("broken" in checked) + [errors.UNDECIDED] * ("undecided" in checked)
    words: dict[int, Outcome] = {errors.FAILED: "workload_failed", errors.BROKEN: "expectation_broken"}
    is_undecided = "undecided" in (*checked, *verdicts)
    status = errors.worst(statuses)
    return words.get(status, "undecided" if is_undecided else "decided"), status


def _on_host(contest: Contest, found: HostVerdict, finding: Finding) -> HostJudged:
    return HostJudged(
        **columns(contest.point),
        stats_version=STATS_VERSION,
        host=found.host,
        verdict=found.look.decision or "undecided",
        winners=list(found.winners),
        best=finding.best,
        runner_up=finding.rival,
        **fields("ratio", found.ratio),
        blocks=found.look.blocks,
        sentence=sentences.of_host(found, finding.best, finding.rival),
    )


def _rounded(value: float | None) -> int | None:
    return None if value is None else round(value)
