"""The findings of the doctor, and their two formats."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import doctor
from orchestrator.cli.app import app
from orchestrator.cli.doctor import diagnose, render
from orchestrator.machine import spin
from orchestrator.output.listings import Machine

QUIET = Machine(
    cpu_model="a CPU",
    cores=4,
    affinity=[0, 1, 2, 3],
    effective_cores=4,
    quota_cores=None,
    spin_cores=3.97,
    virtual=False,
    smt=False,
    governor="performance",
    turbo=False,
    load_1m=0.1,
    busy_cores=0.01,
    steal_share=0.0,
    pressure=0.0,
    gil_unmeasured=None,
    uv="/bin/uv",
    environments=0,
    environments_bytes=0,
)


def test_a_quiet_machine_has_no_findings() -> None:
    assert list(diagnose(QUIET)) == []
    assert list(diagnose(replace(QUIET, effective_cores=96, spin_cores=63.5))) == []
    assert render(QUIET, []).endswith("No source of noise was found.\n")


@pytest.mark.parametrize(
    ("fact", "what"),
    [
        ({"busy_cores": 1.5}, "other processes use 1.5 of 4 cores"),
        ({"steal_share": 0.2}, "the hypervisor takes 20 % of the time"),
        ({"spin_cores": 2.1}, "4 processes do the work of 2.1 cores"),
        ({"spin_cores": 30.0, "effective_cores": 96}, "64 processes do the work of 30 cores"),
        ({"quota_cores": 2.5}, "a quota of 2.5 cores throttles this cgroup"),
        ({"governor": "powersave"}, "the clock follows the load (governor powersave)"),
        ({"turbo": True}, "the clock is higher while few cores are busy (turbo)"),
        ({"smt": True}, "two hardware threads share each core"),
        (
            {"gil_unmeasured": "there is no C compiler; install one as `cc`"},
            "waits for the GIL are only estimated: there is no C compiler; install one as `cc`",
        ),
        ({"pressure": None}, "the kernel does not report how long processes wait for a core (no /proc/pressure/cpu)"),
    ],
)
def test_each_source_of_noise_is_a_finding_with_a_remedy(fact: dict[str, Any], what: str) -> None:
    (found,) = diagnose(replace(QUIET, **fact))
    assert found.what == what
    assert found.remedy in render(QUIET, [found])


def test_what_a_machine_does_not_report_is_unknown_and_no_finding() -> None:
    silent = replace(QUIET, spin_cores=None, virtual=None, smt=None, governor=None, turbo=None, busy_cores=None)
    assert list(diagnose(silent)) == []
    assert "spin test                     unknown" in render(silent, [])


def test_stdout_that_is_no_terminal_gets_one_json_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LOOK_S", 0.05)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0
    event = json.loads(done.stdout)
    assert (event["event"], event["cores"]) == ("machine.examined", os.cpu_count())


def test_the_format_text_is_for_people(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LOOK_S", 0.05)
    assert CliRunner().invoke(app, ["doctor", "--format", "text"]).stdout.startswith("CPU  ")


def test_the_best_of_all_spinners_is_compared_with_the_best_of_one(monkeypatch: pytest.MonkeyPatch) -> None:
    turns = iter((10, 12, 8, 19, 9, 15, 10, 18))  # of one alone and of both, by turns
    monkeypatch.setattr(spin, "_turns", lambda spinners: next(turns))
    assert spin.spin_cores(2) == 1.9


def test_spinners_answer_with_their_turns() -> None:
    assert (spin.spin_cores(1) or 0) > 0


def test_without_spinners_the_cores_are_unknown(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert spin.spin_cores(2) is None
