"""Files for other tools: the tables of a run."""

from __future__ import annotations

import csv
import io
import json
from pathlib import Path
from typing import Any

import duckdb
import pandas
import polars
import pytest

from orchestrator.analysis.results import Results, fold
from orchestrator.output.columns import NAMES
from orchestrator.output.export.csv_tables import cell as shown
from orchestrator.output.formats import files as rendered
from orchestrator.output.formats import names
from tests.support.command import GOOD, WORKLOADS, in_process, orchestrator
from tests.support.paths import ROOT
from tests.support.synthetic import ROUNDS, conducted


@pytest.fixture(scope="module")
def results() -> Results:
    run = conducted(
        {"sequential": 20, "threads": 10},
        fails={"threads": 1},
        observed={"observed_pids": 1, "observed_all": True},
        measure={"blocks": 8},
    )
    return fold(run.records())


def tables(results: Results) -> dict[str, list[dict[str, str]]]:
    files = rendered("csv", results)
    return {name: list(csv.DictReader(io.StringIO(content.decode(), newline=""))) for name, content in files.items()}


def test_there_is_a_table_of_everything_of_a_run(results: Results) -> None:
    assert list(tables(results)) == [f"{name}.csv" for name in NAMES]


def test_a_run_is_a_row_with_when_where_and_how_it_ended(results: Results) -> None:
    (row,) = tables(results)["runs.csv"]
    assert (row["experiment"], row["outcome"], row["exit_status"]) == ("x", "workload_failed", "3")


def test_every_finished_trial_is_a_row_with_what_was_observed_of_it(results: Results) -> None:
    rows = tables(results)["trials.csv"]
    finished = results.records("trial.finished")
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
    records = [event for event in run.records() if event["event"] != "look.taken" or event["blocks"] <= 8]
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
        ("\rx", "'\rx"),
        ("plain", "plain"),
        (-3, -3),
        (None, None),
        (False, "false"),
        (["a", "b"], "a; b"),
        (["=a"], "'=a"),
    ],
)
def test_a_cell_is_what_a_spreadsheet_shows_and_never_a_formula(value: object, cell: object) -> None:
    assert shown(value) == cell


# --- Parquet


def read_by(reader: str, file: Path) -> list[dict[str, Any]]:
    """Return the rows of a file as a program reads them, NaN of pandas as None."""
    if reader == "pandas":
        found = pandas.read_parquet(file, dtype_backend="pyarrow").to_dict("records")
        return [{key: None if value is pandas.NA else value for key, value in row.items()} for row in found]
    if reader == "polars":
        return polars.read_parquet(file).to_dicts()
    with duckdb.connect() as connection:
        cursor = connection.execute("SELECT * FROM read_parquet($1)", [str(file)])
        names = [column[0] for column in cursor.description or ()]
        return [dict(zip(names, row, strict=True)) for row in cursor.fetchall()]


@pytest.mark.parametrize("reader", ["pandas", "polars", "duckdb"])
def test_parquet_holds_what_the_log_does_in_every_reader(results: Results, tmp_path: Path, reader: str) -> None:
    for name, content in rendered("parquet", results).items():
        (tmp_path / name).write_bytes(content)
    trials = read_by(reader, tmp_path / "trials.parquet")
    logged = results.records("trial.finished")
    assert [trial["wall_ns"] for trial in trials] == [event["wall_ns"] for event in logged]
    assert {(trial["observed_all"], trial["counts"]) for trial in trials} == {(True, True)}
    variants = {row["variant"]: row for row in read_by(reader, tmp_path / "variants.parquet")}
    assert variants["sequential"]["speedup_low"] is None
    assert variants["threads"]["speedup"] == pytest.approx(2, rel=0.02)
    (verdict,) = read_by(reader, tmp_path / "verdicts.parquet")
    assert list(verdict["winners"]) == ["threads"]


def test_parquet_holds_whatever_text_and_numbers_there_are(tmp_path: Path) -> None:
    odd = {"observed_text": "a\0b\ud800", "observed_huge": 2**64 - 1, "observed_list": [1, "x"], "observed_half": 0.5}
    run = conducted({"sequential": 20, "threads": 10}, observed=odd)
    (tmp_path / "trials.parquet").write_bytes(rendered("parquet", fold(run.records()))["trials.parquet"])
    row = read_by("duckdb", tmp_path / "trials.parquet")[0]
    assert row["observed_text"] == "a\\x00b\\ud800"
    assert (row["observed_huge"], row["observed_list"], row["observed_half"]) == (str(2**64 - 1), '[1,"x"]', 0.5)


# --- the command


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("export")
    (place / "mine.py").write_text(WORKLOADS)
    (place / "good.yaml").write_text(GOOD)
    assert orchestrator("run", "good.yaml", "measure.blocks=1", "measure.rounds=3", cwd=place).returncode == 0
    return place


def test_export_writes_the_tables_of_a_run_and_names_them(place: Path) -> None:
    done = orchestrator("export", "runs/good/latest", "--to", "csv", "--output", "tables/of/it", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    files = done.stdout.splitlines()
    assert files == [f"tables/of/it/{name}.csv" for name in NAMES]
    journaled = [json.loads(line) for line in (place / "runs/good/latest/events.jsonl").read_text().splitlines()]
    trials: list[dict[str, Any]] = [event for event in journaled if event["event"] == "trial.finished"]
    with (place / "tables/of/it/trials.csv").open(newline="") as file:
        assert [int(row["wall_ns"]) for row in csv.DictReader(file)] == [trial["wall_ns"] for trial in trials]


def test_export_overwrites_nothing_without_force(place: Path) -> None:
    (place / "twice").mkdir()
    (place / "twice" / "blocks.csv").write_text("mine")
    refused = in_process("export", "runs/good", "--output", "twice", cwd=place)
    what = "twice/blocks.csv exists; name another directory, or overwrite with --force"
    assert (refused.returncode, refused.stdout, refused.stderr) == (2, "", f"orchestrator: {what}\n")
    assert [(file.name, file.read_text()) for file in (place / "twice").iterdir()] == [("blocks.csv", "mine")]
    forced = in_process("export", "runs/good", "--output", "twice", "--force", cwd=place)
    assert (forced.returncode, forced.stderr) == (0, "")
    assert (place / "twice" / "blocks.csv").read_text().startswith("run_id,")
    assert len(list((place / "twice").iterdir())) == len(NAMES)


def test_a_dangling_link_is_a_file_that_exists(place: Path) -> None:
    (place / "report.md").symlink_to("nowhere")
    refused = in_process("export", "runs/good", "--to", "markdown", cwd=place)
    assert refused.returncode == 2
    assert (place / "report.md").is_symlink()


def test_files_may_lie_in_directories_of_the_output(place: Path) -> None:
    done = in_process("export", "runs/good", "--to", "pyperf", "--output", "deep/er", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    assert done.stdout.splitlines() == [f"deep/er/pyperf/{label}.json" for label in ("sequential", "threads")]
    assert all((place / name).is_file() for name in done.stdout.splitlines())


def test_every_format_can_be_written(place: Path) -> None:
    for name in names("export"):
        done = in_process("export", "runs/good", "--to", name, "--output", f"all/{name}", cwd=place)
        assert (done.returncode, done.stderr) == (0, "")
        assert all((place / file).stat().st_size for file in done.stdout.splitlines())


@pytest.mark.parametrize(
    ("document", "formats"), [("exports.md", names("export")), ("reports.md", names("text", "page"))]
)
def test_the_document_names_every_format(document: str, formats: tuple[str, ...]) -> None:
    text = (ROOT / "docs" / document).read_text()
    assert [name for name in formats if f"`{name}`" not in text] == []


def test_the_help_names_every_format() -> None:
    reported = in_process("export", "--help", cwd=Path.cwd()).stdout
    assert [name for name in names("export") if name not in reported] == []


def test_a_run_with_nothing_for_a_format_is_reported(place: Path) -> None:
    lines = (place / "runs/good/latest/events.jsonl").read_text().splitlines(keepends=True)
    (place / "cut.jsonl").write_text(lines[0])
    done = in_process("export", "cut.jsonl", "--to", "pyperf", "--output", "nothing", cwd=place)
    what = "cut.jsonl has no finished block, so the format pyperf would be empty"
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.startswith(f"orchestrator: {what}; export it to csv")
    assert not (place / "nothing").exists()


@pytest.mark.parametrize(
    ("arguments", "status", "message"),
    [
        (["runs/none"], 2, "runs/none is not there; name a run directory"),
        (
            ["runs/good", "--to", "xls"],
            2,
            '--to: no format "xls"; name one of chrome-trace, csv, hyperfine, markdown, parquet, pyperf',
        ),
        (["runs/good", "--output", "good.yaml"], 2, "--output: cannot write to good.yaml: File exists; name another"),
    ],
)
def test_what_cannot_be_exported_is_reported(place: Path, arguments: list[str], status: int, message: str) -> None:
    done = in_process("export", *arguments, cwd=place)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(f"orchestrator: {message}")
