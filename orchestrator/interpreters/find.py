"""Find interpreters: the executable for a version or path, all that are installed, and how to get others."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

from ..extras import installing
from ..runner.problem import Problem

OLDEST = (3, 10)  # the oldest Python that the runner supports
MINORS = range(10, 20)  # minor versions of Python 3 that are searched on the path
PATIENCE_S = 10.0

_REPORT = """
import sys
print("%d %d %d %d %s" % (sys.version_info[:3] + ("free-threading" not in sys.version, sys.executable)))
"""
# nothing else is imported: the working directory may have a module of that name


@dataclass(frozen=True)
class Interpreter:
    """A working interpreter: its executable, its version, and whether it was built with a GIL."""

    path: str
    version: tuple[int, ...]
    gil: bool

    def fits(self, request: str) -> bool:
        """Return whether it is of a version such as `3.13`, `3.13.5` or `3.13t`."""
        wanted = tuple(map(int, request.removesuffix("t").split(".")))
        return self.version[: len(wanted)] == wanted and self.gil != request.endswith("t")

    def __str__(self) -> str:
        return f"{'.'.join(map(str, self.version))}{'' if self.gil else 't'} ({self.path})"


def is_version(request: str) -> bool:
    """Return whether a version is asked for, such as `3.13t`, and not a path."""
    return re.fullmatch(r"\d+(\.\d+){0,2}t?", request) is not None


def resolve(request: str | None) -> str | None:
    """Return the executable of a version such as `3.13t`, or of a path, or this one's for None; None if not found.

    The path is searched first, then pyenv's and uv's, the newest first. Nothing is downloaded.
    """
    if request is None:
        return sys.executable
    if is_version(request):
        return _on_path(request) or _elsewhere(request)
    path = Path(request).expanduser()
    return str(path.absolute()) if path.is_file() and os.access(path, os.X_OK) else shutil.which(request)


def installed() -> list[Interpreter]:
    """Return every interpreter that the runner can use: on the path, of pyenv, and of uv; each one once, sorted."""
    found: dict[str, Interpreter] = {}
    asked: set[str] = set()
    for candidate in _candidates():
        if (own := _own(candidate)) in asked and not _is_script(own):
            continue
        asked.add(own)
        interpreter = inspect(candidate)
        if interpreter and interpreter.version >= OLDEST:
            found.setdefault(_own(interpreter.path), interpreter)
    return sorted(found.values(), key=lambda each: (each.version, not each.gil))


def inspect(python: str) -> Interpreter | None:
    """Return what an executable reports about itself; None if it is no Python, or does not run."""
    try:
        done = _run([python, "-S", "-E", "-c", _REPORT])
        major, minor, patch, gil, path = os.fsdecode(done.stdout).rstrip("\n").split(" ", 4)
        return Interpreter(path, (int(major), int(minor), int(patch)), gil == "1")
    except (OSError, subprocess.TimeoutExpired, ValueError):
        return None


def _run(command: list[str]) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, timeout=PATIENCE_S, check=False)


def missing(request: str) -> Problem:
    """Return the problem that no interpreter fits `request`: it names the installed ones, and how to get others."""
    there = ", ".join(map(str, installed()))
    what = f'no interpreter "{request}" here' + (f", only {there}" if there else "")
    if not is_version(request):
        return Problem("interpreter_missing", what, "name one of these, as a version or by its path")
    install = f"{uv() or f'{how_to_get_uv()} && uv'} python install {request}"
    remedy = f"get it with `{install}`, or name another, as a version or by its path"
    return Problem("interpreter_missing", what, remedy)


def uv() -> str | None:
    """Return the program uv: that of its package, or else the one on the path."""
    try:
        from uv import find_uv_bin

        return str(find_uv_bin())
    except (ImportError, FileNotFoundError):
        return shutil.which("uv")


def how_to_get_uv() -> str:
    """Return the command that installs uv into this environment."""
    return installing("uv")


def unfit(python: str) -> Problem | None:
    """Return why an executable can't be an interpreter of runners; None if it can."""
    interpreter = inspect(python)
    if interpreter is None:
        return Problem("not_python", f"{python} is no Python interpreter", "name one, such as .venv/bin/python")
    if interpreter.version < OLDEST:
        what = f"{python} is Python {'.'.join(map(str, interpreter.version[:2]))}, too old to measure in"
        return Problem("python_too_old", what, f"name one of {'.'.join(map(str, OLDEST))} or newer")
    return None


def _own(file: str) -> str:
    """Return the identity of an executable: its file, or the environment that it belongs to."""
    environment = Path(file).absolute().parent.parent
    return str(environment) if (environment / "pyvenv.cfg").is_file() else os.path.realpath(file)


def _on_path(request: str) -> str | None:
    """Return the first `python<request>` on the path; of scripts, such as pyenv's, one that has the version."""
    for file in _named(f"python{request}"):
        if not _is_script(file):
            return file
        interpreter = inspect(file)
        if interpreter and interpreter.fits(request):
            return interpreter.path  # not the script, which starts more slowly than the interpreter itself
    return None


def _elsewhere(request: str) -> str | None:
    """Return the newest of pyenv's and uv's that fits; only those with a fitting name are started."""
    interpreters = map(inspect, [*_of_pyenv(request.removesuffix("t")), *_of_uv(request)])
    fitting = [each for each in interpreters if each and each.fits(request)]
    return max(fitting, key=lambda each: each.version).path if fitting else None


def _candidates() -> Iterator[str]:
    yield sys.executable
    for minor in MINORS:
        yield from (*_named(f"python3.{minor}"), *_named(f"python3.{minor}t"))
    yield from _of_pyenv()
    yield from _of_uv()


def _of_pyenv(version: str = "") -> list[str]:
    pyenv = Path(os.environ.get("PYENV_ROOT") or Path(os.environ.get("HOME", "/")) / ".pyenv")
    return [str(file) for file in sorted(pyenv.glob(f"versions/{version}*/bin/python3"))]


def _named(name: str) -> Iterator[str]:
    """Yield the executables of that name in all directories of the path."""
    for directory in os.get_exec_path():
        file = Path(directory, name).absolute()
        if file.is_file() and os.access(file, os.X_OK):
            yield str(file)


def _is_script(file: str) -> bool:
    with suppress(OSError), Path(file).open("rb") as opened:
        return opened.read(2) == b"#!"
    return False


def _of_uv(request: str | None = None) -> Iterator[str]:
    """Yield the interpreters that uv has installed: all, or those of a version."""
    program = uv()
    if program is None:
        return
    asked = [program, "python", "list", "--only-installed", "--python-preference", "only-managed"]
    asked += ["--output-format", "json", *([request] if request else [])]
    with suppress(OSError, subprocess.TimeoutExpired, ValueError, KeyError):
        done = _run(asked)
        yield from [each["path"] for each in json.loads(done.stdout) if each["path"]]
