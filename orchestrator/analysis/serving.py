"""How each variant served calls that arrived at a rate: latencies, saturation, and what weakens them. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from statistics import median, median_low
from typing import Any

from ..journal.window_events import LATENCY_FIELDS, VariantServed
from ..runner.account.figures import CALL_PARTS
from ..spec.plan import Variant, columns
from ..spec.values import LATENCIES
from .contest import Contest
from .stats import STATS_VERSION
from .windows import KEPT_UP, Served

LATE_NS = 1_000_000
"""A generator whose calls are later than this in 1 % of the cases adds to the latencies that it measures."""


def of_blocks(contest: Contest, label: str) -> list[Served]:
    """Return how a variant served the calls of each block that counts."""
    return [block.served[label] for block in contest.counting if label in block.served]


def served(contest: Contest, variant: Variant) -> VariantServed | None:
    """Return the medians over the blocks of a variant; None where it has none, or where there are no arrivals."""
    blocks = of_blocks(contest, variant.label)
    if not blocks or contest.point.arrivals is None:
        return None
    share = median(block.achieved_share for block in blocks)
    latencies: dict[str, Any] = {
        metric: _median_or_none(block.shown_ns(metric) for block in blocks) for metric in LATENCIES
    }
    waits = [block.queue_share for block in blocks if block.queue_share is not None]
    late = [block.late_p99_ns for block in blocks if block.late_p99_ns is not None]
    counts = {name: sum(getattr(block, name) for block in blocks) for name in _COUNTS}
    return VariantServed(
        **columns(contest.point, variant),
        stats_version=STATS_VERSION,
        metric=contest.point.arrivals.metric,
        blocks=len(blocks),
        **counts,
        error=next((block.error for block in blocks if block.error), None),
        **{field: latencies[metric] for metric, field in LATENCY_FIELDS.items()},
        beyond_drain=[
            metric
            for metric in LATENCIES
            if latencies[metric] is None and 2 * sum(metric in block.beyond for block in blocks) >= len(blocks)
        ],
        achieved_rate=round(share * contest.point.arrivals.rate, 3),
        is_saturated=share < KEPT_UP,
        queue_share=round(median(waits), 4) if waits else None,
        late_p99_ns=round(median(late)) if late else None,
        **_call_shares(contest, variant.label),
    )


def _call_shares(contest: Contest, label: str) -> dict[str, Any]:
    """Return the share of each part of the time of calls, the medians over accounts; nothing without any."""
    found = [block.call_accounts[label] for block in contest.counting if label in block.call_accounts]
    shares: dict[str, float | None] = {}
    for name in CALL_PARTS:
        known = [ns / max(1, _total(parts)) for parts in found if (ns := parts[name]) is not None]
        shares[name] = median(known) if known else None
    total = sum(filter(None, shares.values()))
    if not total:
        return {}
    scaled = {name: None if share is None else round(share / total, 4) for name, share in shares.items()}
    return {"accounts": len(found), **{f"call_{name}_share": share for name, share in scaled.items()}}


def _total(parts: Mapping[str, int | None]) -> int:
    return sum(ns or 0 for ns in parts.values())


_COUNTS = ("calls", "ended", "failed", "cancelled", "running")


def _median_or_none(values: Iterable[float | None]) -> int | None:
    """Return the median of values that are longest where they are None; None where that is the median."""
    known = [float("inf") if value is None else value for value in values]
    middle = median(known) if float("inf") not in known else median_low(known)
    return None if middle == float("inf") else round(middle)


def saturated(contest: Contest, labels: Iterable[str]) -> dict[str, float]:
    """Return those of some variants that do not keep up with the arrivals, with the calls a second that they serve."""
    found = {}
    for label in labels:
        shares = [block.achieved_share for block in of_blocks(contest, label)]
        if contest.point.arrivals and shares and median(shares) < KEPT_UP:
            found[label] = median(shares) * contest.point.arrivals.rate
    return found


def is_generator_late(events: Sequence[VariantServed]) -> bool:
    """Return whether the arrivals came later than intended for want of a core, not because workers were busy."""
    return any((event.late_p99_ns or 0) > LATE_NS for event in events)


def has_failed_calls(events: Sequence[VariantServed]) -> bool:
    """Return whether some calls raised exceptions; each counts as one that did not end."""
    return any(event.failed for event in events)
