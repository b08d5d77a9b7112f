"""A problem keeps its parts on the way through a pipe."""

from __future__ import annotations

import json

import pytest

from orchestrator.runner import workload
from orchestrator.runner.problem import Problem, read


def test_a_problem_reads_back_from_json() -> None:
    problem = Problem("arguments_missing", "a; b", "give n; or m", ("n", "m"))
    assert read(json.loads(json.dumps({"field": "kwargs", **problem.fields()}))) == problem


@pytest.mark.parametrize(
    ("given", "field", "code"),
    [
        ({"call": "no_such_module:f"}, "call", "module_missing"),
        ({"call": "json:no_such"}, "call", "function_missing"),
        ({"call": "json:__name__"}, "call", "not_callable"),
        ({"call": "json:JSONDecoder"}, "call", "is_class"),
        ({"call": "json.decoder:JSONDecoder.decode"}, "call", "is_method"),
        ({"call": "json:dumps"}, "kwargs", "arguments_missing"),
        ({"call": "json:detect_encoding", "kwargs": {"b": b"", "zzz": 1}}, "kwargs", "arguments_wrong"),
        ({"call": "math:gcd", "unavailable": "json:no_such"}, "unavailable", "function_missing"),
    ],
)
def test_a_workload_that_cannot_run_has_a_field_and_a_code(given: dict[str, object], field: str, code: str) -> None:
    with pytest.raises(workload.Unusable) as caught:
        workload.probe("sequential", {}, given)
    assert (caught.value.field, caught.value.problem.code) == (field, code)


def test_missing_arguments_are_listed() -> None:
    with pytest.raises(workload.Unusable) as caught:
        workload.probe("sequential", {}, {"call": "json:dumps"})
    assert caught.value.problem.arguments == ("obj",)
