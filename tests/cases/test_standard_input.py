"""A call that reads standard input is refused with its line: under every model there is nothing to read."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import findings, in_process, logged, orchestrator, piloted, refused
from tests.support.place import short

READING = """import os, sys
def asks(n): return input("name? ") * n
def reads(n): return len(sys.stdin.read()) + n
def lines(n): return [line for line in sys.stdin][:n]
def number(n): return int(sys.stdin.readline()) + n
def binary(n): return sys.stdin.buffer.read(n)
def opened(n): return open(0, closefd=False).read(n)
def descriptor(n): return os.read(0, n)
async def later(n): return sys.stdin.readline()
def stops(n):
    breakpoint()
    return n
def until_it_ends(n):
    try:
        while True:
            n += len(input())
    except EOFError:
        return n
def looks(n): return sys.stdin.isatty() + n
"""

LINES = {
    "asks": 2,
    "reads": 3,
    "lines": 4,
    "number": 5,
    "binary": 6,
    "opened": 7,
    "descriptor": 8,
    "later": 9,
    "until_it_ends": 16,
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(READING)
    return tmp_path


@pytest.mark.parametrize("function", short(list(LINES), "asks", "reads", "opened", "until_it_ends"))
def test_a_call_that_reads_standard_input_is_refused_with_its_line(place: Path, function: str) -> None:
    what = f"mine:{function} reads its standard input at mine.py:{LINES[function]}, which is empty here"
    assert f"{what}; pass the text as an argument" in refused(place, f"mine:{function}", "n=3")


def test_a_breakpoint_is_refused_with_its_line(place: Path) -> None:
    said = in_process("advise", "mine:stops", "n=3", cwd=place).stderr
    assert "mine:stops stops in the debugger at mine.py:1" in said
    assert "remove the breakpoint" in said


def test_a_call_that_only_asks_what_standard_input_is_runs(place: Path) -> None:
    assert piloted("mine:looks", "n=3", cwd=place)["call"] == "mine:looks"


def test_an_import_that_gets_nothing_from_standard_input_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import sys\nrows = sys.stdin.readlines()\ndef count(n): return len(rows) + n\n")
    said = findings("mine:count", "n=3", cwd=tmp_path)
    assert "Importing it reads standard input, which is empty here (mine.py, line 2)" in said


def test_a_run_names_the_read_of_standard_input_under_every_model(place: Path) -> None:
    spec = "workload: {call: 'mine:reads', kwargs: {n: 3}}\nmodels: [sequential, threads, processes]\n"
    (place / "a.yaml").write_text(f"{spec}tasks: 4\nmeasure: {{blocks: 1, rounds: 1}}\n")
    done = orchestrator("run", "a.yaml", cwd=place)
    failed = logged(done, "trial.failed")
    what = "mine:reads reads its standard input at mine.py:3, which is empty here; pass the text as an argument"
    assert {event["variant"]: event["error"] for event in failed} == dict.fromkeys(
        ("sequential", "threads", "processes"), what
    )
