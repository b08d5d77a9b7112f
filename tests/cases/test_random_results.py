"""Results that differ from call to call are not checked, and those that workers repeat leave them out."""

from __future__ import annotations

from pathlib import Path

from tests.support.command import findings

COUNTING = """import itertools, time
calls = itertools.count()
def is_second():
    time.sleep(0.002)
    return next(calls) == 1
def half(item):
    time.sleep(0.002)
    return next(calls) // 2 % 2
"""


def test_results_of_which_the_first_and_the_last_are_equal_by_chance_are_not_checked(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(COUNTING)
    said = findings("odd:is_second", cwd=tmp_path)
    assert "Results are not checked: two calls gave results that are not equal." in said
    assert "can't run it" not in said


def test_results_that_a_plain_loop_is_seen_not_to_repeat_are_not_checked(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(COUNTING)
    said = findings("odd:half", "--items", "range:0:63", cwd=tmp_path)
    assert "Results are not checked: two batches of a plain loop gave results that are not equal." in said
    assert "can't run it" not in said
