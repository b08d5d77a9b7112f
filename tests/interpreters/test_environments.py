"""Environments for what a workload imports: real interpreters, real uv, and a package that builds on demand."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.spec.document import dump
from tests.support.place import Place
from tests.support.waiting import until

pytestmark = pytest.mark.slow

BACKEND = """
import os, time, zipfile

def build_wheel(directory, settings=None, metadata=None):
    open("begun", "w").close()
    while os.path.exists("hold"):
        time.sleep(0.02)
    name = "tiny-1.0-py3-none-any.whl"
    with zipfile.ZipFile(os.path.join(directory, name), "w") as wheel:
        wheel.writestr("tiny.py", "ANSWER = 42")
        wheel.writestr("tiny-1.0.dist-info/METADATA", "Metadata-Version: 2.1\\nName: tiny\\nVersion: 1.0\\n")
        wheel.writestr("tiny-1.0.dist-info/WHEEL", "Wheel-Version: 1.0\\nRoot-Is-Purelib: true\\nTag: py3-none-any\\n")
        wheel.writestr("tiny-1.0.dist-info/RECORD", "")
    return name

def build_sdist(directory, settings=None):
    raise NotImplementedError
"""

PROJECT = """
[project]
name = "tiny"
version = "1.0"
[build-system]
requires = []
build-backend = "backend"
backend-path = ["."]
"""


class Tiny(Place):
    """A place with a workload that imports a package built here; while there is a file `hold`, its build waits."""

    def __init__(self, directory: Path, **more: Any) -> None:
        self.package = directory / "package"
        self.package.mkdir()
        (self.package / "pyproject.toml").write_text(PROJECT)
        (self.package / "backend.py").write_text(BACKEND)
        spec = {
            "workload": {"call": "uses:work"},
            "models": ["sequential", {"model": "sequential", "label": "again"}],
            "requirements": [f"tiny @ file://{self.package}"],
            "measure": {"blocks": 1, "rounds": 3},
        }
        super().__init__(directory, dump(spec | more))
        (directory / "uses.py").write_text("import tiny\ndef work(): return tiny.ANSWER\n")
        self.environments = directory / "cache" / "orchestrator" / "environments"
        self.env = {
            "XDG_CACHE_HOME": str(directory / "cache"),
            "UV_CACHE_DIR": str(directory / "uv"),
            "UV_HTTP_RETRIES": "0",
        }

    def begin(self, **env: str) -> subprocess.Popen[str]:
        """Start a run."""
        return self.start("run", "x.yaml", "--fresh", env=self.env | env)

    def hold(self) -> None:
        """Let the next build wait."""
        (self.package / "hold").touch()

    def wait_until_building(self) -> None:
        """Return when a build has begun."""
        until((self.package / "begun").exists)


def ended(process: subprocess.Popen[str]) -> tuple[int, list[str]]:
    """Return how a run ended, and the names of the messages on its stderr."""
    _, written = process.communicate(timeout=120)
    lines = [line for line in written.splitlines() if line.startswith("{")]
    return process.returncode, [json.loads(line)["event"] for line in lines]


def test_requirements_are_installed_for_the_default_interpreter_once_and_logged(tmp_path: Path) -> None:
    place = Tiny(tmp_path)
    assert ended(place.begin()) == (errors.OK, ["environment.building", "environment.built"])
    assert ended(place.begin()) == (errors.OK, [])
    packages = place.events()[0]["environments"]["default"]
    assert f"tiny @ file://{place.package}" in packages
    assert any(each.startswith("anyio==") for each in packages)
    ready = next(event for event in place.events() if event["event"] == "runner.ready")
    assert ready["executable"].startswith(str(place.environments))


@pytest.mark.long
@pytest.mark.skipif(not shutil.which("python3.14"), reason="needs python3.14")
def test_a_version_gets_an_environment_of_its_own_and_a_path_is_taken_as_it_is(tmp_path: Path) -> None:
    place = Tiny(tmp_path, matrix={"python": ["3.14", sys.executable]})
    done = place.run("run", "x.yaml", env=place.env)
    assert done.returncode == errors.BAD_INPUT
    assert "importing uses failed: ModuleNotFoundError: No module named 'tiny'" in done.stderr
    assert f"work under {sys.executable}" in done.stderr
    assert place.run("run", "x.yaml", "matrix.python=['3.14']", env=place.env).returncode == errors.OK
    assert list(place.events()[0]["environments"]) == ["3.14"]


@pytest.mark.long
def test_using_an_environment_again_starts_no_process(tmp_path: Path) -> None:
    place = Tiny(tmp_path)
    assert ended(place.begin())[0] == errors.OK
    script = """
import sys
from orchestrator.interpreters import environments, find
from orchestrator.supervisor.environment import runner_environment
from orchestrator.supervisor.interrupt import Interrupt
with runner_environment() as runner_env:
    starts = ("subprocess.Popen", "os.fork", "os.posix_spawn", "os.exec")
    sys.addaudithook(lambda name, _: name in starts and print(name))
    start = runner_env.reaper.start
    runner_env.reaper.start = lambda *given: print("reaper") or start(*given)
    found = environments.provide(runner_env, Interrupt(), find.resolve(None), [sys.argv[1]])
    print(found.packages)
"""
    command = [sys.executable, "-c", script, f"tiny @ file://{place.package}"]
    done = subprocess.run(command, env=os.environ | place.env, capture_output=True, text=True, check=True)
    assert done.stdout.startswith("('anyio==")
    assert done.stdout.count("\n") == 1


@pytest.mark.long
def test_two_that_want_the_same_environment_at_once_build_it_once(tmp_path: Path) -> None:
    place = Tiny(tmp_path)
    place.hold()
    first = place.begin()
    place.wait_until_building()
    second = place.begin(ORCHESTRATOR_LOCK=str(tmp_path / "another-lock"))
    time.sleep(1.0)  # so that it most likely waits for the first by then; if not, it finds what that has built
    (place.package / "hold").unlink()
    (status, written), (status_too, events_too) = ended(first), ended(second)
    assert (status, status_too) == (errors.OK, errors.OK)
    assert [*written, *events_too].count("environment.built") == 1


@pytest.mark.parametrize("number", [signal.SIGKILL, pytest.param(signal.SIGINT, marks=pytest.mark.long)])
@pytest.mark.long
def test_a_build_that_was_cut_off_leaves_no_process_and_nothing_that_is_used(tmp_path: Path, number: int) -> None:
    place = Tiny(tmp_path)
    place.hold()
    process = place.begin()
    place.wait_until_building()
    process.send_signal(number)
    process.communicate(timeout=60)
    assert process.returncode == (130 if number == signal.SIGINT else -number)
    assert place.leftovers() == []
    half_made = list(place.environments.iterdir())
    assert [path for path in half_made if "." not in path.name] == []
    if number == signal.SIGINT:
        assert half_made == []
    (place.package / "hold").unlink()
    assert ended(place.begin())[1] == ["environment.building", "environment.built"]
    assert len(list(place.environments.iterdir())) == 1


def test_a_package_that_does_not_exist_is_reported_at_its_place(tmp_path: Path) -> None:
    place = Tiny(tmp_path, requirements=["anyio", "no-such-package-of-orchestrator"])
    done = place.run("run", "x.yaml", env=place.env)
    assert done.returncode == errors.BAD_INPUT
    assert "requirements[1]: Because no-such-package-of-orchestrator was not found" in done.stderr
    assert not (tmp_path / "runs").exists()


def test_a_build_that_fails_is_reported_with_its_last_words(tmp_path: Path) -> None:
    place = Tiny(tmp_path)
    (place.package / "backend.py").write_text("def build_wheel(*_): raise OSError('no compiler here')\n")
    done = place.run("run", "x.yaml", env=place.env)
    assert done.returncode == errors.BAD_INPUT
    last = done.stderr.splitlines()[-1]
    assert "requirements[0]: Failed to build `tiny" in last
    assert "no compiler here" in last


def test_an_index_that_cannot_be_reached_is_reported_with_the_remedy(tmp_path: Path) -> None:
    place = Tiny(tmp_path)
    offline = {"UV_DEFAULT_INDEX": "http://127.0.0.1:9/simple"}
    done = place.run("run", "x.yaml", env=place.env | offline)
    assert done.returncode == errors.BAD_INPUT
    assert "Failed to fetch" in done.stderr
    assert done.stderr.endswith("; let uv reach a package index (UV_DEFAULT_INDEX, UV_OFFLINE)\n")


def test_a_cache_that_cannot_be_written_is_reported_with_the_remedy(tmp_path: Path) -> None:
    place = Tiny(tmp_path)
    (tmp_path / "file").touch()
    done = place.run("run", "x.yaml", env=place.env | {"XDG_CACHE_HOME": str(tmp_path / "file")})
    assert done.returncode == errors.BAD_INPUT
    assert (
        f"cannot keep an environment in {tmp_path}/file/orchestrator/environments: Not a directory, for " in done.stderr
    )
    assert done.stderr.endswith("; make room there, or name another directory in XDG_CACHE_HOME\n")


def test_without_uv_requirements_name_the_command_that_installs_it(tmp_path: Path) -> None:
    place = Tiny(tmp_path)
    (tmp_path / "uv.py").write_text("raise ImportError\n")  # before the installed one on the path
    done = place.run("run", "x.yaml", env=place.env | {"PATH": "/nowhere"})
    assert done.returncode == errors.BAD_INPUT
    assert done.stderr.endswith("; install it: pip install 'orchestrator[pythons]'\n")
