"""Which executable a spec's `python` means."""

from __future__ import annotations

import sys
from pathlib import Path

from orchestrator.interpreters.find import resolve


def test_no_python_asked_for_is_this_one() -> None:
    assert resolve(None) == sys.executable


def test_a_python_can_be_named_by_its_path() -> None:
    assert resolve(sys.executable) == sys.executable


def test_a_python_that_is_not_there_is_not_found(tmp_path: Path) -> None:
    assert resolve(str(tmp_path / "python")) is None
    assert resolve("9.98") is None
