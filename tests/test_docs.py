"""The documents: the commands of the README and of the samples exist, and those of the tutorials run."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest
import typer

from orchestrator import errors
from orchestrator.cli.app import app
from orchestrator.journal.read import first_and_last
from tests.support.command import orchestrator
from tests.support.paths import ROOT
from tests.verify import samples

WALKS = ("regressions.md", "your-own-code.md")  # the shorter one first: CI runs that
BUDGET = {"advise": ["--max-time", "4s"], "run": ["measure.blocks=1", "measure.rounds=3"]}
"""Too little for a verdict, but enough to see that a command works."""


@dataclass(frozen=True)
class Command:
    """A command of the document, with the output that stands below it."""

    words: list[str]
    output: str

    def variants(self) -> set[str]:
        """Return the labels of the table in the output."""
        return set(re.findall(r"^(?:[*=?x-] )?(\S(?:(?!  ).)*?) {2,}[\d.]+ (?:ns|us|ms|s) ", self.output, re.MULTILINE))


def blocks(walk: str) -> list[tuple[str, str]]:
    """Return the fenced blocks, each with the text after its fence."""
    text = (ROOT / "docs" / walk).read_text()
    return re.findall(r"^```(\w+[^\n]*)\n(.*?)^```$", text, re.MULTILINE | re.DOTALL)


def commands(text: str) -> list[Command]:
    found = []
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        line, _, output = part.partition("\n")
        found.append(Command(shlex.split(line), output))
    return found


@dataclass(frozen=True)
class Walked:
    """A command that has run, the variants that it compared, and the models that it left out on this machine, today."""

    command: Command
    compared: set[str]
    left_out: set[str]

    @staticmethod
    def of(command: Command, printed: str, place: Path) -> Walked:
        """Return the command with what its output and the journals of its runs hold."""
        events = [json.loads(line) for line in printed.splitlines()]
        compared = {event["variant"] for event in events if event["event"] in ("variant.compared", "variant.changed")}
        left_out = set()
        for run_id in {event["run_id"] for event in events if event["event"] == "variant.compared"}:
            (directory,) = place.glob(f"runs/*/{run_id}")
            ends = first_and_last(directory)
            assert ends
            left_out |= set(json.loads(ends[0]["spec"])["left_out"])
        return Walked(command, compared, left_out)


@pytest.fixture(scope="module", params=WALKS)
def walked(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> list[Walked]:
    """Run every command of a document in one empty directory, and return those that show a table."""
    place = tmp_path_factory.mktemp("walk") / "here"
    place.mkdir()
    done = []
    for about, text in blocks(request.param):
        if title := re.search(r'title="([\w.]+)"', about):
            (place / title[1]).write_text(text)
        for command in commands(text) if about == "console" else ():
            printed = run(command, place)
            if command.variants():
                done.append(Walked.of(command, printed, place))
    return done


def status(verb: str, printed: str) -> int:
    """Return the exit status that follows from the events that a command printed."""
    events = [json.loads(line) for line in printed.splitlines()] if verb in ("run", "compare") else []
    outcomes = {event.get("outcome") for event in events if event["event"] == "expectation.checked"}
    changes = {event["change"] for event in events if event["event"] == "variant.changed"}
    if "broken" in outcomes or "slower" in changes:
        return errors.BROKEN
    return errors.UNDECIDED if "undecided" in outcomes else errors.OK


def run(command: Command, place: Path) -> str:
    """Return the output of a command; its exit status must agree with its events."""
    program, verb, *arguments = command.words
    if program != "orchestrator":
        author = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        subprocess.run(command.words, cwd=place, env={**os.environ, **author}, check=True)
        return ""
    ran = orchestrator(verb, *arguments, *BUDGET.get(verb, []), cwd=place)
    assert ran.returncode == status(verb, ran.stdout), (command.words, ran.stderr)
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
def test_every_table_of_a_walk_has_the_variants_that_its_command_compares(walked: list[Walked]) -> None:
    assert len(walked) >= 4
    for done in walked:
        # `advise` leaves models out for what a call or a start takes on this machine
        assert done.compared <= done.command.variants() <= done.compared | done.left_out, done.command.words


README = (ROOT / "README.md").read_text()


def known() -> set[str]:
    """Return the names of the commands of the program."""
    return set(typer.main.get_group(app).commands)


def options(verb: str) -> set[str]:
    """Return the options of a command."""
    return {name for each in typer.main.get_group(app).commands[verb].params for name in each.opts}


def test_the_readme_has_fewer_than_150_lines() -> None:
    assert len(README.splitlines()) < 150


def test_the_readme_names_only_commands_and_options_that_exist() -> None:
    lines = re.findall(r"^(?:    |<!-- sample: )(?:\$ )?.*?\borchestrator ((?!&)[a-z]+ .*)$", README, re.MULTILINE)
    assert len(lines) >= 7
    for line in lines:
        verb, *words = line.partition("#")[0].split()
        assert verb in known(), line
        assert {word for word in words if word.startswith("--") and word != "-->"} <= options(verb), line


def test_the_readme_names_only_make_targets_that_exist() -> None:
    targets = set(re.findall(r"^([a-z-]+):.*##", (ROOT / "Makefile").read_text(), re.MULTILINE))
    named = set(re.findall(r"^    (?:\$ )?make (?:-s )?([a-z-]+)", README, re.MULTILINE))
    assert named
    assert named <= targets


def test_the_spec_of_the_readme_is_valid(tmp_path: Path) -> None:
    text = next(text for about, text in re.findall(r"^```(\w+)\n(.*?)^```$", README, re.M | re.S) if about == "yaml")
    (tmp_path / "mymodule.py").write_text("def parse(path: str) -> int:\n    return len(path)\n")
    (tmp_path / "my.yaml").write_text(text)
    planned = orchestrator("plan", "my.yaml", cwd=tmp_path)
    assert planned.returncode == errors.OK, planned.stderr


@pytest.mark.parametrize("document", samples.DOCUMENTS, ids=lambda path: path.stem)
def test_every_sample_has_a_known_command_and_an_end(document: Path) -> None:
    text = document.read_text()
    found = list(samples.samples(text))
    assert len(found) == text.count("<!-- sample: ")
    assert {command.words[1] for command in found} <= known()


@pytest.mark.parametrize(
    "document", [ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md"))], ids=lambda path: path.stem
)
def test_every_link_to_a_file_has_its_file(document: Path) -> None:
    for link in re.findall(r"\]\((?!https?:)([^)#\s]+)", document.read_text()):
        assert (document.parent / link).exists(), link


def anchors(document: Path) -> set[str]:
    """Return the names by which links reach the headings of a document."""
    titles = re.findall(r"^#+ (.+)$", re.sub(r"^```.*?^```$", "", document.read_text(), flags=re.M | re.S), re.M)
    return {re.sub(r"[^\w\- ]", "", title).lower().replace(" ", "-") for title in titles}


@pytest.mark.parametrize("document", samples.DOCUMENTS, ids=lambda path: path.stem)
def test_every_link_to_a_section_has_its_heading(document: Path) -> None:
    for name, anchor in re.findall(r"\]\((?!https?:)([^)#\s]*)#([^)\s]+)\)", document.read_text()):
        assert anchor in anchors(document.parent / name if name else document), f"{name}#{anchor}"


INDEX = (ROOT / "docs" / "index.md").read_text()


def test_the_index_has_every_page() -> None:
    pages = {path.name for path in (ROOT / "docs").glob("*.md")} - {"index.md"}
    assert pages - set(re.findall(r"\]\(([\w-]+\.md)", INDEX)) == set()


def test_the_index_names_only_commands_and_options_that_exist() -> None:
    lines = re.findall(r"`orchestrator ([a-z]+ ?[^`]*)`", INDEX)
    assert len(lines) >= 7
    for line in lines:
        verb, *words = line.split()
        assert verb in known(), line
        assert {word for word in words if word.startswith("--")} <= options(verb), line


def test_architecture_names_only_files_that_exist() -> None:
    text = (ROOT / "docs" / "architecture.md").read_text()
    named = re.findall(r"`((?:[a-z_]+/)+[a-z_]+\.py)`", text)
    assert len(named) >= 15
    assert [name for name in named if not (ROOT / "orchestrator" / name).exists()] == []


def test_paragraphs_of_an_output_can_be_selected() -> None:
    assert samples.parse("orchestrator doctor | paragraph 2").kept("a\n\nb\nc\n\nd\n") == "b\nc\n"


def test_an_unknown_filter_of_a_sample_is_an_error() -> None:
    with pytest.raises(ValueError, match="unknown filter"):
        samples.parse("orchestrator doctor | head 3")
