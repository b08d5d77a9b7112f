"""The settings of a project: the table `[tool.orchestrator]` of the nearest pyproject.toml above the working directory.

Only the standard library is imported before something is wrong: every command with `--runs` reads the settings.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import BadInput

FILE = "pyproject.toml"
TABLE = ("tool", "orchestrator")
KEYS = ("runs", "ci", "measure")


@dataclass(frozen=True)
class Project:
    """The settings of a project; without a file there are none."""

    file: Path | None = None
    """The pyproject.toml, as seen from the working directory."""
    runs: Path | None = None
    """The directory that holds the runs, as seen from the working directory."""
    ci: tuple[Path, ...] = ()
    """The specs that `orchestrator ci` measures."""
    measure: Mapping[str, Any] = field(default_factory=dict)
    """The defaults of `measure` of every spec; `load` checks the values."""
    text: str = field(default="", repr=False)

    def where(self, *path: str) -> str:
        """Return `file:line` of a key below the table, or of its nearest parent."""
        line = _line(self.text, (*TABLE, *path))
        return f"{self.file}:{line}" if line else str(self.file)


def read() -> Project:
    """Return the settings for the working directory; raises BadInput with every key that is wrong."""
    here = Path.cwd()
    for directory in (here, *here.parents):
        try:
            content = (directory / FILE).read_bytes()
        except OSError:
            continue
        if b"orchestrator" in content:
            shown = Path(os.path.relpath(directory / FILE))
            text = content.decode("utf-8", "replace")
            table = _table(text, shown)
            if table is not None:
                return _checked(table, shown, text)
    return Project()


def _table(text: str, file: Path) -> object | None:
    """Return the table of a file; None if it has none, also if it is no TOML and does not name the table."""
    import tomllib

    try:
        data: Any = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        if ".".join(TABLE) not in text:
            return None
        place = re.search(r" \(at line (\d+), column (\d+)\)$", str(error))
        where = f"{file}:{place[1]}:{place[2]}" if place else str(file)
        what = str(error)[: place.start()] if place else str(error)
        raise BadInput(f"not TOML: {what}", where=where, remedy="correct the line") from error
    for part in TABLE:
        if not isinstance(data, dict) or part not in data:
            return None
        data = data[part]
    found: object = data
    return found


def _checked(table: object, file: Path, text: str) -> Project:
    """Return the settings that a table holds; raises BadInput with all that is wrong, a line each."""
    found = Project(file, text=text)
    problems = list(_problems(table, found))
    if problems:
        raise BadInput("\n".join(map(str, problems)))
    assert isinstance(table, dict)
    runs = _seen(file, table["runs"]) if "runs" in table else None
    ci = tuple(_seen(file, spec) for spec in table.get("ci", ()))
    return Project(file, runs, ci, table.get("measure", {}), text)


def _seen(file: Path, path: str) -> Path:
    """Return a path that is relative to the directory of a file as seen from the working directory."""
    return Path(os.path.normpath(file.parent / Path(path).expanduser()))


def _problems(table: object, found: Project) -> Iterator[BadInput]:
    shown = ".".join(TABLE)
    if not isinstance(table, dict):
        yield BadInput(f"{shown}: expected a table", where=found.where(), remedy=f"write [{shown}] and keys below it")
        return
    for key, value in table.items():
        where = found.where(key)
        if key not in KEYS:
            from .document import described
            from .problem import suggestion

            yield BadInput(f"{shown}: unknown key {described(key)}", where=where, remedy=suggestion(key, KEYS))
        elif wanted := _refused(key, value):
            yield BadInput(f"{shown}.{key}: expected {wanted[0]}", where=where, remedy=f"such as {wanted[1]}")


def _refused(key: str, value: object) -> tuple[str, str] | None:
    """Return what a key is to hold, and an example, where the value is something else."""
    if key == "runs":
        return None if _is_path(value) else ("a directory", '`runs = "build/runs"`')
    if key == "ci":
        is_list = isinstance(value, list) and all(map(_is_path, value))
        return None if is_list else ("a list of specs", '`ci = ["configs/cpu.yaml"]`')
    return None if isinstance(value, dict) else ("a table", '`measure = {max_time = "2m"}`')


def _is_path(value: object) -> bool:
    return isinstance(value, str) and bool(value) and "\0" not in value


_PART = r"""(?:[A-Za-z0-9_-]+|"[^"\n]*"|'[^'\n]*')"""
_DOTTED = rf"{_PART}(?:[ \t]*\.[ \t]*{_PART})*"
_LINE = re.compile(rf"[ \t]*(?:\[[ \t]*(?P<table>{_DOTTED})[ \t]*\]|(?P<key>{_DOTTED})[ \t]*=)")


def _line(text: str, path: Sequence[str]) -> int | None:
    """Return the line of a key or of its nearest parent; None if there is neither.

    It looks for lines that look like keys, since tomllib has no positions: a text over several lines may mislead it.
    """
    table: tuple[str, ...] = ()
    best, line = 0, None
    for number, written in enumerate(text.splitlines(), 1):
        if match := _LINE.match(written):
            parts = tuple(part.strip("\"'") for part in re.findall(_PART, match["table"] or match["key"]))
            table = parts if match["table"] else table
            full = parts if match["table"] else (*table, *parts)
            if best < len(full) <= len(path) and full == tuple(path[: len(full)]):
                best, line = len(full), number
    return line
