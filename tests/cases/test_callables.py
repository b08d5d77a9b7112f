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

COMMANDS = """
import argparse, asyncio, os, sys
class OptionInfo:  # as typer's, which puts the value of an option in its place
    __module__ = "typer.models"

def option(n: int = OptionInfo()): return n
def parses(): return argparse.ArgumentParser().parse_args(["--n", "1"])
def inside(n): return asyncio.get_running_loop().time()
def forks(n): return os.fork()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "kinds.py").write_text(KINDS)
    (tmp_path / "commands.py").write_text(COMMANDS)
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


def test_an_option_of_a_command_line_is_no_default(place: Path) -> None:
    said = in_process("advise", "commands:option", cwd=place).stderr
    assert "its default is for a framework); give n: int, each as name=value: " in said
    assert "orchestrator advise commands:option n=..." in said


FAILING = {
    "parses": "it parses the command line (argparse at commands.py:7)",
    "inside": "such as `async def inside(): return inside(...)`",
    "forks": "commands:forks forks, and the child process returns from it, too",
}


@pytest.mark.parametrize("function", FAILING)
def test_a_function_that_no_plain_call_suits_is_named_with_its_remedy(place: Path, function: str) -> None:
    given = [] if function == "parses" else ["n=1"]
    assert FAILING[function] in in_process("advise", f"commands:{function}", *given, cwd=place).stderr


def test_a_script_without_the_ending_of_python_is_named_as_that(place: Path) -> None:
    (place / "script").write_text(KINDS)
    said = in_process("advise", "./script:single", "1", cwd=place).stderr
    assert "its name does not end with .py; give it another name: ln -s script ./script.py" in said


@pytest.mark.long
def test_a_lock_of_the_function_is_not_taken_for_the_gil(place: Path) -> None:
    done = orchestrator("advise", "kinds:locked", "n=1", "--max-time", "12s", cwd=place)
    assert done.returncode == errors.OK
    shown = " ".join(orchestrator("report", "runs/advise-kinds.locked", "--format", "advice", cwd=place).stdout.split())
    assert "holds the GIL" not in shown
    assert "for each other's lock" in shown
