"""Results that differ from call to call are not checked, and those that workers repeat leave them out."""

from __future__ import annotations

import re
from pathlib import Path

from tests.support.command import findings

COUNTING = """import functools, itertools, random, time
calls = itertools.count()
def is_second():
    time.sleep(0.002)
    return next(calls) == 1
def half(item):
    time.sleep(0.002)
    return next(calls) // 2 % 2
def number(item):
    time.sleep(0.002)
    return next(calls)
def square(item):
    return functools.reduce(lambda total, _: total + item, range(20_000), 0)
own = random.Random(46)
random.seed(46)
def draw():
    time.sleep(0.002)
    return own.randrange(100_000)
def draw_common():
    time.sleep(0.002)
    return random.randrange(100_000)
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


ANEW = "each process begins anew, as forked copies of a counter or of a seeded generator do; seed each call, or number"


def test_forked_workers_that_draw_the_same_random_numbers_are_left_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(COUNTING)
    said = findings("odd:draw", cwd=tmp_path)
    repeats = r"processes and process_per_task can't run it: workers give results that repeat \((\d+), \1\)"
    assert re.search(rf"{repeats}, while those of a plain loop (all|mostly) differ: {ANEW} them in the caller\.", said)
    assert "calls at once give" not in said


def test_the_generator_that_python_seeds_anew_in_forked_workers_leaves_no_model_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(COUNTING)
    assert "can't run it" not in findings("odd:draw_common", cwd=tmp_path)


def test_numbers_of_items_that_each_process_begins_anew_leave_processes_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(COUNTING)
    said = findings("odd:number", "--items", "range:0:16", cwd=tmp_path)
    assert "processes and process_per_task can't run it: workers give results that repeat (" in said
    assert ANEW in said


def test_results_of_items_that_differ_leave_no_model_out(tmp_path: Path) -> None:
    (tmp_path / "odd.py").write_text(COUNTING)
    assert "can't run it" not in findings("odd:square", "--items", "range:0:16", cwd=tmp_path)
