"""Shell completion, as a shell asks the program for it."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

from orchestrator.cli import completion
from orchestrator.cli.app import app
from orchestrator.output.formats import names
from tests.support.command import in_process
from tests.support.loaded_modules import loaded

PROGRAM = Path(sys.executable).with_name("orchestrator")

RUNS = ("20261101T031500000Z-5a5a5a", "20261102T031500000Z-5a5a5b")


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A directory with specs and runs, entered."""
    for name in (
        "my.yaml",
        "notes.txt",
        "configs/cpu.yaml",
        "configs/io.yml",
        "configs/with space.yaml",
        ".git/a.yaml",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).touch()
    for runs in ("runs/cpu", "elsewhere/io"):
        for run in RUNS:
            (tmp_path / runs / run).mkdir(parents=True)
            (tmp_path / runs / run / "events.jsonl").touch()
        (tmp_path / runs / "latest").symlink_to(RUNS[-1])
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("ORCHESTRATOR_RUNS", raising=False)
    return tmp_path


def in_bash(*words: str, cwd: Path) -> subprocess.CompletedProcess[str]:
    env = {"COMP_WORDS": " ".join(["orchestrator", *words]), "COMP_CWORD": str(len(words))}
    asked = {**os.environ, **env, "_ORCHESTRATOR_COMPLETE": "complete_bash"}
    return subprocess.run([PROGRAM], cwd=cwd, env=asked, capture_output=True, text=True, check=False, timeout=60)


@pytest.mark.parametrize(
    ("typed", "offered"),
    [
        ("", ["my.yaml", "configs/cpu.yaml", "configs/io.yml"]),
        ("conf", ["configs/cpu.yaml", "configs/io.yml"]),
        ("configs/", ["configs/cpu.yaml", "configs/io.yml"]),
        ("configs/c", ["configs/cpu.yaml"]),
        ("./my", ["./my.yaml"]),
        ("nowhere/", []),
        ("notes", []),
    ],
)
def test_specs_are_offered_beside_what_is_typed_and_one_directory_down(
    typed: str, offered: list[str], place: Path
) -> None:
    assert completion.specs(typed) == offered


def test_specs_are_offered_by_absolute_path(place: Path) -> None:
    assert completion.specs(f"{place}/configs/c") == [f"{place}/configs/cpu.yaml"]


def test_specs_are_offered_below_the_home_directory(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(place))
    assert completion.specs("~/configs/c") == ["~/configs/cpu.yaml"]


@pytest.mark.parametrize("typed", ["", "ru", "runs/", "runs/cp", "runs/cpu/"])
def test_all_runs_and_the_latest_are_offered(typed: str, place: Path) -> None:
    assert completion.runs(typed) == [*(f"runs/cpu/{run}" for run in RUNS), "runs/cpu/latest"]


def test_runs_are_offered_where_the_environment_says_they_are(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ORCHESTRATOR_RUNS", "elsewhere/")
    assert completion.runs("") == [*(f"elsewhere/io/{run}" for run in RUNS), "elsewhere/io/latest"]


def test_experiments_that_have_runs_are_offered(place: Path) -> None:
    (place / "runs" / "empty").mkdir()
    assert completion.experiments("") == completion.experiments("c") == ["cpu"]


def test_runs_are_offered_wherever_a_path_leads(place: Path) -> None:
    assert completion.runs("elsewhere/io/l") == ["elsewhere/io/latest"]


def test_a_journal_is_offered_as_a_run(place: Path) -> None:
    (place / "copy.jsonl").touch()
    assert completion.runs("co") == ["copy.jsonl"]


def test_names_that_a_shell_has_to_quote_are_not_offered(place: Path) -> None:
    (place / "$(touch broken).yaml").touch()
    (place / "two\nlines.yaml").touch()
    assert completion.specs("") == ["my.yaml", "configs/cpu.yaml", "configs/io.yml"]


@pytest.mark.parametrize("offer", [completion.specs, completion.runs])
def test_an_unreadable_directory_offers_nothing(offer: Any, place: Path) -> None:
    (place / "loop").symlink_to("loop")
    assert offer("loop/") == offer("my.yaml/") == []


# --- as a shell asks


def verbs() -> Iterator[Any]:
    command: Any = typer.main.get_command(app)
    yield from command.commands.values()


def parameters() -> Iterator[Any]:
    """Yield what names its choices in its help, `all` and what stands for any word aside."""
    for verb in verbs():
        for parameter in verb.params:
            words = (parameter.metavar or "").split("|")
            if len(words) > 1 and all(word.islower() for word in words):
                yield pytest.param(verb.name, parameter, words, id=f"{verb.name} {parameter.name}")


@pytest.mark.parametrize(("verb", "parameter", "words"), list(parameters()))
def test_the_choices_that_help_names_are_offered(verb: str, parameter: Any, words: list[str], place: Path) -> None:
    context: Any = typer.Context(typer.main.get_command(app))
    assert {item.value for item in parameter.shell_complete(context, "")} == set(words)


def test_formats_of_exports_are_offered(place: Path) -> None:
    assert in_bash("export", "runs/cpu/latest", "--to", "", cwd=place).stdout.split() == list(names("export"))


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        (["rep"], ["report"]),
        (["run", "configs/c"], ["configs/cpu.yaml"]),
        (["plan", "my"], ["my.yaml"]),
        (["report", "runs/cpu/l"], ["runs/cpu/latest"]),
        (["verify", "runs/cpu/l"], ["runs/cpu/latest"]),
        (["export", "runs/cpu/l"], ["runs/cpu/latest"]),
        (["compare", "runs/cpu/latest", "runs/cpu/l"], ["runs/cpu/latest"]),
        (["schema", ""], ["spec", "events", "listings"]),
        (["run", "my.yaml", "--qu"], ["--quiet"]),
    ],
    ids=lambda value: " ".join(value),
)
def test_bash_gets_the_completions(words: list[str], offered: list[str], place: Path) -> None:
    done = in_bash(*words, cwd=place)
    assert (done.stdout.split(), done.stderr, done.returncode) == (offered, "", 0)


@pytest.mark.parametrize(
    "words", [["nosuch", ""], ["run", "'"], ["report", "--format"], ["--", ""], ["run", "\udc80"]], ids=repr
)
def test_no_words_bring_a_traceback(words: list[str], place: Path) -> None:
    assert "Traceback" not in in_bash(*words, cwd=place).stderr


def test_the_script_for_bash_completes(place: Path) -> None:
    script = """
        eval "$(_ORCHESTRATOR_COMPLETE=source_bash orchestrator)"
        COMP_WORDS=(orchestrator report runs/cpu/) COMP_CWORD=2
        _orchestrator_completion orchestrator
        printf '%s\\n' "${COMPREPLY[@]}"
    """
    env = {**os.environ, "PATH": f"{PROGRAM.parent}:{os.environ['PATH']}"}
    done = subprocess.run(["bash", "-c", script], cwd=place, env=env, capture_output=True, text=True, check=True)
    assert (done.stdout.split(), done.stderr) == ([*(f"runs/cpu/{run}" for run in RUNS), "runs/cpu/latest"], "")


def test_installing_says_what_it_does_or_lacks_without_a_traceback(place: Path) -> None:
    # the shell is that of a process above it; under cron there is none
    asked = ["bash", "-c", f"{shlex.quote(sys.executable)} -m orchestrator --install-completion; true"]
    env = {**os.environ, "HOME": str(place)}
    done = subprocess.run(asked, cwd=place, env=env, capture_output=True, text=True, check=False)
    assert "Traceback" not in done.stdout + done.stderr
    assert "completion" in done.stdout + done.stderr


@pytest.mark.parametrize("words", [["re"], ["run", ""], ["report", ""], ["export", "x", "--to", ""]], ids=" ".join)
def test_completion_loads_nothing_that_is_slow(words: list[str], place: Path) -> None:
    """Beside typer, which loads pydantic for itself, only what lists the candidates."""
    env = {"COMP_WORDS": " ".join(["orchestrator", *words]), "COMP_CWORD": str(len(words))}
    asked = {**os.environ, **env, "_ORCHESTRATOR_COMPLETE": "complete_bash"}
    there = loaded(cwd=place, env=asked)
    ours = {name for name in there if name.startswith("orchestrator.")}
    light = ("api", "api.outcome", "cli", "errors", "extras", "files", "output", "output.formats", "output.listings")
    assert {name for name in ours if not name.startswith("orchestrator.cli.")} <= {
        f"orchestrator.{name}" for name in light
    }
    assert not there & {"numpy", "duckdb", "altair", "yaml", "orjson", "structlog", "anyio", "asyncio", "rich"}


# --- help


@pytest.mark.parametrize("verb", [verb.name for verb in verbs()])
def test_the_help_of_a_verb_has_an_example(verb: str, place: Path) -> None:
    done = in_process(verb, "--help", cwd=place)
    assert "\n  Example" in done.stdout
    assert f"  orchestrator {verb} " in done.stdout
