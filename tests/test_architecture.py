"""The rooms of the package: what docs/architecture.md says each imports is what its code imports, one way."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGE = ROOT / "orchestrator"
FOR_ALL = {"errors", "log", "text", "units", "jsonl", "files", "extras", "cache"}
LONGEST_FILE, LONGEST_FUNCTION = 400, 60
WITH_THE_WORLD = {"os", "subprocess", "socket", "signal", "time", "tempfile", "shutil", "threading", "asyncio", "anyio"}


def told() -> dict[str, set[str]]:
    """Return the table of the page: the rooms from the top down, with what each imports."""
    rows = re.findall(r"^\| `(\w+)` \|.*\| (.*) ?\|$", (ROOT / "docs" / "architecture.md").read_text(), re.MULTILINE)
    return {room: set(re.findall(r"`(\w+)`", imports)) for room, imports in rows}


TOLD = told()


def files(room: str) -> list[Path]:
    return sorted((PACKAGE / room).rglob("*.py")) or [PACKAGE / f"{room}.py"]


def imported(file: Path) -> Iterator[tuple[str, str]]:
    """Yield ("ours", room) and ("theirs", package) for each import of a file, wherever it stands."""
    package = ["orchestrator", *file.relative_to(PACKAGE).parent.parts]
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            yield from (("theirs", name.name.partition(".")[0]) for name in node.names)
        elif isinstance(node, ast.ImportFrom):
            within = package[: len(package) + 1 - node.level] if node.level else []
            base = [*within, *(node.module or "").split(".")] if within else []
            if not base:
                yield "theirs", (node.module or "").partition(".")[0]
            for name in node.names if base else ():
                yield "ours", next(filter(None, [*base[1:], name.name]))


@pytest.mark.parametrize("room", TOLD)
def test_a_room_imports_what_the_page_says(room: str) -> None:
    rooms = {name for file in files(room) for kind, name in imported(file) if kind == "ours"}
    assert rooms - FOR_ALL - {room} == TOLD[room]


def test_a_room_imports_only_what_stands_above_it() -> None:
    rooms = list(TOLD)
    assert {room: imports - set(rooms[:place]) for place, (room, imports) in enumerate(TOLD.items())} == {
        room: set() for room in rooms
    }


def test_the_page_names_every_room() -> None:
    there = {path.stem for path in PACKAGE.iterdir() if path.suffix == ".py" or (path / "__init__.py").exists()}
    assert there - {"__init__", "__main__"} == TOLD.keys() | FOR_ALL


@pytest.mark.parametrize("room", ["plan", "inference", "verdicts"])
def test_a_pure_room_does_nothing_to_the_world(room: str) -> None:
    assert {name for file in files(room) for kind, name in imported(file) if kind == "theirs"}.isdisjoint(
        WITH_THE_WORLD
    )


def test_the_runner_imports_nothing_else_of_the_package() -> None:
    assert {name for file in files("runner") for kind, name in imported(file) if kind == "ours"} == {"runner"}


def test_files_and_functions_stay_short() -> None:
    for file in PACKAGE.rglob("*.py"):
        text = file.read_text()
        assert text.count("\n") <= LONGEST_FILE, file
        for node in ast.walk(ast.parse(text)):
            if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                assert (node.end_lineno or 0) - node.lineno < LONGEST_FUNCTION, (file, node.name)
