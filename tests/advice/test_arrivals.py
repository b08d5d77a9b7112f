"""`advise` for calls that arrive at a rate: the design, what is refused, and real runs."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.advice.arrivals import design_arrivals
from orchestrator.advice.commands import command
from orchestrator.advice.design import Design, model_of
from orchestrator.advice.draft import spec
from orchestrator.advice.facts import Facts
from orchestrator.advice.question import Question
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.load import loads
from orchestrator.spec.plan import Plan
from tests.support.command import events, in_process, orchestrator

FACTS = Facts(
    is_async=False,
    refused={"interpreters": "Python 3.11 has no InterpreterPoolExecutor"},
    first_ns=10_000_000,
    wall_ns=10_000_000,
    cpu_share=0.2,
    process_ns=None,
    unpicklable=None,
    incomparable=None,
    ready_ns=100_000_000,
)
AT_200 = Question("mine:work", {}, rate=200)
HOLDING = Question("mine:work", {}, objective=("p99", 50e6))


def planned(asked: Question, facts: Facts = FACTS) -> Plan:
    text = spec(asked, facts, design_arrivals(asked, facts, 2), "again")
    return plan_experiment(loads(text, "it")[0], 2)


def workers(designed: Design) -> dict[str, int]:
    return {model_of(entry): entry["workers"] for entry in designed.entries if isinstance(entry, dict)}


def test_models_that_take_calls_one_at_a_time_are_compared_with_a_single_worker() -> None:
    plan = planned(AT_200)
    assert [variant.model for variant in plan.variants] == ["sequential", "threads", "processes"]
    assert plan.baseline.label == "sequential"
    assert plan.points[0].label == "work() at 200/s"


def test_calls_that_wait_have_so_many_workers_that_hardly_any_has_to_wait() -> None:
    # two run on average
    assert workers(design_arrivals(AT_200, FACTS, 2)) == {"threads": 7, "processes": 7}


def test_calls_that_compute_have_a_worker_for_each_core() -> None:
    assert workers(design_arrivals(AT_200, replace(FACTS, cpu_share=1.0), 4)) == {"threads": 4, "processes": 4}


def test_coroutines_are_compared_in_one_loop_and_in_several() -> None:
    plan = planned(AT_200, replace(FACTS, is_async=True))
    assert [variant.model for variant in plan.variants] == ["event_loop", "threads_of_loops"]


def test_the_models_and_workers_that_are_asked_for_are_compared() -> None:
    some = planned(replace(AT_200, models=["threads", {"model": "processes", "workers": 3}]))
    assert [(each.model, each.workers) for each in some.variants] == [("threads", 7), ("processes", 3)]
    sized = planned(replace(AT_200, models=["threads"], workers=[2, 8]))
    assert [each.workers for each in sized.variants] == [2, 8]


@pytest.mark.parametrize(("rate", "metric"), [(50, "p90"), (200, "p90"), (500, "p99"), (2000, "p99")])
def test_the_percentile_is_one_that_a_block_of_two_seconds_has_enough_calls_for(rate: float, metric: str) -> None:
    (point,) = planned(replace(AT_200, rate=rate)).points
    assert point.arrivals and point.arrivals.metric == metric
    assert point.arrivals.windows * point.arrivals.window_s <= 4


def test_rates_for_an_objective_lie_around_that_at_which_all_cores_are_busy() -> None:
    plan = planned(HOLDING)
    assert plan.experiment.arrivals and plan.experiment.arrivals.rate == 1000
    assert plan.experiment.objective == {"p99": 50e6}
    assert len(plan.points) > 10


def test_the_command_of_a_spec_names_rate_and_objective() -> None:
    assert command(AT_200) == "orchestrator advise mine:work --rate 200"
    assert command(HOLDING) == "orchestrator advise mine:work --objective p99=50ms"


def test_the_command_of_a_spec_names_calls_and_time() -> None:
    asked = replace(AT_200, rate=None, tasks=8, max_time_s=20.0)
    assert command(asked) == "orchestrator advise mine:work --tasks 8 --max-time 20s"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--rate", "0"], "--rate: no calls arrive at 0 a second; write a rate above 0, such as 200"),
        (
            ["--rate", "1e9"],
            "--rate: 1e+09 calls a second are more than one process can start; write 100_000 or less",
        ),
        (
            ["--objective", "p98=50ms"],
            '--objective: "p98=50ms" names no latency to hold; write one of p50, p90, p99, p99.9, mean, '
            "such as p99=50ms",
        ),
        (
            ["--objective", "p99=soon"],
            '--objective: "soon" is not a time; write a number with us, ms or s, as 50ms',
        ),
        (["--rate", "5", "--tasks", "4"], "--rate: --tasks is about batches; keep one of --rate and --tasks"),
    ],
)
def test_what_can_not_be_asked_is_refused(tmp_path: Path, options: list[str], message: str) -> None:
    (tmp_path / "mine.py").write_text("def work(): pass\n")
    done = in_process("advise", "mine:work", *options, cwd=tmp_path)
    assert (done.returncode, done.stderr) == (errors.BAD_INPUT, f"orchestrator: {message}\n")


@pytest.mark.slow
@pytest.mark.parametrize("options", [["--rate", "200"], ["--objective", "p50=50ms"]])
def test_a_function_is_advised_for_calls_that_arrive(tmp_path: Path, options: list[str]) -> None:
    (tmp_path / "mine.py").write_text("import time\ndef work(): time.sleep(0.004)\n")
    done = orchestrator("advise", "mine:work", *options, "--max-time", "8s", "--wait", "5m", cwd=tmp_path)
    assert done.returncode == errors.OK, done.stderr
    found = events(done.stdout)
    if "--objective" in options:
        assert "capacity.judged" in {event["event"] for event in found}
    else:
        assert {event["arrivals_rate"] for event in found if event["event"] == "variant.compared"} == {200}
