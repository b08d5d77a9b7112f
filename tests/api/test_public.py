"""The functions of the package: what they refuse before anything is measured, and what they cost to import."""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator import BadInput, Busy, WorkloadFailed
from orchestrator.errors import Unwritable
from orchestrator.machine import lock


@pytest.fixture(autouse=True)
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def held() -> Iterator[None]:
    """The machine is held by another run."""
    with lock.hold() as set_holder:
        set_holder("runs/other/1")
        yield


def test_the_package_loads_nothing_heavy() -> None:
    code = "import sys; before = set(sys.modules); import orchestrator; print(*(set(sys.modules) - before))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert set(done.stdout.split()) <= {"orchestrator", "__future__"}


def test_every_public_name_is_there_and_has_a_text() -> None:
    for name in orchestrator.__all__:
        assert getattr(orchestrator, name).__doc__, name
    assert set(orchestrator.__all__) <= set(dir(orchestrator))


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="no attribute 'advice_on'"):
        _ = orchestrator.advice_on  # type: ignore[attr-defined]  # this is the test


def test_the_package_is_typed() -> None:
    assert (Path(orchestrator.__file__).parent / "py.typed").exists()


def test_a_run_of_another_is_named_while_it_holds_the_machine(held: None) -> None:
    with pytest.raises(Busy, match=r"another run holds this machine: pid \d+.*run runs/other/1; wait for it: wait="):
        orchestrator.advise("json:dumps", [1])


def test_a_run_that_waits_in_vain_ends_after_that_time(held: None) -> None:
    begun = time.monotonic()
    with pytest.raises(Busy):
        orchestrator.compare("json:dumps", args=[[1]], wait=0.6)
    assert time.monotonic() - begun >= 0.6


@pytest.mark.parametrize(
    ("func", "args", "message"),
    [
        (3, [], "func: it is a value of type int, not a function; give the function itself"),
        ("json:dumps", 3, r"args=: expected a list of arguments; got a value of type int; write args=\[3\]"),
        ("json:dumps", "abc", r"args=: expected a list of arguments; got a value of type str; write args=\['abc'\]"),
    ],
)
def test_a_call_in_the_place_of_a_function_and_its_arguments_is_refused(func: Any, args: Any, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        orchestrator.compare(func, args=args)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"kwargs": [1]}, "kwargs=: expected a mapping of names to values; got a value of type list"),
        ({"items": 5}, "items=: expected a list or another iterable; got a value of type int"),
        ({"models": []}, "models=: must not be empty"),
        ({"models": [3]}, r"models\[0\]=: expected a model's name or a mapping; got 3"),
        (
            {"models": "threads,processes"},
            r"""unknown model "threads,processes"; write models=\['threads', 'processes'\]""",
        ),
        ({"models": [{"model": "processes", "start_metod": "spawn"}]}, r'"start_metod"; did you mean "start_method"\?'),
        ({"models": ["threads", "proceses"]}, r'models=: unknown model "proceses"; did you mean "processes"\?'),
        ({"workers": 2.5}, "workers=: expected a number or a list of numbers; got a value of type float"),
        ({"workers": 0}, "workers=: expected 1 or more; got 0"),
        ({"workers": [2, "3"]}, r"workers\[1\]=: expected a whole number"),
        ({"workers": []}, "workers=: must not be empty"),
        ({"tasks": 0}, "tasks=: expected 1 or more; got 0"),
        ({"arrivals": 3}, "arrivals=: expected a mapping, such as {'rate': 200}; got a value of type int"),
        ({"arrivals": {"rate": 20}, "tasks": 4}, "tasks=: calls that arrive at a rate are no batch; delete it"),
        ({"expect": {"of": "threads"}}, "expect=: claims nothing; give min, max or equals"),
        ({"check": "sam"}, 'check=: "sam" is not a check'),
        ({"precision": "2"}, 'precision=: "2" is not a percentage'),
        ({"runs": 5}, "runs=: expected a path; got a value of type int"),
        ({"item": "m"}, "item=: dumps has no argument 'm'; name one of obj"),
    ],
    ids=lambda value: str(value)[:30] if isinstance(value, dict) else "",
)
def test_a_wrong_option_is_refused_though_the_machine_is_held(
    held: None, options: dict[str, Any], message: str
) -> None:
    def dumps(obj: object) -> str:
        return str(obj)

    with pytest.raises(BadInput, match=message):
        orchestrator.compare(dumps, **{"args": [1], **options})


@pytest.mark.slow
def test_calls_that_arrive_at_a_rate_are_compared_in_windows(place: Path) -> None:
    arriving = {"rate": 100, "window": "1s"}
    asked: dict[str, Any] = {"args": [0.005], "arrivals": arriving, "models": ["sequential", "threads"], "max_time": 20}
    result = orchestrator.compare("time:sleep", **asked)
    assert result.events("window.finished")
    assert {event["variant"] for event in result.events("variant.served")} == {"sequential", "threads"}


def test_no_wait_may_be_given_as_nothing(held: None, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_WAIT", "1h")
    with pytest.raises(Busy):
        orchestrator.compare("json:dumps", args=[[1]], wait=0)


def test_a_directory_of_runs_that_is_none_is_refused_before_the_wait(
    held: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_WAIT", "1h")
    (tmp_path / "file").touch()
    with pytest.raises(Unwritable, match="file: it is not a directory; choose another directory with runs="):
        orchestrator.compare("json:dumps", args=[[1]], runs=tmp_path / "file" / "runs")


def test_the_twin_for_event_loops_raises_the_same(held: None) -> None:
    with pytest.raises(Busy):
        asyncio.run(orchestrator.advise_async("json:dumps", [1]))


def test_the_twin_for_event_loops_refuses_an_unknown_option() -> None:
    options: dict[str, Any] = {"model": ["threads"]}
    with pytest.raises(TypeError, match="no option 'model'; it has args, kwargs, items, item, models,"):
        asyncio.run(orchestrator.compare_async("json:dumps", **options))


def test_a_cancelled_run_ends(held: None) -> None:
    async def cancelled() -> None:
        async with asyncio.timeout(0.2):
            await orchestrator.compare_async("json:dumps", args=[[1]], wait="1h")

    with pytest.raises(TimeoutError):
        asyncio.run(cancelled())


def test_a_worker_of_a_run_begins_no_other(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_PADDING", "")
    with pytest.raises(BadInput, match='this process is a worker of it; put the call under `if __name__ == "__main__"'):
        orchestrator.advise("json:dumps", [1])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"max_time": "soon"}, 'max_time=: "soon" is not a duration'),
        ({"wait": -1}, "wait=: .* is not a duration"),
        ({"python": "3.12"}, "python=: <?lambda.* only this interpreter can run it; define it in a module"),
    ],
    ids=["max_time", "wait", "python"],
)
def test_a_wrong_option_is_named_with_its_remedy(options: dict[str, Any], message: str) -> None:
    with pytest.raises(BadInput, match=message):
        orchestrator.compare(lambda: 1, **options)


def test_a_function_that_fails_is_named_as_it_was_given() -> None:
    def broken() -> None:
        raise ValueError("no")

    with pytest.raises(WorkloadFailed, match=r"^broken failed when it was called: ValueError: no"):
        orchestrator.advise(broken)


def test_a_generator_function_is_refused_with_one_that_does_the_work() -> None:
    def rows() -> Iterator[int]:
        yield 1

    with pytest.raises(BadInput, match=r"^rows is a generator function.*`def done\(\): return list\(rows\(\)\)`"):
        orchestrator.advise(rows)


def test_missing_arguments_are_named_without_a_command() -> None:
    with pytest.raises(BadInput, match=r"\(n\): missing a required argument: 'n'; give n$"):
        orchestrator.advise(lambda n: n)


def test_a_claim_about_a_model_that_is_left_out_says_why() -> None:
    def locked() -> threading.Lock:
        return threading.Lock()

    message = r"expect\[0\]\.of: .*; processes is left out: its results can't be pickled.*; leave the claim out"
    with pytest.raises(BadInput, match=message):
        orchestrator.compare(
            locked, models=["sequential", "threads", "processes"], expect={"of": "processes", "min": 1}
        )


def test_models_of_which_none_is_left_to_compare_are_refused_with_the_reasons() -> None:
    def locked() -> threading.Lock:
        return threading.Lock()

    with pytest.raises(BadInput, match=r"models=: locked leaves nothing to compare: processes: its results can't"):
        orchestrator.compare(locked, models=["sequential", "processes"])


def test_a_missing_spec_is_refused_with_its_place() -> None:
    with pytest.raises(BadInput, match=r"none\.yaml: no such file; check the path"):
        orchestrator.run("none.yaml")


def test_how_old_a_run_may_be_that_is_resumed_is_taken_from_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_RESUME_WITHIN", "long")
    with pytest.raises(BadInput, match=r"ORCHESTRATOR_RESUME_WITHIN: .*long"):
        orchestrator.run("a.yaml")


def test_overrides_are_a_mapping_or_texts(place: Path) -> None:
    (place / "a.yaml").write_text("workload: {call: 'json:dumps', args: [1]}\nmodels: [sequential]\n")
    for overrides in ({"tasks": 0}, ["tasks=0"]):
        with pytest.raises(BadInput, match='override "tasks=0": tasks: expected 1 or more'):
            orchestrator.run("a.yaml", overrides)


def test_a_failure_has_its_parts_apart() -> None:
    with pytest.raises(BadInput) as raised:
        orchestrator.run("none.yaml")
    assert (raised.value.what, raised.value.where, raised.value.remedy) == (
        "no such file",
        "none.yaml",
        "check the path",
    )


SCRIPT = """
import asyncio, json, sys, time
import orchestrator

STEP = 0.004

class Answer:
    def __init__(self, value): self.value = value
    def __eq__(self, other): return self.value == other.value

def made(pause):
    def wait(by=1): time.sleep(pause * by); return Answer(by)
    return wait

async def inside():
    # Jupyter runs cells in a loop
    return orchestrator.compare(
        made(STEP), models=["sequential", "threads", "processes"], workers=2, tasks=4, max_time="6s"
    )

result = asyncio.run(inside())
print(json.dumps({
    "winners": result.winners, "directory": str(result.directory), "text": str(result),
    "rows": [row["variant"] for row in result.table()], "events": sorted({e["event"] for e in result.events()}),
    "command": result.events("run.started")[0]["command"],
}))
"""


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What a script prints of a run of a closure, asked for inside an event loop."""
    place = tmp_path_factory.mktemp("measured")
    (place / "script.py").write_text(SCRIPT)
    done = subprocess.run([sys.executable, "script.py"], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return {**json.loads(done.stdout), "stderr": done.stderr, "place": place}


@pytest.mark.long
def test_a_closure_is_compared_inside_a_running_loop(measured: dict[str, Any]) -> None:
    assert "threads" in measured["winners"]


@pytest.mark.long
def test_classes_of_main_travel_to_processes_and_back(measured: dict[str, Any]) -> None:
    assert sorted(measured["rows"]) == ["processes", "sequential", "threads"]


@pytest.mark.long
def test_a_run_in_python_writes_a_journal_like_all_others(measured: dict[str, Any]) -> None:
    assert {"run.started", "trial.finished", "verdict.reached", "run.finished"} <= set(measured["events"])
    assert measured["directory"].startswith(f"{measured['place']}/runs/compare-wait/")


@pytest.mark.long
def test_messages_are_those_of_a_logger(measured: dict[str, Any]) -> None:
    assert "{" not in measured["stderr"]


@pytest.mark.long
def test_the_command_of_the_journal_plans_the_same_again(measured: dict[str, Any]) -> None:
    program, verb, spec = measured["command"]
    assert (program, verb) == ("orchestrator", "run")
    command = [sys.executable, "-m", "orchestrator", "plan", spec]
    done = subprocess.run(command, cwd=measured["place"], capture_output=True, text=True, check=False)
    assert done.returncode == 0 and "wait() x 4" in done.stdout, done.stderr
