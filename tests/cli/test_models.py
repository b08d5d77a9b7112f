"""The list of models."""

from __future__ import annotations

import os
import platform
import shutil
import sys
import venv
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.runner import registry
from tests.support.command import events, in_process, orchestrator

pytestmark = pytest.mark.slow


def test_every_model_is_listed_with_what_it_runs_and_its_options(tmp_path: Path) -> None:
    done = orchestrator("models", cwd=tmp_path)
    assert done.returncode == errors.OK
    listed = {event["model"]: event for event in events(done.stdout)}
    assert list(listed) == list(registry.NAMES)
    assert listed["event_loop"]["runs"] == ["async_call", "call"]
    assert "chunksize" in listed["processes"]["options"]
    assert {event["python"] for event in listed.values()} == {sys.executable}


def test_an_unavailable_model_is_listed_with_the_remedy(tmp_path: Path) -> None:
    if registry.unavailable("interpreters", {}) is None:
        pytest.skip("this one has all")
    (event,) = [e for e in events(in_process("models", cwd=tmp_path).stdout) if e["model"] == "interpreters"]
    assert event["reason"].endswith("has no InterpreterPoolExecutor")
    assert event["remedy"] == "run it under 3.14 or newer"
    assert f"{event['reason']}; {event['remedy']}" in in_process("models", "--format", "table", cwd=tmp_path).stdout


@pytest.mark.skipif(not shutil.which("python3.14"), reason="needs python3.14")
def test_another_interpreter_is_asked_what_it_has(tmp_path: Path) -> None:
    listed = events(in_process("models", "--python", "3.14", cwd=tmp_path).stdout)
    assert {event["model"] for event in listed if event["reason"] is None} >= set(registry.STANDARD)
    assert all(event["version"].startswith("3.14.") for event in listed)


def test_all_are_this_one_and_those_on_the_path_that_run(tmp_path: Path) -> None:
    names = tmp_path / "bin"
    names.mkdir()
    (names / "python3.11").symlink_to(sys.executable)
    (names / "python3.12").write_text("#!/bin/sh\nexit 127\n")
    (names / "python3.12").chmod(0o755)
    env = {**os.environ, "PATH": f"{names}:/usr/bin:/bin"}
    listed = events(orchestrator("models", "--python", "all", cwd=tmp_path, env=env).stdout)
    assert str(names / "python3.11") in {event["python"] for event in listed}
    assert sys.executable in {event["python"] for event in listed}
    assert str(names / "python3.12") not in {event["python"] for event in listed}


def test_interpreters_of_the_same_version_have_a_column_each(tmp_path: Path) -> None:
    other = tmp_path / "python3"
    other.symlink_to(os.path.realpath(sys.executable))
    asked = ["--python", sys.executable, "--python", str(other)]
    shown = in_process("models", *asked, "--format", "table", cwd=tmp_path).stdout.splitlines()
    version = platform.python_version()
    assert shown[0].count(version) == 2
    assert f"{version}: {sys.executable}" in shown
    assert f"{version}: {other}" in shown
    reasons = [line for line in shown if line.endswith("run it under 3.14 or newer")]
    assert bool(reasons) == (registry.unavailable("interpreters", {}) is not None)
    assert all(line.startswith(f"{version}: interpreters") for line in reasons)


@pytest.mark.parametrize(
    ("request_", "message"),
    [
        ("3.99", '--python: no interpreter "3.99" here, only 3.'),
        ("/bin/true", "--python: /bin/true is no Python interpreter"),
    ],
)
def test_an_interpreter_that_is_missing_or_is_none_is_refused(tmp_path: Path, request_: str, message: str) -> None:
    done = in_process("models", "--python", request_, cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert done.stderr.startswith(f"orchestrator: {message}")


def test_an_option_that_needs_a_package_is_listed_with_the_command_that_installs_it(tmp_path: Path) -> None:
    bare = tmp_path / "bare"
    venv.create(bare, with_pip=False)
    done = in_process("models", "--python", str(bare / "bin/python"), cwd=tmp_path)
    listed = {event["model"]: event for event in events(done.stdout)}
    command = f"uv pip install --python {bare / 'bin/python'}"
    assert listed["event_loop"]["reason"] is None
    expected = f"uvloop can't be imported; install it: {command} uvloop"
    without = listed["event_loop"]["without"]["loop=uvloop"]
    assert f"{without['reason']}; {without['remedy']}" == expected
    assert (listed["dask"]["reason"], listed["dask"]["remedy"]) == (
        "distributed can't be imported",
        f"install it: {command} distributed",
    )
    shown = in_process("models", "--python", str(bare / "bin/python"), "--format", "table", cwd=tmp_path)
    assert f"event_loop with loop=uvloop: {expected}\n" in shown.stdout


def test_all_are_the_models_that_can_run_the_workload(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import asyncio\nasync def fetch(): await asyncio.sleep(0.001)\n")
    (tmp_path / "a.yaml").write_text(
        "workload: {async_call: mine:fetch}\nmodels: all\nbaseline: event_loop\nmeasure: {blocks: 1, rounds: 3}\n"
    )
    done = orchestrator("run", "a.yaml", "--format", "json", cwd=tmp_path)
    assert done.returncode == errors.OK, done.stderr
    compared = {event["variant"] for event in events(done.stdout) if event["event"] == "variant.compared"}
    assert compared - {"interpreters_of_loops"} == {"event_loop", "threads_of_loops", "processes_of_loops"}
    assert "sequential runs plain functions, so it can't run mine:fetch" in done.stderr


def test_contradicting_options_are_reported_at_their_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(
        "workload: {call: json:loads, kwargs: {s: '1'}}\nmodels: [sequential, {model: processes, pool: anyio}]\n"
        "matrix: {start_method: [spawn]}\n"
    )
    done = in_process("plan", "a.yaml", cwd=tmp_path)
    assert (done.returncode, done.stderr) == (
        errors.BAD_INPUT,
        "orchestrator: a.yaml:3:24: matrix.start_method: anyio.to_process has no such option; "
        "leave it out, or use another pool\n",
    )
