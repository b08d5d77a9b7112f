"""What an entry of `models` overrides is what the events, tables and exports of its variant show."""

from __future__ import annotations

import csv
import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.command import in_process, orchestrator
from tests.support.event_schema import misfits
from tests.support.journals import recorded

SPEC = """
name: overrides
workload: {call: 'mine:work', kwargs: {n: 5, m: 1}}
models:
  - threads
  - {model: threads, label: ten, kwargs: {n: 10}}
  - {model: threads, label: other, call: 'mine:other', env: {MODE: fast}, path: lib, initializer: 'mine:start'}
baseline: threads
measure: {blocks: 4, rounds: 1}
expect:
  - {of: threads, against: ten, where: {kwargs.n: 5}, min: 0.000001}
  - {of: ten, where: {kwargs_n: 10}, min: 0.000001}
"""
CODE = "def work(n, m): return None\ndef other(n, m): return None\ndef start(initargs): pass\n"


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A directory with one finished run."""
    place = tmp_path_factory.mktemp("overrides")
    (place / "lib").mkdir()
    (place / "mine.py").write_text(CODE)
    (place / "overrides.yaml").write_text(SPEC)
    done = orchestrator("run", "overrides.yaml", cwd=place)
    assert done.returncode == 0, done.stderr
    return place


@pytest.fixture(scope="module")
def records(place: Path) -> list[dict[str, Any]]:
    return recorded(next(place.glob("runs/overrides/2*/events.jsonl")))


@pytest.mark.parametrize("event", ["runner.ready", "trial.finished", "variant.compared", "account.measured"])
def test_an_event_has_the_overrides_of_its_variant(records: list[dict[str, Any]], event: str) -> None:
    own = {record["variant"]: record for record in records if record["event"] == event}
    names = ("kwargs_n", "kwargs_m", "call", "env_MODE", "path", "initializer")
    assert {label: [record.get(name) for name in names] for label, record in own.items()} == {
        "threads": [5, 1, None, None, None, None],
        "ten": [10, 1, None, None, None, None],
        "other": [5, 1, "mine:other", "fast", "lib", "mine:start"],
    }


def test_events_with_overrides_fit_the_schema(records: list[dict[str, Any]]) -> None:
    assert misfits(records) == []


def test_an_event_about_a_point_has_its_own_kwargs(records: list[dict[str, Any]]) -> None:
    assert {record["kwargs_n"] for record in records if record["event"] in ("block.started", "verdict.reached")} == {5}


def test_a_query_shows_overrides(place: Path) -> None:
    sql = "select distinct variant, kwargs_n, env_MODE from trials order by variant"
    rows = [json.loads(line) for line in in_process("query", sql, "--json", cwd=place).stdout.splitlines()]
    assert [tuple(row.values()) for row in rows] == [("other", 5, "fast"), ("ten", 10, None), ("threads", 5, None)]


def test_a_csv_export_shows_overrides(place: Path) -> None:
    done = in_process("export", "runs/overrides/latest", "--to", "csv", "--output", "out", cwd=place)
    assert done.returncode == 0, done.stderr
    with (place / "out" / "variants.csv").open(newline="") as file:
        rows = {row["variant"]: (row["kwargs_n"], row["call"], row["path"]) for row in csv.DictReader(file)}
    assert rows == {"threads": ("5", "", ""), "ten": ("10", "", ""), "other": ("5", "mine:other", "lib")}


def test_a_parquet_export_shows_overrides(place: Path) -> None:
    duckdb = pytest.importorskip("duckdb")
    done = in_process("export", "runs/overrides/latest", "--to", "parquet", "--output", "parquet", cwd=place)
    assert done.returncode == 0, done.stderr
    sql = f"select variant, kwargs_n, call from '{place}/parquet/variants.parquet' order by variant"
    assert duckdb.sql(sql).fetchall() == [("other", 5, "mine:other"), ("ten", 10, None), ("threads", 5, None)]
