"""Files for pyperf, read by pyperf itself."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pyperf  # type: ignore[import-untyped]
import pytest

from orchestrator.analysis.results import fold
from orchestrator.output import formats
from tests.support import hostile
from tests.support.synthetic import ROUNDS, conducted

TIMES = {"sequential": 20, "threads": 19.9, "processes": 11}


def render(records: list[dict[str, Any]]) -> dict[str, bytes]:
    return formats.files("pyperf", fold(records))


def runs(content: bytes) -> list[dict[str, Any]]:
    (benchmark,) = json.loads(content)["benchmarks"]
    found: list[dict[str, Any]] = benchmark["runs"]
    return found


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("pyperf")
    (place / "pyperf").mkdir()
    for name, content in render(conducted(TIMES, measure={"blocks": 11}).records()).items():
        (place / name).write_bytes(content)
    return place


def ask(place: Path, verb: str, *arguments: str) -> str:
    """Return what pyperf prints; a warning of Python's ends it."""
    command = [sys.executable, "-W", "error", "-m", "pyperf", verb, *arguments]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=60)
    assert (done.returncode, done.stderr) == (0, "")
    return done.stdout


def test_pyperf_finds_the_faster_variant_faster(place: Path) -> None:
    shown = ask(place, "compare_to", "pyperf/sequential.json", "pyperf/processes.json")
    assert re.search(r"\[sequential\] 20\.0 ms .* -> \[processes\] 11\.0 ms .*: 1\.82x faster", shown)


def test_pyperf_finds_no_difference_where_there_is_none(tmp_path: Path) -> None:
    files = render(conducted({"sequential": 20, "threads": 20}, noise=0.05, measure={"max_time": "20s"}).records())
    for name, content in files.items():
        (tmp_path / Path(name).name).write_bytes(content)
    assert "not significant" in ask(tmp_path, "compare_to", "sequential.json", "threads.json").lower()


def test_pyperf_compares_all_variants_of_a_point_in_one_table(place: Path) -> None:
    names = [f"pyperf/{name}.json" for name in TIMES]
    shown = ask(place, "compare_to", "--table", *names)
    assert re.search(r"\| b\(\) x 1 +\| 20\.0 ms +\| .* \| 11\.0 ms: 1\.82x faster +\|", shown)


def test_pyperf_shows_a_value_for_every_trial_and_a_run_for_every_block(place: Path) -> None:
    shown = ask(place, "stats", "pyperf/threads.json")
    assert "Total number of run: 11\n" in shown
    assert f"Number of value per run: {ROUNDS}\n" in shown
    assert "Mean +- std dev: 19.9 ms" in ask(place, "show", "pyperf/threads.json")


def test_pyperf_finds_a_quiet_benchmark_stable(place: Path) -> None:
    assert "The benchmark seems to be stable" in ask(place, "check", "pyperf/threads.json")


def test_pyperf_tells_of_the_treatment(place: Path) -> None:
    shown = ask(place, "metadata", "pyperf/threads.json").splitlines()
    assert {"- model: threads", "- workers: 2", "- gil: on", "- name: b() x 1", "- run_id: a-run"} <= set(shown)


def test_all_files_of_a_point_hold_equally_many_values_though_one_left_early() -> None:
    files = render(conducted({"sequential": 20, "threads": 90, "processes": 30, "event_loop": 21}).records())
    assert {len(runs(content)) for content in files.values()} == {3}
    assert len(files) == 4


@pytest.fixture
def far_behind() -> list[dict[str, Any]]:
    """Return the records of 8 blocks in which `sequential`, far behind, ran one round each."""
    return [
        record
        for record in conducted({"sequential": 400, "threads": 10}, measure={"blocks": 8}).records()
        if not (record["event"] == "trial.finished" and record["variant"] == "sequential" and record["round"] > 0)
    ]


def test_a_block_in_which_a_variant_far_behind_ran_one_round_is_kept(far_behind: list[dict[str, Any]]) -> None:
    counts = {
        Path(name).stem: [len(run["values"]) for run in runs(content)] for name, content in render(far_behind).items()
    }
    assert counts == {"sequential": [1] * 8, "threads": [ROUNDS] * 8}


def test_pyperf_finds_a_variant_far_behind_slower(far_behind: list[dict[str, Any]], tmp_path: Path) -> None:
    for name, content in render(far_behind).items():
        (tmp_path / Path(name).name).write_bytes(content)
    assert re.search(r"(39\.9|40\.0)\dx slower", ask(tmp_path, "compare_to", "threads.json", "sequential.json"))


def test_who_failed_too_often_has_no_file_and_costs_the_others_nothing() -> None:
    files = render(
        conducted(
            {"sequential": 20, "threads": 10, "processes": 15}, fails={"processes": 2}, measure={"blocks": 11}
        ).records()
    )
    assert list(files) == ["pyperf/sequential.json", "pyperf/threads.json"]
    assert {len(runs(content)) for content in files.values()} == {11}


def test_what_was_measured_after_the_last_look_is_left_out() -> None:
    run = conducted({"sequential": 20, "threads": 20}, measure={"max_time": "13s", "tie": "0.01%"})
    records = [event for event in run.records() if event["event"] != "look.taken" or event["blocks"] <= 8]
    assert [len(runs(content)) for content in render(records).values()] == [8, 8]


def test_several_points_have_a_directory_each() -> None:
    files = render(conducted({"sequential": 20, "threads": 10}, matrix={"tasks": [1, 4], "kwargs.n": [7]}).records())
    assert list(files) == [
        f"pyperf/tasks-{tasks}/{label}.json" for tasks in (1, 4) for label in ("sequential", "threads")
    ]


def test_the_first_and_the_last_batch_of_the_warm_up_are_warm_ups() -> None:
    records = []
    for event in conducted({"sequential": 20, "threads": 10}, measure={"blocks": 8}).records():
        records.append(event)
        if event["event"] == "runner.ready":
            batches = 1 if event["variant"] == "threads" else 3
            warmed = {
                "event": "runner.warmed",
                "batches": batches,
                "calls_ns": 10**7,
                "first_ns": 3 * 10**7,
                "last_ns": 2 * 10**7,
            }
            records.append({**event, **warmed})
    sequential, threads = render(records).values()
    assert [run["warmups"] for run in runs(sequential)] == [[[1, 0.03], [1, 0.02]]] * 8
    assert [run["warmups"] for run in runs(threads)] == [[[1, 0.03]]] * 8


def test_a_run_is_dated_by_the_begin_of_its_block() -> None:
    records = conducted({"sequential": 20, "threads": 10}).records()
    for event in records:
        event["ts"] = "2026-11-25T03:15:00Z"
        if event["event"] == "block.finished":
            event["elapsed_ns"] = 1_500_000_000
    for content in render(records).values():
        assert {run["metadata"]["date"] for run in runs(content)} == {"2026-11-25 03:14:58.500000"}
        assert pyperf.BenchmarkSuite.loads(content.decode()).get_dates()


def test_a_run_without_a_block_that_counts_gives_no_file() -> None:
    records = conducted({"sequential": 20, "threads": 10}).records()
    assert render([event for event in records if event["event"] != "block.finished"]) == {}


@pytest.mark.slow
def test_pyperf_loads_whatever_text_is_in_a_run() -> None:
    records = hostile.records()
    files = render(records)
    points, variants = len(hostile.TEXTS) + 5, 2 * len(hostile.TEXTS)
    assert len({name.casefold() for name in files}) == points * variants
    for name, content in files.items():
        assert re.fullmatch(r"pyperf(/[A-Za-z0-9_][A-Za-z0-9._-]{0,99}){2}\.json", name)
        (benchmark,) = pyperf.BenchmarkSuite.loads(content.decode()).get_benchmarks()
        assert benchmark.get_nvalue() == 2 * ROUNDS
        assert benchmark.get_name().isprintable()
        assert "cpu_model_name" not in benchmark.get_metadata()


@pytest.mark.slow
def test_pyperf_compares_files_of_a_run_with_hostile_text(tmp_path: Path) -> None:
    files = list(render(hostile.records()).values())
    for name, content in zip("ab", files, strict=False):
        (tmp_path / f"{name}.json").write_bytes(content)
    assert "significant" in ask(tmp_path, "compare_to", "-v", "a.json", "b.json").lower()
    assert "hostname: a|b" in ask(tmp_path, "metadata", "a.json")
