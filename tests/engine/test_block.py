"""Real blocks: what they leave beside the trials, and who is stopped while others hold the token."""

from __future__ import annotations

import os
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine import block
from orchestrator.engine.hosts import BlockTask
from orchestrator.runner import reference
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from orchestrator.supervisor.process import Interrupt, RunnerEnvironment, default_python, runner_environment

WORKLOAD = """
import contextlib, threading, time

def nap():
    time.sleep(0.004)

@contextlib.contextmanager
def busy():
    ended = threading.Event()
    def burn():
        while not ended.wait(0.001):
            sum(range(20_000))
    thread = threading.Thread(target=burn)
    thread.start()
    yield
    ended.set()
    thread.join()
"""


@pytest.fixture(scope="module")
def runner_env() -> Iterator[RunnerEnvironment]:
    with runner_environment() as found:
        yield found


@pytest.fixture(autouse=True)
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "work.py").write_text(WORKLOAD)
    monkeypatch.chdir(tmp_path)


def events_of(
    runner_env: RunnerEnvironment, guarded: frozenset[str] = frozenset(), **workload: str
) -> list[dict[str, Any]]:
    """Return the events of one block of two sequential variants, `one` and `other`, with 15 rounds."""
    entries = [{"model": "sequential", "label": label} for label in ("one", "other")]
    value = {"name": "x", "workload": {"call": "work:nap", **workload}, "models": entries}
    planned = plan_experiment(Experiment.model_validate(value), cores=2)
    task = BlockTask(
        number=0,
        point=planned.points[0],
        variants=planned.variants,
        baseline="one",
        seed=1,
        repeats={},
        rounds=15,
        guarded=guarded,
        limits=(),
        draws=False,
        timeout_s=30,
        deadline=time.monotonic() + 60,
    )
    with closing(Interrupt()) as interrupt:
        pythons = {variant.label: default_python() for variant in planned.variants}
        return [event.fields() for event in block.execute(task, runner_env, interrupt, pythons)]


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["event"] == name]


def test_the_reference_loop_is_timed_in_every_round(runner_env: RunnerEnvironment) -> None:
    (timed,) = named(events_of(runner_env), "reference.timed")
    assert len(timed["wall_ns"]) == 15
    assert all(wall_ns > 0 for wall_ns in timed["wall_ns"])
    assert timed["version"] == reference.VERSION


def test_the_reference_loop_always_does_the_same() -> None:
    assert reference.loop() == 655_473


def test_the_warm_up_tells_what_the_first_batch_took(runner_env: RunnerEnvironment) -> None:
    warmed = named(events_of(runner_env), "runner.warmed")
    assert {event["variant"] for event in warmed} == {"one", "other"}
    assert all(event["batches"] >= 1 and event["first_ns"] > 4_000_000 for event in warmed)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux: elsewhere nobody can be put on a core")
def test_all_variants_of_a_round_begin_on_one_core_and_the_cores_take_turns(runner_env: RunnerEnvironment) -> None:
    trials = named(events_of(runner_env), "trial.finished")
    allowed = sorted(os.sched_getaffinity(0))
    assert {(trial["round"], trial["core"]) for trial in trials} == {(n, allowed[n % len(allowed)]) for n in range(15)}


def test_nobody_who_sits_still_is_stopped(runner_env: RunnerEnvironment) -> None:
    assert not named(events_of(runner_env), "runner.guarded")


def test_who_burns_a_core_without_the_token_is_to_be_stopped_from_the_next_block_on(
    runner_env: RunnerEnvironment,
) -> None:
    events = events_of(runner_env, setup="work:busy")
    guarded = named(events, "runner.guarded")
    assert {event["variant"] for event in guarded} == {"one", "other"}
    assert all(event["idle_cpu_ns"] > 0.01 * event["idle_ns"] for event in guarded)
    assert len(named(events, "trial.finished")) == 30
    assert events[-1]["event"] == "block.finished"


def test_who_was_stopped_in_an_earlier_block_is_stopped_from_the_start(runner_env: RunnerEnvironment) -> None:
    events = events_of(runner_env, frozenset({"one", "other"}), setup="work:busy")
    assert not named(events, "runner.guarded")
    assert len(named(events, "trial.finished")) == 30
    assert events[-1]["event"] == "block.finished"


def test_pressure_and_steal_of_a_block_are_shares(runner_env: RunnerEnvironment) -> None:
    finished = events_of(runner_env)[-1]
    assert all(finished[key] is None or 0 <= finished[key] <= 1 for key in ("pressure", "steal_share"))
