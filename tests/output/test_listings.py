"""The JSON lines of commands that measure nothing fit their published schema."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.cli import doctor
from tests.support.command import WORKLOADS, events, in_process
from tests.support.event_schema import validator


@pytest.mark.parametrize(
    ("command", "event"),
    [
        (("models",), "model.listed"),
        (("doctor",), "machine.examined"),
        (("advise", "mine.py"), "function.listed"),
    ],
    ids=["models", "doctor", "advise"],
)
def test_every_line_that_it_prints_fits_the_schema(
    command: tuple[str, ...], event: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(doctor, "LOOK_S", 0.01)
    (tmp_path / "mine.py").write_text(WORKLOADS)
    lines = events(in_process(*command, "--format", "json", cwd=tmp_path).stdout)
    assert {line["event"] for line in lines} == {event}
    for line in lines:
        validator("listings").validate(line)
