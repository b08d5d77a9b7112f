"""The exception that a process wrote before it ended."""

from __future__ import annotations

import pytest

from orchestrator.runner.last_words import last_words

TRACEBACK = 'Traceback (most recent call last):\n  File "/mine/farm.py", line 3, in <module>\n    start()\n'


@pytest.mark.parametrize(
    "line",
    [
        "RuntimeError: context has been set",
        "RuntimeErrorRuntimeError: context has been set: ",
        "RuntimeErrorRuntimeError: : context has been setcontext has been set",
        "RuntimeError: : context has been setcontext has been set",
    ],
)
def test_an_exception_that_two_processes_wrote_into_one_line_is_read_as_that_of_one(line: str) -> None:
    assert last_words(f"{TRACEBACK}{line}\n", "/mine") == "RuntimeError: context has been set (farm.py:3)"


LINES = ["ValueError: no: : colon", "KeyError: 'aaaa'", "BananaError: papaya", "OSError: port 8080: : in use"]


@pytest.mark.parametrize("line", LINES)
def test_an_exception_that_repeats_itself_stays_as_it_is(line: str) -> None:
    assert last_words(f"{TRACEBACK}{line}\n", "/mine") == f"{line} (farm.py:3)"
