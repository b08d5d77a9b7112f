"""What `make` installs before the first use, with small packages in the place of the real ones."""

from __future__ import annotations

import importlib.util
import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import wheels
from tests.support.paths import ROOT

UV = """#!python
import json, os, sys
if sys.argv[1:] != ["--version"]:
    with open(os.environ["UV_CALLS"], "a") as calls:
        print(json.dumps([sys.argv[1:], dict(os.environ)]), file=calls)
    if "UV_FAILS" in os.environ:
        sys.exit("error: no such index")
"""


class Clone:
    """A clone of a small project with this Makefile: its lock has a `uv` that records its calls, and a package."""

    def __init__(self, place: Path) -> None:
        self.place = place
        self.calls_file = place / "calls"
        packages = place / "wheels"
        for directory in (packages, place / ".lock"):
            directory.mkdir()
        shutil.copy(ROOT / "Makefile", place)
        shutil.copy(ROOT / ".lock" / "install.py", place / ".lock")
        shutil.copy(wheels.__file__, place / "backend.py")
        (place / "pyproject.toml").write_text(
            '[build-system]\nrequires = []\nbuild-backend = "backend"\nbackend-path = ["."]\n'
        )
        uv = wheels.write_wheel(packages, "uv", {"uv-1.0.data/scripts/uv": UV})
        tiny = wheels.write_wheel(packages, "tiny", {"tiny.py": "answer = 42\n"})
        (place / ".lock" / "run.txt").write_text(tiny + uv)
        clean = {name: value for name, value in os.environ.items() if not name.startswith(("PIP_", "UV_", "MAKE"))}
        pip = {"PIP_CONFIG_FILE": os.devnull, "PIP_NO_INDEX": "1", "PIP_FIND_LINKS": str(packages)}
        self.env = {**clean, **pip, "UV_CALLS": str(self.calls_file)}

    def make(self, **env: str) -> subprocess.CompletedProcess[str]:
        command = ["make", "-s", ".venv/.run.stamp", f"PYTHON={sys.executable}"]
        return subprocess.run(
            command, cwd=self.place, env=self.env | env, capture_output=True, text=True, check=False, timeout=120
        )

    def calls(self) -> list[Any]:
        lines = self.calls_file.read_text().splitlines() if self.calls_file.exists() else []
        return [json.loads(line) for line in lines]


@pytest.fixture
def clone(tmp_path: Path) -> Clone:
    return Clone(tmp_path)


@pytest.mark.slow
def test_uv_installs_the_lock_with_its_hashes_and_then_the_project(clone: Clone) -> None:
    done = clone.make()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "installing into .venv\n")
    (lock, _), (project, _) = clone.calls()
    assert lock[-3:] == ["--require-hashes", "-r", str(clone.place / ".lock" / "run.txt")]
    assert project[-2:] == ["-e", str(clone.place)]


@pytest.mark.slow
def test_a_second_make_does_nothing(clone: Clone) -> None:
    clone.make()
    done = clone.make()
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert len(clone.calls()) == 2


@pytest.mark.slow
def test_an_interrupted_installation_is_done_again(clone: Clone) -> None:
    clone.make()
    (clone.place / ".venv" / ".run.stamp").unlink()
    (clone.place / ".venv" / ".unfinished").touch()
    assert clone.make().returncode == 0
    assert "--reinstall" in clone.calls()[2][0]
    assert not (clone.place / ".venv" / ".unfinished").exists()


@pytest.mark.slow
def test_uv_gets_what_pip_is_configured_to_use(clone: Clone) -> None:
    clone.make(PIP_INDEX_URL="http://index.invalid/simple", PIP_TRUSTED_HOST="index.invalid")
    ((arguments, env), _) = clone.calls()
    assert "--no-index" in arguments
    assert env["UV_DEFAULT_INDEX"] == "http://index.invalid/simple"
    assert env["UV_INSECURE_HOST"] == "index.invalid"


@pytest.mark.long
def test_where_uv_fails_pip_installs_and_one_line_says_so(clone: Clone) -> None:
    done = clone.make(UV_FAILS="1")
    assert done.returncode == 0
    _, why = done.stderr.splitlines()
    assert why == "uv can't be used (error: no such index); pip installs instead, in about 1 min"
    python = clone.place / ".venv" / "bin" / "python"
    found = subprocess.run(
        [python, "-c", "import tiny; print(tiny.answer)"], capture_output=True, text=True, check=True
    )
    assert found.stdout == "42\n"


@pytest.mark.long
@pytest.mark.slow
def test_a_package_with_another_hash_is_refused_and_leaves_no_stamp(clone: Clone) -> None:
    wheels.write_wheel(clone.place / "wheels", "tiny", {"tiny.py": "answer = 43\n"})
    done = clone.make(UV_FAILS="1")
    assert done.returncode == 2
    assert "THESE PACKAGES DO NOT MATCH THE HASHES" in done.stderr
    assert not (clone.place / ".venv" / ".run.stamp").exists()


def uv_settings(configured: str, environ: dict[str, str]) -> dict[str, str]:
    spec = importlib.util.spec_from_file_location("install", ROOT / ".lock" / "install.py")
    assert spec and spec.loader
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    settings: dict[str, str] = module.uv_settings(configured, environ)
    return settings


@pytest.mark.parametrize(
    ("configured", "name", "value"),
    [
        ("global.index-url='http://a.invalid'", "UV_DEFAULT_INDEX", "http://a.invalid"),
        (":env:.index-url='b'\nglobal.index-url='a'", "UV_DEFAULT_INDEX", "b"),
        ("install.index-url='b'\nglobal.index-url='a'", "UV_DEFAULT_INDEX", "b"),
        ("global.extra-index-url='\\na\\nb'", "UV_INDEX", "a b"),
        ("global.find-links='a b'", "UV_FIND_LINKS", "a,b"),
        ("global.cert='/ca.pem'", "SSL_CERT_FILE", "/ca.pem"),
        (":env:.proxy='http://p.invalid:1'", "HTTPS_PROXY", "http://p.invalid:1"),
        ("global.default-timeout='180'", "UV_HTTP_TIMEOUT", "180"),
    ],
)
def test_an_option_of_pip_becomes_one_of_uv(configured: str, name: str, value: str) -> None:
    assert uv_settings(configured, {})[name] == value


def test_a_variable_of_uv_overrides_the_option_of_pip() -> None:
    assert uv_settings("global.index-url='a'", {"UV_DEFAULT_INDEX": "b"})["UV_DEFAULT_INDEX"] == "b"


def test_the_bundle_of_certificates_that_pip_uses_serves_uv() -> None:
    assert uv_settings("", {"REQUESTS_CA_BUNDLE": "/ca.pem"})["SSL_CERT_FILE"] == "/ca.pem"
