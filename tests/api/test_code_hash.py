"""The identity of functions that no module has: the same for the same code, another for another."""

from __future__ import annotations

import functools
import subprocess
import sys
import textwrap
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.api.code_hash import code_hash

COUNTER = """
def helper(n):
    return n + STEP

STEP = 1

class Counter:
    def __init__(self, start=0): self.start = start
    def count(self, n): return sum(range(self.start, n))

def make(power):
    def inner(n, *, by=2): return [helper(each ** power) for each in range(n)]
    return inner

work = make(2)
bound = Counter(1).count
"""


def defined(source: str, name: str = "work") -> Any:
    """Return an object of a source, as if it had been typed into a notebook."""
    scope: dict[str, Any] = {"__name__": "__main__"}
    exec(compile(source, "<cell>", "exec", dont_inherit=True), scope)
    return scope[name]


def test_the_place_of_a_definition_is_no_part_of_its_identity() -> None:
    assert code_hash(defined(COUNTER)) == code_hash(defined("\n\n\n" + COUNTER))


def test_another_process_gives_the_same_hash() -> None:
    code = f"scope = {{'__name__': '__main__'}}; exec({COUNTER!r}, scope)\n" + textwrap.dedent("""
        from orchestrator.api.code_hash import code_hash
        print(code_hash(scope["work"]), code_hash(scope["bound"]))
    """)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split() == [code_hash(defined(COUNTER)), code_hash(defined(COUNTER, "bound"))]


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("each ** power", "each * power"),
        ("make(2)", "make(3)"),
        ("by=2", "by=3"),
        ("STEP = 1", "STEP = 2"),
        ("n + STEP", "n - STEP"),
    ],
    ids=["code", "closure", "default", "global", "code of a function that it calls"],
)
def test_a_change_of_what_is_run_changes_the_hash(old: str, new: str) -> None:
    assert code_hash(defined(COUNTER)) != code_hash(defined(COUNTER.replace(old, new)))


@pytest.mark.parametrize(("old", "new"), [("Counter(1)", "Counter(2)"), ("sum(range", "max(range")])
def test_the_object_of_a_method_and_its_class_are_part_of_it(old: str, new: str) -> None:
    assert code_hash(defined(COUNTER, "bound")) != code_hash(defined(COUNTER.replace(old, new), "bound"))


def recursive(n: int) -> int:
    return recursive(n - 1) if n else 0


@pytest.mark.parametrize(
    "function",
    [recursive, functools.partial(recursive, 3), lambda: 1, len, functools.lru_cache(lambda: 2), [1, {"a": {2, 3}}]],
)
def test_anything_has_a_hash(function: Callable[..., Any]) -> None:
    assert len(code_hash(function)) == 12


def test_an_object_that_refers_to_itself_has_a_hash() -> None:
    own: list[Any] = []
    own.append(own)
    assert code_hash(functools.partial(print, own))
