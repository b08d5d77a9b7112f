"""Two commits side by side: the checked-out one and its base, each in a git worktree that is removed at the end."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..errors import BadInput
from .signals import ignoring_signals

PREFIX = "orchestrator-ci-"
"""Of the temporary directories that hold worktrees; each is locked for as long as its process lives."""

LOCK = "lock"

NAMES = ("head", "base")
"""The directories of the worktrees: names of one length, as a path's length can change the times of a program."""

GIT_S = 600.0  # how long git may take to check out a commit

OF_A_HOOK = ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE", "GIT_PREFIX")
"""What git sets for its hooks: a new worktree has its own."""

FETCH_ALL = (
    "fetch the history: `fetch-depth: 0` for actions/checkout, `GIT_DEPTH: 0` for GitLab, else git fetch --unshallow"
)


@dataclass(frozen=True)
class Commits:
    """What is compared: the checked-out commit and its base, by their full ids."""

    top: Path
    """The top directory of the checkout."""
    head: str
    base: str
    about_base: str
    """What the base is, such as "the merge base with origin/main"."""
    changed: int
    """The number of files with changes that are in no commit."""


@dataclass(frozen=True)
class Tree:
    """A worktree of one commit."""

    top: Path
    """Its top directory."""
    here: Path
    """The directory in it that corresponds to the working directory."""


class GitFailed(Exception):
    """A git command failed; the text is what it printed."""


def commits(asked: str | None) -> Commits:
    """Return the checked-out commit and its merge base with `asked`, or with the branch that it will be merged into.

    On that branch itself, unless it is asked for, the base is the first parent. Raises BadInput.
    """
    try:
        top, head = Path(_git("rev-parse", "--show-toplevel")), _git("rev-parse", "--verify", "HEAD^{commit}")
    except GitFailed as error:
        remedy = "run it in a clone that has a commit checked out"
        raise BadInput(f"no commit to measure: {error}", remedy=remedy) from error
    branch = asked or _default_branch()
    base = _merge_base(branch, head)
    about = f"the merge base with {branch}"
    if base == head and asked is None:
        base, about = _first_parent(), f"the first parent, as {branch} holds this commit already"
    changed = _git("status", "--porcelain", "--untracked-files=no").splitlines()
    return Commits(top, head, base, about, len(changed))


def _default_branch() -> str:
    """Return the branch that a pull request is for, else the default branch; raises BadInput."""
    if target := os.environ.get("GITHUB_BASE_REF"):
        return f"origin/{target}"
    with suppress(GitFailed):
        return _git("rev-parse", "--abbrev-ref", "origin/HEAD")
    for name in ("main", "origin/main"):
        if _commit_of(name):
            return name
    what = "no branch to compare with: there is no origin/HEAD, main or origin/main"
    raise BadInput(what, where="--base", remedy=_fetched("name a branch or a commit with --base"))


def _merge_base(branch: str, head: str) -> str:
    if (tip := _commit_of(branch)) is None:
        remedy = _fetched("fetch it, or name another with --base")
        raise BadInput(f"this clone has no commit {branch}", where="--base", remedy=remedy)
    try:
        return _git("merge-base", head, tip)
    except GitFailed as error:
        remedy = _fetched("name another with --base")
        raise BadInput(f"HEAD and {branch} have no merge base here", where="--base", remedy=remedy) from error


def _first_parent() -> str:
    if found := _commit_of("HEAD^"):
        return found
    remedy = _fetched("name another commit with --base")
    raise BadInput("the checked-out commit has no parent here to compare it with", where="--base", remedy=remedy)


def _fetched(otherwise: str) -> str:
    """Return how to get the missing history if this clone lacks some, `otherwise` if it does not."""
    return FETCH_ALL if _git("rev-parse", "--is-shallow-repository") == "true" else otherwise


def _commit_of(name: str) -> str | None:
    """Return the id of the commit that a name stands for; None if it stands for none."""
    if name.startswith("-"):  # which git would read as an option
        return None
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{name}^{{commit}}")
    except GitFailed:
        return None


@contextmanager
def checked_out(found: Commits) -> Iterator[tuple[Tree, Tree]]:
    """Yield a worktree of the checked-out commit and one of its base; they are removed when the block ends.

    Those that a killed process left behind are removed too. Raises BadInput when git can't make one.
    """
    _remove_abandoned()
    below = Path.cwd().resolve().relative_to(found.top.resolve())
    with ExitStack() as stack:
        directory = Path(tempfile.mkdtemp(prefix=PREFIX)).resolve()
        stack.callback(_remove, directory)
        stack.enter_context(_locked(directory))
        tops = [directory / name for name in NAMES]
        for top, commit in zip(tops, (found.head, found.base), strict=True):
            try:
                # no hooks: they are for the checkouts of a developer
                _git("-c", "core.hooksPath=/dev/null", "worktree", "add", "--quiet", "--detach", str(top), commit)
            except GitFailed as error:
                what = f"git can't check out {commit[:12]} in {top}: {error}"
                raise BadInput(what, remedy="make room, or name another place in TMPDIR") from error
        head, base = (Tree(top, top / below) for top in tops)
        yield head, base


@contextmanager
def _locked(directory: Path) -> Iterator[None]:
    """Lock a directory, so that no other process takes it for abandoned."""
    with (directory / LOCK).open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _remove(directory: Path) -> None:
    """Remove a directory with its worktrees; signals wait until that is done."""
    with ignoring_signals():
        for name in NAMES:
            if (directory / name).exists():
                with suppress(GitFailed):
                    _git("worktree", "remove", "--force", "--force", str(directory / name))
        shutil.rmtree(directory, ignore_errors=True)


def _remove_abandoned() -> None:
    """Remove the worktrees of this repository whose process was killed."""
    for line in _git("worktree", "list", "--porcelain").splitlines():
        name, _, path = line.partition(" ")
        directory = Path(path).parent
        if name == "worktree" and directory.name.startswith(PREFIX) and _is_abandoned(directory):
            with suppress(GitFailed):  # it is registered, even if its directory is gone
                _git("worktree", "remove", "--force", "--force", path)
            if not any((directory / each).exists() for each in NAMES):
                shutil.rmtree(directory, ignore_errors=True)


def _is_abandoned(directory: Path) -> bool:
    try:
        with (directory / LOCK).open("r+") as file:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except FileNotFoundError:
        return True
    except OSError:
        return False
    return True


def _git(*arguments: str) -> str:
    """Return what a git command prints; raises GitFailed, and BadInput where there is no git."""
    env = {name: value for name, value in os.environ.items() if name not in OF_A_HOOK}
    env |= {"LC_ALL": "C", "GIT_TERMINAL_PROMPT": "0"}
    try:
        done = subprocess.run(
            ("git", *arguments),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="surrogateescape",
            env=env,
            timeout=GIT_S,
            check=False,
        )
    except FileNotFoundError as error:
        raise BadInput("git is not installed", remedy="install it (Debian: apt install git)") from error
    except subprocess.TimeoutExpired as error:
        raise GitFailed(f"git {arguments[0]} took longer than {GIT_S:.0f} s") from error
    if done.returncode:
        raise GitFailed(" ".join(done.stderr.split()) or f"git {arguments[0]} failed with status {done.returncode}")
    return done.stdout.strip()
