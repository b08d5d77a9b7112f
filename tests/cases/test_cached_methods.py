"""The remedy for a function that keeps its results works as it is printed, for each kind of callable."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from tests.support.command import piloted, refused

CACHED = """import functools

class Grid:
    @functools.lru_cache(maxsize=None)
    def cell(self, n): return sum(range(n))
    @functools.cache
    def row(self, n): return sum(range(n))
    @classmethod
    @functools.cache
    def size(cls, n): return sum(range(n))
    @staticmethod
    @functools.cache
    def edge(n): return sum(range(n))

grid = Grid()
cell = grid.cell
part = functools.partial(grid.row, 20_000)
"""


@pytest.mark.parametrize("call", ["cell", "grid.row", "Grid.size", "grid.size", "Grid.edge", "part"])
def test_a_remedy_for_a_cached_method_can_be_measured(tmp_path: Path, call: str) -> None:
    (tmp_path / "mine.py").write_text(CACHED)
    given = [] if call == "part" else ["n=20_000"]
    said = refused(tmp_path, f"mine:{call}", *given)
    (remedy,) = re.findall(r"`(def fresh.*?)`", said)
    with (tmp_path / "mine.py").open("a") as file:
        file.write(f"{remedy}\n")
    found = piloted("mine:fresh", *(given or ["n=20_000"]), cwd=tmp_path)
    assert found["call"] == "mine:fresh"


def test_a_cached_method_whose_object_is_set_up_gets_another_method_as_remedy(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(CACHED)
    said = refused(tmp_path, "mine:Grid.cell", "n=20_000", "--setup", "mine:Grid")
    (remedy,) = re.findall(r"name a method that computes them, such as `(def fresh.*?)`", said)
    (tmp_path / "mine.py").write_text(CACHED.replace("grid = ", f"    {remedy}\ngrid = "))
    found = piloted("mine:Grid.fresh", "n=20_000", "--setup", "mine:Grid", cwd=tmp_path)
    assert found["call"] == "mine:Grid.fresh"
