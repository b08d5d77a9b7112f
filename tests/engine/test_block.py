"""Real blocks: their events beside the trials, and guarded variants."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Iterator, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from orchestrator.engine import block, trials
from orchestrator.engine.hosts import BlockTask
from orchestrator.journal.raw_events import ContextSampled
from orchestrator.machine import host
from orchestrator.runner import reference
from orchestrator.runner.measure import WARM_NS
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from orchestrator.supervisor.environment import RunnerEnvironment, runner_environment
from orchestrator.supervisor.interrupt import Interrupt
from orchestrator.supervisor.process import Runner, default_python

WORKLOAD = """
import contextlib, os, sys, threading, time

def nap():
    time.sleep(0.004)

def seen():
    if any(name.endswith("account.instrumented") for name in sys.modules):
        raise RuntimeError("only without an account")

def closing():
    time.sleep(0.004)
    os.closerange(0, 3)

class Large:
    def __del__(self):
        sum(range(200_000))

def large():
    time.sleep(0.004)
    return Large()

def late():
    time.sleep(0.05)

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


ALIKE = [{"model": "sequential", "label": label} for label in ("one", "other")]


def events_of(
    runner_env: RunnerEnvironment,
    guarded: frozenset[str] = frozenset(),
    entries: Sequence[dict[str, str]] = ALIKE,
    in_first_round: frozenset[str] = frozenset(),
    **workload: str,
) -> list[dict[str, Any]]:
    """Return the events of one block of 15 rounds, of two sequential variants, `one` and `other`, by default."""
    value = {"name": "x", "workload": {"call": "work:nap", **workload}, "models": list(entries)}
    planned = plan_experiment(Experiment.model_validate(value), cores=2)
    task = BlockTask(
        number=0,
        point=planned.points[0],
        variants=planned.variants,
        baseline=planned.variants[0].label,
        seed=1,
        repeats={},
        rounds=15,
        without_warmup=frozenset(),
        in_first_round=in_first_round,
        guarded=guarded,
        limits=(),
        records_timeline=False,
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


def test_the_warm_up_records_the_time_of_the_first_batch(runner_env: RunnerEnvironment) -> None:
    warmed = named(events_of(runner_env), "runner.warmed")
    assert {event["variant"] for event in warmed} == {"one", "other"}
    # without a batch, the machine stood still: the first calls have used up the time of the warm-up
    assert all(event["first_ns"] > 4_000_000 if event["batches"] else event["calls_ns"] >= WARM_NS for event in warmed)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux, as processes are pinned to a core")
def test_all_variants_of_a_round_begin_on_one_core_and_the_cores_take_turns(runner_env: RunnerEnvironment) -> None:
    trials = named(events_of(runner_env), "trial.finished")
    allowed = sorted(os.sched_getaffinity(0))
    assert {(trial["round"], trial["core"]) for trial in trials} == {(n, allowed[n % len(allowed)]) for n in range(15)}


def test_an_idle_runner_is_not_guarded(runner_env: RunnerEnvironment) -> None:
    # of several, as 1 % of a block is little time where others use the cores
    assert any(not named(events_of(runner_env), "runner.guarded") for _ in range(3))


def test_a_runner_that_uses_a_core_without_the_token_is_guarded_from_the_next_block_on(
    runner_env: RunnerEnvironment,
) -> None:
    events = events_of(runner_env, setup="work:busy")
    guarded = named(events, "runner.guarded")
    assert {event["variant"] for event in guarded} == {"one", "other"}
    assert all(event["idle_cpu_ns"] > 0.01 * event["idle_ns"] for event in guarded)
    assert {trial["variant"] for trial in named(events, "trial.finished")} == {"one", "other"}
    assert events[-1]["event"] == "block.finished"


def test_the_time_to_free_the_results_of_a_trial_guards_no_runner(runner_env: RunnerEnvironment) -> None:
    large = (events_of(runner_env, call="work:large", check="none") for _ in range(3))
    assert any(not named(events, "runner.guarded") for events in large)


def test_contention_is_not_looked_for_in_a_variant_far_behind(runner_env: RunnerEnvironment) -> None:
    quick, slow = {"model": "threads"}, {"model": "threads", "label": "slow", "call": "work:late"}
    events = events_of(runner_env, entries=[quick, slow], in_first_round=frozenset({"slow"}))
    accounts = {each["variant"]: each for each in named(events, "account.measured")}
    assert accounts["threads"]["contention_missing"] is None
    assert accounts["slow"]["contention_missing"] == "the variant is far behind"
    assert accounts["slow"]["contention_share"] is None


def test_a_guarded_variant_is_stopped_while_others_run(
    runner_env: RunnerEnvironment, monkeypatch: pytest.MonkeyPatch
) -> None:
    sent: dict[int, list[int]] = {}
    send = Runner.signal

    def record(runner: Runner, number: int) -> None:
        sent.setdefault(runner.pid, []).append(number)
        send(runner, number)

    monkeypatch.setattr(Runner, "signal", record)
    events = events_of(runner_env, frozenset({"one", "other"}), setup="work:busy")
    assert events[-1]["event"] == "block.finished"
    assert {trial["variant"] for trial in named(events, "trial.finished")} == {"one", "other"}
    assert len(sent) == 2
    for numbers in sent.values():
        assert len(numbers) > 2
        assert numbers == [signal.SIGSTOP, signal.SIGCONT] * (len(numbers) // 2)


def test_a_block_records_the_load_of_others(runner_env: RunnerEnvironment) -> None:
    finished = events_of(runner_env)[-1]
    assert 0 <= finished["free_cores"] <= host.effective_cores()
    assert 0 <= finished["steal_share"] <= 1
    assert (finished["pressure"] is None) == (not Path("/proc/pressure/cpu").exists())


def test_free_cores_are_those_that_neither_others_nor_the_hypervisor_used() -> None:
    zero = {"monotonic_ns": 0, "busy_ns": 0, "steal_ns": 0, "psi_cpu_some_us": 0}
    sampled = {**host.sample(), **zero, "effective_cores": 4, "affinity": [0, 1, 2, 3]}
    start = ContextSampled(block=0, when="start", **sampled)
    used = {"monotonic_ns": 10**9, "busy_ns": 2 * 10**9, "steal_ns": 10**9 // 2, "psi_cpu_some_us": 250_000}
    loads = trials.load_of_others(start, start.model_copy(update=used), ours_ns=10**9)
    assert loads == {"free_cores": 2.5, "steal_share": 0.125, "pressure": 0.25}


def test_without_figures_of_the_kernel_the_load_of_others_is_unknown() -> None:
    unknown = {"busy_ns": None, "steal_ns": None, "psi_cpu_some_us": None}
    start = ContextSampled(block=0, when="start", **{**host.sample(), **unknown})
    end = start.model_copy(update={"monotonic_ns": start.monotonic_ns + 10**9})
    assert set(trials.load_of_others(start, end, ours_ns=0).values()) == {None}


def test_an_account_that_fails_is_logged_and_the_block_counts(
    runner_env: RunnerEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    events = events_of(runner_env, call="work:seen")
    assert len({trial["variant"] for trial in named(events, "trial.finished")}) == 2
    assert named(events, "block.finished")
    assert named(events, "account.measured") == []
    said = [line for line in capsys.readouterr().err.splitlines() if "account.failed" in line]
    assert len(said) == 2
    assert all("only without an account" in line for line in said)


def test_an_impossible_account_is_discarded_with_its_reason(
    runner_env: RunnerEnvironment, capsys: pytest.CaptureFixture[str]
) -> None:
    events = events_of(runner_env, call="work:closing")
    assert len({trial["variant"] for trial in named(events, "trial.finished")}) == 2
    for account in named(events, "account.measured"):
        assert all(value is None or 0 <= value <= 1 for name, value in account.items() if name.endswith("_share"))
    assert "the account is impossible (run_queue_share is -" in capsys.readouterr().err
