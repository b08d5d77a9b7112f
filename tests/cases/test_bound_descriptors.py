"""Methods that a descriptor of functools binds take the arguments that a call of them takes."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support.command import piloted, refused

BOUND = """import functools

class Acc:
    @functools.singledispatchmethod
    def add(self, n): return sum(range(n))
    @functools.singledispatchmethod
    @classmethod
    def of(cls, n): return sum(range(n))
    @functools.singledispatchmethod
    @staticmethod
    def plain(n): return sum(range(n))
    def between(self, low, high): return sum(range(low, high))
    upto = functools.partialmethod(between, 0)

acc = Acc()
"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "kinds.py").write_text(BOUND)
    return tmp_path


@pytest.mark.parametrize("call", ["acc.add", "acc.of", "acc.plain", "acc.upto"])
def test_a_method_that_a_descriptor_binds_is_measured(place: Path, call: str) -> None:
    assert piloted(f"kinds:{call}", "20000", cwd=place)["call"] == f"kinds:{call}"


@pytest.mark.parametrize("method", ["add", "between", "upto"])
def test_a_method_of_an_object_that_is_set_up_takes_arguments_by_position(place: Path, method: str) -> None:
    given = ["1", "20000"] if method == "between" else ["20000"]
    found = piloted(f"kinds:Acc.{method}", *given, "--setup", "kinds:Acc", cwd=place)
    assert found["call"] == f"kinds:Acc.{method}"


@pytest.mark.parametrize(("call", "setup"), [("acc.add", []), ("Acc.add", ["--setup", "kinds:Acc"])])
def test_a_singledispatchmethod_that_is_called_by_name_is_refused(place: Path, call: str, setup: list[str]) -> None:
    said = refused(place, f"kinds:{call}", "n=9", *setup)
    assert "chooses its code by the first positional argument (singledispatchmethod)" in said
    assert f"give its arguments by position: orchestrator advise kinds:{call} 9" in said


def test_a_singledispatchmethod_without_its_argument_names_that_alone(place: Path) -> None:
    assert "kinds:acc.add(n) does not take these arguments" in refused(place, "kinds:acc.add", "1", "2")
