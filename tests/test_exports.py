"""Files for other tools: the tables of a run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator import exports
from orchestrator.exports.csv_tables import _cell
from orchestrator.results import Results, fold
from tests.synthetic import ROUNDS, conducted
from tests.test_cli import GOOD, WORKLOADS, orchestrator


@pytest.fixture(scope="module")
def results() -> Results:
    run = conducted(
        {"sequential": 20, "threads": 10}, fails={"threads": 1}, observed={"observed_pids": 1, "observed_all": True}
    )
    return fold(run.records())


def tables(results: Results) -> dict[str, list[dict[str, str]]]:
    files = exports.render("csv", results)
    return {name: list(csv.DictReader(io.StringIO(content.decode(), newline=""))) for name, content in files.items()}


def test_there_is_a_table_each_of_trials_blocks_variants_and_verdicts(results: Results) -> None:
    assert list(tables(results)) == ["trials.csv", "blocks.csv", "variants.csv", "verdicts.csv"]


def test_every_finished_trial_is_a_row_with_what_was_observed_of_it(results: Results) -> None:
    rows = tables(results)["trials.csv"]
    finished = results.named("trial.finished")
    assert [int(row["wall_ns"]) for row in rows] == [event["wall_ns"] for event in finished]
    assert {(row["observed_pids"], row["observed_all"], row["counts"]) for row in rows} == {("1", "true", "true")}
    assert {(row["model"], row["workers"], row["python"]) for row in rows} == {
        ("sequential", "1", ""),
        ("threads", "2", ""),
    }


def test_every_variant_of_a_block_is_a_row_with_its_medians(results: Results) -> None:
    rows = tables(results)["blocks.csv"]
    assert {(row["counts"], row["rounds"]) for row in rows} == {("true", str(ROUNDS))}
    assert len(rows) == 8 * 2
    assert 9.5e6 < int(rows[1]["wall_ns"]) < 10.5e6


def test_what_was_measured_after_the_last_look_does_not_count() -> None:
    run = conducted({"sequential": 20, "threads": 20}, measure={"max_time": "13s", "tie": "0.01%"})
    records = [event for event in run.records() if event["event"] != "look.taken" or event["blocks"] == 8]
    rows = tables(fold(records))["blocks.csv"]
    assert [row["counts"] for row in rows] == ["true"] * 16 + ["false"] * 6


def test_a_table_is_read_back_whatever_text_is_in_it() -> None:
    run = conducted({"sequential": 20, "threads": 10}, observed={"observed_text": 'a\rb\nc,"d"'})
    assert {row["observed_text"] for row in tables(fold(run.records()))["trials.csv"]} == {'a\rb\nc,"d"'}


def test_the_verdict_is_a_row_with_its_sentence(results: Results) -> None:
    (row,) = tables(results)["verdicts.csv"]
    assert (row["verdict"], row["winners"], row["warnings"]) == ("win", "threads", "blocks_discarded")
    assert row["sentence"].startswith("b() x 1: threads wins")


def test_a_variant_is_a_row_with_its_speedup_and_failures(results: Results) -> None:
    rows = {row["variant"]: row for row in tables(results)["variants.csv"]}
    assert float(rows["threads"]["speedup"]) == pytest.approx(2, rel=0.02)
    assert rows["threads"]["failures"] == "1"


@pytest.mark.parametrize(
    ("value", "cell"),
    [
        ("=1+1", "'=1+1"),
        ("@x", "'@x"),
        ("plain", "plain"),
        (-3, -3),
        (None, None),
        (False, "false"),
        (["a", "b"], "a; b"),
        (["=a"], "'=a"),
    ],
)
def test_a_cell_is_what_a_spreadsheet_shows_and_never_a_formula(value: object, cell: object) -> None:
    assert _cell(value) == cell


# --- the command


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("export")
    (place / "mine.py").write_text(WORKLOADS)
    (place / "good.yaml").write_text(GOOD)
    assert orchestrator("run", "good.yaml", "measure.max_time=2s", cwd=place).returncode == 0
    return place


def test_export_writes_the_tables_of_a_run_and_names_them(place: Path) -> None:
    done = orchestrator("export", "runs/good/latest", "--to", "csv", "--output", "tables/of/it", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    files = done.stdout.splitlines()
    assert files == [f"tables/of/it/{name}.csv" for name in ("trials", "blocks", "variants", "verdicts")]
    journaled = [json.loads(line) for line in (place / "runs/good/latest/events.jsonl").read_text().splitlines()]
    trials: list[dict[str, Any]] = [event for event in journaled if event["event"] == "trial.finished"]
    with (place / files[0]).open(newline="") as file:
        assert [int(row["wall_ns"]) for row in csv.DictReader(file)] == [trial["wall_ns"] for trial in trials]


def test_export_replaces_the_files_of_an_earlier_one_whole(place: Path) -> None:
    for _ in range(2):
        assert orchestrator("export", "runs/good", "--output", "twice", cwd=place).returncode == 0
    assert {path.suffix for path in (place / "twice").iterdir()} == {".csv"}


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["runs/none"], 65, "runs/none holds no events.jsonl; name a run directory"),
        (["runs/good", "--to", "xls"], 2, '--to: no format "xls"; name one of chrome-trace, csv'),
        (["runs/good", "--output", "good.yaml"], 2, "--output: cannot write to good.yaml: File exists; name another"),
    ],
)
def test_what_cannot_be_exported_is_told(place: Path, arguments: list[str], status: int, message: str) -> None:
    done = orchestrator("export", *arguments, cwd=place)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"orchestrator: {message}")
