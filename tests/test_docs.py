"""The walks through the documents, walked: their files are written, their commands run, in order."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator import errors
from tests.support.command import orchestrator
from tests.support.paths import ROOT

WALKS = ("your-own-code.md", "regressions.md")
BUDGET = {"advise": ["--max-time", "2s"], "run": ["measure.blocks=1", "measure.rounds=3"]}
"""Verdicts need more; that the commands work does not."""

STATUSES = {"compare": (errors.OK, errors.BROKEN), "run": (errors.OK, errors.BROKEN, errors.UNDECIDED)}
"""What a command may end with after so little, where that is not 0 alone."""


@dataclass(frozen=True)
class Command:
    """A command of the document, with the output that stands below it."""

    words: list[str]
    output: str

    def variants(self) -> set[str]:
        """Return the labels of the table in the output."""
        return set(re.findall(r"^(\S(?:(?!  ).)*?) {2,}[\d.]+ (?:ns|us|ms|s) ", self.output, re.MULTILINE))


def blocks(walk: str) -> list[tuple[str, str]]:
    """Return the fenced blocks with what stands beside their fence."""
    text = (ROOT / "docs" / walk).read_text()
    return re.findall(r"^```(\w+[^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[Command]:
    found = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        found.append(Command(shlex.split(line), output))
    return found


@pytest.fixture(scope="module", params=WALKS)
def walked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Command, str]]:
    """Return every command with what it printed, all run in one directory that begins empty."""
    place = tmp_path_factory.mktemp("walk") / "here"
    place.mkdir()
    done = []
    for about, text in blocks(request.param):
        if title := re.search(r'title="([\w.]+)"', about):
            (place / title[1]).write_text(text)
        for command in commands(text) if about == "console" else ():
            done.append((command, run(command, place)))
    return done


def run(command: Command, place: Path) -> str:
    """Return what a command prints; one that compares may find something."""
    program, verb, *arguments = command.words
    if program != "orchestrator":
        who = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        subprocess.run(command.words, cwd=place, env={**os.environ, **who}, check=True)
        return ""
    ran = orchestrator(verb, *arguments, *BUDGET.get(verb, []), cwd=place)
    assert ran.returncode in STATUSES.get(verb, (errors.OK,)), (command.words, ran.stderr)
    return ran.stdout


@pytest.mark.parametrize(
    ("walk", "files", "verbs"),
    [
        ("your-own-code.md", {"shop.py", "orders.py", "orders.yaml"}, {"advise", "run", "export"}),
        ("regressions.md", {"prices.py", "prices.yaml", "versions.yaml"}, {"run", "compare"}),
    ],
)
def test_a_walk_has_files_and_commands(walk: str, files: set[str], verbs: set[str]) -> None:
    titles = {match[1] for about, _ in blocks(walk) if (match := re.search(r'title="([\w.]+)"', about))}
    assert files <= titles
    found = [command.words[1] for about, text in blocks(walk) if about == "console" for command in commands(text)]
    assert verbs <= set(found)


@pytest.mark.slow
def test_every_table_of_a_walk_has_the_variants_that_its_command_compares(walked: list[tuple[Command, str]]) -> None:
    shown = [(command, printed) for command, printed in walked if command.variants()]
    assert len(shown) >= 4
    for command, printed in shown:
        events = [json.loads(line) for line in printed.splitlines()]
        compared = {event["variant"] for event in events if event["event"] in ("variant.compared", "variant.changed")}
        assert command.variants() == compared, command.words
