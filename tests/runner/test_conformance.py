"""The contract of every model, checked on real runner processes under every installed interpreter."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
import os
import pickle
import re
import shutil
import signal
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from orchestrator.interpreters import environments
from orchestrator.runner.account.fold import SHARES
from orchestrator.runner.registry import NAMES, Needs, load, unavailable
from orchestrator.spec.plan import Point, Variant, runner_request
from orchestrator.supervisor import group as runner_group
from orchestrator.supervisor.environment import RunnerEnvironment, runner_environment
from orchestrator.supervisor.group import RunnerGroup
from orchestrator.supervisor.interrupt import Interrupt
from orchestrator.supervisor.process import OUTPUT_KEPT, Command, RunnerFailed, default_python

from . import workloads
from .workloads import TOKEN, marks

HERE = str(Path(__file__).parent)
PYTHONS = ("3.10", "3.11", "3.12", "3.13", "3.13t", "3.14")
START_METHODS = ("fork", "forkserver", "spawn")
WAYS = (
    *NAMES,
    *(f"event_loop:loop={loop}" for loop in ("uvloop", "trio")),
    *(f"event_loop:task_per={task}" for task in ("call", "eager_call")),
    *(f"threads:pool={pool}" for pool in ("futures", "asyncio")),
    *(f"{model}:start_method={method}" for model in ("processes", "process_per_task") for method in START_METHODS),
    *(f"processes:pool={pool}" for pool in ("multiprocessing", "anyio")),
    "joblib:backend=threading",
    *(f"mpire:start_method={method}" for method in ("forkserver", "spawn")),
    *(f"processes_of_loops:loop={loop}" for loop in ("uvloop", "trio")),
    "dask:pool=threads",
)
"""Every model as it is, and with the options that change how it works."""


def parts(way: str) -> tuple[str, dict[str, Any]]:
    """Return the model and the options of a way."""
    model, _, option = way.partition(":")
    name, _, value = option.partition("=")
    return model, {name: value} if name else {}


def needs(way: str) -> Needs:
    model, options = parts(way)
    return load(model).needs(options)


def base(way: str) -> str:
    return parts(way)[0]


def is_here(way: str) -> bool:
    return unavailable(*parts(way)) is None


def standing(way: str) -> bool:
    return load(base(way)).WORKERS != "per_task"


LOOPS = [way for way in WAYS if base(way) == "event_loop"]
ONE_WORKER = ("sequential", *LOOPS)
STANDING = [way for way in WAYS if standing(way)]
LOOPLESS = [way for way in WAYS if not (needs(way).loop or needs(way).packages or base(way) == "processes_of_loops")]
PER_TASK = [way for way in WAYS if not standing(way)]
HERE_TOO = [way for way in WAYS if is_here(way)]
SENDING = [way for way in WAYS if needs(way).pickles]
OTHER_PROCESSES = [way for way in SENDING if way not in ("interpreters", "dask:pool=threads")]
ALONE = {"processes_of_threads": {"threads": 1}, "processes_of_loops": {"concurrency": 1}}
"""One call at a time in each of their processes: then they keep the contract of the others."""
SILENT = ("processes:pool=anyio",)
"""Ways in which the output of workers is lost: anyio drops it."""
CLOUDPICKLING = ("loky", "joblib", "dask")
STARTING = [name for name in NAMES if "start_method" in load(name).OPTIONS]
PATIENCE_S = 60.0

MODELS = [name for name in NAMES if not needs(name).packages]
"""The models of Python itself; tests of the others and of all options take long."""
CORE = ("sequential", "event_loop", "threads", "processes")
"""The models that the quick suite tests in full."""
QUICK = MODELS + [
    f"{model}:start_method={method}" for model in ("processes", "process_per_task") for method in ("fork", "spawn")
]
"""The ways that CI tests where the start of a process matters: forked, or from scratch."""


FOREIGN = ("sequential", "event_loop", "threads", "processes", "interpreters")
"""The models that CI tests under every interpreter."""


def over(ways: Iterable[str], quick: Sequence[str] = QUICK) -> pytest.MarkDecorator:
    """Return the parameters of a test over ways; those that are not among the quick ones take long."""
    marks = {way: marked(way, quick) for way in WAYS}
    return pytest.mark.parametrize("model", [pytest.param(way, id=way, marks=marks[way]) for way in ways])


def marked(way: str, quick: Sequence[str] = MODELS) -> list[pytest.MarkDecorator]:
    """Return the marks of the tests of a way."""
    return [] if way in CORE else [pytest.mark.slow] if way in quick else [pytest.mark.long]


def forms(ways: Iterable[str]) -> list[tuple[str, bool]]:
    """Return the ways, each with and without an async twin of the function where it can run one."""
    found = [(way, False) for way in ways]
    return found + [(way, True) for way, _ in found if "async_call" in load(base(way)).FORMS]


def form_id(value: object) -> str:
    return value if isinstance(value, str) else "twin" if value else "plain"


each_way = over(WAYS)
each_model = over(WAYS, MODELS)
each_form = pytest.mark.parametrize(
    ("model", "twin"), [pytest.param(*form, marks=marked(form[0])) for form in forms(MODELS)], ids=form_id
)
every_form = pytest.mark.parametrize(
    ("model", "twin"),
    [pytest.param(*form, marks=marked(form[0])) for form in forms(WAYS)],
    ids=form_id,
)
each_standing_way = over(STANDING)
each_way_per_task = over(PER_TASK)
each_way_with_stdio = over([way for way in WAYS if way not in SILENT])
each_start_method = pytest.mark.parametrize("start_method", START_METHODS)


# How the tests talk to runners


@pytest.fixture(scope="module")
def runner_env() -> Iterator[RunnerEnvironment]:
    with runner_environment() as found:
        yield found


@pytest.fixture(autouse=True)
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runners inherit the working directory, and calls leave their marks there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


def task(call: str, twin: bool = True, kwargs: Mapping[str, Any] | None = None, **more: str) -> dict[str, Any]:
    """Return a workload of `workloads`: with its async twin, where it has one and `twin` does not say otherwise."""
    found: dict[str, Any] = {"call": call, "kwargs": dict(kwargs or {}), **more}
    if twin and hasattr(workloads, f"{call}_async"):
        found["async_call"] = f"{call}_async"
    plain = ("kwargs", "item")
    return {
        key: value if key in plain or ":" in value else f"{workloads.__name__.rpartition('.')[2]}:{value}"
        for key, value in found.items()
    }


def order(model: str, workload: dict[str, Any], workers: int = 2, tasks: int = 4, **options: Any) -> dict[str, Any]:
    name, of_way = parts(model)
    defaults = {key: about.default for key, about in load(name).OPTIONS.items() if about.default is not None}
    options = defaults | ALONE.get(name, {}) | of_way | options
    point = Point("point", "point", {}, workload, tasks)
    return runner_request(point, Variant("variant", model, {}, name, workers, None, options))


class Opened:
    """A runner of a runner_group with its workers up."""

    def __init__(self, runner_group: RunnerGroup, name: str, ready: dict[str, Any]) -> None:
        self.runner_group = runner_group
        self.name = name
        self.ready = ready
        self.process = runner_group._runners[name]

    def ask(self, op: str, **request: Any) -> dict[str, Any]:
        return self.runner_group.ask(self.name, {"op": op, **request}, PATIENCE_S)

    def trial(self, repeats: int = 1, turn: int = 0) -> dict[str, Any]:
        """Arm the runner, pass it the token, and return the times of the trial."""
        self.ask("arm", repeats=repeats)
        assert self.runner_group.ask(self.name, turn, PATIENCE_S) == {}
        (trial,) = self.ask("trials")["trials"]
        assert isinstance(trial, dict)
        return trial

    def results(self) -> Any:
        """Return the results of one batch, as `observe: workloads:see` returns them."""
        return json.loads(self.trial()["observed"]["results"])

    def output(self) -> str:
        self.runner_group._drain_all()
        return self.runner_group._runners[self.name].shown_output()

    def status(self) -> int | None:
        """Return the exit status, once the runner has ended."""
        return self.runner_group._runner_env.reaper.status(self.process.pid, PATIENCE_S)

    def close_requests(self) -> None:
        self.process.leave()


def python_for(model: str, options: Mapping[str, Any]) -> str:
    """Return an interpreter that has a model, this one if it does."""
    if unavailable(model, options) is None:
        return default_python()
    return shutil.which("python3.14") or pytest.skip(f"no interpreter here has {model}")


def start(runner_group: RunnerGroup, name: str, asked: dict[str, Any], command: Command | None = None) -> Opened:
    runner_group.start(name, command or Command(python_for(asked["model"], asked["options"]), HERE))
    assert runner_group.ask(name, {"op": "prepare", **asked}, PATIENCE_S)["event"] == "prepared"
    ready = runner_group.ask(name, {"op": "open"}, PATIENCE_S)
    assert ready["event"] == "ready"
    return Opened(runner_group, name, ready)


@contextmanager
def new_runner_group(runner_env: RunnerEnvironment) -> Iterator[RunnerGroup]:
    """Yield a runner_group; after it, no process of its runners may be left."""
    interrupt = Interrupt()
    try:
        with RunnerGroup(runner_env, interrupt) as runner_group:
            yield runner_group
            groups = [runner.pid for runner in runner_group._runners.values()]
        assert eventually(lambda: not any(map(living, groups))), "left behind"
    finally:
        interrupt.close()


@contextmanager
def opened(runner_env: RunnerEnvironment, asked: dict[str, Any], command: Command | None = None) -> Iterator[Opened]:
    with new_runner_group(runner_env) as runner_group:
        yield start(runner_group, asked["model"], asked, command)


@contextmanager
def fails(cause: str, match: str | None = None) -> Iterator[pytest.ExceptionInfo[RunnerFailed]]:
    with pytest.raises(RunnerFailed, match=match) as caught:
        yield caught
    assert caught.value.cause == cause, caught.value.error


def eventually(true: Callable[[], object], within_s: float = PATIENCE_S) -> bool:
    until_s = time.monotonic() + within_s
    while not true():
        if time.monotonic() > until_s:
            return False
        time.sleep(0.01)
    return True


def living(group: int) -> set[int]:
    """Return the running processes of a group; zombies that are not reaped yet do not run."""
    found = set()
    for status in Path("/proc").glob("[0-9]*/stat"):
        try:
            state, _, of_group = status.read_text().rpartition(")")[2].split()[:3]
        except OSError:  # it has just ended
            continue
        if int(of_group) == group and state not in "ZX":
            found.add(int(status.parent.name))
    return found


def workers_of(ready: Mapping[str, Any]) -> list[tuple[int, int]]:
    return sorted(zip(ready["worker_pids"], ready["worker_threads"], strict=True))


# Results


@every_form
def test_results_come_in_the_order_of_the_items(runner_env: RunnerEnvironment, model: str, twin: bool) -> None:
    asked = order(model, task("uneven", twin, item="i", observe="see"), workers=3, tasks=23)
    with opened(runner_env, asked) as runner:
        assert runner.results() == [i * i for i in range(23)]


@each_model
def test_without_an_item_every_call_is_the_same(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power", kwargs={"exponent": 3}, observe="see"), tasks=5)) as runner:
        assert runner.results() == [125] * 5


@each_model
def test_one_worker_and_one_call_are_enough(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power", observe="see"), workers=1, tasks=1)) as runner:
        runner.ask("warm")
        assert runner.results() == [25]


@pytest.mark.slow
def test_equal_results_have_equal_digests_under_every_model(runner_env: RunnerEnvironment) -> None:
    expected = hashlib.sha256(pickle.dumps([i * i for i in range(20)], protocol=4)).hexdigest()
    with new_runner_group(runner_env) as runner_group:
        for model in NAMES:
            runner = start(runner_group, model, order(model, task("uneven", item="i"), tasks=20))
            runner.ask("warm")
            assert runner.ask("digest") == {"event": "digested", "digest": expected}


@pytest.mark.slow
def test_equal_results_compare_equal_whatever_their_pickles(runner_env: RunnerEnvironment, cwd: Path) -> None:
    saved = str(cwd / "results")
    with new_runner_group(runner_env) as runner_group:
        for model in NAMES:
            runner = start(runner_group, model, order(model, task("equal_dict", item="i"), tasks=20))
            runner.ask("warm")
            runner.ask("digest")
            if model == NAMES[0]:
                runner.ask("save", path=saved)
            else:
                assert runner.ask("compare", path=saved, other=NAMES[0]) == {"event": "compared"}


def test_results_that_differ_are_refused(runner_env: RunnerEnvironment, cwd: Path) -> None:
    saved = str(cwd / "results")
    with new_runner_group(runner_env) as runner_group:
        for model in ("sequential", "processes"):
            runner = start(runner_group, model, order(model, task("process_id")))
            runner.ask("warm")
            runner.ask("digest")
            if model == "sequential":
                runner.ask("save", path=saved)
        with fails("result", r"result 0 is \d+, but \d+ under sequential"):
            runner.ask("compare", path=saved, other="sequential")


@each_model
def test_a_check_of_ones_own_may_refuse_the_results(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("square", item="i"))) as runner:
        runner.ask("warm")
        with fails("result", "workloads:later refused the results"):
            runner.ask("check", reference="workloads:later")


# Workers


@each_standing_way
def test_the_proved_workers_are_as_many_as_were_asked_for(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power"), workers=3)) as runner:
        threads = runner.ready["worker_threads"]
        assert len(set(threads)) == len(threads) == (1 if model in ONE_WORKER else 3)
        pids = set(runner.ready["worker_pids"])
        if model in OTHER_PROCESSES:
            assert len(pids) == 3
            assert runner.process.pid not in pids
        else:
            assert pids == {runner.process.pid}


@each_standing_way
def test_as_many_calls_as_workers_are_in_flight_at_once(runner_env: RunnerEnvironment, model: str) -> None:
    at_once = 1 if model == "sequential" else 3
    asked = order(model, task("meet", kwargs={"others": at_once}, item="i", observe="see"), workers=3, tasks=3)
    with opened(runner_env, asked) as runner:
        # calls that wait for each other: each of them in a worker of its own, and those are the proved ones
        assert set(map(tuple, runner.results())) == set(workers_of(runner.ready))


@each_way_per_task
def test_all_tasks_are_in_flight_at_once_each_in_a_worker_of_its_own(runner_env: RunnerEnvironment, model: str) -> None:
    asked = order(model, task("meet", kwargs={"others": 5}, item="i", observe="see"), tasks=5)
    with opened(runner_env, asked) as runner:
        pids, threads = zip(*runner.results(), strict=True)
        assert len(set(threads)) == 5
        assert len(set(pids)) == (5 if model in OTHER_PROCESSES else 1)
        assert (runner.process.pid in pids) is not (model in OTHER_PROCESSES)


@each_way_per_task
def test_no_worker_per_task_is_left_after_a_batch(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("worker_id", observe="see"), tasks=5)) as runner:
        workers = {pid for pid, _ in runner.results()} - {runner.process.pid}
        assert not workers & living(runner.process.pid)
        # the kernel takes a joined thread from the list a moment later
        assert eventually(lambda: len(list(Path(f"/proc/{runner.process.pid}/task").iterdir())) == 1)


@each_form
def test_never_more_calls_than_workers_are_in_flight(runner_env: RunnerEnvironment, model: str, twin: bool) -> None:
    workers = 2 if model in STANDING else 16
    with opened(runner_env, order(model, task("interval", twin, observe="see"), workers=workers, tasks=16)) as runner:
        intervals = runner.results()
    # an end comes before a start at the same nanosecond
    changes = sorted([(start, 1) for start, _ in intervals] + [(end, -1) for _, end in intervals])
    in_flight = max(itertools.accumulate(change for _, change in changes))
    assert 1 <= in_flight <= (1 if model == "sequential" or (base(model) == "event_loop" and not twin) else workers)


@each_standing_way
def test_all_workers_are_up_before_the_first_trial(runner_env: RunnerEnvironment, model: str) -> None:
    asked = order(model, task("worker_id", initializer="begin", setup="resource", observe="see"), workers=3)
    with opened(runner_env, asked) as runner:
        # startup_ns is a figure of its own, and waits for the slowest initializer
        assert runner.ready["startup_ns"] >= workloads.START_NS
        began = marks("begun")
        seen = set(map(tuple, runner.results()))
        assert seen <= set(workers_of(runner.ready))
        assert marks("begun") == began
        after = runner.ask("prove")
        assert after["event"] == "proved"
        assert workers_of(after) == workers_of(runner.ready)


@each_standing_way
def test_the_initializer_runs_once_in_every_worker(runner_env: RunnerEnvironment, model: str) -> None:
    asked = order(model, task("power", initializer="begin", setup="resource"), workers=3)
    with opened(runner_env, asked) as runner:
        runner.ask("warm")
        runner.trial()
        expected = [f"{pid} {thread} {TOKEN}" for pid, thread in workers_of(runner.ready)]
        assert sorted(marks("begun")) == sorted(expected)


@each_way_per_task
def test_the_initializer_runs_before_every_call_where_workers_do_not_last(
    runner_env: RunnerEnvironment, model: str
) -> None:
    asked = order(model, task("begun", initializer="begin", setup="resource", observe="see"), tasks=3)
    with opened(runner_env, asked) as runner:
        before = len(marks("begun"))
        assert runner.results() == [True] * 3
        assert len(set(marks("begun")[before:])) == 3


def test_threads_started_later_run_the_initializer_too(runner_env: RunnerEnvironment) -> None:
    asked = order("threads", task("begun", initializer="end_idle_threads", observe="see"), workers=3, tasks=9)
    with opened(runner_env, asked) as runner:
        for _ in range(3):  # every batch ends the threads that idled before it, and starts new ones
            assert runner.results() == [True] * 9


# Hooks


@each_way
def test_setup_is_entered_once_and_left_at_the_end(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power", setup="resource"))) as runner:
        runner.ask("warm")
        runner.trial(repeats=2)
        assert marks("setup") == ["entered"]
        runner.close_requests()
        assert runner.status() == 0
        assert marks("setup") == ["entered", "left"]


@each_model
def test_setup_is_left_when_a_call_fails(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("fail", item="i", setup="resource"))) as runner:
        with fails("exception"):
            runner.trial()
        runner.status()
        assert marks("setup") == ["entered", "left"]


@each_model
def test_reset_runs_before_every_batch(runner_env: RunnerEnvironment, model: str, cwd: Path) -> None:
    with opened(runner_env, order(model, task("count", item="i", reset="reset"), tasks=3)) as runner:
        runner.ask("warm")
        (cwd / "calls").unlink()
        runner.trial(repeats=2)
        done = [line.split()[0] for line in marks("calls")]
        assert done == ["reset", "call", "call", "call"] * 2


@each_model
def test_reset_is_not_timed(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("count", item="i", reset="reset"), tasks=3)) as runner:
        asked_ns = time.monotonic_ns()
        wall_ns = runner.trial()["wall_ns"]
        elapsed_ns = time.monotonic_ns() - asked_ns
        reset_ns = sum(int(line.split()[1]) for line in marks("calls") if line.startswith("reset"))
        assert wall_ns + reset_ns <= elapsed_ns


@each_model
def test_observe_sees_the_results_and_initargs(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("square", item="i", setup="resource", observe="see_all"))) as runner:
        assert runner.trial()["observed"] == {"sum": 0 + 1 + 4 + 9, "token": TOKEN}


@pytest.mark.parametrize(
    ("observe", "error"),
    [
        ("see_no_dict", "TypeError: observe returned a list, expected a flat dict"),
        ("see_what_json_has_not", "ValueError: observe returned .*: Out of range float values are not JSON compliant"),
        (
            "see_too_large",
            "ValueError: observe returned count=120892581961462917.*, which takes more than 64 bits",
        ),
    ],
)
def test_what_the_log_cannot_hold_is_refused_of_observe(
    runner_env: RunnerEnvironment, observe: str, error: str
) -> None:
    with opened(runner_env, order("sequential", task("power", observe=observe))) as runner, fails("exception", error):
        runner.trial()


# Beside itself


@pytest.mark.parametrize("model", [name for name in STANDING if name not in ONE_WORKER and not needs(name).pickles])
def test_the_function_runs_in_one_worker_alone_and_in_two_at_once(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("mark_call"), workers=3)) as runner:
        before = len(marks("calls"))
        answer = runner.ask("overlap", within_ns=60_000_000_000)
        made = marks("calls")[before:]
        assert answer["event"] == "overlapped"
        assert len(answer["alone_ns"]) == len(answer["together_ns"]) > 0
        assert min(answer["alone_ns"] + answer["together_ns"]) > 0
        # every pair: `calls` in one worker, then as many in each of two
        calls = answer["calls"]
        alone, together = Counter(made[-3 * calls : -2 * calls]), Counter(made[-2 * calls :])
        assert list(alone.values()) == [calls]
        assert list(together.values()) == [calls, calls]


def test_a_function_that_would_take_too_long_has_no_overlap_measured(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("threads", task("nap"), workers=2)) as runner:
        assert runner.ask("overlap", within_ns=1_000_000) == {
            "event": "overlapped",
            "calls": 1,
            "alone_ns": [],
            "together_ns": [],
        }


# CPU time


@each_way
def test_the_cpu_time_of_every_worker_is_counted(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("burn"), workers=2, tasks=4)) as runner:
        runner.ask("warm")
        assert runner.trial()["cpu_ns"] >= 4 * workloads.BURN_NS


# Failures


@each_model
def test_a_trial_begins_on_the_core_of_its_round_and_may_leave_it(runner_env: RunnerEnvironment, model: str) -> None:
    allowed = sorted(os.sched_getaffinity(0))
    with opened(runner_env, order(model, task("allowed_cores", observe="see"))) as runner:
        for turn in range(3):
            answer = runner.trial(turn=turn)
            assert answer["core"] == allowed[turn % len(allowed)]
            assert json.loads(answer["observed"]["results"]) == [allowed] * 4


@every_form
def test_an_exception_of_the_workload_comes_out_as_itself(
    runner_env: RunnerEnvironment, model: str, twin: bool
) -> None:
    with opened(runner_env, order(model, task("fail", twin, item="i"))) as runner:
        with fails("exception") as caught:
            runner.trial()
        assert caught.value.error == "ValueError: item 1 is bad"
        assert caught.value.traceback is not None
        assert ", in fail\n" in caught.value.traceback
        assert workloads.__file__ in caught.value.traceback


@pytest.mark.parametrize("model", ["processes", "processes:pool=multiprocessing", "loky"])
def test_an_exception_comes_out_of_a_chunk_too(runner_env: RunnerEnvironment, model: str) -> None:
    asked = order(model, task("fail", item="i"), tasks=9, chunksize=3)
    with opened(runner_env, asked) as runner, fails("exception", "^ValueError: item 1 is bad$"):
        runner.trial()


@each_model
def test_an_initializer_that_fails_is_reported(runner_env: RunnerEnvironment, model: str) -> None:
    asked = order(model, task("power", initializer="fail_to_begin"))
    with pytest.raises(RunnerFailed) as caught, opened(runner_env, asked):
        pass
    # a process pool only says that it is broken; the reason stands in the output
    assert caught.value.cause in ("worker_lost", "exception")
    assert "ValueError: this worker can't begin" in caught.value.error + caught.value.output


@each_model
def test_a_failure_is_reported_before_the_other_calls_are_made(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("fail_first", item="i"), tasks=300)) as runner:
        with fails("exception", "^ValueError: item 0 is bad$"):
            runner.trial()
        assert len(marks("calls")) < 299


@pytest.mark.parametrize(
    ("call", "error"),
    [
        ("leave", "SystemExit: 7"),
        ("be_unruly", "Unruly: not to be caught"),
        ("be_cancelled", "CancelledError: by itself"),
    ],
)
@each_form
def test_what_is_no_exception_is_a_failure_too(
    runner_env: RunnerEnvironment, model: str, twin: bool, call: str, error: str
) -> None:
    with opened(runner_env, order(model, task(call, twin))) as runner:
        with fails("exception") as caught:
            runner.trial()
        assert caught.value.error == error


@each_model
def test_running_out_of_memory_has_a_cause_of_its_own(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("run_out"))) as runner, fails("memory", "^MemoryError"):
        runner.trial()


@each_model
def test_a_result_that_cannot_be_pickled_fails_only_where_it_must_travel(
    runner_env: RunnerEnvironment, model: str
) -> None:
    with opened(runner_env, order(model, task("unpicklable"))) as runner:
        if model in OTHER_PROCESSES and base(model) not in CLOUDPICKLING:
            with fails("exception", "(?i)pickle.*lambda|lambda.*pickle"):
                runner.ask("warm")
        else:
            runner.ask("warm")
            assert runner.ask("digest") == {"event": "digested", "digest": None}


@over([way for way in SENDING if way != "dask:pool=threads"], MODELS)
def test_an_answer_that_cannot_be_read_is_no_lost_worker(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("unreadable"))) as runner, pytest.raises(RunnerFailed) as caught:
        runner.ask("warm")
    # where a library passes on what pickle has raised, it looks like an exception of the call
    assert caught.value.cause in ("result", "exception")


def test_a_worker_that_ends_in_the_midst_of_its_answer_is_lost(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("process_per_task", task("send_half"))) as runner, fails("worker_lost", "no answer"):
        runner.ask("warm")


def test_more_processes_at_once_than_files_may_be_open_are_refused_with_a_remedy(runner_env: RunnerEnvironment) -> None:
    asked = order("process_per_task", task("power"), workers=10_000_000, tasks=1)
    with (
        fails("exception", "10000000 processes at once need .* lower `tasks`, or raise the limit"),
        opened(runner_env, asked),
    ):
        pass


@over(SENDING, MODELS)
def test_an_exception_that_cannot_be_sent_is_reported_as_such(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("fail_unsendably"))) as runner, pytest.raises(RunnerFailed) as caught:
        runner.ask("warm")
    # loky's workers end by it
    assert caught.value.cause == ("worker_lost" if base(model) in ("loky", "joblib") else "exception")
    assert re.search("not to be sent|Unsendable", caught.value.error + caught.value.output)


@each_model
def test_os_exit_in_a_call_is_reported(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("die"))) as runner:
        if model in OTHER_PROCESSES:
            with fails("worker_lost"):
                runner.trial()
        else:
            with fails("crash", "exited with status 3"):
                runner.trial()


@each_way
def test_a_killed_runner_is_reported_with_its_signal(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power"))) as runner:
        os.kill(runner.process.pid, signal.SIGKILL)
        with fails("signal", "SIGKILL"):
            runner.trial()


@each_model
def test_a_call_that_never_ends_is_cut_off_with_all_its_processes(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("hang"))) as runner:
        group = runner.process.pid
        runner.runner_group.send(base(model), 0)
        assert eventually(lambda: marks("hanging"))
        with fails("timeout", "no answer within 0.05 s"):
            runner.runner_group.receive(base(model), 0.05)
    assert eventually(lambda: not living(group))


@each_model
def test_a_runner_ends_by_itself_when_its_requests_do(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power"))) as runner:
        runner.trial()
        assert living(runner.process.pid)
        runner.close_requests()
        assert runner.status() == 0
        assert eventually(lambda: not living(runner.process.pid))


def test_a_runner_without_requests_ends(runner_env: RunnerEnvironment) -> None:
    with new_runner_group(runner_env) as runner_group:
        runner_group.start("idle", Command(default_python()))
        runner_group.leave(["idle"])
        assert runner_env.reaper.status(runner_group.pid("idle"), PATIENCE_S) == 0


def test_an_interpreter_that_cannot_be_started_is_reported(runner_env: RunnerEnvironment, cwd: Path) -> None:
    with new_runner_group(runner_env) as runner_group, fails("crash", "cannot start .*: No such file or directory"):
        runner_group.start("none", Command(str(cwd / "python")))


# What the workload shares with its runner


@each_way_with_stdio
def test_what_the_workload_prints_cannot_be_taken_for_an_answer(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("chatter", item="i", observe="see"), tasks=2)) as runner:
        runner.ask("warm")
        assert runner.results() == [0, 1]
        output = runner.output()
        for words in ('"wall_ns": 1}', "complaint", "\ufffd\0 no text", "straight\n", "straight too", "from a child"):
            assert words in output


def test_much_output_is_read_and_its_end_kept(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("sequential", task("shout"))) as runner:
        runner.trial()
        output = runner.output()
        assert output.startswith("[")
        assert "bytes before this are not kept]\nA" in output
        assert output.endswith("the end\n")
        assert len(output) < OUTPUT_KEPT + 100


@each_way_with_stdio
def test_stdin_is_empty(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("read_stdin", observe="see"))) as runner:
        assert runner.results() == [["", 0]] * 4


@each_way
def test_the_hash_seed_reaches_every_worker(runner_env: RunnerEnvironment, model: str) -> None:
    env = {**os.environ, "PYTHONHASHSEED": "123"}
    expected = subprocess.check_output([sys.executable, "-c", "print(hash('spam'))"], env=env)
    command = Command(python_for(*parts(model)), HERE, hash_seed=123)
    with opened(runner_env, order(model, task("hashed", observe="see")), command) as runner:
        assert runner.results() == [[int(expected), "123"]] * 4


@each_way
def test_path_is_first_on_the_import_path_and_env_is_set(runner_env: RunnerEnvironment, model: str, cwd: Path) -> None:
    path = cwd / "first"
    path.mkdir()
    source = Path(workloads.__file__).read_text()
    for directory in (path, cwd):  # a module of one name in both
        (directory / "twice.py").write_text(f"{source}\ndef where(): return {directory.name!r}, os.environ['GIVEN']\n")
    command = Command(python_for(*parts(model)), str(path), (("GIVEN", "yes"),))
    with opened(runner_env, order(model, task("twice:where", observe="twice:see")), command) as runner:
        assert runner.results() == [["first", "yes"]] * 4


@each_way
def test_the_working_directory_may_hold_an_orchestrator_of_its_own(
    runner_env: RunnerEnvironment, model: str, cwd: Path
) -> None:
    package = cwd / "orchestrator"
    package.mkdir()
    (package / "__init__.py").write_text("print('imported')\n")
    (package / "runner.py").write_text("def mine():\n    return 'mine'\n")
    workload = {"call": "orchestrator.runner:mine", "observe": "workloads:see"}
    with opened(runner_env, order(model, workload)) as runner:
        assert runner.results() == ["mine"] * 4


@over(LOOPLESS, MODELS)
def test_a_model_without_a_loop_is_spared_the_import_of_one(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power", observe="see_runner"))) as runner:
        modules = set(json.loads(runner.trial()["observed"]["modules"]))
        assert not modules & {"asyncio", "anyio"}
        assert runner.ready["actual_loop"] is None


@over([way for way in WAYS if needs(way).loop])
def test_the_loop_is_proved(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("power"))) as runner:
        loop = needs(model).loop
        assert runner.ready["actual_loop"].partition(".")[0] == (loop or "asyncio")


def test_a_runner_imports_only_the_model_that_it_runs(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("sequential", task("power", observe="see_runner"))) as runner:
        modules = set(json.loads(runner.trial()["observed"]["modules"]))
        package = "orchestrator_runner.models."
        assert {name for name in modules if name.startswith(package)} == {package + "sequential"}


# Options of processes


@each_start_method
@pytest.mark.parametrize("model", STARTING)
def test_the_start_method_is_proved(runner_env: RunnerEnvironment, model: str, start_method: str) -> None:
    with opened(runner_env, order(model, task("power"), start_method=start_method)) as runner:
        assert runner.ready["actual_start_method"] == start_method


@pytest.mark.parametrize("model", STARTING)
def test_the_default_start_method_is_the_interpreters_own(runner_env: RunnerEnvironment, model: str) -> None:
    script = "import multiprocessing; print(multiprocessing.get_start_method())"
    expected = subprocess.check_output([sys.executable, "-c", script], text=True).strip()
    with opened(runner_env, order(model, task("power"))) as runner:
        assert runner.ready["actual_start_method"] == expected


@pytest.mark.parametrize(
    ("model", "option"),
    [
        ("processes", "chunksize"),
        ("processes:pool=multiprocessing", "chunksize"),
        ("loky", "chunksize"),
        ("joblib", "batch_size"),
        ("mpire", "chunk_size"),
    ],
)
def test_chunks_give_the_same_results(runner_env: RunnerEnvironment, model: str, option: str) -> None:
    chunks: dict[str, Any] = {option: 4}
    asked = order(model, task("uneven", item="i", observe="see"), tasks=11, **chunks)
    with opened(runner_env, asked) as runner:
        assert runner.results() == [i * i for i in range(11)]


@pytest.mark.parametrize("chunksize", [1, 2])
@pytest.mark.parametrize("start_method", ["forkserver", "spawn"])
def test_workers_are_replaced_after_so_many_tasks(
    runner_env: RunnerEnvironment, start_method: str, chunksize: int
) -> None:
    options: dict[str, Any] = {"start_method": start_method, "max_tasks_per_child": 2, "chunksize": chunksize}
    with opened(
        runner_env, order("processes", task("worker_id", observe="see"), tasks=14 * chunksize, **options)
    ) as runner:
        pids = [pid for pid, _ in runner.results()]
        assert len(pids) == 14 * chunksize
        assert all(pids.count(pid) <= 2 * chunksize for pid in pids)
        assert not set(pids) <= set(runner.ready["worker_pids"])
        assert len(set(runner.ask("prove")["worker_pids"])) == 2


def test_results_stay_right_when_every_task_has_a_worker_of_its_own(runner_env: RunnerEnvironment) -> None:
    options: dict[str, Any] = {"start_method": "spawn", "max_tasks_per_child": 1}
    with opened(runner_env, order("processes", task("square", item="i", observe="see"), tasks=5, **options)) as runner:
        assert runner.results() == [0, 1, 4, 9, 16]


def test_fork_refuses_to_replace_workers(runner_env: RunnerEnvironment) -> None:
    asked = order("processes", task("power"), start_method="fork", max_tasks_per_child=1)
    with (
        fails("exception", "ValueError: max_tasks_per_child is incompatible with the 'fork'"),
        opened(runner_env, asked),
    ):
        pass


# Probing


def probe(
    runner_env: RunnerEnvironment, *variants: dict[str, Any], python: str | None = None
) -> Sequence[dict[str, Any] | None]:
    interrupt = Interrupt()
    try:
        return runner_group.probe(
            runner_env, interrupt, Command(python or default_python(), HERE), list(variants)
        ).problems
    finally:
        interrupt.close()


def test_what_can_run_is_no_problem(runner_env: RunnerEnvironment) -> None:
    plain = [order(model, task("square", item="i", setup="resource", reset="reset")) for model in HERE_TOO]
    twins = [order(model, task("power", kwargs={"base": 3})) for model in HERE_TOO]
    only_async = order("event_loop", {"async_call": "workloads:power_async"})
    assert probe(runner_env, *plain, *twins, only_async) == [None] * (2 * len(HERE_TOO) + 1)


@over([way for way in WAYS if not needs(way).pickles], MODELS)
@pytest.mark.parametrize("call", ["no_name", "local"])
def test_models_that_send_nothing_take_any_function(runner_env: RunnerEnvironment, model: str, call: str) -> None:
    assert probe(runner_env, order(model, task(call)), python=python_for(*parts(model))) == [None]


@pytest.mark.parametrize(
    ("model", "workload", "field", "what", "remedy"),
    [
        ("processes", task("no_name"), "call", "can't be sent to a worker of processes", "at the top level"),
        ("processes", task("local"), "call", "can't be sent to a worker of processes", "at the top level"),
        ("threads", {"call": "no_such:f"}, "call", "no module named 'no_such'", "set `path`"),
        ("threads", {"call": "json.no_such:f"}, "call", "no module named 'json.no_such'", "set `path`"),
        ("threads", task("sqare"), "call", "workloads has no function 'sqare'", "did you mean 'square'?"),
        ("threads", task("number"), "call", "workloads:number is a int, not a function", "name a callable"),
        ("threads", task("square"), "kwargs", "missing a required argument: 'i'", "correct kwargs"),
        ("threads", task("square", item="j"), "kwargs", "does not take these kwargs", "correct kwargs"),
        ("threads", task("power", kwargs={"bse": 1}), "kwargs", "unexpected keyword argument 'bse'", "correct kwargs"),
        ("event_loop", task("power", kwargs={"bse": 1}), "kwargs", "workloads:power_async(base", "correct kwargs"),
        ("sequential", task("generate"), "call", "is a generator function", "wrap it"),
        ("threads", {"call": "workloads:power_async"}, "call", "is a coroutine function", "give a plain `call`"),
        ("threads", {"async_call": "workloads:power_async"}, "async_call", "can't run", "give `call` too"),
        ("event_loop", {"async_call": "workloads:power"}, "async_call", "is not a coroutine", "make it `async def`"),
        ("sequential", task("power", observe="se"), "observe", "has no function 'se'", "did you mean 'see'?"),
        ("sequential", task("power", setup="none:f"), "setup", "no module named 'none'", "set `path`"),
        ("sequential", task("power", check="latr"), "check", "has no function 'latr'", "did you mean 'later'?"),
    ],
)
def test_what_cannot_run_is_reported_with_its_remedy(
    runner_env: RunnerEnvironment, model: str, workload: dict[str, Any], field: str, what: str, remedy: str
) -> None:
    asked = order(model, workload)
    asked["workload"] = workload  # a plan leaves `check` to the conductor, and asks for it in the probe
    (problem,) = probe(runner_env, asked)
    assert problem is not None
    assert problem["field"] == field
    assert what in problem["what"]
    assert remedy in problem["remedy"]


@pytest.mark.parametrize("body", ["raise RuntimeError('not today')", "raise SystemExit", "import no_such", "x = ("])
def test_a_module_that_cannot_be_imported_is_reported_with_the_reason(
    runner_env: RunnerEnvironment, cwd: Path, body: str
) -> None:
    (cwd / "broken.py").write_text(body + "\n")
    fine = order("threads", task("power"))
    problem, none = probe(runner_env, order("threads", {"call": "broken:f"}), fine)
    assert none is None
    assert problem is not None
    assert problem["what"].startswith("importing broken failed: ")
    assert "python -c 'import broken'" in problem["remedy"]


def test_a_module_that_prints_when_imported_does_not_disturb_the_probe(
    runner_env: RunnerEnvironment, cwd: Path
) -> None:
    (cwd / "loud.py").write_text("import os; print('{}', flush=True); os.write(1, b'{}')\ndef f(): pass\n")
    assert probe(runner_env, order("processes", {"call": "loud:f"})) == [None]


# Other interpreters


@cache
def find_python(version: str) -> str | None:
    """Return an interpreter that really is `version`: those of version managers may be stand-ins that refuse."""
    name = f"python{version}"
    script = (
        "import sys, sysconfig; print(*sys.version_info[:2], int(sysconfig.get_config_var('Py_GIL_DISABLED') or 0))"
    )
    major, _, minor = version.removesuffix("t").partition(".")
    expected = [major, minor, str(int(version.endswith("t")))]
    managed = sorted((Path.home() / ".pyenv" / "versions").glob(f"*/bin/{name}"))
    for candidate in [*(Path(entry) / name for entry in os.get_exec_path()), *managed]:
        if not candidate.is_file():
            continue
        done = subprocess.run([candidate, "-c", script], capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode == 0 and done.stdout.split() == expected:
            return str(candidate)
    return None


@pytest.fixture
def python(request: pytest.FixtureRequest) -> str:
    found = find_python(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} on PATH or under pyenv")
    if prefix_of(found) == sys.prefix:
        pytest.skip(f"Python {request.param} here is the one that runs these tests, which the other tests cover")
    return found


def prefix_of(python: str) -> str:
    return subprocess.check_output([python, "-c", "import sys; print(sys.prefix)"], text=True).strip()


each_python = pytest.mark.parametrize(("python", "version"), [(name, name) for name in PYTHONS], indirect=["python"])


@over(WAYS, FOREIGN)
@each_python
@pytest.mark.slow
def test_every_interpreter_keeps_the_promises(
    runner_env: RunnerEnvironment, python: str, version: str, model: str
) -> None:
    keeps_the_promises(runner_env, python, version, model)


@pytest.mark.long
@pytest.mark.parametrize("version", ["3.11", "3.13t", "3.14"])
@pytest.mark.parametrize("model", [way for way in WAYS if needs(way).packages])
def test_libraries_keep_the_promises_under_every_interpreter_that_they_install_on(
    runner_env: RunnerEnvironment, version: str, model: str
) -> None:
    found = find_python(version) or pytest.skip(f"no Python {version} here")
    interrupt = Interrupt()
    try:
        python = environments.provide(runner_env, interrupt, found, needs(model).packages).python
    except environments.Unbuilt as error:
        pytest.skip(error.problem.what)
    finally:
        interrupt.close()
    keeps_the_promises(runner_env, python, version, model)


def keeps_the_promises(runner_env: RunnerEnvironment, python: str, version: str, model: str) -> None:
    """Ask the most important things of a model under an interpreter, or skip the test where it can't run."""
    call = "square" if model in SILENT else "chatter"
    workload = task(call, item="i", initializer="begin", setup="resource", observe="see_runner")
    command = Command(python, HERE, hash_seed=5)
    asked = order(model, workload, workers=2, tasks=4)
    (problem,) = probe(runner_env, asked, python=python)
    if problem:
        assert problem["field"] == "model"
        pytest.skip(problem["what"])
    with opened(runner_env, asked, command) as runner:
        ready = runner.ready
        assert ready["runner_python"].rpartition(".")[0] == version.removesuffix("t")
        assert ready["gil"] is not version.endswith("t")
        assert len(set(ready["worker_threads"])) == (2 if model in STANDING and model not in ONE_WORKER else 1)
        began = [f"{pid} {thread} {TOKEN}" for pid, thread in workers_of(ready)]
        assert sorted(marks("begun")) == sorted(began)
        runner.ask("warm")
        expected = [0, 1, 4, 9]
        assert runner.ask("digest")["digest"] == hashlib.sha256(pickle.dumps(expected, protocol=4)).hexdigest()
        answer = runner.trial(repeats=2)
        assert answer["wall_ns"] > 0
        observed = answer["observed"]
        assert json.loads(observed["results"]) == expected
        assert "straight\n" in runner.output() or model in SILENT
        assert model in PER_TASK or workers_of(runner.ask("prove")) == workers_of(ready)
        runner.close_requests()
        assert runner.status() == 0
        assert marks("setup") == ["entered", "left"]


@each_python
@pytest.mark.slow
def test_a_foreign_interpreter_sees_none_of_our_packages_but_anyio(
    runner_env: RunnerEnvironment, python: str, version: str
) -> None:
    with opened(runner_env, order("event_loop", task("power", observe="see_runner")), Command(python, HERE)) as runner:
        observed = runner.trial()["observed"]
    specs = [importlib.util.find_spec(name) for name in ("anyio", "pydantic")]
    ours = {str(Path(spec.origin).parent.parent) for spec in specs if spec and spec.origin}
    assert ours
    assert not set(json.loads(observed["path"])) & ours
    found = json.loads(observed["found"])
    assert Path(found.pop("anyio")).is_relative_to(runner_env.borrowed) or own(python, "anyio")
    assert {name for name in found if not own(python, name)} == set()


def own(python: str, package: str) -> bool:
    """Return whether an interpreter has a package of its own."""
    script = f"import sys; from importlib.util import find_spec; sys.exit(not find_spec({package!r}))"
    return subprocess.run([python, "-c", script]).returncode == 0


@each_python
def test_a_foreign_interpreter_answers_probes(runner_env: RunnerEnvironment, python: str, version: str) -> None:
    fine, wrong = order("processes", task("power")), order("processes", task("no_name"))
    first, second = probe(runner_env, fine, wrong, python=python)
    assert first is None
    assert second is not None
    assert "can't be sent to a worker" in second["what"]


# Where the time goes


@each_way
def test_an_account_splits_all_of_the_workers_time(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("nap", twin=False), tasks=6)) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=2)
    shares = {name: share for name, share in account.items() if name in [f"{part}_share" for part in SHARES]}
    assert len(shares) == len(SHARES)
    assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
    assert min(shares.values()) >= 0
    assert shares["blocked_share"] > shares["on_core_share"]
    del shares["run_queue_share"]  # what others on the machine take
    assert model in PER_TASK or shares["blocked_share"] == max(shares.values())
    lanes = dict.fromkeys(ONE_WORKER, 1) | dict.fromkeys(PER_TASK, 6)
    assert (account["batches"], account["calls"], account["lanes"]) == (2, 6, lanes.get(model, 2))
    assert account["in_own_thread"] == (model in ONE_WORKER)


@each_way
def test_an_account_is_of_the_calls_that_a_batch_makes(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("square", item="i", observe="see"), tasks=7)) as runner:
        runner.ask("warm")
        assert len(runner.ask("account", repeats=1)["timeline"]["lane"]) == 7
        assert runner.results() == [i * i for i in range(7)]


@each_way
def test_only_what_crosses_a_process_is_pickled(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("equal_dict", item="i"), tasks=4)) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=1)
    crosses = needs(model).pickles
    travels = crosses and model != "dask:pool=threads"  # its results stay in the process
    assert (account["serialisation_share"] > 0, account["result_bytes"] is not None) == (travels, crosses)
    sends_calls = crosses and (base(model), runner.ready.get("actual_start_method")) != ("process_per_task", "fork")
    assert (account["call_bytes"] is not None) == sends_calls


@each_model
def test_a_call_that_fails_in_an_account_is_reported_like_any_other(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("fail_first", item="i"))) as runner, fails("exception", "item 0 is bad"):
        runner.ask("account", repeats=1)


@over([way for way in WAYS if not needs(way).pickles], MODELS)
def test_reset_also_runs_before_accounted_batches(runner_env: RunnerEnvironment, model: str) -> None:
    with opened(runner_env, order(model, task("take_job", twin=False, reset="give_jobs"), tasks=4)) as runner:
        assert runner.ask("account", repeats=3)["batches"] == 3


@each_python
@pytest.mark.slow
def test_accounts_are_taken_under_every_interpreter(runner_env: RunnerEnvironment, python: str, version: str) -> None:
    command = Command(python, HERE, preload=runner_env.shims.preload(python))
    with opened(runner_env, order("threads", task("burn")), command) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=1)
    has_gil = runner.ready["gil"]
    assert account["gil_source"] == "measured"
    assert (account["gil_share"] > 0.01) == has_gil


def test_without_the_shim_waits_for_the_gil_are_estimated(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("threads", task("burn"))) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=1)
    assert account["gil_source"] == "estimated"
    assert account["gil_share"] == account["gil_share_estimated"] > 0


@pytest.mark.parametrize("preloaded", [True, False])
def test_processes_do_not_wait_for_each_others_gil(runner_env: RunnerEnvironment, preloaded: bool) -> None:
    python = default_python()
    command = Command(python, HERE, preload=runner_env.shims.preload(python) if preloaded else None)
    with opened(runner_env, order("processes", task("burn")), command) as runner:
        runner.ask("warm")
        assert runner.ask("account", repeats=1)["gil_share"] < 0.1


def test_a_plain_function_blocks_its_loop_for_the_whole_batch(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("event_loop", task("nap", twin=False), tasks=3)) as runner:
        account = runner.ask("account", repeats=1)
    assert account["loop_longest_ns"] >= 3 * 10_000_000
    assert account["loop_longest_ns"] >= account["loop_lag_p99_ns"] > account["loop_lag_p50_ns"] >= 10_000_000


def test_a_loop_of_waiting_calls_has_little_lag(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("event_loop", task("doze"), tasks=3)) as runner:
        account = runner.ask("account", repeats=1)
    assert account["waiting_share"] > 0.5
    assert account["loop_lag_p50_ns"] < 50_000_000


def test_the_work_of_a_calls_own_processes_is_accounted_as_outside(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("sequential", task("burn_elsewhere"), tasks=2)) as runner:
        account = runner.ask("account", repeats=1)
    assert account["outside_cpu_ns"] >= 2 * workloads.BURN_NS
    assert account["on_core_share"] < 0.5
    assert min(account[f"{part}_share"] for part in SHARES) >= 0


def test_the_memory_of_all_processes_is_counted_and_peaks_are_remembered(runner_env: RunnerEnvironment) -> None:
    with opened(runner_env, order("processes", task("swell"), tasks=2)) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=1)
    assert account["peak_pss_bytes"] > workloads.SWOLLEN
    assert 0 < account["worker_private_bytes"] < account["peak_pss_bytes"]


def test_interpreters_are_threads_of_one_process_with_a_gil_each(runner_env: RunnerEnvironment) -> None:
    python = python_for("interpreters", {})
    command = Command(python, HERE, preload=runner_env.shims.preload(python))
    with opened(runner_env, order("interpreters", task("burn"), tasks=4), command) as runner:
        assert set(runner.ready["worker_pids"]) == {runner.process.pid}
        assert len(set(runner.ready["worker_threads"])) == 2
        runner.ask("warm")
        account = runner.ask("account", repeats=1)
    assert account["gil_source"] == "measured"
    assert account["gil_share"] < 0.1


def test_a_module_that_refuses_subinterpreters_is_reported_with_the_remedy(
    runner_env: RunnerEnvironment, cwd: Path
) -> None:
    refusal = "import _interpreters\nif _interpreters.get_current()[0]: raise ImportError('not in a subinterpreter')\n"
    (cwd / "refuses.py").write_text(refusal + "def f(): pass\n")
    asked = order("interpreters", {"call": "refuses:f"})
    with (
        fails("exception", r"refuses can't be imported .* use `processes`, .*ImportError: not in a"),
        opened(runner_env, asked),
    ):
        pass


def test_a_python_without_interpreters_names_one_that_has_them(runner_env: RunnerEnvironment) -> None:
    if is_here("interpreters"):
        pytest.skip("this one has them")
    (problem,) = probe(runner_env, order("interpreters", task("power")))
    assert problem is not None
    assert (problem["field"], problem["code"]) == ("model", "python_too_old")
    assert problem["what"].endswith("has no InterpreterPoolExecutor")
    assert problem["remedy"] == "run it under 3.14 or newer"


# Loops, and processes with workers of their own


@pytest.mark.parametrize("call", ["sleep", "yield_once"])
def test_trio_explains_the_failure_of_a_coroutine_of_asyncio(
    runner_env: RunnerEnvironment, cwd: Path, call: str
) -> None:
    (cwd / "of_asyncio.py").write_text(
        "import asyncio\n"
        "async def sleep(): await asyncio.sleep(0.001)\n"
        "async def yield_once(): await asyncio.sleep(0)\n"
    )
    asked = order("event_loop:loop=trio", {"async_call": f"of_asyncio:{call}"})
    with (
        opened(runner_env, asked) as runner,
        fails("exception", "under trio can't run .* awaits asyncio; write it with anyio"),
    ):
        runner.ask("warm")


def test_each_process_of_loops_has_so_many_calls_in_flight(runner_env: RunnerEnvironment) -> None:
    meeting = task("meet", kwargs={"others": 6}, item="i", observe="see")
    asked = order("processes_of_loops", meeting, tasks=6, concurrency=3)
    with opened(runner_env, asked) as runner:
        # all six wait for each other: three in each of the two processes
        assert Counter(pid for pid, _ in runner.results()) == dict.fromkeys(runner.ready["worker_pids"], 3)


def test_each_process_of_threads_has_so_many_calls_in_flight(runner_env: RunnerEnvironment) -> None:
    asked = order(
        "processes_of_threads", task("meet", kwargs={"others": 6}, item="i", observe="see"), tasks=6, threads=3
    )
    with opened(runner_env, asked) as runner:
        assert set(map(tuple, runner.results())) == set(workers_of(runner.ready))
        assert len(runner.ready["worker_pids"]) == 6


def test_an_account_of_coroutines_at_once_in_other_processes_splits_all_of_the_time(
    runner_env: RunnerEnvironment,
) -> None:
    with opened(runner_env, order("processes_of_loops", task("doze"), tasks=12, concurrency=3)) as runner:
        runner.ask("warm")
        account = runner.ask("account", repeats=2)
    shares = {part: account[f"{part}_share"] for part in SHARES}
    assert sum(shares.values()) == pytest.approx(1, abs=1e-4)
    assert max(shares, key=lambda part: shares[part]) == "waiting"
    assert account["lanes"] == 2


def test_a_switch_interval_is_set_while_the_workers_are_up(runner_env: RunnerEnvironment) -> None:
    asked = order("threads", task("switch_interval", observe="see"), switch_interval_us=700)
    with opened(runner_env, asked) as runner:
        assert runner.results() == [0.0007] * 4
