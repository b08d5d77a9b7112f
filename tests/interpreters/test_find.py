"""Interpreters: which are found, which are not, and which module switches the GIL back on."""

from __future__ import annotations

import os
import platform
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.interpreters.find import installed, resolve
from orchestrator.spec.document import dump
from tests.support.command import events, orchestrator

pytestmark = pytest.mark.slow

MINOR = ".".join(platform.python_version_tuple()[:2])
FREE_THREADED = shutil.which("python3.13t")


@pytest.fixture
def alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Return the only directory of the path, without pyenv."""
    directory = tmp_path / "bin"
    directory.mkdir()
    monkeypatch.setenv("PATH", str(directory))
    monkeypatch.setenv("PYENV_ROOT", str(tmp_path / "pyenv"))
    return directory


def script(file: Path, text: str) -> None:
    file.write_text(f"#!/bin/sh\n{text}\n")
    file.chmod(0o755)


def test_a_version_is_found_by_its_name_on_the_path(alone: Path) -> None:
    (alone / f"python{MINOR}").symlink_to(sys.executable)
    assert resolve(MINOR) == str(alone / f"python{MINOR}")


def test_a_script_that_runs_nothing_is_passed_by(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    script(alone / f"python{MINOR}", "exit 127")
    there = alone.parent / "there"
    there.mkdir()
    (there / f"python{MINOR}").symlink_to(sys.executable)
    monkeypatch.setenv("PATH", f"{alone}:{there}")
    assert resolve(MINOR) == str(there / f"python{MINOR}")


def test_of_a_script_the_interpreter_that_it_starts_is_used(alone: Path) -> None:
    script(alone / f"python{MINOR}", f'exec {sys.executable} "$@"')
    assert resolve(MINOR) == sys.executable


def test_interpreters_of_pyenv_are_found_also_by_their_whole_version(alone: Path) -> None:
    version = platform.python_version()
    binaries = alone.parent / "pyenv" / "versions" / version / "bin"
    binaries.mkdir(parents=True)
    (binaries / "python3").symlink_to(sys.executable)
    assert resolve(version) == str(binaries / "python3")
    assert str(binaries / "python3") in [each.path for each in installed()]


def test_one_interpreter_under_two_names_is_listed_once(alone: Path) -> None:
    (alone / f"python{MINOR}").symlink_to(sys.executable)
    (alone / "python3.10").symlink_to(sys.executable)
    assert [Path(each.path).parent for each in installed()].count(alone) == 1


def test_the_interpreter_of_an_environment_is_its_own(alone: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (alone / f"python{MINOR}").symlink_to(os.path.realpath(sys.executable))
    own = alone.parent / "own"
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", str(own)], check=True)
    monkeypatch.setenv("PATH", f"{alone}:{own / 'bin'}")
    found = {each.path for each in installed()}
    assert {str(alone / f"python{MINOR}"), str(own / "bin" / f"python{MINOR}")} <= found


def test_a_version_that_is_not_found_is_reported_with_those_that_are_and_how_to_get_it(tmp_path: Path) -> None:
    names = tmp_path / "bin"
    names.mkdir()
    (names / f"python{MINOR}").symlink_to(sys.executable)
    (tmp_path / "x.yaml").write_text('workload: {call: "os:getpid"}\nmodels: [{model: threads, python: "3.99"}]\n')
    env = os.environ | {"PATH": f"{names}:{os.environ['PATH']}"}
    done = orchestrator("run", "x.yaml", cwd=tmp_path, env=env)
    assert done.returncode == errors.BAD_INPUT
    assert done.stderr.startswith('orchestrator: x.yaml:2:35: models[0].python: no interpreter "3.99" here, only ')
    assert f"{platform.python_version()} ({names}/python{MINOR})" in done.stderr
    assert "uv python install 3.99`, or name another" in done.stderr


@pytest.mark.skipif(not FREE_THREADED, reason="needs python3.13t")
def test_a_version_with_a_t_is_one_without_a_gil() -> None:
    found = [each for each in installed() if each.fits("3.13t")]
    assert found
    assert not any(each.gil or each.fits("3.13") for each in found)
    assert str(found[0]).startswith("3.13.")


LOCKED = """
#include <Python.h>
static struct PyModuleDef locked = {PyModuleDef_HEAD_INIT, "locked", NULL, -1, NULL};
PyMODINIT_FUNC PyInit_locked(void) { return PyModule_Create(&locked); }
"""


@pytest.fixture
def locked(tmp_path: Path) -> Path:
    """Return a directory with an extension module that does not declare that it can do without the GIL."""
    if not FREE_THREADED or not shutil.which("cc"):
        pytest.skip("needs python3.13t and cc")
    code = "import sysconfig; print(sysconfig.get_paths()['include'])"
    headers = subprocess.run([FREE_THREADED, "-c", code], capture_output=True, text=True, check=True).stdout.strip()
    if not Path(headers, "Python.h").is_file():
        pytest.skip("needs the headers of python3.13t")
    (tmp_path / "locked.c").write_text(LOCKED)
    command = ["cc", "-shared", "-fPIC", f"-I{headers}", "-o", str(tmp_path / "locked.so"), str(tmp_path / "locked.c")]
    subprocess.run(command, check=True)
    (tmp_path / "early.py").write_text("import locked\ndef work(): pass\n")
    (tmp_path / "late.py").write_text("def work(): import locked\n")
    (tmp_path / "never.py").write_text("def work(): pass\n")
    return tmp_path


WHEN = {"early": (True, True, "locked"), "late": (False, True, "locked"), "never": (False, False, None)}


@pytest.mark.parametrize(
    "module", ["early", *(pytest.param(when, marks=pytest.mark.long) for when in ("late", "never"))]
)
def test_the_module_that_switches_the_gil_back_on_is_reported_in_every_kind_of_worker(
    locked: Path, module: str
) -> None:
    spec = {
        "workload": {"call": f"{module}:work"},
        "tasks": 2,
        "models": [
            "sequential",
            "threads",
            "processes",
            {"model": "processes", "start_method": "spawn", "label": "new"},
        ],
        "matrix": {"python": ["3.13t"], "workers": [2]},
        "measure": {"blocks": 1, "rounds": 3},
    }
    (locked / "x.yaml").write_text(dump(spec))
    done = orchestrator("run", "x.yaml", cwd=locked)
    assert done.returncode == errors.OK
    journal = events((locked / "runs" / "x" / "latest" / "events.jsonl").read_text())
    ready = [event for event in journal if event["event"] == "runner.ready"]
    assert len(ready) == 4
    assert {(each["gil"], each["gil_after"], each["gil_enabled_by"]) for each in ready} == {WHEN[module]}
    (verdict,) = [event for event in events(done.stdout) if event["event"] == "verdict.reached"]
    labels = ["sequential", "threads", "processes", "new"]
    assert verdict["gil_enabled_by"] == (dict.fromkeys(labels, "locked") if WHEN[module][2] else None)
    assert ("gil_enabled" in verdict["warnings"]) == (module != "never")
    asked = ("report", "runs/x/latest", "--format", "table", "--details")
    shown = " ".join(orchestrator(*asked, cwd=locked).stdout.split())
    expected = "the GIL was enabled again by module locked under sequential, threads, processes and new"
    assert (expected in shown) == (module != "never")


@pytest.mark.skipif(not FREE_THREADED, reason="needs python3.13t")
def test_a_gil_that_was_asked_for_is_nobodys_doing(tmp_path: Path) -> None:
    (tmp_path / "x.yaml").write_text(
        'workload: {call: "os:getpid", check: none}\nmodels: [{model: sequential, python: "3.13t"}]\n'
        "measure: {blocks: 1, rounds: 3}\n"
    )
    assert orchestrator("run", "x.yaml", cwd=tmp_path, env=os.environ | {"PYTHON_GIL": "1"}).returncode == errors.OK
    journal = events((tmp_path / "runs" / "x" / "latest" / "events.jsonl").read_text())
    (ready,) = [event for event in journal if event["event"] == "runner.ready"]
    assert (ready["gil"], ready["gil_enabled_by"]) == (True, None)
