"""The runner of the reference loop, which is timed in every round; a block without it still counts."""

from __future__ import annotations

from contextlib import suppress

from ..launch import Command, RunnerFailed, default_python
from ..launch.crew import Crew
from ..plan import REFERENCE

START_TIMEOUT_S = 120.0


class ReferenceLoop:
    """One runner more in a crew; `version` is that of the loop, and None once it has failed."""

    def __init__(self, crew: Crew) -> None:
        self._crew = crew
        self.version: int | None = None

    def start(self) -> None:
        """Start it."""
        with suppress(RunnerFailed):
            self._crew.start(REFERENCE, Command(default_python()))
            self._crew.send(REFERENCE, {"op": "reference"})
            self.version = self._crew.receive(REFERENCE, START_TIMEOUT_S)["version"]

    def time(self, round_number: int) -> None:
        """Let it run the loop once."""
        try:
            self._crew.ask(REFERENCE, round_number, START_TIMEOUT_S)
        except RunnerFailed:
            self.version = None  # nothing is told of it

    def walls_ns(self, rounds: int, timeout_s: float) -> list[int] | None:
        """Return the loop's time in each of so many rounds; None when it was not timed in all."""
        wall_ns: list[int] = []
        if self.version is not None:
            with suppress(RunnerFailed):
                wall_ns = self._crew.ask(REFERENCE, {"op": "trials"}, timeout_s)["wall_ns"]
        return wall_ns if len(wall_ns) == rounds else None
