"""Functions named as people type them: by file, by method, without a function, and wrong."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.runner.names import hiding
from tests.support.command import events, in_process, orchestrator, piloted, refused

SCRIPT = """
import functools

def parse(path: str, *, strict: bool = False): return len(path)
class Client:
    def __init__(self, host): self.host = host
    def get(self, n: int = 100): return sum(range(n))
class Easy:
    def run(self): return 1
def make(): yield Client("x")
@functools.singledispatch
def single(x): return 1
class Later:
    async def __call__(self): return 1
later = Later()
def without_wraps(function):
    def inner(): return function()
    return inner
@without_wraps
def decorated(): return 1
part = functools.partial(parse, "abc")
bound = Easy().run
"""

ENDINGS = {
    "endless": ("import time\nwhile True:\n    time.sleep(0.1)\n", "does not end", 3),
    "leaves": ("import sys\nsys.exit(3)\n", "ends the program (sys.exit)", 2),
    "options": (
        "import argparse\nparser = argparse.ArgumentParser()\nparser.add_argument('x')\nparser.parse_args()\n",
        "parses the command line (argparse)",
        4,
    ),
    "asks": ("name = input()\n", "reads standard input, which is empty here", 1),
    "raises": ("\n\n1 / 0\n", "failed: ZeroDivisionError: division by zero", 3),
}


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for file in ("script.py", "dir with space/my-script.py", "job.v2.py", "project/src/app/core.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).write_text(SCRIPT)
    (tmp_path / "project/src/app/__init__.py").touch()
    return tmp_path


def compared(done: subprocess.CompletedProcess[str]) -> dict[str, int]:
    found = [event for event in events(done.stdout) if event["event"] == "variant.compared"]
    return {event["variant"]: event["failures"] for event in found}


@pytest.mark.parametrize("typed", ["./script.py:parse", "script:parse"])
def test_a_script_is_known_by_one_name_in_the_log(place: Path, typed: str) -> None:
    assert piloted(typed, "path=x", cwd=place)["call"] == "script:parse"


SPEC = """
workload: {call: "dir with space/my-script.py:parse", kwargs: {path: x}}
models:
  - sequential
  - {model: processes, start_method: spawn, label: spawn}
  - {model: processes, start_method: fork, label: fork}
  - {model: processes, start_method: forkserver, label: forkserver}
  - {model: sequential, label: other, call: ./job.py:parse}
measure: {blocks: 1, rounds: 1}
"""


@pytest.mark.slow
def test_workers_of_every_start_method_find_a_file_that_is_no_identifier(place: Path) -> None:
    (place / "job.py").write_text(SCRIPT)
    (place / "a.yaml").write_text(SPEC)
    done = orchestrator("run", "a.yaml", cwd=place)
    assert compared(done) == dict.fromkeys(("sequential", "spawn", "fork", "forkserver", "other"), 0)


@pytest.mark.long
def test_files_of_one_name_in_two_directories_are_two_variants(place: Path) -> None:
    for number, directory in enumerate(("old", "new")):
        (place / directory).mkdir()
        (place / directory / "work.py").write_text(f"def f(): return {number}\n")
    (place / "a.yaml").write_text(
        "workload: {call: old/work.py:f, check: none}\nmodels: [sequential, {model: sequential, label: new, "
        "call: new/work.py:f}]\nmeasure: {blocks: 1, rounds: 1}\n"
    )
    done = orchestrator("run", "a.yaml", cwd=place)
    found = {
        event["variant"]: event.get("call") for event in events(done.stdout) if event["event"] == "variant.compared"
    }
    assert found == {"sequential": None, "new": "new/work.py:f"}


@pytest.mark.slow
def test_a_method_gets_its_object_from_setup_in_every_model(place: Path) -> None:
    (place / "a.yaml").write_text(
        "workload: {call: script.py:Client.get, setup: script.py:make}\n"
        "models: [sequential, threads, {model: processes, start_method: spawn}]\nmeasure: {blocks: 1, rounds: 1}\n"
    )
    assert compared(orchestrator("run", "a.yaml", cwd=place)) == {"sequential": 0, "threads": 0, "processes": 0}


@pytest.mark.long
def test_advice_on_a_method_takes_its_object_from_setup(place: Path) -> None:
    asked = ("script.py:Easy.run", "--setup", "script.py:Easy", "--max-time", "4s", "--save", "a.yaml")
    assert orchestrator("advise", *asked, cwd=place).returncode == errors.OK
    assert "setup: script:Easy" in (place / "a.yaml").read_text()


@pytest.mark.parametrize("source", ["script.py", "script"])
def test_without_a_function_all_are_listed_with_the_command_to_type(place: Path, source: str) -> None:
    done = in_process("advise", source, cwd=place)
    commands = [event["command"].removeprefix(f"orchestrator advise {source}:") for event in events(done.stdout)]
    assert commands[:4] == [
        "parse path=...",
        f"Client.get --setup {source}:make",
        f"Easy.run --setup {source}:Easy",
        "later.__call__",
    ]


def test_a_project_with_a_directory_src_is_found(place: Path) -> None:
    done = in_process("advise", "app.core", "--project", "project", cwd=place)
    assert events(done.stdout)[0]["command"] == "orchestrator advise app.core:parse path=... --project project"


@pytest.mark.parametrize(
    ("typed", "said"),
    [
        (("script.py:prase", "path=x"), "did you mean 'parse'? orchestrator advise script:parse path=x"),
        (("script.py:parse", "pth=x"), ": orchestrator advise script:parse path=..."),
        (("scirpt.py:parse",), "did you mean 'script.py'? orchestrator advise script.py:parse"),
        (("script:Easy.run",), ": orchestrator advise script:Easy.run --setup script:Easy"),
        (("script:Client.get",), ": orchestrator advise script:Client.get --setup script:make"),
        (("script:Easy",), ": orchestrator advise script:Easy.run --setup script:Easy"),
        (("script:later",), ": orchestrator advise script:later.__call__"),
        (("script.parse",), ": orchestrator advise script:parse"),
        (("script.py::parse",), ": orchestrator advise script.py:parse"),
        (("dir with space/my-script:parse",), ": orchestrator advise 'dir with space/my-script.py:parse'"),
        (("job.v2.py:parse",), "ln -s job.v2.py job_v2.py, then name job_v2.py"),
        (("script:zzz",), "check the name: orchestrator advise script\n"),
        (
            ("script:Easy.run", "--setup", "script:Eazy"),
            "did you mean 'Easy'? orchestrator advise script:Easy.run --setup script:Easy",
        ),
        (("script:Easy.run", "--setup", "scirpt.py:Easy"), "advise script:Easy.run --setup script.py:Easy\n"),
        (("script:Easy.run", "--setup", "script:make"), "return or yield the object: orchestrator advise script\n"),
    ],
)
def test_a_refusal_ends_with_what_would_work(place: Path, typed: tuple[str, ...], said: str) -> None:
    assert said in refused(place, *typed)


@pytest.mark.parametrize("name", ENDINGS)
def test_an_import_that_does_not_come_back_is_named_with_file_and_line(
    place: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ORCHESTRATOR_IMPORT_S", "1")
    text, said, line = ENDINGS[name]
    (place / f"{name}.py").write_text(text)
    found = refused(place, f"{name}.py:f")
    assert f"importing {name} {said}" in found
    assert f"({name}.py, line {line})" in found


@pytest.mark.parametrize("name", ["random", "queue", "json"])
def test_a_file_that_hides_the_standard_librarys_is_named(place: Path, name: str) -> None:
    (place / f"{name}.py").touch()
    assert refused(place, "script:parse", "path=x").startswith(f"orchestrator: {place / name}.py hides the standard")


def test_a_file_of_the_standard_library_hides_nothing(place: Path) -> None:
    file = Path(os.__file__).with_name("colorsys.py")
    assert "hides" not in orchestrator("advise", str(file), cwd=place).stderr
    assert hiding([str(file.parent)]) == []


def test_a_file_that_hides_anyio_is_named(place: Path) -> None:
    (place / "anyio.py").touch()
    assert "anyio.py hides the package 'anyio'" in refused(place, "script:parse", "path=x")


def test_a_spec_names_the_file_that_hides_the_standard_librarys(place: Path) -> None:
    (place / "queue.py").touch()
    (place / "a.yaml").write_text("workload: {call: script:make}\nmodels: [sequential]\n")
    done = in_process("run", "a.yaml", cwd=place)
    assert done.stderr.startswith(f"orchestrator: a.yaml:1:18: workload.call: {place}/queue.py hides the standard")


@pytest.mark.parametrize("name", ["part", "bound", "decorated"])
def test_objects_that_can_be_called_are_listed(place: Path, name: str) -> None:
    assert name in {event["function"] for event in events(in_process("advise", "script.py", cwd=place).stdout)}
