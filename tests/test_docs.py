"""The walk through the user's own code, walked: its files are written, its commands run, in order."""

from __future__ import annotations

import json
import re
import shlex
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.test_cli import orchestrator

ROOT = Path(__file__).parents[1]
WALK = ROOT / "docs" / "your-own-code.md"
BUDGET = {"advise": ["--max-time", "2s"], "run": ["measure.max_time=2s"]}
"""Verdicts need more; that the commands work does not."""


@dataclass(frozen=True)
class Command:
    """A command of the document, with the output that stands below it."""

    words: list[str]
    output: str

    def variants(self) -> set[str]:
        """Return the labels of the table in the output."""
        return set(re.findall(r"^(\S.*?) {2,}[\d.]+ (?:ns|us|ms|s) ", self.output, re.MULTILINE))


def blocks() -> list[tuple[str, str]]:
    """Return the fenced blocks with what stands beside their fence."""
    return re.findall(r"^```(\w+[^\n]*)\n(.*?)^```$", WALK.read_text(), re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[Command]:
    found = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        found.append(Command(shlex.split(line), output))
    return found


@pytest.fixture(scope="module")
def walked(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Command, str]]:
    """Return every command with what it printed, all run in one directory that begins empty."""
    place = tmp_path_factory.mktemp("walk")
    done = []
    for about, text in blocks():
        if title := re.search(r'title="([\w.]+)"', about):
            (place / title[1]).write_text(text)
        for command in commands(text) if about == "console" else ():
            program, verb, *arguments = command.words
            assert program == "orchestrator"
            ran = orchestrator(verb, *arguments, *BUDGET.get(verb, []), cwd=place)
            assert ran.returncode == 0, (command.words, ran.stderr)
            done.append((command, ran.stdout))
    return done


def test_the_walk_has_files_and_commands() -> None:
    titles = {match[1] for about, _ in blocks() if (match := re.search(r'title="([\w.]+)"', about))}
    assert {"shop.py", "orders.py", "orders.yaml"} <= titles
    verbs = [command.words[1] for about, text in blocks() if about == "console" for command in commands(text)]
    assert {"advise", "run", "export"} <= set(verbs)


def test_every_table_of_the_walk_has_the_variants_that_its_command_compares(walked: list[tuple[Command, str]]) -> None:
    shown = [(command, printed) for command, printed in walked if command.variants()]
    assert len(shown) >= 4
    for command, printed in shown:
        events = [json.loads(line) for line in printed.splitlines()]
        compared = {event["variant"] for event in events if event["event"] == "variant.compared"}
        assert command.variants() == compared, command.words
