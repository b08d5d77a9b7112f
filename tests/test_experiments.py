"""The shipped workloads and configs."""

from __future__ import annotations

from pathlib import Path

import anyio
import pytest

from experiments import cpu, io
from orchestrator.plan import plan
from orchestrator.spec import load

ROOT = Path(__file__).parents[1]
CONFIGS = sorted((ROOT / "configs").glob("*.yaml"))


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_shipped_config_can_be_planned_on_two_cores(config: Path) -> None:
    planned = plan(load(config)[0], cores=2)
    assert planned.claims


@pytest.mark.parametrize("config", CONFIGS, ids=lambda config: config.name)
def test_a_shipped_config_is_named_like_its_file_and_says_what_it_asks(config: Path) -> None:
    experiment, _ = load(config)
    assert experiment.name == config.stem
    assert "?" in experiment.description


def test_the_nested_loop_calls_its_functions_outer_times_inner_times() -> None:
    assert cpu.nested_loop(1, 4) == 1 + 3 + 5 + 7
    assert cpu.nested_loop(2, 4) == 2 * (1 + 3 + 5 + 7)


def test_the_squares_are_summed() -> None:
    assert cpu.sum_of_squares(4) == 0 + 1 + 4 + 9


def test_both_forms_of_waiting_return_the_time_asked_for() -> None:
    assert io.wait(0.0) == anyio.run(io.wait_async, 0.0) == 0.0
