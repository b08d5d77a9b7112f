"""An import that starts processes or ends the program is named with its line."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import errors
from tests.support.command import findings, in_process

POOL = """from concurrent.futures import ProcessPoolExecutor

def square(n): return n * n

with ProcessPoolExecutor(2) as pool:
    for number in pool.map(square, range(4)):
        print(number)
"""

CHILD = """from multiprocessing import get_context
from time import sleep

child = get_context("spawn").Process(target=sleep, args=(60,))
child.start()
child.join()
"""

IMPORTS = {
    "pool": (POOL, "starts processes and waits for them, and they wait for the import (study.py, line 6)"),
    "child": (CHILD, "starts processes and waits for them, and they wait for the import (study.py, line 6)"),
    "exits": ("import os\n\nos._exit(4)\n", "ends the program (os._exit) (study.py, line 3)"),
    "signals": ("import os\n\nos.kill(os.getpid(), 15)\n", "ends the program (os.kill) (study.py, line 3)"),
    "argv": ("import sys\n\nname = sys.argv[1]\n", "takes its arguments from the command line (study.py, line 3)"),
}


@pytest.mark.parametrize("kind", IMPORTS)
def test_what_an_import_must_not_do_is_named_with_its_line(
    tmp_path: Path, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    source, what = IMPORTS[kind]
    (tmp_path / "study.py").write_text(f"{source}\ndef fib(n): return n\n")
    monkeypatch.setenv("ORCHESTRATOR_IMPORT_S", "2")
    done = in_process("advise", "study:fib", "n=1", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    assert f"importing study {what}" in done.stderr
    assert 'if __name__ == "__main__":' in done.stderr


REASONS = {
    "stderr": 'import os, sys\nprint("set API_KEY first", file=sys.stderr)\nos._exit(2)\n',
    "stdout": 'import sys\nprint("reading ...")\nprint("set API_KEY first")\nsys.exit(1)\n',
    "log": 'import logging, sys\nlogging.error("set API_KEY first")\nsys.exit(1)\n',
    "code": 'import sys\nsys.exit("set API_KEY first")\n',
}


@pytest.mark.parametrize("by", REASONS)
def test_an_import_that_ends_the_program_gives_the_reason_it_printed(tmp_path: Path, by: str) -> None:
    (tmp_path / "study.py").write_text(f"{REASONS[by]}\ndef fib(n): return n\n")
    said = in_process("advise", "study:fib", "n=1", cwd=tmp_path).stderr
    assert "importing study ends the program (" in said
    assert "set API_KEY first; see to that, or put it under `if __name__" in said


def test_a_mistake_in_the_syntax_is_said_once_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "study.py").write_text("def fib(n): return (n\n")
    said = in_process("advise", "study:fib", "n=1", cwd=tmp_path).stderr
    assert "importing study failed: SyntaxError: '(' was never closed (study.py, line 1); correct it" in said


CHANGING = """import locale
import os
import signal
import sys
import time

signal.signal(signal.SIGALRM, lambda number, frame: sys.exit(0))
locale.setlocale(locale.LC_ALL, "C")
os.chdir("/")

def fib(n):
    time.sleep(0.003)
    return n

def moves(n):
    os.chdir("/")
    return n
"""


def test_what_an_import_changes_for_its_process_is_named_with_its_lines(tmp_path: Path) -> None:
    (tmp_path / "study.py").write_text(CHANGING)
    said = findings("study:fib", "n=1", cwd=tmp_path)
    assert (
        "Importing it sets a signal handler (study.py, line 7), sets the locale (study.py, line 8) and changes the "
        "working directory (study.py, line 9), also in every worker process"
    ) in said
    assert "A call changes" not in said


def test_threads_are_left_out_where_each_call_goes_to_a_working_directory_and_back(tmp_path: Path) -> None:
    (tmp_path / "study.py").write_text(
        "import contextlib, time\ndef there(n):\n    with contextlib.chdir('/'): time.sleep(0.001)\n    return n\n"
    )
    said = findings("study:there", "n=1", cwd=tmp_path)
    assert "can't run it: each call changes the working directory, of which a process has only one" in said


def test_what_a_call_changes_for_its_process_is_named_with_its_line(tmp_path: Path) -> None:
    (tmp_path / "study.py").write_text(CHANGING)
    said = findings("study:moves", "n=1", cwd=tmp_path)
    assert "A call changes the working directory (study.py, line 16), for all threads of its process" in said
