"""A journal holds the complete spec, so that no later change of a default judges it anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from orchestrator.spec.model import Experiment, Measure
from tests.support.command import orchestrator
from tests.support.journals import RECORDED, journal_bytes, recorded
from tests.support.paths import ROOT

CHANGED_TIE = """
import gzip, json, sys
from orchestrator.spec import model
model.Measure.model_fields["tie"].default = 0.9
model.Measure.model_rebuild(force=True)
model.Experiment.model_fields["measure"].default = model.Measure()
model.Experiment.model_rebuild(force=True)
smallest = {"name": "a", "workload": {"call": "m:f"}, "models": ["threads"]}
assert model.Experiment.model_validate(smallest).measure.tie == 0.9
from orchestrator.analysis.results import fold
records = [json.loads(line) for line in open(sys.argv[1])]
print(len(list(fold(records).differences)))
"""


def differences(records: list[dict[str, Any]], place: Path) -> int:
    """Return how many derived fields differ when `measure.tie` has another default."""
    file = place / "events.jsonl"
    file.write_bytes(journal_bytes(records))
    command = [sys.executable, "-c", CHANGED_TIE, str(file)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return int(done.stdout)


@pytest.mark.parametrize("file", RECORDED, ids=lambda file: file.name.removesuffix(".jsonl.gz"))
def test_a_changed_default_changes_no_verdict_of_a_recorded_run(file: Path, tmp_path: Path) -> None:
    assert differences(recorded(file), tmp_path) == 0


def test_a_changed_default_would_change_a_verdict_without_the_recorded_value(tmp_path: Path) -> None:
    records = recorded(next(file for file in RECORDED if file.name.startswith("scaling")))
    spec = json.loads(records[0]["spec"])
    del spec["measure"]["tie"]
    records[0]["spec"] = json.dumps(spec)
    assert differences(records, tmp_path) > 0


def test_a_run_records_every_default(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text("def work(): pass\n")
    spec = "workload: {call: 'mine:work'}\nmodels: [processes]\nmeasure: {blocks: 1, rounds: 1}\n"
    (tmp_path / "a.yaml").write_text(spec)
    done = orchestrator("run", "a.yaml", cwd=tmp_path)
    assert done.returncode == 0, done.stderr
    started = recorded(next(tmp_path.glob("runs/a/2*/events.jsonl")))[0]
    written = json.loads(started["spec"])
    assert (written["tasks"], written["expect"], written["limits"]["memory"]) == (1, [], None)
    assert set(written) == set(Experiment.model_fields)
    assert set(written["measure"]) == set(Measure.model_fields)
    assert (written["measure"]["tie"], written["measure"]["timeout"]) == ("3%", "30s")
    entry = written["models"][0]
    assert (entry["model"], entry["chunksize"], entry["start_method"], entry["workers"]) == ("processes", 1, None, None)
