"""Calls that change their arguments get fresh copies under every model, made before the time."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.journal.read import Records
from tests.support.command import findings, in_process, orchestrator

CHANGING = """
import functools, os

def rank(scores):
    if scores != [3, 1, 2]:
        raise ValueError(f"changed before: {scores}")
    scores.sort()
    return scores[:1]
async def arank(scores): return rank(scores)
def rank_item(scores, by): return rank(scores[by])
def ranked(scores): return sorted(scores)[:1]
def grow(scores): scores.append(len(scores)); return len(scores)
part = functools.partial(rank, [3, 1, 2])
"""

MODELS = [
    "sequential",
    "event_loop",
    "threads",
    "thread_per_task",
    "processes",
    "{model: processes, chunksize: 4, label: chunks}",
    "{model: processes, pool: multiprocessing, chunksize: 4, label: pool}",
    "process_per_task",
]

OTHERS = [
    "loky",
    "joblib",
    "processes_of_threads",
    "processes_of_loops",
    "{model: processes, pool: anyio, label: anyio}",
]


def ran(place: Path, models: list[str], workload: str = "call: 'mine:rank', kwargs: {scores: [3, 1, 2]}") -> Path:
    """Return the journal of a run of two blocks, in which every call must find what was given."""
    (place / "mine.py").write_text(CHANGING)
    spec = f"workload: {{{workload}}}\nmodels: [{', '.join(models)}]\n"
    (place / "a.yaml").write_text(spec + "tasks: 8\nbaseline: sequential\nmeasure: {blocks: 2, rounds: 2}\n")
    done = orchestrator("run", "a.yaml", cwd=place)
    assert done.returncode == errors.OK, done.stderr
    return place / "runs/a/latest/events.jsonl"


def named(journal: Path, name: str) -> list[dict[str, Any]]:
    return [record for record in Records(journal) if record["event"] == name]


@pytest.fixture(scope="module")
def journal(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return ran(tmp_path_factory.mktemp("changed"), MODELS)


def test_every_call_of_every_model_gets_the_arguments_that_were_given(journal: Path) -> None:
    assert not named(journal, "trial.failed")
    assert all(event["blocks"] == 2 for event in named(journal, "variant.compared"))


@pytest.mark.long
def test_every_call_of_other_models_gets_the_arguments_that_were_given(tmp_path: Path) -> None:
    assert not named(ran(tmp_path, ["sequential", *OTHERS]), "trial.failed")


def test_copies_are_said_with_the_argument_beside_the_verdict(journal: Path) -> None:
    (verdict,) = named(journal, "verdict.reached")
    assert "arguments_copied" in verdict["warnings"]
    assert set(verdict["copied"].values()) == {"scores"}


def test_copies_are_noted_on_the_screen(journal: Path) -> None:
    shown = in_process("report", str(journal.parent), "--format", "table", cwd=journal.parent).stdout
    assert "each call got fresh copies, untimed, of what it changes: scores" in shown


def test_first_calls_are_watched_in_the_first_block_only(journal: Path) -> None:
    warmed = named(journal, "runner.warmed")
    assert {event["block"] for event in warmed if event["copied"]} == {0}


def test_accounts_and_overlaps_are_measured_on_copies_too(journal: Path) -> None:
    accounted = {event["variant"] for event in named(journal, "account.measured")}
    assert accounted == {event["variant"] for event in named(journal, "variant.compared")}
    assert "threads" in {event["variant"] for event in named(journal, "overlap.measured")}


@pytest.mark.parametrize(
    "workload",
    [
        pytest.param(
            "call: 'mine:rank', async_call: 'mine:arank', kwargs: {scores: [3, 1, 2]}", marks=pytest.mark.long
        ),
        pytest.param("call: 'mine:rank', args: [[3, 1, 2]]", marks=pytest.mark.long),
        "call: 'mine:rank_item', items: [0, 0, 0, 0, 0, 0, 0, 0], item: by, kwargs: {scores: [[3, 1, 2]]}",
    ],
    ids=["async", "by position", "items"],
)
def test_arguments_of_every_form_are_copied(tmp_path: Path, workload: str) -> None:
    (verdict,) = named(ran(tmp_path, ["sequential", "event_loop"], workload), "verdict.reached")
    assert set(verdict["copied"].values()) == {"scores"}


def test_a_function_that_copies_its_argument_gets_what_was_given(tmp_path: Path) -> None:
    journal = ran(tmp_path, ["sequential", "threads"], "call: 'mine:ranked', kwargs: {scores: [3, 1, 2]}")
    (verdict,) = named(journal, "verdict.reached")
    assert verdict["copied"] is None


def test_copies_that_do_not_fit_into_memory_are_refused_with_the_figures(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CHANGING)
    scores = json.dumps(list(range(1000, 3000)))
    (tmp_path / "a.yaml").write_text(
        f"workload: {{call: 'mine:grow', kwargs: {{scores: {scores}}}}}\n"
        "tasks: 100_000\nmodels: [sequential]\nlimits: {memory: 1GiB}\n"
    )
    done = orchestrator("run", "a.yaml", cwd=tmp_path)
    assert done.returncode == errors.FAILED
    assert "mine:grow changes its argument scores, and copies of it for 100000 calls would take" in done.stderr
    assert "GB free; lower `tasks`" in done.stderr


def test_advice_says_first_that_calls_get_copies(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CHANGING)
    said = findings("mine:rank", "[3, 1, 2]", cwd=tmp_path)
    assert "It changes its argument scores, so each call gets fresh copies" in said


def test_the_arguments_of_a_partial_are_copied_too(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CHANGING)
    assert "It changes its argument scores" in findings("mine:part", cwd=tmp_path)
