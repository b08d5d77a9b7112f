"""A journal holds the complete spec, so that no later change of a default judges it anew."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

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
for file in sys.argv[1:]:
    records = [json.loads(line) for line in open(file)]
    print(len(list(fold(records).differences)))
"""
NAMES = [file.name.removesuffix(".jsonl.gz") for file in RECORDED]
WITHOUT = "without the default"
"""A recorded run whose spec does not have `measure.tie`."""


@pytest.fixture(scope="module")
def differences(tmp_path_factory: pytest.TempPathFactory) -> dict[str, int]:
    """How many derived fields of each run differ when `measure.tie` has another default."""
    place = tmp_path_factory.mktemp("changed")
    runs = {name: recorded(file) for name, file in zip(NAMES, RECORDED, strict=True)}
    (first, *others) = runs["scaling"]
    spec = json.loads(first["spec"])
    del spec["measure"]["tie"]
    runs[WITHOUT] = [first | {"spec": json.dumps(spec)}, *others]
    for name, records in runs.items():
        (place / name).write_bytes(journal_bytes(records))
    command = [sys.executable, "-c", CHANGED_TIE, *(str(place / name) for name in runs)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return dict(zip(runs, map(int, done.stdout.split()), strict=True))


@pytest.mark.parametrize("name", NAMES)
def test_a_changed_default_changes_no_verdict_of_a_recorded_run(name: str, differences: dict[str, int]) -> None:
    assert differences[name] == 0


def test_a_changed_default_would_change_a_verdict_without_the_recorded_value(differences: dict[str, int]) -> None:
    assert differences[WITHOUT] > 0


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
