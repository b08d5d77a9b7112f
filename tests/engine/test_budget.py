"""How long a run may take, and what it is refused for."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine.forecast import Forecast, budget_s, check_time
from orchestrator.errors import BadInput
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from orchestrator.spec.plan import Plan


def plan(**measure: Any) -> Plan:
    value = {"name": "x", "workload": {"call": "a:b"}, "models": ["sequential", "threads"], "measure": measure}
    return plan_experiment(Experiment.model_validate(value), cores=2)


@pytest.mark.parametrize(("block_s", "expected_s"), [(1.0, 60), (10.0, 90), (60.0, 300)])
def test_a_run_may_take_a_minute_or_two_looks_that_can_find_a_tie_up_to_five_minutes(
    block_s: float, expected_s: float
) -> None:
    assert budget_s(plan(), block_s) == expected_s


def test_a_time_that_is_given_is_the_budget() -> None:
    assert budget_s(plan(max_time="7s"), 100.0) == 7


def expected(least_s: float) -> Forecast:
    return Forecast(win_blocks=4, tie_blocks=8, points=1, block_s=10.0, is_recorded=True, least_s=least_s)


def test_a_time_without_room_for_one_block_is_refused_with_the_time_that_it_needs() -> None:
    with pytest.raises(BadInput, match=r"takes about 8\.3 s, and max_time is 5 s") as caught:
        check_time(plan(max_time="5s"), expected(8.27))
    assert caught.value.remedy == "give 40s to reach a first look"


def test_a_time_with_room_for_one_block_is_accepted() -> None:
    check_time(plan(max_time="9s"), expected(8.27))
