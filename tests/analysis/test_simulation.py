"""The rates of right and false verdicts, over contests replayed from recorded blocks: the same on every machine."""

from __future__ import annotations

from functools import cache

import pytest

from orchestrator.analysis.contest import Contest
from tests.verify import traces

RUNS = 200
LOADS = sorted(traces.read())


@cache
def replayed(load: str, effect: float) -> list[Contest]:
    trace, planned = traces.read()[load], traces.pair()
    return [traces.replay(planned, trace, seed, effect) for seed in range(RUNS)]


def decisions(load: str, effect: float) -> list[tuple[str | None, str | None]]:
    """Return the decision of each contest, and the winner of each win."""
    looks = [contest.looks[-1] for contest in replayed(load, effect)]
    return [(look.decision, look.best if look.decision == "win" else None) for look in looks]


@pytest.mark.parametrize("load", LOADS)
def test_the_same_code_is_called_different_in_at_most_5_percent(load: str) -> None:
    assert decisions(load, 1.0).count(("tie", None)) > 0
    false = sum(decision == "win" for decision, _ in decisions(load, 1.0))
    assert false / RUNS <= 0.05


@pytest.mark.slow
@pytest.mark.parametrize("load", LOADS)
def test_the_slower_one_never_wins(load: str) -> None:
    assert all(winner != "b" for effect in (1.05, 1.1) for _, winner in decisions(load, effect))


def test_a_difference_of_5_percent_is_found_in_at_least_95_percent_without_load() -> None:
    assert decisions("0", 1.05).count(("win", "a")) / RUNS >= 0.95


def test_the_same_code_is_a_tie_in_at_least_90_percent_without_load() -> None:
    assert decisions("0", 1.0).count(("tie", None)) / RUNS >= 0.9


@pytest.mark.parametrize("load", LOADS)
@pytest.mark.parametrize("effect", [1.0, 1.02, 1.05, 1.1])
def test_the_interval_at_the_end_holds_the_truth_in_at_least_95_percent(load: str, effect: float) -> None:
    """The swaps make the sides the same on average; what is left of a difference is that of the recorded blocks."""
    held = 0
    for contest in replayed(load, effect):
        (gap,) = contest.looks[-1].gaps.values()
        assert gap.low is not None and gap.high is not None
        held += gap.low <= (effect if contest.looks[-1].best == "a" else 1 / effect) <= gap.high
    assert held / RUNS >= 0.95
