"""Items: each call gets one of a user's own data, the same ones under every variant."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from tests.support.command import events, in_process, orchestrator, piloted

pytestmark = pytest.mark.slow

MINE = """
import itertools

def size(path, times=1): return len(open(path).read()) * times
def add(a, b, c=0): return a + b + c
def same(value): return value
def names(): return ["a.txt", "b.txt"]
once = (name for name in ["a.txt", "b.txt", "c.txt"])
def lambdas(): return ["a.txt", lambda: None]
def half():
    yield "a.txt"
    raise ValueError("the disk is gone")
def endless(): return itertools.count()
def asleep():
    import time
    time.sleep(1000)
def a_number(): return 5
"""

SPEC = """
workload: {call: "mine:size", items: "glob:*.txt", observe: "mine:seen"}
models: [sequential, threads, {model: processes, chunksize: 2}]
measure: {blocks: 1, rounds: 2, seed: 1}
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(MINE + 'def seen(results, initargs): return {"seen": repr(results)}\n')
    (tmp_path / "x.yaml").write_text(SPEC)
    for number, name in enumerate("abc", 1):
        (tmp_path / f"{name}.txt").write_text("x" * number)
    return tmp_path


def seen(place: Path, *overrides: str) -> dict[str, Any]:
    """Return the results of a batch by variant, and `tasks`."""
    done = orchestrator("run", "x.yaml", "--wait", "5m", "--no-report", *overrides, cwd=place)
    assert done.returncode == errors.OK, done.stderr
    journal = (place / "runs/x/latest/events.jsonl").read_text().splitlines()
    found = [record for record in map(json.loads, journal) if record["event"] == "trial.observed"]
    return {record["variant"]: record["observed_seen"] for record in found} | {"tasks": found[0]["tasks"]}


def test_each_call_gets_one_item_under_every_variant(place: Path) -> None:
    expected = "[1, 2, 3]"
    assert seen(place) == {"sequential": expected, "threads": expected, "processes": expected, "tasks": 3}


def test_the_log_has_the_source_of_the_items_and_how_many_there_were(place: Path) -> None:
    seen(place, "tasks=2")
    started, *others = map(json.loads, (place / "runs/x/latest/events.jsonl").read_text().splitlines())
    (read,) = started["items"]
    assert (read["source"], read["tasks"], read["count"], read["total"]) == ("glob:*.txt", 2, 2, 3)
    assert {record["items"] for record in others if "variant" in record} == {"glob:*.txt"}


@pytest.mark.long
def test_fewer_tasks_are_a_sample_that_is_evenly_spread(place: Path) -> None:
    for number in range(10):
        (place / f"d{number}.txt").write_text("x" * (10 + number))
    assert seen(place, "workload.items=glob:d*.txt", "tasks=5")["sequential"] == "[10, 12, 14, 16, 18]"


@pytest.mark.parametrize(
    ("overrides", "expected"),
    [
        (["workload.items=mine:names"], "[1, 2]"),
        (["workload.items=mine:once"], "[1, 2, 3]"),
        (["workload.items=lines:list"], "[3, 1]"),
        (["workload.call=mine:same", "workload.items=jsonl:rows"], "[{'a': 1}, [2, 3]]"),
        (["workload.call=mine:same", "workload.items=range:2:8:3"], "[2, 5]"),
        (["workload.call=mine:same", "workload.items=[[1, 2], {a: 3}]"], "[[1, 2], {'a': 3}]"),
        (["workload.call=mine:add", "workload.items=[1, 2]", "workload.args=[10]", "kwargs.c=100"], "[111, 112]"),
        (["workload.call=mine:add", "workload.items=[1, 2]", "workload.args=[10]", "workload.item=b"], "[11, 12]"),
    ],
)
def test_every_source_gives_the_items_of_a_plain_loop(place: Path, overrides: list[str], expected: str) -> None:
    (place / "list").write_text("c.txt\n\na.txt")
    (place / "rows").write_text('{"a": 1}\n\n[2, 3]\n')
    overrides = [text.replace("kwargs.c", "workload.kwargs.c") for text in overrides]
    assert seen(place, *overrides)["processes"] == expected


@pytest.mark.parametrize(
    ("source", "what"),
    [
        ("glob:*.csv", "glob:*.csv gives no item; check the pattern"),
        ("lines:list.txt", "list.txt can't be read: No such file or directory"),
        ("mine:lambdas", "item 1 of mine:lambdas, <function lambdas.<locals>.<lambda>"),
        ("mine:half", "mine:half failed after 1 items: ValueError: the disk is gone"),
        ("mine:nothing", "mine has no function 'nothing'"),
        ("mine:a_number", "mine:a_number gives a int, which is no collection of items"),
        ("[]", "the list is empty; give one item at least"),
        ("range:0:1000000000000", "range:0:1000000000000 has 1,000,000,000,000 items, more than 10,000,000"),
        ("range:1:b", '"range:1:b" is no source of items; write module:function, glob:data/*.json'),
    ],
)
def test_items_that_can_not_be_read_are_refused_before_anything_is_written(place: Path, source: str, what: str) -> None:
    done = orchestrator("run", "x.yaml", f"workload.items={source}", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert f"workload.items: {what}" in done.stderr
    assert not (place / "runs").exists()


@pytest.mark.long
def test_items_without_an_end_are_refused_with_how_many_came(place: Path) -> None:
    done = in_process("plan", "x.yaml", "workload.items=mine:endless", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert "mine:endless has not ended after 1000" in done.stderr
    assert "end it, such as with itertools.islice" in done.stderr


def test_more_tasks_than_items_are_refused(place: Path) -> None:
    done = in_process("plan", "x.yaml", "tasks=4", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert "4 tasks, but glob:*.txt gives 3 items; give 3 tasks or fewer, or leave `tasks` out for all" in done.stderr


def test_a_function_that_takes_no_item_is_refused(place: Path) -> None:
    done = orchestrator("run", "x.yaml", "workload.call=mine:names", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert "mine:names() does not take these arguments: too many positional arguments" in done.stderr


def test_a_report_needs_the_journal_alone(place: Path) -> None:
    seen(place)
    (place / "a.txt").unlink()
    (place / "mine.py").unlink()
    done = in_process("report", "runs/x/latest", "--format", "table", cwd=place)
    assert done.stdout.startswith("size(each of glob:*.txt) x 3: ")


def test_a_run_whose_items_changed_is_not_resumed(place: Path) -> None:
    seen(place)
    journal = place / "runs/x/latest/events.jsonl"
    lines = journal.read_text().splitlines(keepends=True)
    journal.write_text("".join(line for line in lines if '"run.finished"' not in line))
    (place / "d.txt").write_text("more")
    done = orchestrator("run", "x.yaml", "--wait", "5m", "--no-report", "--resume", cwd=place)
    (refused,) = [event for event in events(done.stderr) if event["event"] == "run.not_resumed"]
    assert refused["note"].startswith("items changed since the run was interrupted")


def test_advice_about_items_has_them_all_in_a_batch(place: Path) -> None:
    done = orchestrator(
        "advise", "mine:size", "times=2", "--items", "glob:*.txt", "--max-time", "10s", "--wait", "5m", cwd=place
    )
    assert done.returncode in (errors.OK, errors.UNDECIDED), done.stderr
    (piloted,) = [event for event in events(done.stderr) if event["event"] == "function.piloted"]
    assert (piloted["items"], piloted["tasks"]) == (3, 3)
    assert {event["tasks"] for event in events(done.stdout) if event["event"] == "verdict.reached"} == {3}


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--items", "glob:*.txt", "--over", "n=1:100"], "--items: items and a range of an argument can't be combined"),
        (["--items", "5"], '--items: "5" is no source of items'),
        (["--item", "path"], "--item: no items to pass; name their source with --items"),
    ],
)
def test_options_for_items_that_make_no_sense_are_refused(place: Path, options: list[str], said: str) -> None:
    done = orchestrator("advise", "mine:size", *options, cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert said in done.stderr


def test_positional_arguments_are_values_without_a_name(place: Path) -> None:
    done = orchestrator("advise", "mine:add", "1", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert "mine:add(a, b, c=0) does not take these arguments: missing a required argument: 'b'; give b" in done.stderr


UNEQUAL = "import time\ndef rest(n): time.sleep(0.1 if n == {last} else 0.001)\n"


def test_a_batch_has_all_items_where_a_sample_would_have_most(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(UNEQUAL.format(last=39))
    found = piloted("mine:rest", "--items", "range:0:40", "--tasks", "40", cwd=tmp_path)
    assert piloted("mine:rest", "--items", "range:0:40", cwd=tmp_path)["tasks"] == found["tasks"] == 40
    assert "on average over all 40 items of range:0:40 when tried" in found["description"]
    assert "Calls are unequal: the longest, with item 39, took 1" in found["findings"][0]


def test_a_sample_of_the_items_is_said_with_how_to_take_all(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import time\ndef rest(n): time.sleep(0.03)\n")
    found = piloted("mine:rest", "--items", "range:0:99", cwd=tmp_path)
    assert re.search(r"on average over [1-9]\d? of 99 items of range:0:99 when tried", found["description"])
    assert found["findings"][0] == "A batch has 32 of the 99 items, evenly spread; --tasks 99 takes all."


def test_items_that_advise_cannot_send_are_named_by_their_option(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("import threading\nLOCKS = [threading.Lock()]\ndef f(lock): return 1\n")
    done = in_process("advise", "mine:f", "--items", "mine:LOCKS", cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert done.stderr.startswith("orchestrator: --items: workload.items: item 0 of ")
