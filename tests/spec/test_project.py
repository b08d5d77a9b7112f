"""The settings of a project in pyproject.toml: which file, what wins over what, and what is refused at which line."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.journal.read import EVENTS_FILE, Records
from orchestrator.spec import project
from orchestrator.spec.load import load
from tests.support.command import GOOD, WORKLOADS, in_process, orchestrator
from tests.support.loaded_modules import loaded


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    (tmp_path / "mine.py").write_text(WORKLOADS)
    (tmp_path / "good.yaml").write_text(GOOD)
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORCHESTRATOR_RUNS", raising=False)
    return tmp_path


def settle(directory: Path, text: str) -> None:
    (directory / "pyproject.toml").write_text(f"[tool.orchestrator]\n{text}\n")


def measured(text: str, *overrides: str) -> dict[str, object]:
    """Return `measure` of a spec as it is resolved."""
    Path("spec.yaml").write_text(GOOD + text)
    found: dict[str, object] = load(Path("spec.yaml"), overrides)[0].resolved()["measure"]
    return found


def test_without_a_file_there_are_no_settings(place: Path) -> None:
    assert project.read() == project.Project()


def test_the_nearest_file_with_the_table_counts(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    below = place / "a" / "b"
    below.mkdir(parents=True)
    settle(place, 'runs = "kept"')
    (place / "a" / "pyproject.toml").write_text('[project]\nname = "orchestrator"\n')
    monkeypatch.chdir(below)
    assert project.read().runs == Path("../../kept")


def test_specs_are_seen_from_the_directory_of_the_file(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "a").mkdir()
    settle(place, 'ci = ["configs/cpu.yaml"]')
    monkeypatch.chdir(place / "a")
    assert project.read().ci == (Path("../configs/cpu.yaml"),)


def test_a_default_of_measure_fills_in_what_the_spec_leaves_out(place: Path) -> None:
    settle(place, 'measure = {tie = "7%", timeout = "9s"}')
    assert measured("measure: {timeout: 5s}\n")["tie"] == "7%"
    assert measured("measure: {timeout: 5s}\n")["timeout"] == "5s"


def test_an_override_wins_over_a_default_of_measure(place: Path) -> None:
    settle(place, 'measure.tie = "7%"')
    assert measured("", "measure.tie=4%")["tie"] == "4%"


@pytest.mark.parametrize(
    ("default", "own", "left_out"),
    [
        ('precision = "2%"', "measure: {blocks: 4}\n", "precision"),
        ("blocks = 4", "measure: {precision: 2%}\n", "blocks"),
    ],
)
def test_a_default_gives_way_to_another_design_of_the_spec(default: str, own: str, left_out: str, place: Path) -> None:
    settle(place, f"[tool.orchestrator.measure]\n{default}")
    assert measured(own)[left_out] is None


@pytest.mark.parametrize(
    ("text", "error"),
    [
        ("rnus = 'x'", 'pyproject.toml:2: tool.orchestrator: unknown key "rnus"; did you mean "runs"?'),
        ("\nruns = 3", 'pyproject.toml:3: tool.orchestrator.runs: expected a directory; such as `runs = "build/runs"`'),
        ("ci = 'x.yaml'", "pyproject.toml:2: tool.orchestrator.ci: expected a list of specs; such as `ci = ["),
        ("measure = 3", "pyproject.toml:2: tool.orchestrator.measure: expected a table; such as `measure = {"),
        (
            "[tool.orchestrator.measure]\nmax_time = '1m'\nblocs = 3",
            'pyproject.toml:4: tool.orchestrator.measure.blocs: unknown key "blocs"; did you mean "blocks"?',
        ),
        (
            "measure.tie = 3",
            "pyproject.toml:2: tool.orchestrator.measure.tie: 3 is not a percentage from 0.01% to 100%; write a number",
        ),
        ("measure = {refine = 'tasks'}", "pyproject.toml:2: tool.orchestrator.measure.refine: names an axis; write it"),
        (
            "measure = {blocks = 3, precision = '2%'}",
            "pyproject.toml:2: tool.orchestrator.measure: blocks fix the end, which precision leaves open; delete one",
        ),
        ("runs = ", "pyproject.toml:2:8: not TOML: Invalid value; correct the line"),
    ],
)
def test_a_wrong_setting_is_refused_at_its_line(text: str, error: str, place: Path) -> None:
    settle(place, text)
    done = in_process("plan", "good.yaml", cwd=place)
    assert done.returncode == errors.BAD_INPUT
    assert done.stderr.startswith(f"orchestrator: {error}")


def test_all_wrong_settings_are_refused_at_once(place: Path) -> None:
    settle(place, "runs = 3\nci = 3")
    assert len(in_process("plan", "good.yaml", cwd=place).stderr.splitlines()) == 2


@pytest.mark.parametrize("text", ["[tool]\norchestrator = 3", "[[tool.orchestrator]]\nruns = 'x'"])
def test_what_is_no_table_is_refused(text: str, place: Path) -> None:
    (place / "pyproject.toml").write_text(text)
    done = in_process("plan", "good.yaml", cwd=place)
    assert "tool.orchestrator: expected a table; write [tool.orchestrator] and keys below it" in done.stderr


def test_a_broken_file_of_another_project_is_ignored(place: Path) -> None:
    (place / "pyproject.toml").write_text("name = orchestrator")
    assert project.read() == project.Project()


def listed(place: Path, *arguments: str) -> str:
    """Return what `prune` would delete: the directory of the runs is in every line."""
    return in_process("prune", "--keep", "1", *arguments, cwd=place).stdout


@pytest.fixture
def runs(place: Path) -> Path:
    """Two runs in each of three directories, and the settings that name the first one."""
    for name in ("of_project", "of_variable", "of_option"):
        for run in ("20261101T031500000Z-5a5a5a", "20261102T031500000Z-5a5a5b"):
            (place / name / "cpu" / run).mkdir(parents=True)
            (place / name / "cpu" / run / EVENTS_FILE).write_text("")
    settle(place, 'runs = "of_project"')
    return place


def test_the_directory_of_the_runs_is_that_of_the_project(runs: Path) -> None:
    assert listed(runs).startswith("of_project/cpu/2026")


def test_a_variable_wins_over_the_project(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_RUNS", "of_variable")
    assert listed(runs).startswith("of_variable/cpu/2026")


def test_an_option_wins_over_a_variable(runs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_RUNS", "of_variable")
    assert listed(runs, "--runs", "of_option").startswith("of_option/cpu/2026")


def test_the_doctor_shows_the_settings(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("orchestrator.cli.doctor.LOOK_S", 0.01)
    settle(place, 'runs = "kept"\nci = ["good.yaml"]\nmeasure.tie = "7%"')
    shown = in_process("doctor", "--format", "text", cwd=place).stdout
    assert "pyproject.toml: runs = kept; measure.tie = 7%; ci = good.yaml\n" in shown
    event = json.loads(in_process("doctor", "--format", "json", cwd=place).stdout)
    assert event["settings"] == {
        "file": "pyproject.toml",
        "runs": "kept",
        "ci": ["good.yaml"],
        "measure": {"tie": "7%"},
    }


@pytest.mark.slow
def test_the_journal_holds_the_defaults_so_that_a_report_needs_no_settings(place: Path) -> None:
    settle(place, 'runs = "kept"\nmeasure = {blocks = 1, rounds = 1, tie = "7%"}')
    done = orchestrator("run", "good.yaml", cwd=place)
    assert done.returncode == errors.OK, done.stderr
    (place / "pyproject.toml").unlink()
    started = next(iter(Records(place / "kept" / "good" / "latest" / EVENTS_FILE)))
    assert json.loads(started["spec"])["measure"]["tie"] == "7%"
    assert in_process("report", "kept/good", cwd=place).stderr == ""


def test_the_help_reads_no_settings(place: Path) -> None:
    settle(place, "rnus = 3")
    assert not {"tomllib", "orchestrator.spec.project"} & loaded("run", "--help", cwd=place)
