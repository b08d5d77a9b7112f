"""`make samples`: the sample outputs in README.md and docs/, made again by running their commands.

A sample is a fenced block between `<!-- sample: COMMAND -->` and `<!-- end -->`. A command may end with
`| paragraph 1-2`, which keeps only these paragraphs of its output. A block fenced as `console` holds commands
after `$ `, each with its output below it. `<!-- before: COMMAND -->` runs a command and shows nothing.
The commands of a document run in order in one scratch directory, on a terminal of 120 columns. Fenced blocks
with a `title` are written there as files.
"""

from __future__ import annotations

import argparse
import os
import re
import shlex
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from orchestrator import errors
from tests.support.paths import ROOT
from tests.support.terminal import on_terminal

COLUMNS = 120
DOCUMENTS = (ROOT / "README.md", *sorted((ROOT / "docs").glob("*.md")))
SAMPLE = re.compile(r"^<!-- sample: (?P<command>.+?) -->\n```\w*\n(?P<output>.*?)^```\n<!-- end -->$", re.M | re.S)
SESSION = re.compile(r"^```console\n(?P<session>.*?)^```$", re.M | re.S)
TITLED = re.compile(r'^```\w+ title="(?P<name>[\w.]+)"\n(?P<text>.*?)^```$', re.M | re.S)
BEFORE = re.compile(r"^<!-- before: (?P<command>.+?) -->$", re.M)
NAMED = {"sample": SAMPLE, "session": SESSION, "file": TITLED, "before": BEFORE}
PARTS = re.compile(
    "|".join(f"(?:{each.pattern})".replace("(?P<", f"(?P<{name}_") for name, each in NAMED.items()), re.M | re.S
)
STATUSES = (errors.OK, errors.BROKEN, errors.UNDECIDED)
"""Exit statuses of a sample's command: an expectation may fail on another machine."""


@dataclass(frozen=True)
class Command:
    """A command line, and the paragraphs of its output that are shown: all of them when `last` is None."""

    words: tuple[str, ...]
    first: int = 1
    last: int | None = None

    def kept(self, output: str) -> str:
        """Return the paragraphs that are shown."""
        paragraphs = output.strip("\n").split("\n\n")
        return "\n\n".join(paragraphs[self.first - 1 : self.last]) + "\n"


def parse(text: str) -> Command:
    """Return the command of a sample; raises ValueError for a filter other than `paragraph`."""
    line, _, keep = text.partition(" | ")
    words = tuple(shlex.split(line))
    if not keep:
        return Command(words)
    found = re.fullmatch(r"paragraph (\d+)(?:-(\d+))?", keep)
    if not found:
        raise ValueError(f'unknown filter "{keep}" in sample "{text}"; use `| paragraph 1` or `| paragraph 1-2`')
    return Command(words, int(found[1]), int(found[2] or found[1]))


def samples(text: str) -> Iterator[Command]:
    """Yield the commands of the samples of a document."""
    for found in SAMPLE.finditer(text):
        yield parse(found["command"])


def renewed(text: str, directory: Path) -> str:
    """Return a document with the output of every command made again in a directory."""

    def part(found: re.Match[str]) -> str:
        whole = found[0]
        if name := found["file_name"]:
            (directory / name).write_text(found["file_text"])
        elif line := found["sample_command"]:
            command = parse(line)
            before, after = (found.start("sample_output") - found.start(), found.end("sample_output") - found.start())
            return whole[:before] + command.kept(output(command.words, directory)) + whole[after:]
        elif line := found["before_command"]:
            output(tuple(shlex.split(line)), directory)
        elif session := found["session_session"]:
            return f"```console\n{''.join(_session(session, directory))}```"
        return whole

    return PARTS.sub(part, text)


def _session(text: str, directory: Path) -> Iterator[str]:
    for line in re.findall(r"^\$ (.*)$", text, re.MULTILINE):
        shown = output(_words(line), directory).strip("\n")
        yield f"$ {line}\n{shown}\n" if shown else f"$ {line}\n"


def _words(line: str) -> tuple[str, ...]:
    """Return the words of a line of a session: a command of ours, or a line for bash."""
    return tuple(shlex.split(line)) if line.startswith("orchestrator ") else (line,)


def output(words: tuple[str, ...], directory: Path) -> str:
    """Return what a command writes to a terminal, then its error message; raises RuntimeError when it fails."""
    print(f"{directory.name}$ {shlex.join(words)}", flush=True)
    command = (sys.executable, "-m", *words) if words[0] == "orchestrator" else ("bash", "-c", " ".join(words))
    author = {f"GIT_{role}_{field}": "a@b" for role in ("AUTHOR", "COMMITTER") for field in ("NAME", "EMAIL")}
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    env = {**os.environ, **author, "PATH": path, "COLUMNS": str(COLUMNS), "NO_COLOR": "1"}
    with tempfile.TemporaryFile("w+") as messages:
        status, text = on_terminal(command, directory, env, messages)
        messages.seek(0)
        failed = messages.read()
    if status not in STATUSES:
        raise RuntimeError(f"{shlex.join(words)}: exit status {status}\n{failed}")
    text += "".join(line for line in failed.splitlines(keepends=True) if line.startswith("orchestrator: "))
    return re.sub(r"\x1b\[[\d;]*m|[ \t]+$", "", text, flags=re.MULTILINE)  # without colours


def main() -> None:
    """Renew the samples of the documents named on the command line, or of all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("documents", nargs="*", type=Path, default=DOCUMENTS, metavar="FILE")
    for document in parser.parse_args().documents:
        text = document.read_text()
        if not (SAMPLE.search(text) or SESSION.search(text)):
            continue
        with tempfile.TemporaryDirectory() as scratch:
            directory = Path(scratch) / document.stem
            directory.mkdir()
            for name in ("experiments", "configs"):
                (directory / name).symlink_to(ROOT / name)
            document.write_text(renewed(text, directory))


if __name__ == "__main__":
    main()
