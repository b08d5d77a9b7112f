"""What is said where the packages of an extra are missing."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest

from orchestrator import errors, extras
from tests.support.paths import ROOT

SPEC = "workload: {call: 'json:loads', kwargs: {s: '[1]'}}\nmodels: [sequential]\nmeasure: {blocks: 1}\n"


def without(modules: str, *arguments: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    """Run the program as if these modules were not installed."""
    code = (
        f"import sys; sys.modules.update(dict.fromkeys({modules.split()})); "
        "from orchestrator.cli.main import main; main()"
    )
    env = {**os.environ, "ORCHESTRATOR_REPORT": "yes"}
    command = [sys.executable, "-c", code, *arguments]
    return subprocess.run(command, cwd=cwd, env=env, capture_output=True, text=True, check=False, timeout=120)


@pytest.mark.slow
def test_a_run_without_the_packages_of_the_page_ends_well_and_names_the_extra_once(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SPEC)
    done = without("jinja2 vl_convert", "run", "s.yaml", cwd=tmp_path)
    assert done.returncode == 0
    (said,) = map(json.loads, done.stderr.splitlines())
    remedy = "pip install 'orchestrator[report]', or turn it off: --no-report"
    assert said["note"] == f"report.html needs jinja2 and vl-convert-python; {remedy}"


def test_a_run_with_no_report_says_nothing_of_the_page(tmp_path: Path) -> None:
    (tmp_path / "s.yaml").write_text(SPEC)
    assert without("jinja2", "run", "s.yaml", "--no-report", cwd=tmp_path).stderr == ""


@pytest.mark.parametrize(
    ("arguments", "what", "package", "extra"),
    [
        (["query", "select 1"], "query", "duckdb", "report"),
        (["history", "cpu"], "history", "duckdb", "report"),
        (["run", "s.yaml", "--cluster", "tcp://localhost:1"], "--cluster", "distributed", "cluster"),
    ],
)
def test_a_command_names_the_extra_that_it_needs(
    arguments: list[str], what: str, package: str, extra: str, tmp_path: Path
) -> None:
    (tmp_path / "s.yaml").write_text(SPEC)
    done = without("duckdb distributed", *arguments, cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert done.stderr == f"orchestrator: {what} needs {package}; pip install 'orchestrator[{extra}]'\n"


@pytest.mark.parametrize("module", ["distributed", "duckdb", "jinja2", "uv", "vl_convert"])
def test_the_extra_that_is_named_has_the_package(module: str) -> None:
    named = re.search(r"\[(\w+)\]", extras.installing(module))
    assert named
    held = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"][named[1]]
    package = {"vl_convert": "vl-convert-python"}.get(module, module)
    assert any(re.split(r"[><=]", text)[0] == package for text in held)
