"""Commands whose output goes to a terminal."""

from __future__ import annotations

import os
import re
import sys
from pathlib import Path

import pytest

from orchestrator import errors
from tests.support.command import WORKLOADS
from tests.support.journals import journaled
from tests.support.synthetic import conducted
from tests.support.terminal import on_terminal

COLOUR = re.compile(r"\x1b\[[\d;]*m")


@pytest.fixture
def run(tmp_path: Path) -> Path:
    return journaled(tmp_path / "runs", 1, conducted({"sequential": 20, "threads": 10}).records())


def shown(*arguments: str, cwd: Path, **env: str) -> str:
    command = [sys.executable, "-m", "orchestrator", *arguments]
    kept = {name: value for name, value in os.environ.items() if name not in ("NO_COLOR", "FORCE_COLOR")}
    status, text = on_terminal(command, cwd, kept | {"TERM": "xterm-256color", "COLUMNS": "120"} | env)
    assert status == errors.OK, text
    return text


def test_a_report_on_a_terminal_is_for_people_and_in_colours(run: Path) -> None:
    text = shown("report", str(run), cwd=run)
    assert COLOUR.search(text)
    assert re.match(r"b\(\) x 1: threads wins: ", COLOUR.sub("", text))


def test_no_color_is_respected(run: Path) -> None:
    assert "\x1b[" not in shown("report", str(run), cwd=run, NO_COLOR="1")


def test_a_run_on_a_terminal_shows_its_progress_and_then_its_answer(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WORKLOADS)
    (tmp_path / "a.yaml").write_text(
        "workload: {call: 'mine:wait'}\nmodels: [sequential, threads]\nmeasure: {blocks: 1, rounds: 2}\n"
    )
    progress, _, answer = shown("run", "a.yaml", cwd=tmp_path).rpartition("wait() x 1: ")
    assert "wait() x 1, block 1: " in progress
    assert answer.startswith("undecided after 1 block")


def test_a_message_on_a_terminal_is_a_sentence(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WORKLOADS)
    command = [sys.executable, "-m", "orchestrator", "advise", "mine:wait", "--max-time", "1s"]
    _, text = on_terminal(command, tmp_path, {**os.environ, "NO_COLOR": "1"})  # one second may be too short for a block
    took = r"^orchestrator: a call took [\d.]+ ms; an answer takes \d+ s or more, and the run 1 s at most\r?$"
    assert re.search(took, text, re.MULTILINE)
    assert re.search(r"^orchestrator: budget.short: the time may end before the first look", text, re.MULTILINE)
