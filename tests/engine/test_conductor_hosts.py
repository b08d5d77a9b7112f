"""Blocks on several hosts: their dispatch, which of them count, and warnings when hosts disagree."""

from __future__ import annotations

import json
import random
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import anyio
import pytest

from orchestrator.analysis import results, verdict
from orchestrator.analysis.contest import Contest
from orchestrator.analysis.fold import add_event
from orchestrator.engine.conductor import Conductor, Watcher
from orchestrator.engine.hosts import BlockTask, Host, HostGone, HostsLost
from orchestrator.journal.event import SCHEMA, Event
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from tests.support.synthetic import Clock, Executor, Times

ABOUT = {"address": "tcp://a:1", "hostname": "a", "cpu_model": None, "cores": 2, "effective_cores": 2}


class FakeHost:
    """Makes blocks from given times; each takes a random while, and the one with number `dies_in` ends the host.

    `slow` takes longer than others, `follows` maps a block to the one that must have begun before it ends.
    """

    begun: set[int]
    """The blocks that have begun on any host of a run."""

    def __init__(
        self, name: str, times_ms: Times, dies_in: int | None, slow: Mapping[int, float], follows: Mapping[int, int]
    ) -> None:
        plain: dict[str, Any] = {"observed": {}, "overlap": None, "noise": 0.002, "cores": {}, "follows": 0.0}
        more: dict[str, Any] = {"grows": 0.0, "burns": None, "reference_ms": 3.0, "accounts": {}, "free_cores": 2.0}
        self._inner = Executor(Clock(), times_ms, 0.0, {}, {}, steal=lambda _: 0.0, **plain, **more)
        self.name: str | None = name
        self.about: Mapping[str, Any] = {**ABOUT, "spin_cores": None, "python": "3.11.7", "lock": None}
        self.tasks: list[BlockTask] = []
        self.cancelled: list[int] = []
        self._dies_in = dies_in
        self._slow = slow
        self._follows = follows
        self._dice = random.Random(name)

    async def run(self, task: BlockTask, notify: Callable[[str], None]) -> list[Event]:
        self.tasks.append(task)
        try:
            self.begun.add(task.number)
            await anyio.sleep(self._slow.get(task.number) or self._dice.uniform(0, 0.01))
            while self._follows.get(task.number, task.number) not in self.begun:
                await anyio.sleep(0.001)
        except BaseException:
            self.cancelled.append(task.number)
            raise
        if task.number == self._dies_in:
            raise HostGone("it was killed", has_begun=True)
        events = await self._inner.run(task, notify)
        return [event.model_copy(update={"host": self.name}) for event in events]


class Hosts:
    """An executor with fake hosts; raises `lost` after the last one."""

    def __init__(self, *hosts: FakeHost, lost: Exception | None = None) -> None:
        self._coming = [*hosts]
        self._lost = lost

    async def next_host(self) -> Host | None:
        if self._coming:
            return self._coming.pop(0)
        if self._lost:
            await anyio.sleep(0.05)
            raise self._lost
        await anyio.sleep_forever()
        raise AssertionError


class Run:
    """A run on fake hosts, `times_ms` by their names."""

    def __init__(
        self,
        times_ms: Mapping[str, Times],
        *,
        dies_in: Mapping[str, int] | None = None,
        slow: Mapping[int, float] | None = None,
        follows: Mapping[int, int] | None = None,
        lost: Exception | None = None,
        **spec: Any,
    ) -> None:
        models = list(next(iter(times_ms.values())))
        value = {"name": "x", "workload": {"call": "a:b"}, "models": models, "measure": {"max_time": "1h"}, **spec}
        self.plan = plan_experiment(Experiment.model_validate(value), cores=2)
        self.contests = [Contest(self.plan, point) for point in self.plan.points]
        self.hosts = [
            FakeHost(name, times, (dies_in or {}).get(name), slow or {}, follows or {})
            for name, times in times_ms.items()
        ]
        begun: set[int] = set()
        for host in self.hosts:
            host.begun = begun
        self.stored: list[Event] = []
        executor = Hosts(*self.hosts, lost=lost)
        conductor = Conductor(self.plan, self.contests, executor, self.stored.append, lambda: None, Watcher(), 1)
        self.error: BaseException | None = None
        try:
            anyio.run(conductor.run)
        except HostsLost as error:
            self.error = error

    def named(self, name: str) -> list[dict[str, Any]]:
        return [event.fields() for event in self.stored if event.event == name]

    @property
    def numbers(self) -> list[tuple[str, int]]:
        return [(event["point_id"], event["block"]) for event in self.named("block.finished")]

    def derived(self, name: str) -> list[dict[str, Any]]:
        return [event.fields() for event in verdict.derive(self.plan, self.contests) if event.event == name]


ALIKE: Times = {"sequential": 20, "threads": 10}
FOUR = dict.fromkeys("abcd", ALIKE)


def test_every_host_takes_blocks_and_no_block_is_done_twice() -> None:
    run = Run(FOUR, matrix={"tasks": [1, 2, 3]})
    assert all(host.tasks for host in run.hosts)
    assert len(set(run.numbers)) == len(run.numbers)
    assert [contest.looks[-1].decision for contest in run.contests] == ["win"] * 3


def test_repeats_and_rounds_are_chosen_once_for_all_hosts() -> None:
    run = Run(FOUR)
    assert len(run.named("point.calibrated")) == 2
    assert len([task for host in run.hosts for task in host.tasks if not task.repeats]) == 1


def test_a_look_waits_for_the_slowest_of_its_blocks() -> None:
    run = Run(FOUR, slow={3: 0.2}, measure={"overrun": "count"})
    order = [event for event in run.stored if event.event in ("block.finished", "look.taken")]
    (look,) = [place for place, event in enumerate(order) if event.event == "look.taken"]
    assert {getattr(event, "block", None) for event in order[:look]} >= set(range(4))
    assert [block.number for block in run.contests[0].counting] == list(range(4))


def test_blocks_that_run_when_the_verdict_is_reached_are_cancelled() -> None:
    run = Run(FOUR, slow={6: 60.0}, follows={3: 6})
    assert sorted(event["block"] for event in run.named("block.cancelled")) == sorted(
        number for host in run.hosts for number in host.cancelled
    )
    assert 6 in [event["block"] for event in run.named("block.cancelled")]
    assert run.contests[0].looks[-1].decision == "win"


def test_blocks_that_run_when_the_verdict_is_reached_are_kept_where_the_spec_says_so() -> None:
    run = Run(FOUR, slow={6: 0.2}, follows={3: 6}, measure={"overrun": "count"})
    assert not run.named("block.cancelled")
    assert 6 in [number for _, number in run.numbers]
    assert len(run.contests[0].counting) == run.contests[0].looks[-1].blocks


def test_no_more_blocks_are_begun_than_the_spec_fixes() -> None:
    run = Run(FOUR, measure={"blocks": 9})
    assert sorted(number for _, number in run.numbers) == list(range(9))


def test_the_block_of_a_host_that_dies_runs_again_on_another() -> None:
    run = Run(FOUR, dies_in={"a": 0}, measure={"blocks": 9})
    left = [event["host"] for event in run.named("host.left")]
    assert left == ["a"]
    assert sorted(number for _, number in run.numbers) == list(range(9))


def test_a_block_that_two_hosts_are_lost_with_is_given_up() -> None:
    run = Run(dict.fromkeys("ab", ALIKE), dies_in={"a": 0, "b": 0}, measure={"blocks": 8})
    (given_up,) = run.named("block.discarded")
    assert given_up["block"] == 0
    assert "2 hosts were lost" in given_up["reason"]
    assert len(run.contests[0].blocks) == 8


def test_points_do_not_stick_to_hosts() -> None:
    run = Run(dict.fromkeys("ab", ALIKE), matrix={"tasks": [1, 2]}, measure={"blocks": 12})
    for host in run.hosts:
        assert {task.point.tasks for task in host.tasks} == {1, 2}


def test_a_run_that_lost_its_hosts_says_so_and_can_be_resumed() -> None:
    run = Run(dict.fromkeys("ab", ALIKE), lost=HostsLost("the scheduler is lost"), slow={2: 60.0})
    assert isinstance(run.error, HostsLost)
    about = {"schema": SCHEMA, "run_id": "a-run", "ts": "then"}
    contest = Contest(run.plan, run.plan.points[0])
    for event in run.stored:
        add_event(contest, {**about, **event.fields()})
    assert 2 not in contest.begun_numbers
    assert len(contest.blocks) <= 2, "what comes after the block that is missing does not count yet"


def test_the_time_of_hosts_beside_each_other_is_spent_once() -> None:
    run = Run(FOUR, measure={"blocks": 20})
    spec = json.dumps(run.plan.experiment.resolved())
    started = {"event": "run.started", "spec": spec, "effective_cores": 2, "level_split": 1}
    replayed = results.replay([started, *(event.fields() for event in run.stored)])
    blocks = run.named("block.finished")
    most = max(Counter(event["host"] for event in blocks).values())
    assert most < len(blocks)
    assert replayed.spent_s == most * blocks[0]["elapsed_ns"] / 1e9


def test_hosts_that_disagree_are_named() -> None:
    run = Run({"a": {"sequential": 20, "threads": 10}, "b": {"sequential": 20, "threads": 20}}, measure={"blocks": 40})
    (reached,) = run.derived("verdict.reached")
    assert "hosts_disagree" in reached["warnings"]
    assert reached["hosts_disagree"] == ["threads wins on a", "sequential and threads tie on b"]
    assert [(event["host"], event["verdict"]) for event in run.derived("host.judged")] == [("a", "win"), ("b", "tie")]


def test_hosts_that_agree_are_recorded_without_a_warning() -> None:
    run = Run(dict.fromkeys("ab", ALIKE), measure={"blocks": 40})
    (reached,) = run.derived("verdict.reached")
    assert "hosts_disagree" not in reached["warnings"]
    assert [event["verdict"] for event in run.derived("host.judged")] == ["win", "win"]


@pytest.mark.parametrize("hosts", [1, 4, 16])
def test_the_journal_of_many_hosts_is_recomputed_to_the_same(hosts: int) -> None:
    names = [f"h{number}" for number in range(hosts)]
    four: Times = {"sequential": 40, "event_loop": 25, "threads": 10, "processes": 10.3}
    run = Run(dict.fromkeys(names, four), measure={"tie": "0.01%"}, matrix={"tasks": [1, 2]})
    about = {"schema": SCHEMA, "run_id": "a-run", "ts": "then"}
    again = [Contest(run.plan, point) for point in run.plan.points]
    for event in json.loads(json.dumps([event.fields() for event in run.stored])):
        for contest in again:
            if event.get("point_id") == contest.point.id:
                add_event(contest, {**about, **event})
    derived = [event.fields() for event in verdict.derive(run.plan, again)]
    assert not any(contest.differences for contest in again)
    assert derived == [event.fields() for event in verdict.derive(run.plan, run.contests)]
    assert {event["event"] for event in derived} <= results.DERIVED
