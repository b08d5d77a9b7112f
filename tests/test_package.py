"""The sdist and the wheel, the locks, the Makefile and the top level of the repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from pathlib import Path

import pytest
from packaging.metadata import Metadata

from tests.support.paths import ROOT

INFO = "orchestrator-0.1.0.dist-info"
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
    named = re.findall(r"Python :: (3\.\d+)", (ROOT / "pyproject.toml").read_text())
    supported = re.search(r"^Python: (3\.\d+) to 3\.(\d+) for the program", STABILITY, re.MULTILINE)
    assert supported
    assert (named[0], named[-1]) == (supported[1], f"3.{supported[2]}")


def test_the_wheel_has_the_licences_of_the_scripts_that_the_page_carries(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        held = {name for name in file.namelist() if name.startswith(f"{INFO}/licenses/")}
    assert held == {f"{INFO}/licenses/{name}" for name in ("LICENSE", "orchestrator/output/html/vega-licenses.txt")}


def test_the_wheel_is_typed_and_holds_the_plugin_of_pytest(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as file:
        assert "orchestrator/py.typed" in file.namelist()
        entry_points = file.read(f"{INFO}/entry_points.txt").decode()
    assert "[pytest11]\norchestrator=orchestrator.pytest_plugin\n" in entry_points


@pytest.mark.slow
def test_a_wheel_in_an_empty_environment_measures_a_function_of_the_current_directory(
    wheel: Path, tmp_path: Path
) -> None:
    uv = [sys.executable, "-m", "uv", "--quiet", "--no-progress"]
    environment = tmp_path / "venv"
    subprocess.run([*uv, "venv", "--python", sys.executable, str(environment)], check=True)
    python = str(environment / "bin" / "python")
    install = [*uv, "pip", "install", "--python", python]
    subprocess.run([*install, "--require-hashes", "-r", str(ROOT / ".lock" / "run.txt")], check=True)
    subprocess.run([*install, "--no-deps", str(wheel)], check=True)
    (tmp_path / "mine.py").write_text("def double(n):\n    return 2 * n\n")
    (tmp_path / "my.yaml").write_text(
        "workload: {call: 'mine:double', kwargs: {n: 21}}\ntasks: 2\nmodels: [sequential, threads]\n"
    )

    env = {key: value for key, value in os.environ.items() if key != "PYTHONPATH"}
    done = subprocess.run(
        [str(environment / "bin" / "orchestrator"), "run", "my.yaml"],
        cwd=tmp_path,
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stderr == ""
    assert done.returncode == 0
    verdict = next(line for line in map(json.loads, done.stdout.splitlines()) if line["event"] == "verdict.reached")
    assert verdict["point"] == "double(n=21) x 2"
    assert (tmp_path / "runs" / "my" / "latest" / "events.jsonl").is_file()


@pytest.mark.parametrize("lock", ["run.txt", "dev.txt"])
def test_a_lock_pins_every_package_with_hashes_and_names_no_host(lock: str) -> None:
    text = (ROOT / ".lock" / lock).read_text()
    assert "://" not in text
    packages = re.split(r"\n(?=\S)", text.strip())
    assert all("==" in package and "--hash=sha256:" in package for package in packages)


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
    return subprocess.run(["make", "-s", *arguments], cwd=ROOT, capture_output=True, text=True, check=False)


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
