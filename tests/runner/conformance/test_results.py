"""The results of a batch are the same under every model."""

from __future__ import annotations

import binascii
import hashlib
import pickle
from pathlib import Path

import pytest

from orchestrator.runner.registry import NAMES
from orchestrator.supervisor.environment import RunnerEnvironment
from tests.support.conformance.runners import (
    fails,
    new_runner_group,
    opened,
    order,
    start,
    task,
)
from tests.support.conformance.ways import (
    each_model,
    every_form,
)


@every_form
def test_results_come_in_the_order_of_the_items(runner_env: RunnerEnvironment, model: str, twin: bool) -> None:
    asked = order(model, task("uneven", twin, item="i", observe="see"), workers=3, tasks=23)
    with opened(runner_env, asked) as runner:
        assert runner.results() == [i * i for i in range(23)]


@each_model
def test_without_an_item_every_call_is_the_same(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power", kwargs={"exponent": 3}, observe="see"), tasks=5)) as runner:
        assert runner.results() == [125] * 5


@each_model
def test_one_worker_and_one_call_are_enough(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power", observe="see"), workers=1, tasks=1)) as runner:
        runner.ask("warm")
        assert runner.results() == [25]


@pytest.mark.long
@pytest.mark.slow
def test_equal_results_have_equal_digests_under_every_model(runner_env: RunnerEnvironment) -> None:
    expected = hashlib.sha256(pickle.dumps([i * i for i in range(20)], protocol=4)).hexdigest()
    with new_runner_group(runner_env) as runner_group:
        for model in NAMES:
            runner = start(runner_group, model, order(model, task("uneven", item="i"), tasks=20))
            runner.trial()
            assert runner.ask("digest")["digest"] == expected


@pytest.mark.long
def test_equal_results_compare_equal_whatever_their_pickles(runner_env: RunnerEnvironment, cwd: Path) -> None:
    saved = str(cwd / "results")
    with new_runner_group(runner_env) as runner_group:
        for model in NAMES:
            runner = start(runner_group, model, order(model, task("equal_dict", item="i"), tasks=20))
            runner.trial()
            runner.ask("digest")
            if model == NAMES[0]:
                runner.ask("save", path=saved)
            else:
                assert runner.ask("compare", path=saved, other=NAMES[0]) == {"event": "compared"}


def test_results_that_differ_are_refused(runner_env: RunnerEnvironment, cwd: Path) -> None:
    saved = str(cwd / "results")
    with new_runner_group(runner_env) as runner_group:
        for model in ("sequential", "processes"):
            runner = start(runner_group, model, order(model, task("process_id")))
            runner.trial()
            runner.ask("digest")
            if model == "sequential":
                runner.ask("save", path=saved)
        with fails("result", r"result 0 is \d+, but \d+ under sequential"):
            runner.ask("compare", path=saved, other="sequential")


@each_model
def test_a_check_of_ones_own_may_refuse_the_results(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("square", item="i"))) as runner:
        runner.trial()
        with fails("result", "workloads:later refused the results"):
            runner.ask("check", reference="workloads:later")


@each_model
def test_an_item_reaches_the_function_as_its_first_argument_unchanged(
    runner_env: RunnerEnvironment, model: str
) -> None:
    given = [(1, 2), {"a": 3}, "text", [4]]
    asked = order(model, task("identical", items="mine:items", observe="see"), tasks=len(given))
    asked["items"] = binascii.b2a_base64(pickle.dumps(given)).decode()
    with opened(runner_env, asked) as runner:
        assert runner.results() == [repr(item) for item in given]
