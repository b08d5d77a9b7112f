"""What is no plain function in a module is run, or refused with the command that works."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import errors
from tests.support.command import in_process, orchestrator, piloted

KINDS = """
import functools, threading, time

@functools.singledispatch
def single(n): return sum(range(n))

lock = threading.Lock()

def locked(n):
    with lock:
        time.sleep(0.004)
    return n
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "kinds.py").write_text(KINDS)
    return tmp_path


@pytest.mark.parametrize("typed", ["analysis.ipynb", "./analysis.ipynb:score"])
def test_a_notebook_is_named_as_one_with_the_command_that_makes_a_script(place: Path, typed: str) -> None:
    done = in_process("advise", typed, cwd=place)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    notebook, colon, function = typed.partition(":")
    convert = f"jupyter nbconvert --to script {notebook}"
    script = f"{notebook.removesuffix('.ipynb')}.py{colon}{function}"
    assert f"{notebook} is a notebook" in done.stderr
    assert f"{convert} && orchestrator advise {script}" in done.stderr


def test_arguments_by_name_for_singledispatch_are_refused_with_those_by_position(place: Path) -> None:
    done = in_process("advise", "kinds:single", "n=1000", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert "give its arguments by position: orchestrator advise kinds:single 1000" in done.stderr


def test_positional_only_arguments_by_name_are_refused_with_those_by_position(place: Path) -> None:
    done = in_process("advise", "math:factorial", "n=5000", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert "give them by position: orchestrator advise math:factorial 5000" in done.stderr


def test_singledispatch_runs_with_arguments_by_position(place: Path) -> None:
    assert piloted("kinds:single", "1000", cwd=place)["call"] == "kinds:single"


@pytest.mark.long
def test_a_lock_of_the_function_is_not_taken_for_the_gil(place: Path) -> None:
    done = orchestrator("advise", "kinds:locked", "n=1", "--max-time", "12s", cwd=place)
    assert done.returncode == errors.OK
    shown = " ".join(orchestrator("report", "runs/advise-kinds.locked", "--format", "advice", cwd=place).stdout.split())
    assert "holds the GIL" not in shown
    assert "for each other's lock" in shown
