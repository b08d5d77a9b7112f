"""Journals that earlier versions of this program have written, read by this one.

Each of `golden/journals` is as its version has left it, from the first that could be used on, of a run of one small
spec with what that version could do: trials, looks, drops, observed values, failures, expectations.
"""

from __future__ import annotations

import gzip
import json
import shutil
from dataclasses import dataclass
from pathlib import Path
from subprocess import CompletedProcess
from typing import Any

import pytest

from orchestrator import errors, events, journal
from orchestrator.inference.stats import STATS_VERSION
from orchestrator.verdicts.results import fold
from tests.test_cli import told
from tests.test_schemas import misfits

FILES = sorted((Path(__file__).parent / "golden" / "journals").glob("*.jsonl.gz"))


def name(file: Path) -> str:
    return file.name.removesuffix(".jsonl.gz")


def records(file: Path) -> list[dict[str, Any]]:
    with gzip.open(file) as lines:
        return [json.loads(line) for line in lines]


@dataclass(frozen=True)
class Old:
    """An earlier journal where a run would have put it."""

    place: Path
    written: list[dict[str, Any]]

    def ask(self, verb: str, *arguments: str) -> CompletedProcess[str]:
        return told(verb, "runs/small/latest", *arguments, cwd=self.place)

    def sentences(self) -> list[str]:
        """Return what the version that wrote it said."""
        return [record["sentence"] for record in self.written if record["event"] == "verdict.reached"]


@pytest.fixture(scope="module", params=FILES, ids=name)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Old:
    written = records(request.param)
    place = tmp_path_factory.mktemp(name(request.param))
    directory = place / "runs" / "small" / written[0]["run_id"]
    directory.mkdir(parents=True)
    (directory.parent / journal.LATEST).symlink_to(directory.name)
    with gzip.open(request.param) as source, (directory / journal.EVENTS_FILE).open("wb") as copy:
        shutil.copyfileobj(source, copy)
    return Old(place, written)


def test_there_is_a_journal_of_every_version_of_the_statistics() -> None:
    """Who raises it adds a journal of the version before."""
    versions = {record["stats_version"] for file in FILES for record in records(file) if "stats_version" in record}
    assert versions == set(range(1, STATS_VERSION + 1))


def test_an_earlier_journal_is_whole(old: Old) -> None:
    done = old.ask("verify")
    assert (done.returncode, done.stderr) == (errors.OK, "")
    assert done.stdout.splitlines()[-1] == "whole"


def test_an_earlier_journal_is_shown_as_a_table_with_its_verdicts(old: Old) -> None:
    done = old.ask("report", "--format", "table")
    assert done.returncode == errors.OK
    assert "Traceback" not in done.stderr
    text = " ".join(done.stdout.split())
    for sentence in old.sentences():
        point, _, claim = sentence.partition(": ")
        assert f"{point}: {claim.partition(' wins')[0]} wins" in text


def test_an_earlier_journal_is_reported_as_json_lines(old: Old) -> None:
    done = old.ask("report", "--format", "json")
    assert done.returncode == errors.OK
    verdicts = [line for line in map(json.loads, done.stdout.splitlines()) if line["event"] == "verdict.reached"]
    assert [verdict["verdict"] for verdict in verdicts] == ["win"] * len(old.sentences())
    assert all(verdict["sentence"] for verdict in verdicts)


def test_of_an_earlier_journal_at_most_the_version_of_the_statistics_is_told_to_differ(old: Old) -> None:
    version = next(record["stats_version"] for record in old.written if "stats_version" in record)
    expected = f"the journal's figures are of version {version} of the statistics, these of {STATS_VERSION}"
    differences = fold(journal.Records(journal.find(old.place / "runs" / "small"))).differences
    assert list(differences) == ([expected] if version != STATS_VERSION else [])


def test_an_earlier_journal_becomes_tables(old: Old) -> None:
    assert old.ask("export", "--to", "csv", "--output", str(old.place)).returncode == errors.OK
    trials = sum(record["event"] == "trial.finished" for record in old.written)
    assert len((old.place / "trials.csv").read_text().splitlines()) == trials + 1


def test_an_earlier_journal_becomes_a_timeline(old: Old) -> None:
    assert old.ask("export", "--to", "chrome-trace", "--output", str(old.place)).returncode == errors.OK


def test_earlier_journals_compare_with_themselves(old: Old) -> None:
    done = old.ask("compare", "runs/small/latest", "--format", "json")
    assert done.returncode == errors.OK, done.stderr
    assert {json.loads(line)["wall_ratio"] for line in done.stdout.splitlines()} == {1.0}


def test_the_spec_of_an_earlier_journal_can_still_be_planned(old: Old) -> None:
    (old.place / "mine.py").write_text("def total(n): ...\ndef fails(n): ...\ndef seen(results, initargs): ...\n")
    (old.place / "small.yaml").write_text(old.written[0]["spec"])
    done = told("plan", "small.yaml", cwd=old.place)
    assert (done.returncode, done.stderr) == (errors.OK, "")


def test_every_event_of_an_earlier_journal_fits_the_schema(old: Old) -> None:
    assert misfits(old.written) == []


def test_what_is_called_later_is_what_some_earlier_journal_lacks() -> None:
    lacking: dict[str, set[str]] = {}
    for file in FILES:
        for record in records(file):
            fields = events.EVENTS[record["event"]].model_fields
            lacking.setdefault(record["event"], set()).update(
                field for field, about in fields.items() if about.is_required() and field not in record
            )
    assert lacking == {event: set(events.EVENTS[event].LATER) for event in lacking}
    assert not any(kind.LATER for event, kind in events.EVENTS.items() if event not in lacking)
