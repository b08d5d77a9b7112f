"""Calls that return exceptions in the place of values are refused, or said first of all."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import findings, refused

RETURNING = """import asyncio

def look(host): raise ConnectionError(f"host not found: {host}")
def fetch(n):
    try: look("db.internal")
    except Exception as error: return error
async def afetch(n):
    await asyncio.sleep(0)
    return fetch(n)
async def alook(host): look(host)
async def gathers(n): return await asyncio.gather(*map(alook, "ab"), return_exceptions=True)
def by_name(n): return {"a": 1, "b": fetch(n)}
def pairs(n): return [("a", 1), ("b", fetch(n))]
def some(n): return n if n % 2 else fetch(n)
def makes(n): return ValueError(n)
def none(n): return [n]
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(RETURNING)
    return tmp_path


@pytest.mark.parametrize("function", ["fetch", "afetch"])
def test_calls_that_all_return_what_they_caught_are_refused(place: Path, function: str) -> None:
    said = refused(place, f"mine:{function}", "n=1")
    assert f"calls of mine:{function} returned an exception (ConnectionError: host not found: db.internal at " in said
    assert "raise it, or give arguments with which calls succeed" in said


@pytest.mark.parametrize(
    ("function", "what"),
    [
        ("gathers", "a list that holds an exception (ConnectionError: host not found: a at mine.py:3)"),
        ("by_name", "a dict that holds an exception (ConnectionError: "),
        ("pairs", "a list that holds an exception (ConnectionError: "),
        ("makes", "an exception (ValueError: 1)"),
    ],
)
def test_results_with_exceptions_are_said_first_of_all(place: Path, function: str, what: str) -> None:
    said = findings(f"mine:{function}", "n=1", cwd=place)
    assert said.startswith(f"Each call returned {what}")
    assert "the figures are those of the failure" in said


def test_items_whose_calls_return_exceptions_are_counted(place: Path) -> None:
    said = findings("mine:some", "--items", "range:0:10", cwd=place)
    assert " of 11 calls returned an exception (ConnectionError: " in said.partition(". Which")[0]
    assert "the figures are partly those of the failure" in said


def test_results_without_exceptions_are_not_said_to_be_failures(place: Path) -> None:
    assert "the failure" not in findings("mine:none", "n=1", cwd=place)
