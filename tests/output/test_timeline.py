"""The timeline of instrumented trials, as Perfetto reads it."""

from __future__ import annotations

import json
from collections import Counter
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.results import fold
from orchestrator.output.formats import files
from orchestrator.runner.account.figures import COLUMNS
from tests.support import hostile
from tests.support.command import events, in_process, orchestrator
from tests.support.synthetic import conducted

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
measure: {blocks: 1, rounds: 2}
"""
TWICE = """
name: twice
workload: {call: "work:nap", kwargs: {item: 1}}
models: [sequential]
measure: {blocks: 4, rounds: 40}  # so many that every third block is accounted
"""


STARTED = conducted({"sequential": 20, "threads": 10}, measure={"max_time": "1s"}).records()[0]


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("drawn")
    (place / "work.py").write_text(WORK)
    (place / "drawn.yaml").write_text(SPEC)
    assert orchestrator("run", "drawn.yaml", cwd=place).returncode == 0
    assert in_process("export", "runs/drawn/latest", "--to", "chrome-trace", cwd=place).returncode == 0
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


def flaws(trace: dict[str, Any]) -> list[str]:
    """Return what is not as the Trace Event Format has it, or as Perfetto needs it to show every event."""
    assert trace.keys() == {"traceEvents", "displayTimeUnit", "otherData"}
    events = trace["traceEvents"]
    found = [f"{wrong}: {event}" for event in events if (wrong := _flaw(event))]
    if found:
        return found
    named = {(event["name"], event["pid"], event["tid"]) for event in events if event["ph"] == "M"}
    for pid, tid in {(event["pid"], event["tid"]) for event in events}:
        found += [f"thread {pid}/{tid} has no name"] if ("thread_name", pid, tid) not in named else []
        found += [f"process {pid} has no name"] if ("process_name", pid, 0) not in named else []
    return [*found, *_unnested(slices(trace)), *_unpaired([event for event in events if event["ph"] in "be"])]


def _flaw(event: dict[str, Any]) -> str:
    keys = {
        "X": {"name", "cat", "ph", "ts", "dur", "pid", "tid", "args"},
        "b": {"name", "cat", "ph", "ts", "pid", "tid", "id", "args"},
        "e": {"name", "cat", "ph", "ts", "pid", "tid", "id"},
        "M": {"name", "ph", "pid", "tid", "args"},
    }
    if event.keys() != keys.get(event["ph"]):
        return "not the fields of its phase"
    if not all(type(event[key]) is str and event[key] for key in ("name", "cat", "id") if key in event):
        return "a text is missing"
    if not all(type(event[key]) is int and event[key] >= 0 for key in ("pid", "tid")):
        return "a process and a thread have whole numbers"
    if not all(type(event[key]) in (int, float) and event[key] >= 0 for key in ("ts", "dur") if key in event):
        return "a time is a number from 0 on"
    about = {"process_name": {"name"}, "thread_name": {"name"}, "process_sort_index": {"sort_index"}}
    if event["ph"] == "M" and event["args"].keys() != about.get(event["name"]):
        return "no metadata that is known"
    return ""


def _unnested(events: list[dict[str, Any]]) -> list[str]:
    """Return the slices that are neither inside of another one of their thread nor beside it: Perfetto drops them."""
    found = []
    lanes: dict[tuple[int, int], list[tuple[int, int, str]]] = {}
    for event in events:
        begun, dur = round(event["ts"] * 1000), round(event["dur"] * 1000)  # to whole ns, as Perfetto does
        lanes.setdefault((event["pid"], event["tid"]), []).append((begun, begun + dur, event["name"]))
    for lane in lanes.values():
        open_until: list[int] = []
        for begun, ended, name in sorted(lane, key=lambda own: (own[0], -own[1])):
            while open_until and open_until[-1] <= begun:
                open_until.pop()
            found += [f"{name} at {begun} ends after what it is in"] if open_until and ended > open_until[-1] else []
            open_until.append(ended)
    return found


def _unpaired(events: list[dict[str, Any]]) -> list[str]:
    spans: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for event in events:
        spans.setdefault((event["cat"], event["id"]), []).append(event)
    return [
        f"not one begin and one end after it: {own}"
        for own in spans.values()
        if [event["ph"] for event in own] != ["b", "e"]
        or own[0]["ts"] > own[1]["ts"]
        or any(own[0][key] != own[1][key] for key in ("name", "pid", "tid"))
    ]


def test_every_event_of_a_run_is_as_the_format_has_it(trace: dict[str, Any]) -> None:
    assert flaws(trace) == []


AROUND = st.none() | st.tuples(st.integers(-20, 10), st.integers(0, 20))
CALLS = st.fixed_dictionaries(
    {
        "lane": st.integers(0, 1),
        "gap": st.integers(-2, 20),
        "length": st.integers(0, 30),
        **{name: st.integers(0, 30) for name in ("on_core_ns", "run_queue_ns", "gil_ns", "lock_ns", "blocked_ns")},
        **dict.fromkeys(("unpickled_ns", "pickled_ns"), AROUND),
    }
)


@given(st.lists(st.lists(CALLS, max_size=6), max_size=2))
def test_every_event_is_as_the_format_has_it_whatever_was_recorded(variants: list[list[dict[str, Any]]]) -> None:
    timelines = [recorded(number, calls) for number, calls in enumerate(variants)]
    found = json.loads(files("chrome-trace", fold([STARTED, *timelines]))["trace.json"])
    assert flaws(found) == []
    drawn = [event for event in found["traceEvents"] if event.get("cat") == "call" and event["ph"] in "Xb"]
    assert len(drawn) == sum(map(len, variants))


def recorded(number: int, calls: list[dict[str, Any]]) -> dict[str, Any]:
    """Return the record of a trial of such calls, each so long after the end of the one before it."""
    begun = 20
    made = []
    for call in calls:
        begun = max(0, begun + call["gap"])
        ended = begun + call["length"]
        passages = {}
        for name, at in (("unpickled_ns", begun), ("pickled_ns", ended)):
            first = max(0, at + call[name][0]) if call[name] else 0
            passages[name] = [first, first + call[name][1]] if call[name] else None
        made.append({**call, **passages, "begun_ns": begun, "ended_ns": ended})
        begun = ended
    made.sort(key=lambda call: call["begun_ns"])
    lists = {name: [call[name] for call in made] for name in COLUMNS}
    return {"event": "timeline.recorded", "point": "b() x 1", "variant": f"v{number}", "wall_ns": 60, **lists}


def test_a_hostile_label_is_a_name_like_any_other() -> None:
    timeline = {**recorded(0, []), "variant": " ".join(hostile.TEXTS)}
    found = json.loads(files("chrome-trace", fold([STARTED, timeline]))["trace.json"])
    assert flaws(found) == []
    assert found["traceEvents"][0]["args"]["name"].startswith("a|b </script>")


def test_coroutines_that_overlap_are_begun_and_ended(trace: dict[str, Any]) -> None:
    spans = [event for event in trace["traceEvents"] if event["ph"] in "be"]
    begun = {event["id"]: event["ts"] for event in spans if event["ph"] == "b"}
    ended = {event["id"]: event["ts"] for event in spans if event["ph"] == "e"}
    assert begun.keys() == ended.keys()
    assert all(begun[call] < ended[call] for call in begun)
    assert any(begun[later] < ended[earlier] for earlier, later in pairwise(sorted(begun, key=begun.__getitem__)))


def test_waits_are_visible(trace: dict[str, Any]) -> None:
    blocked = [event for event in slices(trace, "part") if event["name"] == "blocked"]
    calls = Counter(event["pid"] for event in blocked)  # a stall can hide the wait of a call
    assert len(calls) == 4
    assert min(calls.values()) >= 3
    assert all(event["dur"] > 1000 for event in blocked)


def test_pickling_in_workers_is_visible(trace: dict[str, Any]) -> None:
    assert {event["name"] for event in slices(trace, "serialisation")} == {"pickling"}


def test_a_run_without_timelines_gives_an_empty_one() -> None:
    old = fold(conducted({"sequential": 20, "threads": 10}).records())
    assert json.loads(files("chrome-trace", old)["trace.json"])["traceEvents"] == []


@pytest.mark.slow
def test_only_the_first_accounts_of_a_point_hold_a_timeline(tmp_path: Path) -> None:
    (tmp_path / "work.py").write_text(WORK)
    (tmp_path / "twice.yaml").write_text(TWICE)
    assert orchestrator("run", "twice.yaml", cwd=tmp_path).returncode == 0
    names = [event["event"] for event in events((tmp_path / "runs/twice/latest/events.jsonl").read_text())]
    assert (names.count("account.measured"), names.count("timeline.recorded")) == (2, 1)
