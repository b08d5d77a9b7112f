"""The timeline of instrumented trials, as Perfetto reads it."""

from __future__ import annotations

import json
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from orchestrator import exports
from orchestrator.results import fold
from tests.synthetic import conducted
from tests.test_cli import events, orchestrator

WORK = """
import asyncio, time
def nap(item):
    time.sleep(0.002)
    return [item] * 2000
async def nap_async(item):
    await asyncio.sleep(0.002)
    return [item] * 2000
"""
SPEC = """
name: drawn
workload: {call: "work:nap", async_call: "work:nap_async", item: item}
tasks: 6
models: [sequential, event_loop, threads, processes, process_per_task]
measure: {blocks: 1, rounds: 3}
"""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("drawn")
    (place / "work.py").write_text(WORK)
    (place / "drawn.yaml").write_text(SPEC)
    assert orchestrator("run", "drawn.yaml", cwd=place).returncode == 0
    assert orchestrator("export", "runs/drawn/latest", "--to", "chrome-trace", cwd=place).returncode == 0
    return place


@pytest.fixture(scope="module")
def trace(place: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads((place / "trace.json").read_text())
    return found


def slices(trace: dict[str, Any], category: str = "") -> list[dict[str, Any]]:
    found = [event for event in trace["traceEvents"] if event["ph"] == "X"]
    return [event for event in found if not category or event["cat"] == category]


def test_every_variant_is_a_process_with_its_name_and_a_lane_for_each_worker(trace: dict[str, Any]) -> None:
    names = {event["pid"]: event["args"]["name"] for event in trace["traceEvents"] if event["name"] == "process_name"}
    variants = [name.partition(" | ")[0] for name in names.values()]
    assert variants == ["sequential", "event_loop", "threads", "processes", "process_per_task"]
    lanes = [event["pid"] for event in trace["traceEvents"] if event["name"] == "thread_name" and event["tid"] > 0]
    assert [lanes.count(pid) for pid in names] == [1, 1, 2, 2, 6]


def test_every_call_is_a_slice_of_its_worker_or_an_event_of_its_loop(trace: dict[str, Any]) -> None:
    drawn = [event["pid"] for event in trace["traceEvents"] if event.get("cat") == "call" and event["ph"] in "Xb"]
    assert [drawn.count(pid) for pid in range(1, 6)] == [6] * 5


def test_slices_of_one_lane_nest(trace: dict[str, Any]) -> None:
    for lane in {(event["pid"], event["tid"]) for event in slices(trace)}:
        own = [event for event in slices(trace) if (event["pid"], event["tid"]) == lane]
        own.sort(key=lambda event: (event["ts"], -event["dur"]))
        open_until: list[float] = []
        for event in own:
            while open_until and open_until[-1] <= event["ts"] + 0.001:
                open_until.pop()
            assert not open_until or event["ts"] + event["dur"] <= open_until[-1] + 0.001
            open_until.append(event["ts"] + event["dur"])


def test_coroutines_that_overlap_are_begun_and_ended(trace: dict[str, Any]) -> None:
    spans = [event for event in trace["traceEvents"] if event["ph"] in "be"]
    begun = {event["id"]: event["ts"] for event in spans if event["ph"] == "b"}
    ended = {event["id"]: event["ts"] for event in spans if event["ph"] == "e"}
    assert begun.keys() == ended.keys()
    assert all(begun[call] < ended[call] for call in begun)
    assert any(begun[later] < ended[earlier] for earlier, later in pairwise(sorted(begun, key=begun.__getitem__)))


def test_waits_are_visible(trace: dict[str, Any]) -> None:
    blocked = [event for event in slices(trace, "part") if event["name"] == "blocked"]
    assert len(blocked) == 4 * 6
    assert all(event["dur"] > 1000 for event in blocked)


def test_pickling_in_workers_is_visible(trace: dict[str, Any]) -> None:
    assert {event["name"] for event in slices(trace, "serialisation")} == {"pickling"}


def test_a_run_without_timelines_gives_an_empty_one() -> None:
    old = fold(conducted({"sequential": 20, "threads": 10}).records())
    assert json.loads(exports.render("chrome-trace", old)["trace.json"])["traceEvents"] == []


def test_only_the_first_accounts_of_a_point_hold_a_timeline(place: Path) -> None:
    text = (place / "runs/drawn/latest/events.jsonl").read_text()
    assert sum(event["event"] == "timeline.recorded" for event in events(text)) == 5
