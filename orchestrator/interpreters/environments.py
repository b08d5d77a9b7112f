"""Environments for what a workload imports: one per interpreter and set of requirements, built by uv, and kept.

An environment is built beside its place under a lock, then renamed: one that exists is complete, even if a build was
killed. Using it again starts no process.
"""

from __future__ import annotations

import fcntl
import hashlib
import json
import os
import re
import select
import shutil
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from ..files import cache_directory
from ..log import logger
from ..runner.problem import Problem
from ..spec.values import package
from ..supervisor.capture import capture
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.interrupt import Interrupt, Interrupted
from . import find

NEEDS = ("anyio>=4.9",)  # requirements of the runner itself
PACKAGES_FILE = "packages.json"  # in an environment: the packages that it was built with, with their versions
LAYOUT = 1  # version of the layout: environments of another one are not used
_PROGRESS = ("Using Python ", "Resolved ", "Building ", "Prepared ", "warning: ")

RETRY_S = 0.1  # between two tries to get the lock


@dataclass(frozen=True)
class Environment:
    """An environment: its interpreter, and the packages in it as `name==version`."""

    python: str
    packages: tuple[str, ...]


class Unbuilt(Exception):
    """No environment could be built: the problem, and the requirement that caused it, if known."""

    def __init__(self, code: str, what: str, remedy: str, requirement: str | None = None) -> None:
        super().__init__(what)
        self.problem = Problem(code, what, remedy)
        self.requirement = requirement


def directory() -> Path:
    """Return the directory of all environments; it need not exist."""
    return cache_directory() / "environments"


def kept() -> list[Path]:
    """Return the directories of complete environments."""
    return [file.parent for file in directory().glob(f"*/{PACKAGES_FILE}") if "." not in file.parent.name]


def kept_bytes() -> int:
    """Return the disk space that they use, files shared with the cache of uv (hard links) included."""
    found = 0
    for folder, _, names in os.walk(directory()):
        for name in names:
            with suppress(OSError):
                found += os.lstat(Path(folder, name)).st_blocks * 512
    return found


def provide(
    runner_env: RunnerEnvironment, interrupt: Interrupt, python: str, requirements: Sequence[str]
) -> Environment:
    """Return an environment of an interpreter with `requirements` and those of the runner; build it if missing.

    Raises Unbuilt and Interrupted.
    """
    wanted = sorted({*requirements, *NEEDS})
    try:
        place = directory() / _key(python, wanted)
        return _read(place) or _build(runner_env, interrupt, python, wanted, place)
    except OSError as error:
        what = f"cannot keep an environment in {directory()}: {error.strerror}"
        remedy = "make room there, or name another directory in XDG_CACHE_HOME"
        raise Unbuilt("disk_unwritable", what, remedy) from error


def _key(python: str, wanted: Sequence[str]) -> str:
    """Return the name of an environment; it depends on the interpreter's file, not on its path alone."""
    file = Path(python).resolve()
    about = file.stat()
    identity = [LAYOUT, str(file), about.st_size, about.st_mtime_ns, *wanted]
    return hashlib.sha256(json.dumps(identity).encode()).hexdigest()[:24]


def _read(place: Path) -> Environment | None:
    """Return the environment at `place`, None if there is none."""
    try:
        packages = json.loads((place / PACKAGES_FILE).read_bytes())
    except (FileNotFoundError, ValueError):
        return None
    python = place / "bin" / "python"
    return Environment(str(python), tuple(packages)) if python.exists() else None


def _build(
    runner_env: RunnerEnvironment, interrupt: Interrupt, python: str, wanted: Sequence[str], place: Path
) -> Environment:
    place.parent.mkdir(parents=True, exist_ok=True)
    with _locked(place.parent, interrupt):
        if there := _read(place):  # another process has built it meanwhile
            return there
        program = find.uv()
        if program is None:
            what = f"uv is needed to install {', '.join(wanted)}, and is not here"
            raise Unbuilt("uv_missing", what, f"install it: {find.how_to_get_uv()}")
        for left in (place, *place.parent.glob(f"{place.name}.*")):  # of builds that were killed
            shutil.rmtree(left, ignore_errors=True)
        begun_s = time.monotonic()
        asked = {"python": python, "requirements": list(wanted)}
        logger().info("environment.building", **asked)
        fresh = Path(tempfile.mkdtemp(prefix=f"{place.name}.", dir=place.parent))
        try:
            packages = _Uv(runner_env, interrupt, program, wanted).fill(fresh, python)
            (fresh / PACKAGES_FILE).write_text(json.dumps(packages))
            fresh.rename(place)
        finally:
            shutil.rmtree(fresh, ignore_errors=True)
        logger().info("environment.built", **asked, seconds=round(time.monotonic() - begun_s, 1))
    return Environment(str(place / "bin" / "python"), tuple(packages))


@dataclass(frozen=True)
class _Uv:
    """The program uv, and the requirements to install."""

    runner_env: RunnerEnvironment
    interrupt: Interrupt
    program: str
    wanted: Sequence[str]

    def fill(self, fresh: Path, python: str) -> list[str]:
        """Make the environment and return the packages in it; raises Unbuilt and Interrupted."""
        inside = str(fresh / "bin" / "python")
        # the file itself: older Pythons don't find their library from a link. Scripts must run after the rename
        base = os.path.realpath(python)
        self._run("venv", "--no-project", "--relocatable", "--allow-existing", "--python", base, str(fresh))
        self._run("pip", "install", "--python", inside, "--", *self.wanted)
        return self._run("pip", "freeze", "--python", inside).splitlines()

    def _run(self, *arguments: str) -> str:
        env = {key: value for key, value in os.environ.items() if key not in ("VIRTUAL_ENV", "UV_PYTHON")}
        env |= {"NO_COLOR": "1", "UV_NO_PROGRESS": "1", "UV_PYTHON_DOWNLOADS": "never"}
        status, output, errors = capture(self.runner_env, self.interrupt, [self.program, *arguments], env)
        if status:
            raise self._failed(arguments, status, errors)
        return output

    def _failed(self, arguments: Sequence[str], status: int, errors: str) -> Unbuilt:
        what = reason(errors) or f"`uv {arguments[0]}` ended with status {status}"
        names = ((each, re.escape(package(each))) for each in self.wanted if each not in NEEDS)
        # the requirement that the errors name
        blamed = next((each for each, name in names if re.search(rf"(?<![\w-]){name}(?![\w-])", errors.lower())), None)
        if "Failed to build" in errors:
            remedy = "ask for a version with a wheel for this interpreter, or install what building it needs"
            return Unbuilt("build_failed", what, remedy, blamed)
        if "os error 28" in errors:
            return Unbuilt("disk_full", what, "make room, or name another directory in XDG_CACHE_HOME and UV_CACHE_DIR")
        if "Failed to fetch" in errors or "network was disabled" in errors:
            return Unbuilt("index_unreachable", what, "let uv reach a package index (UV_DEFAULT_INDEX, UV_OFFLINE)")
        if "Failed to initialize cache" in errors or re.search(r"os error (13|30)\b", errors):
            remedy = "name directories that can be written in XDG_CACHE_HOME and UV_CACHE_DIR"
            return Unbuilt("disk_unwritable", what, remedy)
        return Unbuilt("requirements_unmet", what, "change requirements, or take another interpreter", blamed)


def reason(errors: str) -> str:
    """Return in one line why uv has failed: what it says first, and what was behind that in the end."""
    message = re.split(r"\n\W*hint: ", errors)[0]
    lines = [line for each in message.splitlines() if (line := re.sub(r"^[^\w\[]+", "", each).strip())]
    lines = [line for line in lines if not line.startswith(_PROGRESS)]
    failed = [line.removeprefix("error: ") for line in lines if line.startswith(("error: ", "Failed to "))]
    causes = [line.partition(": ")[2] for line in lines if re.match(r"(cause|Caused by): ", line)]
    if not {"[stderr]", "[stdout]"}.isdisjoint(lines):  # the last line of what uv has run names the cause
        shown = [*failed[:1], lines[-1]]
    elif not failed:  # older versions print the causes as a tree, and wrap its lines
        shown = [" ".join(lines)]
    elif failed[0] == "No solution found when resolving dependencies":
        shown = causes[-1:]
    else:
        shown = [failed[0], *causes[-1:]]
    return ": ".join(dict.fromkeys(each.rstrip(".") for each in shown))


@contextmanager
def _locked(place: Path, interrupt: Interrupt) -> Iterator[None]:
    """Hold the directory of environments: one is built at a time; raises Interrupted while another process does."""
    descriptor = os.open(place, os.O_RDONLY | os.O_CLOEXEC)
    poll = select.poll()  # select() takes no descriptor beyond 1023
    poll.register(interrupt.fileno(), select.POLLIN)
    is_announced = False
    try:
        while True:
            try:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
                break
            except BlockingIOError:
                if not is_announced:
                    logger().info("environment.waiting", note=f"another process builds one in {place}")
                    is_announced = True
                if poll.poll(RETRY_S * 1000):
                    raise Interrupted from None
        yield
    finally:
        os.close(descriptor)
