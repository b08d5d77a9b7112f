"""Specs in which calls arrive at a rate: their points and windows, and what is refused."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import errors
from orchestrator.runner.arrival_times import offsets_ns
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from orchestrator.spec.open_loop import MOST_WINDOWS, calls_needed
from orchestrator.spec.plan import Plan, arrivals_request, columns, label_along
from orchestrator.spec.problem import SpecProblem
from orchestrator.spec.values import LATENCIES
from tests.support.command import in_process

SPEC = "workload: {call: 'mine:double', kwargs: {n: 21}}\nmodels: [sequential, threads]\n"
AT_200 = "arrivals: {rate: 200}\n"


def planned(arrivals: dict[str, Any], **others: Any) -> Plan:
    spec = {"name": "a", "workload": {"call": "m:f"}, "models": ["threads", "mpire"], "arrivals": arrivals, **others}
    return plan_experiment(Experiment.model_validate(spec), 2)


def refused(tmp_path: Path, spec: str, *overrides: str) -> str:
    (tmp_path / "my.yaml").write_text(SPEC + spec)
    done = in_process("plan", "my.yaml", *overrides, cwd=tmp_path)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    return done.stderr.removeprefix("orchestrator: ").strip()


# points


def test_a_point_has_rate_process_and_window_as_columns_and_the_rate_in_its_label() -> None:
    (point,) = planned({"rate": 200}).points
    assert point.label == "f() at 200/s"
    assert {key: point.columns[key] for key in ("arrivals_rate", "arrivals_process", "arrivals_window")} == {
        "arrivals_rate": 200,
        "arrivals_process": "poisson",
        "arrivals_window": "2s",
    }


def test_every_rate_of_the_matrix_is_a_point_and_they_are_a_line() -> None:
    made = planned({}, matrix={"arrivals.rate": [100, 200, 400]})
    assert [point.label for point in made.points] == ["f() at 100/s", "f() at 200/s", "f() at 400/s"]
    assert {label_along(point, "arrivals.rate") for point in made.points} == {"f() at a rate"}
    assert made.level_split == 3


def test_process_and_window_are_axes_too() -> None:
    axes = {"arrivals.process": ["poisson", "constant"], "arrivals.window": ["5s", "10s"]}
    made = planned({"rate": 200}, matrix=axes)
    assert [point.label for point in made.points] == [
        "f() at 200/s, window=5s",
        "f() at 200/s, window=10s",
        "f() at 200/s, constant, window=5s",
        "f() at 200/s, constant, window=10s",
    ]
    assert len({point.id for point in made.points}) == 4


def test_a_block_has_as_many_windows_as_the_percentile_needs_calls() -> None:
    found = [planned({"rate": 200}, measure={"metric": metric}).points[0].arrivals for metric in ("p50", "p90", "p99")]
    assert [each and each.windows for each in found] == [1, 1, 3]


def test_rounds_fix_the_windows_of_a_block() -> None:
    (point,) = planned({"rate": 200}, measure={"rounds": 7}).points
    assert point.arrivals and point.arrivals.windows == 7


def test_a_percentile_of_an_expectation_needs_its_calls_too() -> None:
    expect = [{"of": "threads", "metric": "p99", "max": "50ms"}]
    (point,) = planned({"rate": 200}, measure={"metric": "p50"}, expect=expect).points
    assert point.arrivals and (point.arrivals.metric, point.arrivals.windows) == ("p50", 3)


def test_the_baseline_is_a_model_that_takes_calls_one_at_a_time() -> None:
    assert planned({"rate": 200}, models=["mpire", "threads"]).baseline.label == "threads"


def test_the_arrivals_of_a_block_depend_on_seed_point_and_block_and_not_on_the_variant() -> None:
    (point,) = planned({"rate": 200}).points
    seeds = [arrivals_request(point, *key)["arrivals"]["seed"] for key in ((1, 0), (1, 1), (2, 0), (1, 0))]
    assert len(set(seeds)) == 3 and seeds[0] == seeds[3]


def test_a_spec_reads_back_with_its_arrivals() -> None:
    experiment = planned(
        {"rate": 200, "window": "5s"},
        measure={"metric": "p90"},
        expect=[
            {"of": "threads", "metric": "p90", "max": "50ms"},
            {"of": "threads", "metric": "achieved_rate", "min": 1},
        ],
    ).experiment
    assert Experiment.model_validate(experiment.resolved()) == experiment
    assert experiment.expect[0].max == 50e6


@settings(max_examples=200)
@given(
    rate=st.floats(0.01, 100_000),
    window=st.integers(1, 3_600_000),
    metric=st.sampled_from(LATENCIES),
    rounds=st.none() | st.integers(1, 50),
)
def test_a_plan_has_enough_calls_for_its_percentile_or_says_how_long_the_window_must_be(
    rate: float, window: int, metric: str, rounds: int | None
) -> None:
    measure = {"metric": metric} | ({} if rounds is None else {"rounds": rounds})
    arrivals = {"rate": rate, "window": f"{window}ms"}
    try:
        (point,) = planned(arrivals, measure=measure).points
    except SpecProblem as found:
        assert found.path == ("arrivals", "window")
        arrivals["window"] = (
            found.problem.remedy.partition("window of ")[2].partition(" ")[0] or (found.problem.remedy.split()[1])
        )
        (point,) = planned(arrivals, measure=measure).points
    assert point.arrivals
    windows = point.arrivals.windows
    assert windows * point.arrivals.rate * point.arrivals.window_s >= calls_needed(metric) * (1 - 1e-6)
    assert windows == rounds if rounds else windows <= MOST_WINDOWS
    assert columns(point)["tasks"] == max(1, round(point.arrivals.rate * point.arrivals.window_s))


@settings(max_examples=50)
@given(seed=st.integers(0, 2**62), rate=st.floats(1, 10_000), process=st.sampled_from(["poisson", "constant"]))
def test_arrivals_are_in_order_and_inside_of_their_window(seed: int, rate: float, process: str) -> None:
    found = offsets_ns(process, rate, 100_000_000, seed)
    assert found == sorted(found)
    assert all(0 <= at < 100_000_000 for at in found)
    if process == "constant":
        assert abs(len(found) - rate / 10) <= 1 or math.isclose(len(found), rate / 10, rel_tol=0.01)


# what is refused


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "arrivals: {rate: 0}\n",
            "my.yaml:3:18: arrivals.rate: no calls arrive at 0 a second; write a rate above 0, such as 200",
        ),
        (
            "arrivals: {rate: 1000000000}\n",
            "my.yaml:3:18: arrivals.rate: 1e+09 calls a second are more than one process can start; write "
            "100_000 or less",
        ),
        ("arrivals: {rate: many}\n", 'my.yaml:3:18: arrivals.rate: expected a number; got "many"'),
        ("arrivals: {rat: 3}\n", 'my.yaml:3:12: arrivals.rat: unknown key "rat"; did you mean "rate"?'),
        (
            "arrivals: {window: 2s}\n",
            "my.yaml:3:11: arrivals: has no rate; add `rate:`, or matrix.arrivals.rate with a list",
        ),
        (
            "matrix: {arrivals.rate: [0, 1]}\n" + "arrivals: {}\n",
            "my.yaml:3:26: matrix.arrivals.rate[0]: no calls arrive at 0 a second; write a rate above 0, such as 200",
        ),
        (
            AT_200 + "tasks: 4\n",
            "my.yaml:4:1: tasks: calls that arrive at a rate are no batch; delete it, or delete `arrivals` to "
            "measure batches",
        ),
        (
            AT_200 + "matrix: {tasks: [1, 2]}\n",
            "my.yaml:4:10: matrix.tasks: calls that arrive at a rate are no batch; delete it, or delete `arrivals` to "
            "measure batches",
        ),
        (
            "measure: {metric: p99}\n",
            "my.yaml:3:11: measure.metric: a latency is measured only where calls arrive at a rate; add "
            "`arrivals: {rate: 200}` with the calls a second, or delete it",
        ),
        (
            "measure: {metric: cpu}\n",
            'my.yaml:3:19: measure.metric: expected one of p50, p90, p99, p99.9, mean; got "cpu"',
        ),
        (
            "matrix: {arrivals.rate: [1, 2]}\n",
            "my.yaml:3:10: matrix.arrivals.rate: the spec has no `arrivals`; add `arrivals: {rate: 200}` with "
            "the calls a "
            "second, or delete it",
        ),
        (
            "expect: [{of: threads, metric: p99, max: 50ms}]\n",
            "my.yaml:3:24: expect[0].metric: p99 is measured only where calls arrive at a rate; "
            "add `arrivals: {rate: 200}` with the calls a second, or delete it",
        ),
        (
            AT_200 + "expect: [{of: threads, metric: wall_ns, max: 5}]\n",
            "my.yaml:4:24: expect[0].metric: wall_ns is of batches; delete it, or delete `arrivals` to measure batches",
        ),
        (
            AT_200 + "expect: [{of: threads, metric: p99, max: soon}]\n",
            'my.yaml:4:10: expect[0]: "soon" is not a time; write a number with us, ms or s, as 50ms',
        ),
        (
            "arrivals: {rate: 5}\n",
            "my.yaml:3:11: arrivals.window: 10 windows of 2 s at 5/s have 100 calls, and p99 needs 1,000; give "
            "a window of "
            "20s or longer, or choose a lower percentile",
        ),
        (
            AT_200 + "measure: {rounds: 1, metric: p99.9}\n",
            "my.yaml:3:11: arrivals.window: a window of 2 s at 200/s has 400 calls, and p99.9 needs 10,000; "
            "give a window "
            "of 50s or longer, or choose a lower percentile",
        ),
        (
            "arrivals: {rate: 100000, window: 1h}\n",
            "my.yaml:3:34: arrivals.window: 360,000,000 calls in one window are more than 10,000,000; give 100s "
            "or less",
        ),
    ],
)
def test_what_arrivals_can_not_be_is_refused_with_place_and_remedy(tmp_path: Path, spec: str, message: str) -> None:
    assert refused(tmp_path, spec) == message


def test_a_rate_can_be_overridden(tmp_path: Path) -> None:
    assert "have 20 calls" in refused(tmp_path, AT_200, "arrivals.rate=1")


# an objective


def test_an_objective_is_what_the_verdict_is_about_and_its_rates_lie_around_the_given_one() -> None:
    made = planned({"rate": 200}, objective={"p90": "50ms"})
    rates = [point.columns["arrivals_rate"] for point in made.points]
    assert (rates[0], rates[-1], len(rates)) == (25, 1600, 25)
    assert 200 in rates
    assert {point.arrivals.metric for point in made.points if point.arrivals} == {"p90"}
    assert made.level_split == 5


def test_rates_that_have_too_few_calls_for_the_objective_are_left_out() -> None:
    made = planned({"rate": 200}, objective={"p99": "50ms"})
    assert made.points[0].columns["arrivals_rate"] == 50


def test_an_objective_reads_back() -> None:
    experiment = planned({"rate": 200}, objective={"p99": "50ms"}).experiment
    assert Experiment.model_validate(experiment.resolved()) == experiment


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "objective: {p99: 50ms}\n",
            "my.yaml:3:1: objective: an objective is about calls that arrive at a rate; add `arrivals: {rate: 200}` "
            "with the calls a second, or delete it",
        ),
        (
            AT_200 + "objective: {p98: 50ms}\n",
            'my.yaml:4:13: objective.p98: expected one of p50, p90, p99, p99.9, mean; got "p98"',
        ),
        (
            AT_200 + "objective: {p99: soon}\n",
            'my.yaml:4:18: objective.p99: "soon" is not a time; write a number with us, ms or s, as 50ms',
        ),
        (AT_200 + "objective: {}\n", "my.yaml:4:12: objective: must not be empty; fill it in"),
        (
            AT_200 + "objective: {p99: 50ms}\nmeasure: {metric: p50}\n",
            "my.yaml:5:11: measure.metric: the objective is about p99, not p50; delete it",
        ),
        (
            AT_200 + "objective: {p99: 50ms}\nmeasure: {refine: arrivals.rate}\n",
            "my.yaml:5:11: measure.refine: an objective searches along arrivals.rate by itself; delete it",
        ),
        (
            AT_200 + "objective: {p99: 50ms}\nmatrix: {arrivals.rate: [100, 200]}\n",
            "my.yaml:5:25: matrix.arrivals.rate: an objective is searched for among 3 rates or more; name more rates, "
            "or write arrivals.rate: those around it are searched then",
        ),
    ],
)
def test_what_an_objective_can_not_be_is_refused_with_place_and_remedy(tmp_path: Path, spec: str, message: str) -> None:
    assert refused(tmp_path, spec) == message
