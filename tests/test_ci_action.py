"""The GitHub action and the workflow: their commands, run by a shell as a job runs them."""

from __future__ import annotations

import os
import re
import subprocess
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT
from tests.test_docs import options

ACTION: dict[str, Any] = yaml.safe_load((ROOT / ".github/actions/concurrency/action.yml").read_text())
WORKFLOW: dict[str, Any] = yaml.safe_load((ROOT / ".github/workflows/concurrency.yml").read_text())
(MEASURE,) = [step for step in ACTION["runs"]["steps"] if step["name"] == "Measure"]


def called(tmp_path: Path, **variables: str) -> list[str]:
    """Return the arguments that the action calls the interpreter with."""
    python = tmp_path / "python"
    python.write_text('#!/bin/sh\nfor each in "$@"; do echo "$each"; done\n')
    python.chmod(0o755)
    given = {"SPECS": "", "BASE": "", "TOLERANCE": "5%", "MAX_TIME": "10m", "PYTHON": str(python), **variables}
    done = subprocess.run(
        ["bash", "--noprofile", "--norc", "-eo", "pipefail", "-c", MEASURE["run"]],
        cwd=tmp_path,
        env={"PATH": os.environ["PATH"], **given},
        capture_output=True,
        text=True,
        check=True,
    )
    return done.stdout.splitlines()


def test_the_action_gives_the_program_its_defaults(tmp_path: Path) -> None:
    assert called(tmp_path) == ["-P", "-m", "orchestrator", "ci", "--tolerance", "5%", "--max-time", "10m"]


def test_the_action_splits_specs_and_passes_the_base_on(tmp_path: Path) -> None:
    found = called(tmp_path, SPECS="a.yaml models=[threads]", BASE="origin/next")
    assert found[4:8] == ["a.yaml", "models=[threads]", "--base", "origin/next"]


def test_an_input_of_the_action_is_never_run(tmp_path: Path) -> None:
    called(tmp_path, SPECS="$(touch hacked) *", BASE="`touch hacked`; touch hacked")
    assert not (tmp_path / "hacked").exists()


def test_the_commands_of_the_action_use_no_expressions() -> None:
    assert [step["run"] for step in ACTION["runs"]["steps"] if "${{" in step.get("run", "")] == []


def test_every_input_of_the_action_is_used_and_described() -> None:
    used = set(re.findall(r"inputs\.([a-z-]+)", str(ACTION["runs"])))
    assert used == set(ACTION["inputs"])
    assert all(about["description"] for about in ACTION["inputs"].values())


def test_the_action_names_only_options_that_exist() -> None:
    assert set(re.findall(r"--[a-z-]+", MEASURE["run"])) <= options("ci")


def test_the_workflow_fetches_the_history_and_uses_the_action_of_the_project() -> None:
    steps = WORKFLOW["jobs"]["compare"]["steps"]
    assert steps[0]["with"]["fetch-depth"] == 0
    assert (ROOT / steps[-1]["uses"] / "action.yml").is_file()
