"""How a variant scales with its workers: its curve, two fitted laws, and how many workers are enough. Pure.

Both laws describe N times the time with N workers: N t(N) = t(1) (1 + sigma (N - 1) + kappa N (N - 1)). Amdahl's
has kappa = 0, and sigma is the serial part; the Universal Scalability Law has both, and peaks at sqrt((1 - sigma) /
kappa) workers. Sources: Amdahl, AFIPS 1967; Gunther, "Guerrilla Capacity Planning", 2007, chapter 4. Intervals are
percentiles of fits to blocks drawn with replacement (Efron & Tibshirani 1993, chapter 13).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..journal.derived_events import ScalingFitted
from ..spec.plan import Variant, canonical, columns
from .contest import Contest
from .stats import STATS_VERSION, Estimate, fields, log_statistics

DRAWS = 1000
INTERVAL = (2.5, 97.5)
FEWEST_BLOCKS = 6  # with fewer blocks, an interval from draws is too narrow to show

Array = NDArray[np.float64]


def fitted(contest: Contest) -> list[ScalingFitted]:
    """Return one curve for all variants of an entry that differ in their number of workers only.

    Entries of one name share a curve where they differ in nothing else: not in their code, its environment or options.
    Latencies have none: below the rate that a variant can serve, more workers change little.
    """
    if contest.point.arrivals:
        return []
    groups: dict[str, list[Variant]] = {}
    for variant in contest.variants.values():
        if variant.workers is not None and variant.label not in contest.excluded:
            groups.setdefault(canonical([variant.model, contest.name_of(variant), _parts(variant)]), []).append(variant)
    found = [_fit(contest, group) for group in groups.values() if len(group) > 1]
    return [event for event in found if event is not None]


def _parts(variant: Variant) -> dict[str, Any]:
    """Return what a variant is, beside its name, its model and its number of workers."""
    beside = {"path": variant.path, "env": dict(variant.env)} if variant.path or variant.env else {}
    return {"python": variant.python, **variant.options, **variant.overrides, **beside}


def _label(contest: Contest, variant: Variant) -> str:
    """Return the name of a variant with those of its parts that differ between variants of that name."""
    name, parts = contest.name_of(variant), _parts(variant)
    group = [_parts(other) for other in contest.plan.variants if contest.name_of(other) == name]
    differing = [key for key in parts if len({canonical(other.get(key)) for other in group}) > 1]
    texts = {key: canonical(part) if isinstance(part, Mapping) else str(part) for key, part in parts.items()}
    shown = ", ".join(f"{key}={texts[key]}" for key in differing if parts[key] is not None)
    return f"{name}({shown})" if shown else name


def _fit(contest: Contest, group: Sequence[Variant]) -> ScalingFitted | None:
    group = sorted(group, key=lambda variant: variant.columns["workers"])
    first, workers = group[0], [variant.columns["workers"] for variant in group]
    blocks = [block.walls for block in contest.counting if all(v.label in block.walls for v in group)]
    if not blocks:
        return None
    counts = np.array(workers, np.float64)
    logs = np.array([log_statistics(blocks, variant.label, first.label) for variant in group])
    curves = [np.median(logs, axis=1)]  # of all blocks, then of each draw
    if len(blocks) >= FEWEST_BLOCKS:
        places = np.random.default_rng(0).integers(0, len(blocks), (DRAWS, len(blocks)))
        curves += list(np.median(logs[:, places], axis=2).T)
    speedups = [_figure_of(np.exp([curve[place] for curve in curves])) for place in range(len(group))]
    serial = _of_fits(counts, curves, has_kappa=False)[0]
    sigma = kappa = peak = None
    if len(group) > 2:
        sigma, kappa, peak = _of_fits(counts, curves, has_kappa=True)
    tie = np.log1p(contest.plan.experiment.measure.tie)
    # the fewest workers that are as fast as any other number, within the tie bounds
    enough = _figure_of([counts[np.argmax(curve >= curve.max() - tie)] for curve in curves])
    descriptive = any(each is None or each.low is None or each.low <= 0 for each in (sigma, kappa))
    return ScalingFitted(
        **columns(contest.point),
        stats_version=STATS_VERSION,
        of=_label(contest, first),
        model=first.model,
        blocks=len(blocks),
        workers=workers,
        speedups=[each.value for each in speedups],
        speedup_lows=[each.low for each in speedups],
        speedup_highs=[each.high for each in speedups],
        **_fields("amdahl_serial", serial),
        **_fields("usl_sigma", sigma),
        **_fields("usl_kappa", kappa),
        **_fields("peak_workers", None if descriptive else peak),
        **_fields("enough_workers", enough),
        descriptive=descriptive,
    )


def _of_fits(counts: Array, curves: Sequence[Array], *, has_kappa: bool) -> list[Estimate]:
    """Return sigma, kappa and the number of workers at the peak, each with its interval."""
    fits = [law(counts, np.exp(-curve), has_kappa=has_kappa) for curve in curves]
    peaks = [float(np.sqrt(max(0.0, 1 - fit[0]) / fit[1])) if fit[1] > 0 else np.inf for fit in fits]
    return [_figure_of(values) for values in (*zip(*fits, strict=True), peaks)]


def law(counts: Array, times: Array, *, has_kappa: bool) -> tuple[float, float]:
    """Return sigma and kappa, 0 or more each, for the times of a batch by number of workers, in any unit.

    Least squares of the relative errors of the times; kappa is 0 unless asked for.
    """
    terms = [np.ones_like(counts), counts - 1, counts * (counts - 1)][: 2 + has_kappa]
    rows = np.array(terms).T / (counts * times)[:, None]
    best = (0.0, 0.0)
    least = np.inf
    for kept in ((0, 1, 2), (0, 1), (0, 2), (0,)) if has_kappa else ((0, 1), (0,)):
        solution, *_ = np.linalg.lstsq(rows[:, kept], np.ones(len(counts)), rcond=None)
        error = float(np.sum((rows[:, kept] @ solution - 1) ** 2))
        if solution[0] > 0 and np.all(solution[1:] >= -1e-12) and error < least - 1e-15:
            parts = dict(zip(kept, np.maximum(solution, 0) / solution[0], strict=True))
            best, least = (float(parts.get(1, 0.0)), float(parts.get(2, 0.0))), error
    return best


def _figure_of(values: Sequence[float] | Array) -> Estimate:
    """Return the first value, with the interval of the others."""
    if len(values) == 1:
        return Estimate(float(values[0]), None, None)
    low, high = np.percentile(np.array(values[1:]), INTERVAL, method="nearest")
    return Estimate(float(values[0]), float(low), float(high))


def _fields(name: str, figure: Estimate | None) -> dict[str, Any]:
    # JSON has no infinity; a peak at infinity is no peak
    finite = ((key, value is not None and np.isfinite(value), value) for key, value in fields(name, figure).items())
    return {key: round(value, 6) if is_finite else None for key, is_finite, value in finite}
