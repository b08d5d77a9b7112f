"""Instrumented trials that are made once more."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

import pytest

from orchestrator.engine import diagnostics
from orchestrator.engine.hosts import BlockTask
from orchestrator.spec.plan import Point, Variant
from orchestrator.supervisor.group import RunnerGroup
from tests.support.synthetic import account

TRIAL_NS = 10_000_000
COLUMNS = {"model": "threads", "workers": 2, "python": None}
THREADS = Variant("threads", "threads", COLUMNS, "threads", 2, None, {})


class Answers:
    """A group of one runner that answers in turn with accounts of batches that took so long, each after a second."""

    def __init__(self, walls_ns: Sequence[int]) -> None:
        self.left = list(walls_ns)
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s

    def ask(self, runner: str, request: Mapping[str, Any], timeout_s: float) -> dict[str, Any]:
        self.now_s += 1.0
        wall_ns = self.left.pop(0)
        return {"event": "accounted", "timeline": {}, **account(wall_ns=wall_ns, longest_call_ns=wall_ns)}


def measured(walls_ns: Sequence[int], left_s: float = 60.0) -> tuple[list[int], int]:
    """Return the batch times of the accounts of a block in ns, and how many answers are left."""
    runners = Answers(walls_ns)
    point = Point("p", "p", {"tasks": 4}, {"call": "a:b"}, 4)
    empty: frozenset[str] = frozenset()
    of_block: Any = (0, point, (THREADS,), "threads", 0, {}, 1, empty, empty, empty, (), False, 60.0, left_s)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(diagnostics, "time", runners)
        found = list(
            diagnostics.accounts(
                BlockTask(*of_block),
                cast(RunnerGroup, runners),
                rounds=1,
                repeats={"threads": 1},
                trials_ns={"threads": [TRIAL_NS // 2, TRIAL_NS, 3 * TRIAL_NS]},
                far_behind=(),
                notify=lambda text: None,
            )
        )
    return [event.fields()["wall_ns"] for event in found if event.event == "account.measured"], len(runners.left)


@pytest.mark.parametrize(("first", "second", "kept"), [(40, 11, 11), (40, 80, 40)], ids=["better", "worse"])
def test_a_disturbed_account_is_taken_again_and_the_shorter_batch_is_kept(first: int, second: int, kept: int) -> None:
    assert measured([first * 1_000_000, second * 1_000_000]) == ([kept * 1_000_000], 0)


def test_an_account_of_a_batch_like_the_others_is_taken_once() -> None:
    assert measured([14_000_000, 1]) == ([14_000_000], 1)


def test_a_disturbed_account_is_kept_where_no_time_is_left() -> None:
    assert measured([40_000_000, 1], left_s=1.2) == ([40_000_000], 1)
