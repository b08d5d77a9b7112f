"""The CPU time of calls in parallel beyond calls alone, and the objects that threads share."""

from __future__ import annotations

import functools
import random
import time
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.runner import registry
from orchestrator.runner.account import contention, instrumented, shared
from orchestrator.runner.account.clocks import STAMPS, GilSpans
from orchestrator.runner.account.contention import OTHERS, Sample, beside_all, excess
from orchestrator.runner.account.fold import Budget
from orchestrator.runner.account.stamps import StampedResult, Taken
from orchestrator.runner.arguments import Copies
from orchestrator.runner.call import Call

TABLE = {"key": [1.5]}
COUNTS = SimpleNamespace(n=0)


class Counter:
    def add(self) -> None:
        COUNTS.n += 1


def read() -> object:
    return TABLE["key"], helper()


def helper() -> object:
    return COUNTS


FUNCTIONS = {"find": lambda: TABLE.get("no such key")}


def look_up() -> object:
    return FUNCTIONS["find"]()


def draw() -> float:
    return sum(random.random() for _ in range(3))


def counted(function: Any) -> Any:
    @functools.wraps(function)
    def call() -> Any:
        COUNTS.n += 1
        return function()

    return call


def sent_to_end(coroutine: Any) -> Any:
    """Return what a coroutine returns that never waits."""
    try:
        coroutine.send(None)
    except StopIteration as stop:
        return stop.value
    raise AssertionError("nothing is waited for")


def closing_over(value: object) -> Any:
    return lambda: value


def taken(thread: int, cpu_ns: int, run_queue_ns: int = 0) -> Taken:
    return Taken(1, thread, 0, 100, 100, cpu_ns, run_queue_ns, 0, 0, None, None, None)


def budget(*calls: Taken, own: tuple[int, int] = (1, 0)) -> Budget:
    found = Budget(2, own, per_task=False)
    found.add((0, 0, 0, 0), (100, 0, 0, 0), calls, GilSpans([], []))
    return found


def moved(found: Budget, *samples: Sample, are_alike: bool = True, cores: int = 2) -> str | None:
    """Move the contention of a budget, of which the samples were measured in turn; return why it is not known."""
    left = list(samples)

    async def again() -> Sample:
        return left.pop()

    try:
        contention.move(found, left.pop(0), again, are_alike, cores).send(None)
    except StopIteration as stop:
        reason: str | None = stop.value
        return reason
    raise AssertionError("nothing is waited for")


def alike(together_ns: int, alone_ns: int, run_queue_ns: int = 0, alone_run_queue_ns: int = 0) -> Sample:
    """Return two calls in two threads, and one alone."""
    batch = taken(1, together_ns, run_queue_ns), taken(2, together_ns, run_queue_ns)
    return Sample(batch, [(0, taken(1, alone_ns, alone_run_queue_ns))])


def names(function: Any, *args: object, **kwargs: object) -> set[str]:
    return {name for name, _ in shared.candidates(Call(function, kwargs, None, args))}


def test_cpu_time_beyond_that_of_calls_alone_is_contention() -> None:
    sample = alike(80, 20)
    found = budget(*sample.batch)
    assert moved(found, sample, sample) is None
    assert (found.sums["on_core"], found.sums["contention"]) == (40, 120)


def test_calls_that_are_slower_alone_have_no_contention() -> None:
    sample = alike(80, 90)
    found = budget(*sample.batch)
    assert moved(found, sample) is None
    assert (found.sums["on_core"], found.sums["contention"]) == (160, 0)


def test_contention_that_is_not_seen_again_is_none() -> None:
    sample = alike(80, 20)
    found = budget(*sample.batch)
    assert moved(found, sample, alike(80, 80)) is None
    assert (found.sums["on_core"], found.sums["contention"]) == (160, 0)


def test_the_mean_of_two_parts_that_are_both_much_counts() -> None:
    sample = alike(80, 20)
    found = budget(*sample.batch)
    moved(found, sample, alike(80, 40))
    assert found.sums["contention"] == 100


def test_the_smaller_of_two_parts_counts_if_it_is_little() -> None:
    sample = alike(80, 20)
    found = budget(*sample.batch)
    moved(found, sample, alike(80, 77))
    assert found.sums["contention"] == 6


@pytest.mark.parametrize(
    ("sample", "cores"),
    [
        (alike(80, 20, run_queue_ns=20), 2),
        (alike(80, 20, alone_run_queue_ns=20), 2),
        (alike(80, 20, alone_run_queue_ns=20), 1),
    ],
)
def test_contention_beside_other_processes_is_not_known(sample: Sample, cores: int) -> None:
    found = budget(*sample.batch)
    assert moved(found, sample, sample, cores=cores) == OTHERS
    assert found.sums["contention"] == 0


def test_contention_far_beyond_what_other_processes_took_is_known() -> None:
    sample = alike(80, 20, run_queue_ns=10)
    found = budget(*sample.batch)
    assert moved(found, sample, sample) is None
    assert found.sums["contention"] == 120


def test_calls_with_fewer_cores_than_workers_wait_for_each_others() -> None:
    sample = alike(80, 20, run_queue_ns=10)
    found = budget(*sample.batch)
    assert moved(found, sample, sample, cores=1) is None
    assert found.sums["contention"] == 120


def test_one_cold_call_alone_hides_no_contention() -> None:
    alone = [(0, taken(1, 900)), (1, taken(1, 20)), (2, taken(1, 20))]
    assert excess(Sample([taken(1, 80)] * 3, alone), are_alike=True) == 0.75


def test_one_cold_call_of_a_batch_is_no_contention() -> None:
    assert excess(Sample([taken(1, cpu) for cpu in (900, 20, 20)], [(0, taken(1, 20))]), are_alike=True) == 0


@pytest.mark.parametrize(("call_ns", "made"), [(10_000_000, 3), (60_000_000, 1)], ids=["short", "long"])
def test_three_short_calls_are_made_alone_even_if_the_first_takes_long(call_ns: int, made: int) -> None:
    async def run(items: Any) -> list[StampedResult]:
        time.sleep(0.06)  # beyond the time for calls alone
        return [StampedResult(None, bytes(STAMPS.size))]

    trial: Any = SimpleNamespace(takes_turns=False, items=range(6), before_batch=lambda: None, run=run)
    found: Any = SimpleNamespace(in_own_thread=False, wall_ns=1)
    batch = [taken(1, 5)._replace(ended=call_ns)] * 6
    alone, _ = sent_to_end(instrumented._made_alone(trial, found, batch))
    assert [place for place, _ in alone] == list(range(made))


def test_calls_that_differ_are_compared_each_with_itself() -> None:
    batch = [taken(1, 10), taken(2, 90)]
    assert excess(Sample(batch, [(1, taken(1, 45))]), are_alike=False) == 0.5


def test_calls_in_the_submitting_thread_have_no_contention() -> None:
    calls = (taken(0, 80),)
    found = budget(*calls, own=(1, 0))
    moved(found, Sample(calls, [(0, taken(0, 20))]))
    assert found.sums["contention"] == 0


@given(st.lists(st.integers(0, 100), min_size=1), st.lists(st.integers(0, 300), min_size=1), st.booleans())
def test_the_split_keeps_the_sum_and_no_part_is_negative(cpus: list[int], alone: list[int], are_alike: bool) -> None:
    calls = [taken(1 + place % 2, cpu) for place, cpu in enumerate(cpus)]
    found = Budget(2, (1, 0), per_task=True)
    found.add((0, 0, 0, 0), (100, 0, 0, 0), calls, GilSpans([], []))
    before = sum(found.sums.values())
    sample = Sample(calls, [(place % len(calls), taken(1, cpu)) for place, cpu in enumerate(alone)])
    moved(found, sample, sample, are_alike=are_alike)
    assert sum(found.sums.values()) == before
    assert min(found.sums["on_core"], found.sums["contention"]) >= 0


@pytest.mark.anyio
async def test_calls_with_copied_arguments_are_alike(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[bool] = []

    async def move(_: Budget, sample: Sample, again: Any, are_alike: bool, cores: int) -> None:
        asked.append(are_alike)

    monkeypatch.setattr(contention, "move", move)
    copies = Copies(Call(sorted, {}, None, ([2, 1],)), range(3))
    async with registry.load("sequential").open(copies.call, 1, {}, None) as workers:
        opened = registry.Opened(workers, "none", pickles=False)
        of_batch = copies.call, copies.items, None, 1, copies.renew
        await instrumented.measure(opened, *of_batch, is_far_behind=False)
    assert asked == [True]


def test_only_loops_beside_all_other_workers_count() -> None:
    first, second = [(0, 10, 5), (10, 20, 6), (20, 30, 7)], [(10, 22, 8), (22, 40, 9)]
    assert beside_all([first, second]) == [(10, 20, 6), (20, 30, 7), (10, 22, 8)]


def test_a_worker_alone_is_beside_none() -> None:
    assert beside_all([[(0, 10, 5)]]) == []


def test_globals_their_parts_and_those_of_called_functions_are_candidates() -> None:
    assert {"TABLE", "TABLE['key']", "helper", "COUNTS"} <= names(read)


def test_closures_and_arguments_are_candidates() -> None:
    assert {"value", "value[0]"} <= names(closing_over([1.5]))
    assert {"argument items", "argument 0"} <= names(functools.partial(read), 1.5, items=[])


def test_the_object_of_a_method_and_its_class_are_candidates() -> None:
    assert {"self", "class Counter", "COUNTS"} <= names(Counter().add)


def test_constants_of_functions_that_a_container_holds_are_candidates() -> None:
    assert "constant 'no such key'" in names(look_up)


def test_the_object_of_a_method_in_c_is_a_candidate_in_a_comprehension_too() -> None:
    assert {"random.random", "object of random.random"} <= names(draw)


def test_what_the_code_of_a_decorator_reads_is_a_candidate() -> None:
    assert {"COUNTS", "COUNTS.n"} <= names(counted(read))


def test_a_control_that_is_not_beside_itself_again_keeps_its_first_part(monkeypatch: pytest.MonkeyPatch) -> None:
    answers: list[Any] = [[], [[(0, 10, 10)], [(0, 10, 10)]]]

    async def each(control: Any) -> Any:
        return answers.pop()

    found = budget(taken(1, 80), taken(2, 80))
    found.sums.update(on_core=100, contention=100)
    monkeypatch.setattr(contention, "_interpreted_loops", lambda: [(0, 10, 5)])
    share = sent_to_end(contention.of_machine(found, each, releases_gil=False))
    assert answers == []
    assert share == pytest.approx(0.5 * 200 / sum(found.sums.values()), abs=1e-5)


def test_a_function_without_code_has_only_its_arguments() -> None:
    assert names(sorted, [3, 1]) == {"argument 0"}


@pytest.mark.anyio
async def test_a_search_for_shared_objects_that_fails_says_why(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(shared, "is_readable", lambda: True)
    monkeypatch.setattr(shared, "candidates", lambda _: 1 / 0)

    async def run() -> None:
        raise AssertionError("no batch is run for nothing")

    reason = "the search failed (ZeroDivisionError: division by zero)"
    assert await shared.sought(Call(read, {}), run) == (None, reason)


@pytest.mark.skipif(shared.is_readable(), reason="this interpreter has no GIL")
@pytest.mark.anyio
async def test_an_interpreter_with_a_gil_is_not_searched() -> None:
    async def run() -> None:
        raise AssertionError("no batch is run for nothing")

    assert await shared.sought(Call(read, {}), run) == (None, "the objects of this interpreter can't be read")
