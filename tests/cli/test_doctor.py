"""What the doctor finds, and tells."""

from __future__ import annotations

import json
import os
from dataclasses import replace
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator.cli import doctor
from orchestrator.cli.app import app
from orchestrator.cli.doctor import Machine, diagnose, render
from orchestrator.machine.spin import spin_cores

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


def test_a_quiet_machine_has_nothing_to_complain_of() -> None:
    assert list(diagnose(QUIET)) == []
    assert render(QUIET, []).endswith("Nothing here makes measurements noisy.\n")


@pytest.mark.parametrize(
    ("fact", "what"),
    [
        ({"busy_cores": 1.5}, "others keep 1.5 of 4 cores busy"),
        ({"steal_share": 0.2}, "the hypervisor takes 20 % of the time"),
        ({"spin_cores": 2.1}, "4 processes get done what 2.1 cores would"),
        ({"quota_cores": 2.5}, "a quota of 2.5 cores stops this group in the midst of its work"),
        ({"governor": "powersave"}, "the clock follows the load (governor powersave)"),
        ({"turbo": True}, "the clock is higher while few cores are busy (turbo)"),
        ({"smt": True}, "cores are shared by two hardware threads"),
        (
            {"gil_unmeasured": "there is no C compiler; install one as `cc`"},
            "waits for the GIL can't be measured, only estimated: there is no C compiler",
        ),
        ({"pressure": None}, "the kernel does not tell who waits for a core (no /proc/pressure/cpu)"),
    ],
)
def test_each_cause_of_noise_is_told_with_a_remedy(fact: dict[str, Any], what: str) -> None:
    (found,) = diagnose(replace(QUIET, **fact))
    assert found.what == what
    assert found.remedy in render(QUIET, [found])


def test_what_a_machine_does_not_tell_is_no_finding_but_unknown() -> None:
    silent = replace(QUIET, spin_cores=None, virtual=None, smt=None, governor=None, turbo=None, busy_cores=None)
    assert list(diagnose(silent)) == []
    assert "as a spin test has it         unknown" in render(silent, [])


def test_tools_get_one_json_line(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LOOK_S", 0.05)
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 0
    told = json.loads(done.stdout)
    assert (told["event"], told["cores"]) == ("machine.examined", os.cpu_count())


def test_people_get_text(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(doctor, "LOOK_S", 0.05)
    assert CliRunner().invoke(app, ["doctor", "--format", "text"]).stdout.startswith("CPU  ")


def test_one_process_gets_done_what_one_core_does() -> None:
    # of several, since others may take the core during one half of a pair
    assert any(0.5 < (spin_cores(1) or 0) < 2 for _ in range(5))


def test_spinners_that_cannot_be_started_tell_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.executable", "/nowhere/python")
    assert spin_cores(2) is None
