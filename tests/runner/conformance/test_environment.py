"""What a workload shares with its runner: streams, environment, import path and modules."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

from orchestrator.supervisor.environment import RunnerEnvironment
from orchestrator.supervisor.process import OUTPUT_KEPT, Command
from tests.support.conformance import workloads
from tests.support.conformance.runners import (
    HERE,
    opened,
    order,
    python_for,
    task,
)
from tests.support.conformance.ways import (
    LOOPLESS,
    MODELS,
    WAYS,
    each_way,
    each_way_with_stdio,
    needs,
    over,
    parts,
)


@each_way_with_stdio
def test_what_the_workload_prints_cannot_be_taken_for_an_answer(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("chatter", item="i", observe="see"), tasks=2)) as runner:
        runner.ask("warm")
        assert runner.results() == [0, 1]
        output = runner.output()
        for words in ('"wall_ns": 1}', "complaint", "\ufffd\0 no text", "straight\n", "straight too", "from a child"):
            assert words in output


def test_much_output_is_read_and_its_end_kept(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("sequential", task("shout"))) as runner:
        runner.trial()
        output = runner.output()
        assert output.startswith("[")
        assert "bytes before this are not kept]\nA" in output
        assert output.endswith("the end\n")
        assert len(output) < OUTPUT_KEPT + 100


@each_way_with_stdio
def test_stdin_is_empty(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("read_stdin", observe="see"))) as runner:
        assert runner.results() == [["", 0]] * 4


@each_way
def test_the_hash_seed_reaches_every_worker(runner_env: RunnerEnvironment, model: str) -> None:
    env = {**os.environ, "PYTHONHASHSEED": "123"}
    expected = subprocess.check_output([sys.executable, "-c", "print(hash('spam'))"], env=env)
    command = Command(python_for(*parts(model)), HERE, hash_seed=123)
    with opened(runner_env, order(model, task("hashed", observe="see")), command) as runner:
        assert runner.results() == [[int(expected), "123"]] * 4


@each_way
def test_path_is_first_on_the_import_path_and_env_is_set(runner_env: RunnerEnvironment, model: str, cwd: Path) -> None:
    path = cwd / "first"
    path.mkdir()
    source = Path(workloads.__file__).read_text()
    for directory in (path, cwd):  # a module of one name in both
        (directory / "twice.py").write_text(f"{source}\ndef where(): return {directory.name!r}, os.environ['GIVEN']\n")
    command = Command(python_for(*parts(model)), str(path), (("GIVEN", "yes"),))
    with opened(runner_env, order(model, task("twice:where", observe="twice:see")), command) as runner:
        assert runner.results() == [["first", "yes"]] * 4


@each_way
def test_the_working_directory_may_hold_an_orchestrator_of_its_own(
    runner_env: RunnerEnvironment, model: str, cwd: Path
) -> None:
    package = cwd / "orchestrator"
    package.mkdir()
    (package / "__init__.py").write_text("print('imported')\n")
    (package / "runner.py").write_text("def mine():\n    return 'mine'\n")
    workload = {"call": "orchestrator.runner:mine", "observe": "workloads:see"}
    with opened(runner_env, order(model, workload)) as runner:
        assert runner.results() == ["mine"] * 4


@over(LOOPLESS, MODELS)
def test_a_model_without_a_loop_is_spared_the_import_of_one(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power", observe="see_runner"))) as runner:
        modules = set(json.loads(runner.trial()["observed"]["modules"]))
        assert not modules & {"asyncio", "anyio"}
        assert runner.ready["actual_loop"] is None


@over([way for way in WAYS if needs(way).loop])
def test_the_loop_is_proved(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power"))) as runner:
        assert runner.ready["actual_loop"].partition(".")[0] == needs(model).loop


def test_a_runner_imports_only_the_model_that_it_runs(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("sequential", task("power", observe="see_runner"))) as runner:
        modules = set(json.loads(runner.trial()["observed"]["modules"]))
        package = "orchestrator_runner.models."
        assert {name for name in modules if name.startswith(package)} == {package + "sequential"}
