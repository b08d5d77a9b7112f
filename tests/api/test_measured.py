"""The functions of the package, measured to a result."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

import orchestrator
from orchestrator import Result

pytestmark = pytest.mark.slow

ONE_BLOCK = {"measure.blocks": 1, "measure.rounds": 2}


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "a.yaml").write_text("workload: {call: 'json:loads', args: ['[1]']}\nmodels: [sequential, threads]\n")
    return tmp_path


def test_a_spec_runs_with_its_overrides_below_the_directory_asked_for(place: Path) -> None:
    result = orchestrator.run("a.yaml", {"tasks": 3, **ONE_BLOCK}, runs="kept", max_time=50)
    assert result.directory.is_relative_to(place / "kept" / "a")
    (started,) = result.events("run.started")
    assert started["most_s"] == 50
    assert {trial["tasks"] for trial in result.events("trial.finished")} == {3}


def test_advice_reads_as_advice() -> None:
    result = orchestrator.advise("json:loads", "[1, 2, 3]")
    assert str(result).startswith(("Use ", "No advice"))


def test_functions_are_compared_under_their_names(place: Path) -> None:
    versions = {"old": lambda: 1, "new": lambda: 1}
    result = orchestrator.compare(versions, max_time=60)
    assert {row["variant"] for row in result.table()} == {"old", "new"}
    assert result.directory.is_relative_to(place / "runs" / "compare-old-new")


def test_functions_are_compared_under_each_model() -> None:
    versions = {"old": lambda: 1, "new": lambda: 1}
    result = orchestrator.compare(versions, models=["sequential", "threads"], max_time=60)
    labels = {f"{name} {model}" for name in versions for model in ("sequential", "threads")}
    assert {row["variant"] for row in result.table()} == labels


def test_run_async_and_load_async_return_what_load_returns() -> None:
    async def main() -> tuple[Result, Result]:
        ran = await orchestrator.run_async("a.yaml", ONE_BLOCK)
        return ran, await orchestrator.load_async(ran.directory)

    ran, loaded = asyncio.run(main())
    assert str(loaded) == str(ran) == str(orchestrator.load(ran.directory))
