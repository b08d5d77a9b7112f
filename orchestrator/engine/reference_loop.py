"""The runner of the reference loop, which is timed in every round; a block without it still counts."""

from __future__ import annotations

from contextlib import suppress

from ..spec.plan import REFERENCE
from ..supervisor.group import RunnerGroup
from ..supervisor.process import Command, RunnerFailed, default_python

START_TIMEOUT_S = 120.0


class ReferenceLoop:
    """One runner more in a runner_group; `version` is that of the loop, and None once it has failed."""

    def __init__(self, runner_group: RunnerGroup) -> None:
        self._runner_group = runner_group
        self.version: int | None = None

    def start(self) -> None:
        """Start it."""
        with suppress(RunnerFailed):
            self._runner_group.start(REFERENCE, Command(default_python()))
            self._runner_group.send(REFERENCE, {"op": "reference"})
            self.version = self._runner_group.receive(REFERENCE, START_TIMEOUT_S)["version"]

    def time(self, round_number: int) -> None:
        """Let it run the loop once."""
        try:
            self._runner_group.ask(REFERENCE, round_number, START_TIMEOUT_S)
        except RunnerFailed:
            self.version = None  # nothing is told of it

    def walls_ns(self, rounds: int, timeout_s: float) -> list[int] | None:
        """Return the loop's time in each of so many rounds; None when it was not timed in all."""
        wall_ns: list[int] = []
        if self.version is not None:
            with suppress(RunnerFailed):
                wall_ns = self._runner_group.ask(REFERENCE, {"op": "trials"}, timeout_s)["wall_ns"]
        return wall_ns if len(wall_ns) == rounds else None
