"""A git repository with a function that became slower, as a job of a CI service has it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

from tests.support.paths import ROOT
from tests.support.processes import owned

PRICES = """\
def total(items):
    return sum(99 * (number % 7) for number in range(items))
"""
SLOWER = """\
def each(items):
    return [99 * (number % 7) for number in range(items)]


def total(items):
    return max(sum(each(items)) for _ in range(40))
"""
SPEC = """\
workload: {call: "prices:total", kwargs: {items: 5_000}}
models: [sequential]
measure: {blocks: 6, rounds: 1, seed: 1}  # so many have an interval that no assumption widens
"""
OF_GITHUB = ("GITHUB_ACTIONS", "GITHUB_BASE_REF", "GITHUB_STEP_SUMMARY", "GITHUB_WORKSPACE")


class Repository:
    """A repository, and the program in it without the variables of a CI service that runs these tests."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        directory.mkdir(exist_ok=True)
        self.temporary = directory.with_name(f"{directory.name}-tmp")
        self.temporary.mkdir()
        self.git("init", "--quiet", "--initial-branch=main")

    def git(self, *arguments: str) -> str:
        author = {f"GIT_{role}_{what}": "a@b" for role in ("AUTHOR", "COMMITTER") for what in ("NAME", "EMAIL")}
        done = subprocess.run(
            ["git", *arguments], cwd=self.directory, env={**os.environ, **author}, capture_output=True, text=True
        )
        assert done.returncode == 0, done.stderr
        return done.stdout

    def commit(self, **files: str) -> None:
        """Write files, named as arguments are (`prices_py`), and commit all that has changed."""
        for name, text in files.items():
            (self.directory / name.replace("__", "/").replace("_py", ".py").replace("_yaml", ".yaml")).write_text(text)
        self.git("add", "--all")
        self.git("commit", "--quiet", "--message", "Change something")

    def start(self, *arguments: str, **env: str) -> subprocess.Popen[str]:
        """Start the program, with variables; its temporary files are in a directory of their own."""
        inherited = {name: value for name, value in os.environ.items() if name not in OF_GITHUB}
        given = {"PYTHONPATH": str(ROOT), "PYTHONSAFEPATH": "", "TMPDIR": str(self.temporary), **env}
        command = [sys.executable, "-m", "orchestrator", *arguments]
        process = subprocess.Popen(
            command,
            cwd=self.directory,
            env={**inherited, **given},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        return owned(process)

    def run(self, *arguments: str, **env: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments, **env)
        stdout, stderr = process.communicate(timeout=120)
        return subprocess.CompletedProcess(arguments, process.returncode, stdout, stderr)

    def worktrees(self) -> list[str]:
        """Return the worktrees beside the checkout, and what is left in the directory of temporary files."""
        listed = self.git("worktree", "list", "--porcelain").count("worktree ")
        return ["a worktree"] * (listed - 1) + [each.name for each in self.temporary.glob("orchestrator-ci-*")]
