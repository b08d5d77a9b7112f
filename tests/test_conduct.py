"""Which block comes next, when it is enough, and what is stored: with an executor whose blocks cost nothing."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

import anyio
import pytest

from orchestrator import conduct
from orchestrator.block import BlockTask
from orchestrator.conduct import Conductor
from orchestrator.console import Silent
from orchestrator.contest import Contest
from orchestrator.events import (
    BlockDiscarded,
    BlockFinished,
    BlockStarted,
    Event,
    PointCalibrated,
    TrialFailed,
    TrialFinished,
)
from orchestrator.plan import Plan, columns, plan
from orchestrator.spec import Experiment

ROUNDS = 5


class Clock:
    """A monotonic clock that blocks advance."""

    def __init__(self) -> None:
        self.now_s = 0.0

    def monotonic(self) -> float:
        return self.now_s


class Executor:
    """Makes blocks from the time of each variant, with a little noise; `fails` names who fails how often."""

    def __init__(self, clock: Clock, times_ms: dict[str, float], block_s: float, fails: dict[str, int]) -> None:
        self.tasks: list[BlockTask] = []
        self._clock = clock
        self._times_ms = times_ms
        self._block_s = block_s
        self._fails = dict(fails)
        self._dice = random.Random(1)

    async def run(self, task: BlockTask, notify: Callable[[str], None]) -> list[Event]:
        self.tasks.append(task)
        self._clock.now_s += self._block_s
        about = columns(task.point)
        labels = [variant.label for variant in task.variants]
        started = BlockStarted(**about, block=task.number, variants=labels)
        for variant in task.variants:
            if self._fails.get(variant.label):
                self._fails[variant.label] -= 1
                failure: dict[str, Any] = dict.fromkeys(("round", "position", "traceback"))
                text: dict[str, Any] = {"cause": "exception", "error": "ValueError: no"}
                spoilt = TrialFailed(**columns(task.point, variant), block=task.number, **failure, **text)
                return [started, spoilt, BlockDiscarded(**about, block=task.number, reason="no")]
        trials: list[Event] = []
        for variant in task.variants:
            if variant.label not in task.repeats:
                calibrated = columns(task.point, variant)
                trials.append(PointCalibrated(**calibrated, repeats=1, rounds=ROUNDS))
        for number in range(ROUNDS):
            for variant in task.variants:
                wall_ns = round(self._times_ms[variant.label] * 1e6 * self._dice.lognormvariate(0, 0.002))
                where = {**columns(task.point, variant), "block": task.number, "round": number, "position": 0}
                trials.append(TrialFinished(**where, repeats=1, started_ns=0, wall_ns=wall_ns, cpu_ns=wall_ns))
        times: dict[str, Any] = dict.fromkeys(("elapsed_ns", "starting_ns", "warming_ns", "trials_ns", "wait_ns"), 1)
        return [
            started,
            *trials,
            BlockFinished(
                **about,
                block=task.number,
                variants=labels,
                unchecked=[],
                free_cores=2.0,
                steal_share=0.0,
                **times,
            ),
        ]


class Run:
    """A conducted run: what was asked of the executor, and what was stored."""

    def __init__(self, planned: Plan, executor: Executor, contests: list[Contest]) -> None:
        self.plan = planned
        self.tasks = executor.tasks
        self.contests = contests
        self.stored: list[Event] = []
        self.synced_after: list[int] = []

    def named(self, name: str) -> list[Event]:
        return [event for event in self.stored if event.event == name]


@pytest.fixture
def conducted(monkeypatch: pytest.MonkeyPatch) -> Callable[..., Run]:
    def run(
        times_ms: dict[str, float],
        *,
        block_s: float = 1.0,
        fails: dict[str, int] | None = None,
        **spec: Any,
    ) -> Run:
        clock = Clock()
        monkeypatch.setattr(conduct, "time", clock)
        value = {
            "name": "x",
            "workload": {"call": "a:b"},
            "models": list(times_ms),
            "measure": {"max_time": "1h"},
            **spec,
        }
        planned = plan(Experiment.model_validate(value), cores=2)
        executor = Executor(clock, times_ms, block_s, fails or {})
        contests = [Contest(planned, point) for point in planned.points]
        made = Run(planned, executor, contests)
        conductor = Conductor(
            planned,
            contests,
            executor,
            made.stored.append,
            lambda: made.synced_after.append(len(made.stored)),
            Silent(),
            seed=1,
        )
        anyio.run(conductor.run)
        return made

    return run


def labels(tasks: Sequence[BlockTask]) -> list[list[str]]:
    return [[variant.label for variant in task.variants] for task in tasks]


def test_two_variants_that_differ_take_eight_blocks(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 10})
    assert len(run.tasks) == 8
    assert [look.decision for look in run.contests[0].looks] == ["win"]


def test_four_variants_are_first_looked_at_after_eleven_blocks(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "event_loop": 20.2, "threads": 25, "processes": 10})
    assert [look.blocks for look in run.contests[0].looks] == [11]


def test_the_same_time_ends_in_a_tie(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 20})
    assert [look.decision for look in run.contests[0].looks] == ["tie"]


def test_who_is_out_is_measured_no_more_while_others_still_contend(conducted: Callable[..., Run]) -> None:
    # 3 % apart is neither a tie nor easily told apart at the first look
    run = conducted({"sequential": 40, "event_loop": 30, "threads": 10, "processes": 10.3}, measure={"tie": "0.01%"})
    looks = run.contests[0].looks
    assert "event_loop" in looks[0].dropped
    later = labels(run.tasks)[looks[0].blocks :]
    assert all("event_loop" not in block for block in later)


def test_the_baseline_goes_on_when_it_is_out_of_the_contest(conducted: Callable[..., Run]) -> None:
    spec = {"expect": [{"of": "threads", "min": 0.9999, "max": 1.0001, "against": "processes"}]}
    run = conducted({"sequential": 40, "threads": 10, "processes": 10.0}, **spec)
    assert len(run.tasks) > 11
    assert all("sequential" in block for block in labels(run.tasks))


def test_an_open_expectation_keeps_its_variants_in_the_blocks(conducted: Callable[..., Run]) -> None:
    spec = {"expect": [{"of": "event_loop", "min": 0.49999, "max": 0.50001}]}
    run = conducted({"sequential": 20, "event_loop": 40, "threads": 10}, **spec)
    assert len(run.tasks) == 64
    assert all({"sequential", "event_loop"} <= set(block) for block in labels(run.tasks))
    assert "threads" not in labels(run.tasks)[-1]


def test_points_take_turns(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 10}, matrix={"tasks": [1, 2, 3]})
    assert [task.point.tasks for task in run.tasks[:6]] == [1, 2, 3, 1, 2, 3]


def test_the_budget_ends_a_run_that_is_not_decided(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 10}, measure={"max_time": "5s"})
    assert len(run.tasks) == 5
    assert not run.contests[0].looks


def test_no_block_is_started_that_can_not_reach_the_next_look(conducted: Callable[..., Run]) -> None:
    spec = {"measure": {"max_time": "13s", "tie": "0.001%"}}
    run = conducted({"sequential": 20, "threads": 20}, **spec)
    assert [look.blocks for look in run.contests[0].looks] == [8, 11]
    assert len(run.tasks) == 11


def test_a_point_never_goes_beyond_the_last_look(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 20}, measure={"max_time": "1h", "tie": "0.0001%"})
    assert len(run.tasks) == 64


def test_who_fails_twice_is_excluded_and_the_others_go_on(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 10, "processes": 5}, fails={"processes": 99})
    assert [event.fields()["variant"] for event in run.named("variant.excluded")] == ["processes"]
    assert len(run.named("block.discarded")) == 2
    assert all("processes" not in block for block in labels(run.tasks)[2:])
    assert run.contests[0].looks[-1].decision == "win"


def test_who_failed_once_is_still_in_the_contest(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 10}, fails={"threads": 1})
    assert not run.named("variant.excluded")
    assert len(run.contests[0].blocks) == 8


def test_who_is_left_alone_is_measured_up_to_one_look(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 10}, fails={"threads": 99})
    assert len(run.contests[0].blocks) == 8


def test_a_run_in_which_everybody_fails_ends(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 10}, fails={"sequential": 99, "threads": 99})
    assert len(run.tasks) == 4


def test_every_block_and_every_look_is_synced(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 10})
    ends = [place + 1 for place, event in enumerate(run.stored) if event.event == "block.finished"]
    assert run.synced_after == [*ends, len(run.stored)]


def test_calibration_is_handed_to_later_blocks(conducted: Callable[..., Run]) -> None:
    run = conducted({"sequential": 20, "threads": 10})
    assert (run.tasks[0].repeats, run.tasks[0].rounds) == ({}, None)
    assert (run.tasks[1].repeats, run.tasks[1].rounds) == ({"sequential": 1, "threads": 1}, ROUNDS)


def test_precision_goes_on_after_the_win(conducted: Callable[..., Run]) -> None:
    quick = conducted({"sequential": 20, "threads": 10})
    precise = conducted({"sequential": 20, "threads": 10}, measure={"precision": "0.05%", "max_time": "1h"})
    assert len(precise.tasks) > len(quick.tasks)
