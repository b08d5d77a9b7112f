"""Recorded journals of real runs: every figure and sentence derived from them stays as it was.

After a change of figures or sentences that is meant, `make golden` derives them again, and the diff shows what changed.
"""

from __future__ import annotations

import gzip
import json
from functools import cache
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.analysis.results import Results, fold
from orchestrator.journal.derived_events import VerdictReached
from orchestrator.journal.read import EVENTS_FILE, Records, find
from orchestrator.output.formats import files, render
from tests.support import golden
from tests.support.command import in_process
from tests.support.event_schema import misfits
from tests.support.journals import RECORDED, derived_again, recorded


@pytest.fixture(params=RECORDED, ids=lambda file: file.name.removesuffix(".jsonl.gz"))
def run(request: pytest.FixtureRequest, tmp_path: Path) -> Path:
    """A directory that holds a recorded journal, and `runs` above it."""
    file: Path = request.param
    if golden.UPDATES and folded(file).differences:  # another processor gives other last digits, which are none
        file.write_bytes(gzip.compress(derived_again(file), mtime=0))
    directory = tmp_path / "runs" / "recorded" / "20261128T194500000Z-5a5a5a"
    directory.mkdir(parents=True)
    (directory / EVENTS_FILE).write_bytes(gzip.decompress(file.read_bytes()))
    return directory


@pytest.fixture(params=RECORDED, ids=lambda file: file.name.removesuffix(".jsonl.gz"))
def results(request: pytest.FixtureRequest) -> Results:
    """What a recorded journal says."""
    return folded(request.param)


@cache
def folded(file: Path) -> Results:
    """Return the results of a recorded journal, computed once for all tests."""
    return fold(recorded(file))


def test_derived_events_are_as_they_were(run: Path) -> None:
    assert list(fold(Records(find(run))).differences) == [], "changed on purpose? then `make golden`"


def test_a_recorded_journal_is_whole(run: Path) -> None:
    done = in_process("verify", str(run), cwd=run)
    assert (done.returncode, done.stderr, done.stdout.splitlines()[-1]) == (errors.OK, "", "complete")


def test_every_recorded_event_fits_the_schema(run: Path) -> None:
    assert misfits(recorded(run / EVENTS_FILE)) == []


def test_a_table_shows_every_recorded_verdict(results: Results) -> None:
    shown = "".join(render("table", results, details=True).split())
    sentences = [event.sentence for event in results.derived if isinstance(event, VerdictReached)]
    assert [sentence for sentence in sentences if "".join(sentence.split()) not in shown] == []


def test_a_recorded_run_is_no_different_from_itself(run: Path) -> None:
    done = in_process("compare", str(run), str(run), "--format", "json", cwd=run)
    assert {json.loads(line)["wall_ratio"] for line in done.stdout.splitlines()} == {1.0}, done.stderr


@pytest.mark.parametrize("form", ["csv", "chrome-trace", "pyperf", "hyperfine", "markdown"])
def test_a_recorded_run_is_exported(results: Results, form: str) -> None:
    contents = files(form, results)
    assert contents
    assert all(contents.values())
