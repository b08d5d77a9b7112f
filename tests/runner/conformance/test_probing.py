"""The answers of a probe: what a model can't run, and the remedy."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from orchestrator.supervisor.environment import RunnerEnvironment
from tests.support.conformance.runners import (
    order,
    probe,
    python_for,
    task,
)
from tests.support.conformance.ways import (
    HERE_TOO,
    MODELS,
    WAYS,
    needs,
    over,
    parts,
)


def test_what_can_run_is_no_problem(runner_env: RunnerEnvironment) -> None:
    plain = [order(model, task("square", item="i", setup="resource", reset="reset")) for model in HERE_TOO]
    twins = [order(model, task("power", kwargs={"base": 3})) for model in HERE_TOO]
    only_async = order("event_loop", {"async_call": "workloads:power_async"})
    assert probe(runner_env, *plain, *twins, only_async) == [None] * (2 * len(HERE_TOO) + 1)


@over([way for way in WAYS if not needs(way).pickles], MODELS)
@pytest.mark.parametrize("call", ["no_name", "local"])
def test_models_that_send_nothing_take_any_function(runner_env: RunnerEnvironment, model: str, call: str) -> None:
    assert probe(runner_env, order(model, task(call)), python=python_for(*parts(model))) == [None]


@pytest.mark.parametrize(
    ("model", "workload", "field", "what", "remedy"),
    [
        (
            "processes",
            task("no_name"),
            "call",
            "can't be sent to a worker of processes",
            "at the top level of its module",
        ),
        ("processes", task("local"), "call", "can't be sent to a worker of processes", "define it at top level"),
        ("threads", {"call": "no_such:f"}, "call", "no module named 'no_such'", "set `path`"),
        ("threads", {"call": "json.no_such:f"}, "call", "no module named 'json.no_such'", "set `path`"),
        ("threads", task("sqare"), "call", "workloads has no function 'sqare'", "did you mean 'square'?"),
        ("threads", task("number"), "call", "workloads:number is an int, not a function", "name a callable"),
        ("threads", task("square"), "kwargs", "missing a required argument: 'i'", "correct kwargs"),
        ("threads", task("square", item="j"), "kwargs", "does not take these kwargs", "correct kwargs"),
        ("threads", task("power", kwargs={"bse": 1}), "kwargs", "unexpected keyword argument 'bse'", "correct kwargs"),
        ("event_loop", task("power", kwargs={"bse": 1}), "kwargs", "workloads:power_async(base", "correct kwargs"),
        ("sequential", task("generate"), "call", "is a generator function", "a function of your own"),
        ("threads", {"call": "workloads:power_async"}, "call", "is a coroutine function", "give a plain `call`"),
        ("threads", {"async_call": "workloads:power_async"}, "async_call", "can't run", "give `call` too"),
        ("event_loop", {"async_call": "workloads:power"}, "async_call", "is not a coroutine", "make it `async def`"),
        ("sequential", task("power", observe="se"), "observe", "has no function 'se'", "did you mean 'see'?"),
        ("sequential", task("power", setup="none:f"), "setup", "no module named 'none'", "set `path`"),
        ("sequential", task("power", check="latr"), "check", "has no function 'latr'", "did you mean 'later'?"),
    ],
)
def test_what_cannot_run_is_reported_with_its_remedy(
    runner_env: RunnerEnvironment, model: str, workload: dict[str, Any], field: str, what: str, remedy: str
) -> None:
    asked = order(model, workload)
    asked["workload"] = workload  # a plan leaves `check` to the conductor, and asks for it in the probe
    (problem,) = probe(runner_env, asked)
    assert problem is not None
    assert problem["field"] == field
    assert what in problem["what"]
    assert remedy in problem["remedy"]


@pytest.mark.parametrize(
    ("body", "remedy"),
    [
        ("raise RuntimeError('not today')", "python -c 'import broken'"),
        ("import no_such", "python -c 'import broken'"),
        ("x = (", "correct it, or use the Python version that it is written for"),
    ],
)
def test_a_module_that_cannot_be_imported_is_reported_with_the_reason(
    runner_env: RunnerEnvironment, cwd: Path, body: str, remedy: str
) -> None:
    (cwd / "broken.py").write_text(body + "\n")
    fine = order("threads", task("power"))
    problem, none = probe(runner_env, order("threads", {"call": "broken:f"}), fine)
    assert none is None
    assert problem is not None
    assert problem["what"].startswith("importing broken failed: ")
    assert remedy in problem["remedy"]


def test_a_module_that_prints_when_imported_does_not_disturb_the_probe(
    runner_env: RunnerEnvironment, cwd: Path
) -> None:
    (cwd / "loud.py").write_text("import os; print('{}', flush=True); os.write(1, b'{}')\ndef f(): pass\n")
    assert probe(runner_env, order("processes", {"call": "loud:f"})) == [None]
