"""Verdicts and expectations in a few words, for a cell of a table."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

from .. import units

_PLURALS = {"win": "wins", "tie": "ties", "undecided": "undecided"}


def verdicts(events: Sequence[Mapping[str, Any]]) -> str:
    """Return the verdicts of a run in a few words."""
    if len(events) == 1:
        return verdict(events[0])
    counts = Counter(event["verdict"] for event in events)
    found = [f"{counts[name]} {name if counts[name] == 1 else _PLURALS[name]}" for name in _PLURALS if counts[name]]
    return ", ".join(found) or "no verdict"


def verdict(event: Mapping[str, Any]) -> str:
    """Return the verdict on a point in a few words."""
    if event["verdict"] == "win":
        ratio = units.ratio(event["ratio"], event["ratio_low"], event["ratio_high"])
        return f"{' or '.join(event['winners'])} wins {ratio}"
    return f"tie of {units.listed(event['winners'])}" if event["verdict"] == "tie" else "undecided"


def expectations(counts: Mapping[str, int]) -> str:
    """Return how many expectations have each outcome, in a few words; `-` without any."""
    named = ((counts.get(outcome, 0), outcome) for outcome in ("held", "broken", "undecided"))
    return ", ".join(f"{count} {outcome}" for count, outcome in named if count) or "-"
