"""How further blocks run: the number of rounds, and which variants need no warm-up."""

from __future__ import annotations

from array import array
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis import pace
from orchestrator.analysis.contest import Block, Contest
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from orchestrator.spec.plan import first_rounds

MS = 1_000_000


def contest(
    *blocks: dict[str, list[float]], round_ms: float = 20.0, overhead_ms: float = 300.0, **spec: Any
) -> Contest:
    """Return a contest of a plain loop and threads with these times of trials in milliseconds, by block."""
    models = [{"model": "sequential"}, {"model": "threads", "workers": 2}]
    value = {"name": "x", "workload": {"call": "a:b"}, "models": models, "tasks": 4, **spec}
    plan = plan_experiment(Experiment.model_validate(value), cores=2)
    found = Contest(plan, plan.points[0])
    for number, times in enumerate(blocks):
        walls = {label: array("q", [round(each * MS) for each in own]) for label, own in times.items()}
        found.rounds = max(len(own) for own in walls.values())
        rounds_ns = round(round_ms * MS * found.rounds)
        found.blocks.append(Block(number, walls=walls, overhead_ns=round(overhead_ms * MS), rounds_ns=rounds_ns))
    return found


def block(*ratios: float) -> dict[str, list[float]]:
    """Return a block in which threads take so many times as long as the plain loop, by round."""
    return {"sequential": [10.0] * len(ratios), "threads": [10.0 * ratio for ratio in ratios]}


STEADY = block(*[1.5] * 20)
NOISY = block(*[1.2, 1.8] * 10)


def rounds(*blocks: dict[str, list[float]], **more: Any) -> int | None:
    found = pace.rounds(contest(*blocks, **more))
    return found.rounds if found else None


def test_trials_that_do_not_vary_need_one_round() -> None:
    assert rounds(STEADY, STEADY) == 1


def test_trials_that_vary_within_a_block_need_many_rounds() -> None:
    assert (rounds(NOISY, NOISY) or 0) > 20


def test_blocks_that_differ_need_fewer_rounds_than_blocks_that_are_alike() -> None:
    steps = block(*[1.45, 1.55] * 10), block(*[1.95, 2.05] * 10)
    alike = block(*[1.45, 1.55] * 10), block(*[1.45, 1.55] * 10)
    assert (rounds(*steps) or 0) < (rounds(*alike) or 0)


def test_the_rounds_of_a_block_take_a_second_at_most() -> None:
    assert rounds(NOISY, NOISY, round_ms=100.0) == 10


def test_the_rounds_of_a_block_take_at_most_as_long_as_its_start_where_that_takes_over_a_second() -> None:
    assert rounds(NOISY, NOISY, round_ms=100.0, overhead_ms=2000.0) == 20


@pytest.mark.parametrize(
    ("round_s", "before_s", "count"), [(0.02, 0.3, 25), (0.001, 0.3, 40), (0.5, 0.5, 1), (0.5, 2.5, 2), (6.0, 1.0, 1)]
)
def test_the_first_blocks_have_half_a_second_of_rounds_or_more_where_their_start_is_long(
    round_s: float, before_s: float, count: int
) -> None:
    assert first_rounds(round_s, before_s) == count


def test_rounds_are_chosen_after_two_blocks() -> None:
    assert rounds(NOISY) is None


@pytest.mark.parametrize("measure", [{"rounds": 20}, {"blocks": 8}])
def test_what_the_spec_fixes_is_not_chosen(measure: dict[str, int]) -> None:
    assert rounds(NOISY, NOISY, measure=measure) is None


def test_rounds_are_chosen_once() -> None:
    found = contest(NOISY, NOISY)
    found.has_frozen_rounds = True
    assert pace.rounds(found) is None


def test_one_round_shows_no_variance_so_nothing_is_chosen() -> None:
    assert rounds(block(1.5), block(1.5)) is None


def test_a_variant_far_behind_does_not_take_part_in_the_choice() -> None:
    behind = {**NOISY, "threads": [3000.0]}
    assert rounds(behind, behind) is None


ratios = st.lists(st.floats(0.5, 2.0), min_size=5, max_size=5)


@given(ratios, ratios)
def test_the_choice_does_not_depend_on_which_variant_is_ahead(first: list[float], second: list[float]) -> None:
    there = [block(*first), block(*second)]
    back = [{"sequential": each["threads"], "threads": each["sequential"]} for each in there]
    assert rounds(*there) == rounds(*back)


def warmed(calls_ms: float, batch_ms: float) -> frozenset[str]:
    found = contest({"sequential": [batch_ms], "threads": [batch_ms]})
    found.blocks[0].calls_ns = {"sequential": round(calls_ms * MS)}
    found.blocks[0].threads = {"sequential": 1}
    return pace.without_warmup(found)


def test_long_calls_that_are_not_slower_at_first_need_no_further_warm_up() -> None:
    assert warmed(calls_ms=500, batch_ms=2000) == {"sequential"}


def test_a_first_call_that_is_slower_is_made_in_every_block() -> None:
    assert warmed(calls_ms=600, batch_ms=2000) == frozenset()


def test_short_calls_are_warmed_up_in_every_block() -> None:
    assert warmed(calls_ms=100, batch_ms=400) == frozenset()
