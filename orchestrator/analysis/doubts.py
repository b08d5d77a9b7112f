"""What weakens a verdict: correlated blocks, load on the machine, and the warnings. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..journal.derived_events import VariantCompared, VariantExplained
from ..journal.window_events import VariantServed
from . import decide, figures, load, serving
from .contest import Contest
from .decide import Finding
from .looks import LOOKS, first_ranked
from .stats import is_correlated, lag1_autocorrelation, log_statistics

STEADY = 0.01  # a batch that takes this much more or less time in the later half of a block has no steady state


@dataclass(frozen=True)
class Doubts:
    """How reliable the ratio of a verdict is."""

    autocorrelation: float | None = None
    correlated: bool = False
    load_slope: load.LoadSlope | None = None
    at_this_load: bool = False


def of_ratio(contest: Contest, finding: Finding) -> Doubts:
    """Return the doubts about the ratio of a verdict; none where there is no ratio."""
    best, rival = finding.best, finding.rival
    if best is None or rival is None:
        return Doubts()
    logs = log_statistics([block.walls for block in contest.counting], best, rival)
    won_by = finding.gap if finding.verdict == "win" else None
    return Doubts(
        autocorrelation=lag1_autocorrelation(logs),
        correlated=is_correlated(logs),
        load_slope=load.load_slope(contest, best, rival),
        at_this_load=won_by is not None and load.is_at_this_load(contest, best, rival, won_by),
    )


@dataclass(frozen=True)
class Grounds:
    """Everything that a warning can depend on."""

    contest: Contest
    finding: Finding
    doubts: Doubts
    comparisons: Sequence[VariantCompared]
    explanations: Sequence[VariantExplained]
    hosts_disagree: Sequence[str]
    services: Sequence[VariantServed] = ()


def warnings(grounds: Grounds) -> list[str]:
    """Return the names of the warnings about a verdict, in the order of `WARNINGS`."""
    return [name for name, applies in WARNINGS.items() if applies(grounds)]


def gil_enabled_by(contest: Contest) -> dict[str, str]:
    """Return by variant the module that enabled the GIL in a block that counts."""
    found = {label: module for block in contest.counting for label, module in block.gil_enabled_by.items()}
    return {label: found[label] for label in contest.variants if label in found}


def _has_too_few_blocks(grounds: Grounds) -> bool:
    """Return whether a verdict is undecided after fewer blocks than a tie needs; one variant alone ties with none."""
    contest, look = grounds.contest, grounds.finding.look
    if grounds.finding.verdict != "undecided" or not contest.blocks:
        return False
    if contest.plan.experiment.objective:  # a point is measured until it is known which variants hold the objective
        return False
    needed = LOOKS[0] if contest.is_alone else first_ranked(contest.tie_level)
    return look is None or look.blocks < needed


def _misses_precision(grounds: Grounds) -> bool:
    look = grounds.finding.look
    return grounds.finding.verdict == "win" and look is not None and not decide.is_precise(grounds.contest, look)


def _drifts(grounds: Grounds) -> bool:
    """Return whether a variant becomes significantly slower or faster within a block, by more than `STEADY`."""
    return any(
        (event.drift_low or 0) > 1 + STEADY or (event.drift_high or 1) < 1 / (1 + STEADY)
        for event in grounds.comparisons
    )


WARNINGS: Mapping[str, Callable[[Grounds], bool]] = {
    "too_few_blocks": _has_too_few_blocks,
    "precision_missed": _misses_precision,
    "blocks_correlated": lambda grounds: grounds.doubts.correlated,
    "load_dependent": lambda grounds: grounds.doubts.load_slope is not None,
    "cores_decide": lambda grounds: grounds.doubts.at_this_load and grounds.doubts.load_slope is None,
    "crowded": lambda grounds: load.is_crowded(grounds.contest),
    "no_steady_state": _drifts,
    "variants_excluded": lambda grounds: bool(grounds.contest.excluded),
    "blocks_discarded": lambda grounds: grounds.contest.discarded > 0,
    "results_unchecked": lambda grounds: any(block.unchecked for block in grounds.contest.counting),
    "check_failed": lambda grounds: any(block.check_failed for block in grounds.contest.counting),
    "gil_enabled": lambda grounds: bool(gil_enabled_by(grounds.contest)),
    "workload_warned": lambda grounds: bool(figures.warned(grounds.contest)),
    "recomputed_differs": lambda grounds: bool(grounds.contest.differences),
    "answers_kept": lambda grounds: bool(grounds.contest.kept_by),
    "parallel_by_itself": lambda grounds: grounds.contest.is_parallel,
    "arguments_copied": lambda grounds: bool(grounds.contest.copied),
    "generator_late": lambda grounds: serving.is_generator_late(grounds.services),
    "calls_failed": lambda grounds: serving.has_failed_calls(grounds.services),
    "contaminated": lambda grounds: any(event.contaminated for event in grounds.explanations),
    "hosts_disagree": lambda grounds: bool(grounds.hosts_disagree),
}
"""When each warning applies, by its name."""
