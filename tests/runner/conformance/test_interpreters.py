"""Every model under other interpreters than this one."""

from __future__ import annotations

import hashlib
import importlib.util
import json
import pickle
from pathlib import Path

import pytest

from orchestrator.interpreters import environments
from orchestrator.supervisor.environment import RunnerEnvironment
from orchestrator.supervisor.interrupt import Interrupt
from orchestrator.supervisor.process import Command
from tests.support.conformance.pythons import each_python, find_python, own
from tests.support.conformance.runners import (
    HERE,
    opened,
    order,
    probe,
    task,
    workers_of,
)
from tests.support.conformance.ways import (
    FOREIGN,
    ONE_WORKER,
    PER_TASK,
    SILENT,
    STANDING,
    WAYS,
    needs,
    over,
)
from tests.support.conformance.workloads import TOKEN, marks


@over(WAYS, FOREIGN)
@each_python
@pytest.mark.slow
def test_every_interpreter_keeps_the_promises(
    runner_env: RunnerEnvironment, python: str, version: str, model: str
) -> None:
    keeps_the_promises(runner_env, python, version, model)


@pytest.mark.long
@pytest.mark.parametrize("version", ["3.11", "3.13t", "3.14"])
@pytest.mark.parametrize("model", [way for way in WAYS if needs(way).packages])
def test_libraries_keep_the_promises_under_every_interpreter_that_they_install_on(
    runner_env: RunnerEnvironment, version: str, model: str
) -> None:
    found = find_python(version) or pytest.skip(f"no Python {version} here")
    interrupt = Interrupt()
    try:
        python = environments.provide(runner_env, interrupt, found, needs(model).packages).python
    except environments.Unbuilt as error:
        pytest.skip(error.problem.what)
    finally:
        interrupt.close()
    keeps_the_promises(runner_env, python, version, model)


def keeps_the_promises(runner_env: RunnerEnvironment, python: str, version: str, model: str) -> None:
    """Ask the most important things of a model under an interpreter, or skip the test where it can't run."""
    call = "square" if model in SILENT else "chatter"
    workload = task(call, item="i", initializer="begin", setup="resource", observe="see_runner")
    command = Command(python, HERE, hash_seed=5)
    asked = order(model, workload, workers=2, tasks=4)
    (problem,) = probe(runner_env, asked, python=python)
    if problem:
        assert problem["field"] == "model"
        pytest.skip(problem["what"])
    with opened(runner_env, asked, command) as runner:
        ready = runner.ready
        assert ready["runner_python"].rpartition(".")[0] == version.removesuffix("t")
        assert ready["gil"] is not version.endswith("t")
        assert len(set(ready["worker_threads"])) == (2 if model in STANDING and model not in ONE_WORKER else 1)
        began = [f"{pid} {thread} {TOKEN}" for pid, thread in workers_of(ready)]
        assert sorted(marks("begun")) == sorted(began)
        runner.ask("warm")
        expected = [0, 1, 4, 9]
        answer = runner.trial(repeats=2)
        assert runner.ask("digest")["digest"] == hashlib.sha256(pickle.dumps(expected, protocol=4)).hexdigest()
        assert answer["wall_ns"] > 0
        observed = answer["observed"]
        assert json.loads(observed["results"]) == expected
        assert "straight\n" in runner.output() or model in SILENT
        assert model in PER_TASK or workers_of(runner.ask("prove")) == workers_of(ready)
        runner.close_requests()
        assert runner.status() == 0
        assert marks("setup") == ["entered", "left"]


@each_python
@pytest.mark.slow
def test_a_foreign_interpreter_sees_none_of_our_packages_but_anyio(
    runner_env: RunnerEnvironment, python: str, version: str
) -> None:
    with opened(runner_env, order("event_loop", task("power", observe="see_runner")), Command(python, HERE)) as runner:
        observed = runner.trial()["observed"]
    specs = [importlib.util.find_spec(name) for name in ("anyio", "pydantic")]
    ours = {str(Path(spec.origin).parent.parent) for spec in specs if spec and spec.origin}
    assert ours
    assert not set(json.loads(observed["path"])) & ours
    found = json.loads(observed["found"])
    assert Path(found.pop("anyio")).is_relative_to(runner_env.borrowed) or own(python, "anyio")
    assert {name for name in found if not own(python, name)} == set()


@each_python
def test_a_foreign_interpreter_answers_probes(runner_env: RunnerEnvironment, python: str, version: str) -> None:
    fine, wrong = order("processes", task("power")), order("processes", task("no_name"))
    first, second = probe(runner_env, fine, wrong, python=python)
    assert first is None
    assert second is not None
    assert "can't be sent to a worker" in second["what"]
