"""From an experiment to its points, variants, claims and random orders."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.spec.expand import LARGEST, plan_experiment
from orchestrator.spec.model import Experiment
from orchestrator.spec.plan import Plan, columns, content_id, draw_rounds, draw_starts, runner_request
from orchestrator.spec.problem import SpecProblem
from tests.support.specs import DESIGN

quick = settings(max_examples=60)
CORES = 3


def planned(models: list[Any], cores: int = CORES, **others: Any) -> Plan:
    spec = {"name": "a", "workload": {"call": "m:f"}, "models": models, **others}
    return plan_experiment(Experiment.model_validate(spec), cores)


def refusal(models: list[Any], **others: Any) -> tuple[tuple[str | int, ...], str, str]:
    with pytest.raises(SpecProblem) as caught:
        planned(models, **others)
    return caught.value.path, caught.value.problem.what, caught.value.problem.remedy


def labels(made: Plan) -> list[str]:
    return [variant.label for variant in made.variants]


def claims(made: Plan) -> list[tuple[str, str, str]]:
    return [(claim.point.label, claim.variant.label, claim.against.label) for claim in made.claims]


@pytest.fixture(scope="module")
def design() -> Plan:
    return plan_experiment(Experiment.model_validate(yaml.safe_load(DESIGN)), CORES)


# an experiment with all there is


def test_the_design_example_has_a_point_for_each_n(design: Plan) -> None:
    assert [point.label for point in design.points] == ["sum_of_squares(n=2000) x 4", "sum_of_squares(n=20000) x 4"]


def test_the_design_example_has_a_variant_for_each_worker_count_of_a_pool(design: Plan) -> None:
    assert labels(design) == [
        "sequential",
        "event_loop(workers=1)",
        "event_loop(workers=2)",
        "threads(workers=1)",
        "threads(workers=2)",
        "processes(workers=1)",
        "processes(workers=2)",
    ]


def test_the_design_example_holds_each_expectation_at_every_point_and_variant(design: Plan) -> None:
    number = design.experiment.expect.index
    found = [(number(claim.expectation), claim.variant.label, claim.against.label) for claim in design.claims]
    assert found == [
        *[(0, "threads(workers=1)", "sequential"), (0, "threads(workers=2)", "sequential")] * 2,
        *[(1, "processes(workers=2)", "sequential")] * 2,
        *[(2, "processes(workers=2)", "threads(workers=2)")] * 2,
    ]


def test_a_plan_keeps_its_experiment_and_the_cores_that_it_was_made_for(design: Plan) -> None:
    assert (design.experiment.name, design.cores) == ("cpu", CORES)


# points


def test_without_a_matrix_there_is_one_point() -> None:
    (point,) = planned(["threads"], tasks=4).points
    assert (point.label, point.tasks, point.columns) == ("f() x 4", 4, {"tasks": 4})


@pytest.mark.parametrize(
    ("axis", "values", "labelled"),
    [
        ("tasks", [1, 2], ["f() x 1", "f() x 2"]),
        ("kwargs.n", [1, 2], ["f(n=1) x 1", "f(n=2) x 1"]),
        ("kwargs.s", ["a", None], ['f(s="a") x 1', "f(s=null) x 1"]),
        ("workload.call", ["m:f", "n:f"], ["f() x 1, call=m:f", "f() x 1, call=n:f"]),
        ("workload.kwargs", [{"n": 1}, {"m": 2}], ["f(n=1) x 1", "f(m=2) x 1"]),
        ("workload.check", ["same", "none"], ["f() x 1, check=same", "f() x 1, check=none"]),
    ],
)
def test_an_axis_of_the_workload_makes_points_and_no_variants(
    axis: str, values: list[Any], labelled: list[str]
) -> None:
    made = planned(["sequential", "threads"], matrix={axis: values})
    assert [point.label for point in made.points] == labelled
    assert labels(made) == ["sequential", "threads"]


@pytest.mark.parametrize(
    ("axis", "values"), [("workers", [1, 2]), ("python", ["3.11", "3.12"]), ("start_method", ["fork", "spawn"])]
)
def test_an_axis_of_the_models_makes_variants_and_no_points(axis: str, values: list[Any]) -> None:
    made = planned(["processes"], matrix={axis: values})
    assert len(made.points) == 1
    assert labels(made) == [f"processes({axis}={value})" for value in values]


def test_every_combination_of_the_axes_is_planned() -> None:
    made = planned(["threads"], matrix={"kwargs.n": [1, 2], "workers": [1, 2, 3], "tasks": [1, 2], "python": ["3.11"]})
    assert (len(made.points), len(made.variants)) == (4, 3)


def test_the_matrix_replaces_what_the_workload_says() -> None:
    made = planned(["threads"], workload={"call": "m:f", "kwargs": {"n": 1, "m": 0}}, matrix={"kwargs.n": [5]})
    assert made.points[0].workload["kwargs"] == {"n": 5, "m": 0}


def test_the_columns_of_a_point_have_no_dots() -> None:
    made = planned(["threads"], matrix={"kwargs.n": [1], "workload.item": ["i"]})
    assert made.points[0].columns == {"tasks": 1, "kwargs_n": 1, "workload_item": "i"}


def test_a_long_argument_is_cut_in_the_label_and_distinguished_by_its_hash() -> None:
    first, second = planned(["threads"], matrix={"kwargs.s": ["a" * 99 + "b", "a" * 99 + "c"]}).points
    assert first.label != second.label
    assert max(len(first.label), len(second.label)) < 40


def test_one_and_true_and_one_point_zero_are_different_points() -> None:
    made = planned(["threads"], matrix={"kwargs.n": [1, True, 1.0, "1"]})
    assert len({point.id for point in made.points}) == len({point.label for point in made.points}) == 4


def test_a_coroutine_alone_gives_the_point_its_name() -> None:
    assert planned(["event_loop"], workload={"async_call": "m:g"}).points[0].label == "g() x 1"


# variants


def test_a_model_without_workers_runs_once_whatever_the_matrix_says() -> None:
    assert labels(planned(["sequential", "threads"], matrix={"workers": [1, 2]})) == [
        "sequential",
        "threads(workers=1)",
        "threads(workers=2)",
    ]


def test_an_option_makes_variants_only_of_the_models_that_know_it() -> None:
    made = planned(["threads", "processes"], matrix={"start_method": ["fork", "spawn"]})
    assert labels(made) == ["threads", "processes(start_method=fork)", "processes(start_method=spawn)"]


def test_an_axis_does_not_touch_the_entry_that_sets_the_same_itself() -> None:
    made = planned(["threads", {"model": "threads", "workers": 9, "label": "many"}], matrix={"workers": [1, 2]})
    assert labels(made) == ["threads(workers=1)", "threads(workers=2)", "many"]


def test_workers_are_the_cores_unless_the_spec_says_otherwise() -> None:
    made = planned(["sequential", "threads", {"model": "threads", "workers": 2}], cores=8)
    assert [(variant.label, variant.workers) for variant in made.variants] == [
        ("sequential", 1),
        ("threads(workers=8)", 8),
        ("threads(workers=2)", 2),
    ]


def test_a_model_with_a_worker_for_each_task_takes_their_number_from_the_point() -> None:
    made = planned(["thread_per_task"], matrix={"tasks": [4, 9], "workers": [1, 2]})
    (variant,) = made.variants
    assert (variant.workers, variant.columns["workers"]) == (None, None)
    assert [runner_request(point, variant)["workers"] for point in made.points] == [4, 9]


@pytest.mark.parametrize("model", ["sequential", "thread_per_task", "process_per_task"])
def test_a_number_of_workers_is_refused_where_it_means_nothing(model: str) -> None:
    path, what, remedy = refusal(["threads", {"model": model, "workers": 4}])
    assert (path, remedy) == (("models", 1, "workers"), "delete it")
    assert what.startswith(f"{model} has no number of workers: it is ")


def test_a_label_names_only_what_differs_within_the_model() -> None:
    made = planned(
        [{"model": "processes", "workers": 2}, {"model": "processes", "workers": 2, "chunksize": 5}, "threads"]
    )
    assert labels(made) == ["processes(chunksize=1)", "processes(chunksize=5)", "threads"]


def test_a_default_that_has_no_value_is_left_out_of_the_label() -> None:
    made = planned(["processes", {"model": "processes", "start_method": "spawn"}])
    assert labels(made) == ["processes", "processes(start_method=spawn)"]


def test_a_label_of_the_users_stands_for_the_model() -> None:
    made = planned([{"model": "threads", "label": "pool"}], matrix={"workers": [1, 2]})
    assert labels(made) == ["pool(workers=1)", "pool(workers=2)"]


def test_the_columns_of_a_variant_are_its_parts() -> None:
    made = planned([{"model": "processes", "python": "3.12", "start_method": "spawn"}])
    assert made.variants[0].columns == {
        "model": "processes",
        "workers": CORES,
        "python": "3.12",
        "start_method": "spawn",
        "chunksize": 1,
    }


def test_an_event_carries_labels_ids_and_parts_of_point_and_variant() -> None:
    made = planned(["threads"], matrix={"kwargs.n": [7]})
    point, one = made.points[0], made.variants[0]
    about_point = {"point": "f(n=7) x 1", "point_id": point.id, "tasks": 1, "kwargs_n": 7}
    about_variant = {"variant": "threads", "variant_id": one.id, "model": "threads", "workers": CORES, "python": None}
    assert columns(point) == about_point
    assert columns(point, one) == about_point | about_variant


# what is refused


def test_two_equal_entries_are_refused() -> None:
    path, what, remedy = refusal(["threads", "sequential", "threads"])
    assert (path, what) == (("models", 2), 'a second variant called "threads"')
    assert remedy == "give each a `label:` of its own"


def test_entries_that_differ_only_in_what_no_label_shows_are_refused() -> None:
    entry = {"model": "threads", "path": "old"}
    assert refusal(["threads", entry])[1] == 'a second variant called "threads"'


def test_entries_that_differ_in_a_lock_need_a_label() -> None:
    entry = {"model": "threads", "call": "m:locked"}
    assert refusal(["threads", entry])[0] == ("models", 1)
    assert labels(planned(["threads", {**entry, "label": "locked"}])) == ["threads", "locked"]


@pytest.mark.parametrize(
    "models",
    [
        [{"model": "threads", "label": "a"}, {"model": "processes", "label": "a"}],
        ["threads", {"model": "threads", "workers": 9, "label": "threads"}],
        ["threads", {"model": "processes", "label": "threads"}],
    ],
)
def test_the_same_label_twice_is_refused(models: list[Any]) -> None:
    path, _, remedy = refusal(models)
    assert (path, remedy) == (("models", 1, "label"), "give each a label of its own")


def test_a_label_that_another_variant_gets_by_itself_is_refused() -> None:
    models = [{"model": "sequential", "label": "threads(workers=2)"}, "threads"]
    assert refusal(models, matrix={"workers": [1, 2]})[:2] == (
        ("models", 1),
        'a second variant called "threads(workers=2)"',
    )


def test_the_largest_matrix_is_planned_and_one_more_is_refused() -> None:
    most = planned(["threads"], matrix={"kwargs.n": list(range(LARGEST))})
    assert len(most.points) == LARGEST
    path, what, _ = refusal(["threads"], matrix={"kwargs.n": list(range(LARGEST + 1))})
    assert (path, what) == (("matrix",), "makes 10001 points x 1 variants, more than 10000 combinations")


@pytest.mark.parametrize("axes", [[f"kwargs.n{i}" for i in range(12)], ["chunksize", "max_tasks_per_child", "workers"]])
def test_a_matrix_far_too_large_is_refused_before_it_is_made(axes: list[str]) -> None:
    # to make its 10^9 or more combinations would take longer than a test may
    assert refusal(["processes"], matrix={axis: list(range(1, 1001)) for axis in axes})[0] == ("matrix",)


# ids


def test_an_id_is_twelve_hexadecimal_digits_and_always_the_same() -> None:
    assert content_id({"b": [1, 2.5, None], "a": "é"}) == "d764fee2563d"  # sha256sum of {"a":"é","b":[1,2.5,null]}


def test_ids_do_not_depend_on_the_order_of_keys() -> None:
    one = planned(
        [{"model": "processes", "label": "p", "chunksize": 2, "env": {"A": "1", "B": "2"}}],
        workload={"call": "m:f", "kwargs": {"a": 1, "b": {"c": 1, "d": 2}}},
        matrix={"workers": [1, 2], "kwargs.x": [1], "kwargs.y": [2]},
    )
    other = planned(
        [{"env": {"B": "2", "A": "1"}, "chunksize": 2, "label": "p", "model": "processes"}],
        workload={"kwargs": {"b": {"d": 2, "c": 1}, "a": 1}, "call": "m:f"},
        matrix={"kwargs.y": [2], "kwargs.x": [1], "workers": [1, 2]},
    )
    assert [point.id for point in one.points] == [point.id for point in other.points]
    assert [variant.id for variant in one.variants] == [variant.id for variant in other.variants]


def test_the_id_of_a_point_depends_on_the_workload_and_the_tasks_alone() -> None:
    small = planned(["threads"], tasks=2).points[0]
    assert planned(["sequential", "processes"], tasks=2, description="x").points[0].id == small.id
    assert planned(["threads"], tasks=3).points[0].id != small.id
    assert planned(["threads"], tasks=2, workload={"call": "m:g"}).points[0].id != small.id


@pytest.mark.parametrize(
    "change",
    [{"workers": 2}, {"python": "3.12"}, {"call": "m:g"}, {"kwargs": {"n": 1}}, {"path": "x"}, {"env": {"A": "1"}}],
)
def test_the_id_of_a_variant_depends_on_all_that_makes_it(change: dict[str, Any]) -> None:
    entry = {"model": "threads", "label": "a"}
    assert planned([entry | change]).variants[0].id != planned([entry]).variants[0].id


# the baseline


@pytest.mark.parametrize(
    ("models", "others", "baseline"),
    [
        (["threads", "sequential"], {}, "sequential"),
        (["threads", "processes"], {}, "threads"),
        (["threads", "sequential"], {"baseline": "threads"}, "threads"),
        ([{"model": "threads", "label": "a"}, "sequential"], {"baseline": "a"}, "a"),
        (["threads"], {"matrix": {"workers": [1, 2]}, "baseline": "threads(workers=2)"}, "threads(workers=2)"),
        (["threads"], {"matrix": {"workers": [1, 2]}}, "threads(workers=1)"),
    ],
)
def test_the_baseline_is_the_one_named_or_sequential_or_the_first(
    models: list[Any], others: dict[str, Any], baseline: str
) -> None:
    assert planned(models, **others).baseline.label == baseline


def test_a_baseline_that_names_no_variant_is_refused() -> None:
    path, what, remedy = refusal(["threads"], baseline="thraeds")
    assert (path, what) == (("baseline",), 'no model or label "thraeds" in this experiment')
    assert remedy == 'did you mean "threads"?'


def test_a_baseline_that_several_are_is_refused_and_they_are_named() -> None:
    assert refusal(["threads"], matrix={"workers": [1, 2]}, baseline="threads") == (
        ("baseline",),
        '"threads" means 2 variants',
        "name one: threads(workers=1), threads(workers=2)",
    )


# expectations

POOLS = ["sequential", "threads", "processes"]
TWICE = {"workers": [1, 2]}


def expecting(expect: Mapping[str, Any], models: list[Any] | None = None, **others: Any) -> list[tuple[str, str, str]]:
    return claims(planned(models or POOLS, matrix=TWICE, expect=[{"min": 1, **expect}], **others))


def test_a_model_in_an_expectation_means_all_its_variants() -> None:
    assert expecting({"of": "threads"}) == [
        ("f() x 1", "threads(workers=1)", "sequential"),
        ("f() x 1", "threads(workers=2)", "sequential"),
    ]


def test_a_label_in_an_expectation_means_one_variant() -> None:
    assert expecting({"of": "threads(workers=2)"}) == [("f() x 1", "threads(workers=2)", "sequential")]


def test_the_label_of_an_entry_in_an_expectation_means_all_its_variants() -> None:
    found = expecting({"of": "pool"}, [*POOLS, {"model": "threads", "label": "pool"}])
    assert [held for _, held, _ in found] == ["pool(workers=1)", "pool(workers=2)"]


def test_where_picks_variants() -> None:
    assert expecting({"of": "threads", "where": {"workers": 2}}) == [("f() x 1", "threads(workers=2)", "sequential")]


@pytest.mark.parametrize("key", ["kwargs.n", "kwargs_n"])
def test_where_picks_points_by_the_key_of_the_spec_or_of_the_log(key: str) -> None:
    made = planned(POOLS, matrix={"kwargs.n": [1, 2]}, expect=[{"of": "threads", "where": {key: 2}, "min": 1}])
    assert claims(made) == [("f(n=2) x 1", "threads", "sequential")]


def test_where_is_meant_for_both_sides() -> None:
    found = expecting({"of": "processes", "where": {"workers": 2}, "against": "threads"})
    assert found == [("f() x 1", "processes(workers=2)", "threads(workers=2)")]


def test_where_is_meant_for_one_side_when_the_other_has_no_such_variant() -> None:
    models = ["sequential", "processes", {"model": "threads", "workers": 7}]
    found = expecting({"of": "processes", "where": {"workers": 2}, "against": "threads"}, models)
    assert found == [("f() x 1", "processes(workers=2)", "threads")]


def test_where_does_not_ask_the_other_side_for_columns_that_it_lacks() -> None:
    made = planned(
        POOLS, matrix={"chunksize": [1, 2]}, expect=[{"of": "processes", "where": {"chunksize": 2}, "min": 1}]
    )
    assert claims(made) == [("f() x 1", "processes(chunksize=2)", "sequential")]


def test_without_where_every_pair_of_the_two_sides_is_claimed() -> None:
    found = expecting({"of": "processes", "against": "threads"})
    assert len(found) == len(set(found)) == 4


def test_a_time_is_claimed_once_for_each_variant() -> None:
    assert len(expecting({"of": "threads", "metric": "wall_ns"})) == 2


def test_the_time_of_the_baseline_may_be_claimed() -> None:
    assert len(expecting({"of": "sequential", "metric": "wall_ns"})) == 1


@pytest.mark.parametrize("against", [{}, {"against": "event_loop(workers=1)"}], ids=["baseline", "named"])
def test_a_claim_about_a_model_leaves_out_the_variant_it_is_compared_with(against: dict[str, str]) -> None:
    expect = [{"of": "event_loop", "min": 1.5, **against}]
    made = planned(["event_loop"], matrix={"workers": [1, 2, 4]}, expect=expect)
    assert claims(made) == [
        ("f() x 1", f"event_loop(workers={workers})", "event_loop(workers=1)") for workers in (2, 4)
    ]


def test_the_time_of_a_model_is_claimed_of_the_baseline_too() -> None:
    expect = [{"of": "event_loop", "metric": "wall_ns", "max": 1}]
    assert len(claims(planned(["event_loop"], matrix={"workers": [1, 4]}, expect=expect))) == 2


@pytest.mark.parametrize("expect", [{"of": "sequential"}, {"of": "threads", "against": "threads"}])
def test_a_variant_is_not_held_against_itself(expect: dict[str, Any]) -> None:
    path, what, _ = refusal(POOLS, matrix=TWICE, expect=[{"min": 1, **expect}])
    assert path == ("expect", 0)
    assert what.endswith(" with itself")


@pytest.mark.parametrize(
    ("expect", "path", "what"),
    [
        ({"of": "threds"}, ("of",), 'no model or label "threds" in this experiment'),
        ({"of": "threads", "against": "x"}, ("against",), 'no model or label "x" in this experiment'),
        ({"of": "threads", "where": {"worker": 2}}, ("where", "worker"), 'threads has no column "worker"'),
        ({"of": "threads", "where": {"kwargs.n": 2}}, ("where", "kwargs.n"), 'threads has no column "kwargs_n"'),
        ({"of": "threads", "where": {"chunksize": 1}}, ("where", "chunksize"), 'threads has no column "chunksize"'),
        ({"of": "threads", "where": {"workers": 9}}, ("where", "workers"), "matches no point and variant of threads"),
        (
            {"of": "threads", "where": {"workers": 1, "model": "processes"}},
            ("where", "model"),
            "matches no point and variant of threads",
        ),
    ],
)
def test_an_expectation_that_matches_nothing_is_refused(
    expect: dict[str, Any], path: tuple[str, ...], what: str
) -> None:
    found = refusal(POOLS, matrix=TWICE, expect=[{"of": "processes", "min": 1}, {"min": 1, **expect}])
    assert found[:2] == (("expect", 1, *path), what)


# requests to runners


def requested(workload: dict[str, Any], entry: dict[str, Any]) -> dict[str, Any]:
    made = planned([entry], workload=workload, tasks=4)
    return runner_request(made.points[0], made.variants[0])


def test_a_runner_is_reported_model_workers_options_tasks_and_the_workload() -> None:
    assert requested(
        {"call": "m:f", "kwargs": {"n": 1}, "item": "i"}, {"model": "processes", "workers": 2, "start_method": "spawn"}
    ) == {
        "model": "processes",
        "workers": 2,
        "options": {"start_method": "spawn", "chunksize": 1},
        "tasks": 4,
        "workload": {"call": "m:f", "kwargs": {"n": 1}, "item": "i"},
    }


def test_the_check_is_the_conductors_affair() -> None:
    assert "check" not in requested({"call": "m:f", "check": "m:right"}, {"model": "threads"})["workload"]


def test_the_kwargs_of_an_entry_are_merged_into_those_of_the_point() -> None:
    workload = {"call": "m:f", "kwargs": {"n": 1, "m": 2}}
    assert requested(workload, {"model": "threads", "kwargs": {"n": 5}})["workload"]["kwargs"] == {"n": 5, "m": 2}


def test_the_function_of_an_entry_replaces_the_workloads_and_drops_its_twin() -> None:
    workload = {"call": "m:f", "async_call": "m:af"}
    assert requested(workload, {"model": "event_loop", "call": "m:g"})["workload"] == {"call": "m:g", "kwargs": {}}


def test_the_function_of_an_entry_may_bring_its_own_twin() -> None:
    entry = {"model": "event_loop", "call": "m:g", "async_call": "m:ag"}
    found = requested({"call": "m:f", "async_call": "m:af"}, entry)["workload"]
    assert (found["call"], found["async_call"]) == ("m:g", "m:ag")


def test_the_twin_of_an_entry_alone_leaves_the_function() -> None:
    found = requested({"call": "m:f", "async_call": "m:af"}, {"model": "event_loop", "async_call": "m:ag"})["workload"]
    assert (found["call"], found["async_call"]) == ("m:f", "m:ag")


@pytest.mark.parametrize(("key", "value"), [("workers", 7), ("python", "3.12"), ("path", "old"), ("env", {"A": "1"})])
def test_an_entry_overrides_workers_python_path_and_env(key: str, value: Any) -> None:
    assert getattr(planned([{"model": "threads", key: value}]).variants[0], key) == value


def test_what_a_runner_is_reported_is_json() -> None:
    made = planned(["processes"], matrix={"kwargs.x": [{"a": [1, None, "é"]}]})
    asked = runner_request(made.points[0], made.variants[0])
    assert json.loads(json.dumps(asked)) == asked


# random orders

seeds = st.integers(0, 2**63 - 1)
blocks = st.integers(0, 1000)
names = st.lists(st.text(min_size=1), min_size=1, max_size=8, unique=True)


@quick
@given(seeds, blocks, names)
def test_every_variant_is_started_once(seed: int, block: int, variants: list[str]) -> None:
    assert sorted(start.variant for start in draw_starts(seed, "p", block, variants)) == sorted(variants)


@quick
@given(seeds, blocks, names, st.integers(0, 10))
def test_every_round_has_every_variant_once(seed: int, block: int, variants: list[str], count: int) -> None:
    made = draw_rounds(seed, "p", block, variants, count)
    assert len(made) == count
    assert all(sorted(one) == sorted(variants) for one in made)


@quick
@given(seeds, blocks, st.data())
def test_an_order_follows_from_the_seed_and_not_from_the_order_of_the_variants(
    seed: int, block: int, data: st.DataObject
) -> None:
    variants = data.draw(names)
    mixed = data.draw(st.permutations(variants))
    assert draw_starts(seed, "p", block, variants) == draw_starts(seed, "p", block, mixed)
    assert draw_rounds(seed, "p", block, variants, 5) == draw_rounds(seed, "p", block, mixed, 5)


MANY = [f"v{number}" for number in range(8)]


@quick
@given(seeds, blocks)
def test_another_block_another_point_or_another_seed_has_another_order(seed: int, block: int) -> None:
    # 8! orders to the power of 5 rounds: equal by chance once in 10**23
    places = [(seed, "p", block), (seed, "p", block + 1), (seed, "q", block), (seed + 1, "p", block)]
    assert len({str(draw_rounds(*place, MANY, 5)) for place in places}) == 4
    assert len({str(draw_starts(*place, MANY)) for place in places}) == 4


def test_starts_and_rounds_of_a_block_have_orders_of_their_own() -> None:
    same = sum(
        [start.variant for start in draw_starts(1, "p", block, MANY)] == draw_rounds(1, "p", block, MANY, 1)[0]
        for block in range(100)
    )
    assert same < 3


def test_every_variant_comes_first_about_as_often_as_the_others() -> None:
    firsts = [draw_rounds(1, "p", block, ["a", "b", "c"], 1)[0][0] for block in range(3000)]
    assert all(900 < firsts.count(name) < 1100 for name in "abc")


def test_hash_seeds_and_padding_differ_between_runners_and_are_never_off() -> None:
    made = [start for block in range(50) for start in draw_starts(1, "p", block, MANY)]
    assert len({start.hash_seed for start in made}) == len(made)
    assert all(0 < start.hash_seed < 2**32 and 0 <= start.padding < 4096 for start in made)


def test_a_plan_is_the_same_every_time(design: Plan) -> None:
    assert plan_experiment(design.experiment, CORES) == design
