"""The sdist and the wheel, the locks, the Makefile and the top level of the repository."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path
from typing import Any

import pytest
from packaging.metadata import Metadata

from orchestrator import errors
from tests.support.conformance.pythons import find_python
from tests.support.paths import ROOT

INFO = "orchestrator-0.1.0.dist-info"
SUPPORTED = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
STABILITY = (ROOT / "docs" / "stability.md").read_text()


def build(what: str, source: Path, directory: Path) -> Path:
    """Return the sdist or the wheel of a source tree, as an installer builds it."""
    code = f"import sys; from flit_core import buildapi; print(buildapi.build_{what}(sys.argv[1]))"
    built = subprocess.run(
        [sys.executable, "-c", code, str(directory)], cwd=source, capture_output=True, text=True, check=True
    )
    return directory / built.stdout.split()[-1]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("wheel", ROOT, tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def sdist(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build("sdist", ROOT, tmp_path_factory.mktemp("sdist"))


def test_the_wheel_holds_the_package_and_nothing_else(wheel: Path) -> None:
    tops = {name.partition("/")[0] for name in zipfile.ZipFile(wheel).namelist()}
    assert tops == {"orchestrator", INFO}


def test_the_sdist_holds_the_package_its_metadata_and_no_caches(sdist: Path) -> None:
    with tarfile.open(sdist) as file:
        names = {name.partition("/")[2] for name in file.getnames()}
    tops = {name.partition("/")[0] for name in names}
    assert tops == {"orchestrator", "CHANGELOG.md", "LICENSE", "PKG-INFO", "README.md", "pyproject.toml"}
    assert [name for name in names if "__pycache__" in name] == []


def test_the_sdist_builds_the_same_wheel(sdist: Path, wheel: Path, tmp_path: Path) -> None:
    with tarfile.open(sdist) as file:
        file.extractall(tmp_path, filter="data")
    (source,) = tmp_path.iterdir()
    again = build("wheel", source, tmp_path)
    with zipfile.ZipFile(wheel) as first, zipfile.ZipFile(again) as second:
        assert {each.filename: each.CRC for each in first.infolist()} == {
            each.filename: each.CRC for each in second.infolist()
        }


def test_the_metadata_are_complete_and_valid_for_an_index(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        found = Metadata.from_email(file.read(f"{INFO}/METADATA"))  # raises for each field that is not valid
    assert found.license_expression == "MIT"
    assert found.description_content_type == "text/markdown"
    assert (found.description or "").strip() == (ROOT / "README.md").read_text().strip()
    assert found.summary and found.keywords and found.author
    assert not any(name.startswith("License ::") for name in found.classifiers or [])


def test_the_classifiers_name_every_python_that_the_package_supports() -> None:
    supported = re.search(r"^Python: (3\.\d+) to 3\.(\d+) for the program", STABILITY, re.MULTILINE)
    assert supported
    assert (SUPPORTED[0], SUPPORTED[-1]) == (supported[1], f"3.{supported[2]}")


def test_the_wheel_has_the_licences_of_the_scripts_that_the_page_carries(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if name.startswith(f"{INFO}/licenses/")}
    assert held == {f"{INFO}/licenses/{name}" for name in ("LICENSE", "orchestrator/output/html/vega-licenses.txt")}


def test_the_wheel_is_typed_and_holds_the_plugin_of_pytest(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        assert "orchestrator/py.typed" in file.namelist()
        entry_points = file.read(f"{INFO}/entry_points.txt").decode()
    assert "[pytest11]\norchestrator=orchestrator.pytest_plugin\n" in entry_points


UV = [sys.executable, "-m", "uv", "--quiet", "--no-progress"]
EXPERIMENT = "workload: {call: 'json:loads', kwargs: {s: '[1]'}}\nmeasure: {blocks: 1}\nmodels: "


class Environment:
    """A directory with an empty environment of some Python."""

    def __init__(self, place: Path, python: str) -> None:
        self.place = place
        self.bin = place / "venv" / "bin"
        subprocess.run([*UV, "venv", "--python", python, str(place / "venv")], check=True)

    def install(self, *what: str) -> None:
        subprocess.run([*UV, "pip", "install", "--python", str(self.bin / "python"), *what], check=True)

    def orchestrator(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
        command = [str(self.bin / "orchestrator"), *arguments]
        return subprocess.run(command, cwd=self.place, env=env, capture_output=True, text=True, check=False)

    def advises_on_the_standard_library(self) -> None:
        done = self.orchestrator("advise", "textwrap:dedent", "text=a", "--max-time", "6s")
        assert done.returncode == errors.OK, done.stderr
        assert verdict(done)["point"].startswith('dedent(text="a")')


def verdict(done: subprocess.CompletedProcess[str]) -> dict[str, Any]:
    found: dict[str, Any]
    (found,) = (line for line in map(json.loads, done.stdout.splitlines()) if line["event"] == "verdict.reached")
    return found


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_measures_functions_of_the_directory_and_of_the_standard_library(
    wheel: Path, tmp_path: Path
) -> None:
    environment = Environment(tmp_path, sys.executable)
    environment.install("--require-hashes", "-r", str(ROOT / ".lock" / "run.txt"))
    environment.install("--no-deps", str(wheel))
    (tmp_path / "mine.py").write_text("def double(n):\n    return 2 * n\n")
    (tmp_path / "my.yaml").write_text(
        "workload: {call: 'mine:double', kwargs: {n: 21}}\ntasks: 2\nmodels: [sequential, threads]\n"
    )

    done = environment.orchestrator("run", "my.yaml")
    assert done.stderr == ""
    assert done.returncode == 0
    assert verdict(done)["point"] == "double(n=21) x 2"
    assert (tmp_path / "runs" / "my" / "latest" / "events.jsonl").is_file()
    environment.advises_on_the_standard_library()


@pytest.mark.long
@pytest.mark.parametrize("version", SUPPORTED)
def test_a_wheel_alone_advises_under_every_supported_python(version: str, wheel: Path, tmp_path: Path) -> None:
    python = find_python(version)
    if python is None:
        pytest.skip(f"no Python {version} here")
    environment = Environment(tmp_path, python)
    environment.install(str(wheel))
    environment.advises_on_the_standard_library()


def test_the_wheel_asks_for_ten_packages_or_fewer(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        asked = Metadata.from_email(file.read(f"{INFO}/METADATA")).requires_dist or []
    assert len([each for each in asked if "extra" not in str(each.marker)]) <= 10


@pytest.mark.long
@pytest.mark.parametrize(
    ("extra", "arguments"),
    [
        ("cluster", ["run", "plain.yaml", "--cluster", "local:1"]),
        ("models", ["run", "models.yaml"]),
        ("pythons", ["run", "requirements.yaml"]),
        ("report", ["report", "runs/plain/latest", "--format", "html", "--output", "."]),
        ("workloads", ["run", str(ROOT / "configs" / "http.yaml"), "measure.blocks=1"]),
    ],
)
def test_an_extra_alone_brings_what_needs_it(extra: str, arguments: list[str], wheel: Path, tmp_path: Path) -> None:
    others = "loky, joblib, mpire, gevent, {model: event_loop, loop: uvloop}, {model: event_loop, loop: trio}"
    (tmp_path / "plain.yaml").write_text(f"{EXPERIMENT}[sequential]\n")
    (tmp_path / "models.yaml").write_text(f"{EXPERIMENT}[sequential, {others}]\n")
    (tmp_path / "requirements.yaml").write_text(f"{EXPERIMENT}[sequential]\nrequirements: [typing-extensions]\n")
    shutil.copytree(ROOT / "experiments", tmp_path / "experiments")
    environment = Environment(tmp_path, sys.executable)
    environment.install(f"orchestrator[{extra}] @ {wheel.as_uri()}")
    environment.orchestrator("run", "plain.yaml", "--no-report")
    done = environment.orchestrator(*arguments)
    assert done.returncode in (errors.OK, errors.BROKEN, errors.UNDECIDED), done.stderr
    assert "variant.unavailable" not in done.stderr


@pytest.mark.parametrize("lock", ["run.txt", "dev.txt"])
def test_a_lock_pins_every_package_with_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / ".lock" / lock).read_text()
    assert "://" not in text
    packages = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in package and "--hash=sha256:" in package for package in packages)


def test_a_table_has_a_row_for_every_dependency_and_extra() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    extras = {name: needs for name, needs in project["optional-dependencies"].items() if name != "dev"}
    wanted = [text for needs in [project["dependencies"], *extras.values()] for text in needs]
    names = {re.split(r"[\[><=]", text)[0] for text in wanted} | set(extras)
    table = (ROOT / "docs" / "dependencies.md").read_text()
    assert names <= set(re.findall(r"^\|[^|]*`([\w.-]+)` \|", table, re.MULTILINE))


def test_both_locks_hold_the_same_versions() -> None:
    def versions(lock: str) -> set[tuple[str, str]]:  # on which system one is needed may differ
        return set(re.findall(r"^(\S+?)==(\S+)", (ROOT / ".lock" / lock).read_text(), re.MULTILINE))

    assert versions("run.txt") <= versions("dev.txt")


def test_every_runtime_dependency_is_locked() -> None:
    wanted = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    names = {re.split(r"[><=]", text)[0].lower().replace("_", "-") for text in wanted}
    locked = set(re.findall(r"^(\S+?)==", (ROOT / ".lock" / "run.txt").read_text(), re.MULTILINE))
    assert names <= locked


def test_the_top_level_holds_only_what_the_users_fixed() -> None:
    tracked = subprocess.run(["git", "ls-files"], cwd=ROOT, capture_output=True, text=True, check=True).stdout.split()
    tops = {Path(name).parts[0] for name in tracked if not name.startswith(".")}
    assert tops <= {
        "orchestrator", "experiments", "configs", "tests", "docs",
        "pyproject.toml", "Makefile", "README.md", "LICENSE", "CHANGELOG.md",
    }  # fmt: skip


def make(*arguments: str) -> subprocess.CompletedProcess[str]:
    # `make test ARGS=...` passes its ARGS on, too
    env = {name: value for name, value in os.environ.items() if name not in ("ARGS", "MAKEFLAGS", "MAKEOVERRIDES")}
    return subprocess.run(["make", "-s", *arguments], cwd=ROOT, env=env, capture_output=True, text=True, check=False)


def test_make_help_lists_every_target() -> None:
    listed = set(re.findall(r"^  make ([\w-]+)", make("help").stdout, re.MULTILINE))
    assert listed == {
        "help",
        "experiment",
        "experiments",
        "plan",
        "test",
        "slow",
        "golden",
        "lint",
        "bench",
        "verify-accounts",
        "verify-arrivals",
        "verify-statistics",
        "bench-cluster",
        "bench-peers",
        "findings",
        "reproduced",
        "samples",
        "conformance",
        "faults",
        "dist",
        "lock",
        "clean",
    }


def test_make_without_a_config_lists_the_configs() -> None:
    done = make("experiment", "-o", ".venv/.run.stamp")
    assert done.returncode == 2
    assert "CONFIG is missing" in done.stderr
    assert "cpu.yaml" in done.stderr


def test_make_without_configs_lists_them() -> None:
    done = make("experiments", "-o", ".venv/.run.stamp")
    assert done.returncode == 2
    assert "CONFIGS is missing" in done.stderr
    assert "cpu.yaml" in done.stderr


@pytest.mark.parametrize("configs", ["cpu.yaml nothing.yaml", "configs/cpu.yaml configs/nothing.yaml"])
def test_make_finds_each_of_several_configs(configs: str) -> None:
    done = make("experiments", "-o", ".venv/.run.stamp", f"CONFIGS={configs}")
    assert done.stderr.startswith("orchestrator: configs/nothing.yaml: ")


def test_make_passes_overrides_on() -> None:
    planned = make("plan", "CONFIG=cpu.yaml", "ARGS=tasks=8 kwargs.outer=7")
    assert "nested_loop(outer=7, inner=100000) x 8" in planned.stdout
