"""The shipped workloads and configs."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import anyio
import pytest

from experiments import cpu, dispatch, identity, io, kinds, loops, shared
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.load import load
from tests.support.configs import SHIPPED
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow


@pytest.mark.parametrize("config", SHIPPED, ids=lambda config: config.name)
def test_a_shipped_config_can_be_planned_on_two_cores(config: Path) -> None:
    planned = plan_experiment(load(config)[0], cores=2)
    assert planned.claims


@pytest.mark.parametrize("config", SHIPPED, ids=lambda config: config.name)
def test_a_shipped_config_says_what_it_asks(config: Path) -> None:
    assert "?" in load(config)[0].description


def test_the_nested_loop_calls_its_functions_outer_times_inner_times() -> None:
    assert cpu.nested_loop(1, 4) == 1 + 3 + 5 + 7
    assert cpu.nested_loop(2, 4) == 2 * (1 + 3 + 5 + 7)


def test_the_squares_are_summed() -> None:
    assert cpu.sum_of_squares(4) == 0 + 1 + 4 + 9


def test_both_forms_of_waiting_return_the_time_asked_for() -> None:
    assert io.wait(0.0) == anyio.run(io.wait_async, 0.0) == 0.0


@pytest.mark.parametrize("kind", ["cpu", "io"])
def test_both_forms_of_a_call_return_its_kind(kind: str) -> None:
    assert kinds.call(kind) == anyio.run(kinds.call_async, kind) == kind


def test_an_empty_task_returns_nothing() -> None:
    assert (dispatch.nothing(), anyio.run(dispatch.nothing_async)) == (None, None)  # type: ignore[func-returns-value]


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
def test_all_that_is_sent_to_the_echo_server_comes_back(backend: str) -> None:
    assert anyio.run(loops.echo, 3, 5000, backend=backend) == 3 * 5000
    assert anyio.run(loops.steps, 7, backend=backend) == 7


def test_a_spinning_thread_ends_with_its_context() -> None:
    before = threading.active_count()
    with loops.beside_a_spinning_thread(), loops.alone():
        assert threading.active_count() == before + 1
    assert threading.active_count() == before


def test_this_thread_is_in_the_parent_process() -> None:
    assert identity.observe([identity.whoami()] * 3, None) == {"pids": 1, "thread_names": 1, "in_parent": 3}


@pytest.mark.parametrize("locked", [True, False])
def test_one_thread_alone_sees_every_size_once(locked: bool) -> None:
    shared.clear(None)
    seen = [shared.objify(item, 5, locked) for item in range(3)]
    shared.clear(None)
    assert shared.observe_sizes(seen, None) == {"exact": True, "torn": 0}
    assert shared.fits(seen)


def test_sizes_seen_twice_are_torn() -> None:
    assert shared.observe_sizes([[1, 3], [3, 4]], None) == {"exact": False, "torn": 1}


@pytest.mark.parametrize("results", [[[2, 1]], [[0, 1]], [[1, 3]]])
def test_sizes_that_no_dict_can_have_do_not_fit(results: list[list[int]]) -> None:
    assert not shared.fits(results)


def test_the_lock_keeps_others_out_of_the_dict() -> None:
    with shared.obj_lock:
        thread = threading.Thread(target=shared.objify, args=(0, 1, True))
        thread.start()
        thread.join(0.1)
        assert thread.is_alive()
    thread.join()
    shared.clear(None)


# --- what the configs claim of what is observed: it holds, and it breaks when it is not so


def test_the_advice_of_every_shipped_config_was_tried_and_helped() -> None:
    """`make verify-accounts ARGS=advice` writes the list."""
    text = (ROOT / "docs/method.md").read_text()
    rows = re.findall(r"^\|(.*)\|$", text[text.index("<!-- advice -->") :].partition("<!-- end -->")[0], re.MULTILINE)
    cells = [[cell.strip() for cell in row.split(" | ")] for row in rows[2:]]
    gains = [gain for *_, gain in cells if gain != "not ours to try"]
    assert len(gains) >= 12
    lows = [float(gain.partition("[")[2].partition(",")[0]) for gain in gains]
    assert min(lows) > 1
    assert {"cpu", "io", "tutorial"} <= {config for config, *_ in cells}


def claims(place: Path, config: str, swap: dict[str, str] | None = None) -> tuple[int, dict[str, str]]:
    """Return the exit status of a short run of a shipped config and the outcome of every claim.

    `swap` replaces text in a copy of the config; `place` is on the import path.
    """
    text = (ROOT / "configs" / config).read_text()
    for old, new in (swap or {}).items():
        assert old in text
        text = text.replace(old, new)
    (place / config).write_text(text)
    (place / "experiments").symlink_to(ROOT / "experiments")
    command = [sys.executable, "-m", "orchestrator", "run", config, "measure.blocks=1", "measure.rounds=2"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False, timeout=120)
    events: list[dict[str, Any]] = [json.loads(line) for line in done.stdout.splitlines()]
    checked = [event for event in events if event["event"] == "expectation.checked"]
    return done.returncode, {f"{event['of']} {event['metric']}": event["outcome"] for event in checked}


OBSERVING = ("identity.yaml", "shared_processes.yaml", "shared_threads.yaml")


@pytest.mark.parametrize("config", OBSERVING)
def test_what_a_config_claims_of_what_is_observed_holds(tmp_path: Path, config: str) -> None:
    status, outcomes = claims(tmp_path, config)
    assert (status, set(outcomes.values())) == (0, {"held"})


def test_the_claims_about_identity_break_when_threads_pass_for_processes(tmp_path: Path) -> None:
    models = "models: [sequential, thread_per_task, process_per_task]"
    liars = (
        "models: [sequential, {model: process_per_task, label: thread_per_task},"
        " {model: thread_per_task, label: process_per_task}]"
    )
    status, outcomes = claims(tmp_path, "identity.yaml", {models: liars})
    assert (status, set(outcomes.values())) == (1, {"broken"})


def test_the_claims_about_shared_numbers_break_when_threads_pass_for_processes(tmp_path: Path) -> None:
    models = "models: [sequential, processes, process_per_task]"
    liars = (
        "models: [sequential, {model: threads, label: processes}, {model: thread_per_task, label: process_per_task}]"
    )
    status, outcomes = claims(tmp_path, "shared_processes.yaml", {models: liars})
    assert status == 1
    assert [claim for claim, outcome in outcomes.items() if outcome == "broken"] == [
        "processes observed.plain_num",
        "process_per_task observed.plain_num",
    ]


def test_the_claim_about_the_shared_number_breaks_when_a_task_does_not_count(tmp_path: Path) -> None:
    (tmp_path / "forgetful.py").write_text("def increment():\n    pass\n")
    swap = {"experiments.shared:increment": "forgetful:increment"}
    status, outcomes = claims(tmp_path, "shared_processes.yaml", swap)
    assert status == 1
    assert outcomes["processes observed.shared_num"] == outcomes["process_per_task observed.shared_num"] == "broken"


def test_the_claims_about_the_lock_break_when_sizes_are_torn(tmp_path: Path) -> None:
    (tmp_path / "torn.py").write_text("def objify(item, count, locked):\n    return [1] * count\n")
    status, outcomes = claims(tmp_path, "shared_threads.yaml", {"experiments.shared:objify": "torn:objify"})
    assert (status, set(outcomes.values())) == (1, {"broken"})
