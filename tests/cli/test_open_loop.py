"""Calls that arrive at a rate, from the command line to the verdict: real runs."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from tests.support.command import in_process, orchestrator
from tests.support.event_schema import misfits

SERVED = """
import asyncio, time, threading

def nap(): time.sleep(0.004)
async def anap(): await asyncio.sleep(0.004)
def long(): time.sleep(0.5)
def even(item):
    if item % 2: raise ValueError(f"odd: {item}")
def late(item):
    if item == 9: raise ValueError(item)
    return item
async def alate(item): return -late(item)
def never(item):
    if item == 3: threading.Event().wait()
def grows(found=[]): found.append(1)
def changes(given): given.append(1)
"""

SPEC = """
workload: {call: 'mine:nap', async_call: 'mine:anap'}
arrivals: {rate: 200, window: 100ms}
models: [event_loop, {model: threads, workers: 4}]
measure: {metric: p50, blocks: 2, seed: 1}
"""


def journaled(place: Path) -> list[dict[str, Any]]:
    (file,) = place.glob("runs/my/2*/events.jsonl")
    return [json.loads(line) for line in file.read_text().splitlines()]


def run(place: Path, *overrides: str, spec: str = SPEC) -> list[dict[str, Any]]:
    (place / "mine.py").write_text(SERVED)
    (place / "my.yaml").write_text(spec)
    done = orchestrator("run", "my.yaml", *overrides, "--wait", "5m", cwd=place)
    assert "Traceback" not in done.stderr
    return journaled(place)


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    found = tmp_path_factory.mktemp("open")
    run(found, "models=[event_loop, {model: threads, workers: 4}, processes_of_threads]")
    return found


@pytest.fixture(scope="module")
def events(place: Path) -> list[dict[str, Any]]:
    return journaled(place)


def test_a_trial_is_a_window_with_the_latency_of_every_call(events: list[dict[str, Any]]) -> None:
    windows = named(events, "window.finished")
    assert len(windows) == 4
    for window in windows:
        assert len(window["latency_ns"]) == len(window["queue_ns"]) == window["calls"]
        assert window["ended"] == sum(ns is not None for ns in window["latency_ns"]) > 0
        assert min(filter(None, window["latency_ns"])) >= 4_000_000
        assert (window["arrivals_rate"], window["arrivals_window"], window["tasks"]) == (200, "0.1s", 20)


def test_every_variant_of_a_round_gets_the_same_arrivals(events: list[dict[str, Any]]) -> None:
    calls: dict[int, set[int]] = {}
    for window in named(events, "window.finished"):
        calls.setdefault(window["block"], set()).add(window["calls"])
    assert all(len(each) == 1 for each in calls.values())


def test_a_model_that_takes_batches_only_is_left_out_with_the_reason(events: list[dict[str, Any]]) -> None:
    (missing,) = named(events, "variant.unavailable")
    assert missing["variant"] == "processes_of_threads"
    assert missing["reason"] == "processes_of_threads takes calls in batches only"


def test_a_variant_has_its_latencies_its_rate_and_its_share_of_waiting(events: list[dict[str, Any]]) -> None:
    found = named(events, "variant.served")
    assert [event["variant"] for event in found] == ["event_loop", "threads"]
    compared = {event["variant"]: event["wall_ns"] for event in named(events, "variant.compared")}
    for event in found:
        assert event["latency_p50_ns"] == compared[event["variant"]]
        assert event["metric"] == "p50"
        assert 0 < event["achieved_rate"] <= 200
        assert 0 <= event["queue_share"] < 1


def test_an_instrumented_window_says_where_the_time_of_calls_went(events: list[dict[str, Any]]) -> None:
    served = {event["variant"]: event for event in named(events, "variant.served")}
    windows = named(events, "window.accounted")
    assert {event["variant"] for event in windows} == served.keys()
    assert all(event["ended"] <= event["calls"] for event in windows)
    # a sleep is awaited in a loop, and blocks a thread; how much of the time it is depends on how long calls are queued
    assert served["event_loop"]["call_waiting_share"] > served["event_loop"]["call_blocked_share"]
    assert served["threads"]["call_blocked_share"] > served["threads"]["call_waiting_share"] == 0


def test_the_verdict_names_rate_metric_and_latency(events: list[dict[str, Any]]) -> None:
    (verdict,) = named(events, "verdict.reached")
    assert verdict["point"] == "nap() at 200/s"
    assert "p50 " in verdict["sentence"]


def test_the_journal_gives_the_same_figures_again(place: Path) -> None:
    assert in_process("verify", "runs/my/latest", cwd=place).returncode == errors.OK
    assert "differs" not in in_process("report", "runs/my/latest", "--format", "table", cwd=place).stdout


@pytest.mark.parametrize("details", [[], ["--details"]])
def test_the_table_has_latencies_and_the_rate(place: Path, details: list[str]) -> None:
    shown = in_process("report", "runs/my/latest", "--format", "table", *details, cwd=place).stdout
    assert all(word in shown for word in ("p50", "achieved", "queued", "why", "not run: processes_of_threads"))
    assert re.search(r"event_loop .*[a-z] \d+ %", shown)


def test_windows_and_latencies_are_tables(place: Path) -> None:
    sql = "select variant, count(*) as n, max(len(latency_ns)) > 0 as has from windows group by all order by all"
    rows = in_process("query", sql, "--json", cwd=place).stdout.splitlines()
    assert [json.loads(row) for row in rows] == [
        {"variant": "event_loop", "n": 2, "has": True},
        {"variant": "threads", "n": 2, "has": True},
    ]
    sql = "select count(*) as n from latencies where latency_p50_ns > 0"
    assert json.loads(in_process("query", sql, "--json", cwd=place).stdout) == {"n": 2}


def test_the_exports_that_hold_latencies_and_the_page_can_be_made(place: Path) -> None:
    for to in ("csv", "parquet", "markdown", "chrome-trace"):
        done = in_process("export", "runs/my/latest", "--to", to, "--output", f"out-{to}", cwd=place)
        assert "Traceback" not in done.stderr, to
    assert in_process("report", "runs/my/latest", "--format", "html", cwd=place).returncode == errors.OK


@pytest.mark.parametrize("to", ["hyperfine", "pyperf"])
def test_an_export_for_times_of_runs_is_refused_with_what_to_use(to: str, place: Path) -> None:
    done = in_process("export", "runs/my/latest", "--to", to, cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert (
        f"--to {to}: {to} compares the times of runs, and in my calls arrive at a rate; their latencies" in done.stderr
    )


@pytest.mark.slow
def test_calls_that_raise_are_counted_and_noted(tmp_path: Path) -> None:
    spec = SPEC.replace("'mine:nap', async_call: 'mine:anap'", "'mine:even', item: item, check: none")
    found = run(tmp_path, "models=[threads]", "measure.blocks=1", spec=spec)
    (served,) = named(found, "variant.served")
    assert served["failed"] > 0
    assert served["error"].startswith("ValueError: odd: ")
    (verdict,) = named(found, "verdict.reached")
    assert "calls_failed" in verdict["warnings"]


@pytest.mark.slow
def test_results_are_compared_although_later_calls_raise(tmp_path: Path) -> None:
    spec = SPEC.replace("'mine:nap', async_call: 'mine:anap'", "'mine:late', async_call: 'mine:alate', item: item")
    failures = named(run(tmp_path, "measure.blocks=1", spec=spec), "trial.failed")
    assert {event["cause"] for event in failures} == {"result"}


@pytest.mark.slow
def test_results_are_not_checked_where_calls_for_the_check_raise_and_the_note_says_so(tmp_path: Path) -> None:
    spec = SPEC.replace("'mine:nap', async_call: 'mine:anap'", "'mine:even', item: item")
    found = run(tmp_path, "models=[threads]", "measure.blocks=1", spec=spec)
    (verdict,) = named(found, "verdict.reached")
    assert "check_failed" in verdict["warnings"] and "results_unchecked" not in verdict["warnings"]
    shown = in_process("report", "runs/my/latest", "--format", "table", cwd=tmp_path).stdout
    assert "results were not checked, as calls failed" in shown


@pytest.mark.slow
def test_a_call_that_never_ends_is_counted_and_the_run_ends(tmp_path: Path) -> None:
    spec = SPEC.replace("'mine:nap', async_call: 'mine:anap'", "'mine:never', item: item")
    found = run(tmp_path, "models=[{model: threads, workers: 2, pool: futures}]", "measure.blocks=1", spec=spec)
    (window,) = named(found, "window.finished")
    assert window["running"] == 1
    assert window["latency_ns"][3] is None
    assert named(found, "block.finished")


@pytest.mark.slow
def test_overload_is_a_result(tmp_path: Path) -> None:
    found = run(
        tmp_path, "models=[{model: threads, workers: 1}, {model: event_loop, workers: 100}]", "arrivals.rate=500"
    )
    served = {event["variant"]: event for event in named(found, "variant.served")}
    assert served["threads"]["is_saturated"]
    assert served["threads"]["achieved_rate"] < 300  # as calls take 4 ms
    (verdict,) = named(found, "verdict.reached")
    assert " saturated at" in verdict["sentence"]  # on a busy machine, no variant keeps up


@pytest.mark.slow
def test_a_call_longer_than_the_window_fails_with_the_window_to_give(tmp_path: Path) -> None:
    spec = SPEC.replace("'mine:nap', async_call: 'mine:anap'", "'mine:long'")
    failures = named(run(tmp_path, "models=[threads]", "measure.blocks=1", spec=spec), "trial.failed")
    assert "longer than the window of 0.1 s; give `arrivals.window` 5" in failures[0]["error"]


@pytest.mark.slow
def test_a_call_that_changes_its_arguments_is_refused(tmp_path: Path) -> None:
    spec = SPEC.replace("'mine:nap', async_call: 'mine:anap'", "'mine:changes', kwargs: {given: [1]}")
    failures = named(run(tmp_path, "models=[threads]", "measure.blocks=1", spec=spec), "trial.failed")
    assert "changes its argument given" in failures[0]["error"]


def test_every_event_fits_the_schema(events: list[dict[str, Any]]) -> None:
    assert misfits(events) == []
