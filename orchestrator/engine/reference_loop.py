"""The runner of the reference loop, which every round times; a block without it still counts."""

from __future__ import annotations

from contextlib import suppress

from ..spec.plan import REFERENCE
from ..supervisor.group import RunnerGroup
from ..supervisor.process import Command, RunnerFailed, default_python

START_TIMEOUT_S = 120.0


class ReferenceLoop:
    """One more runner of a block; `version` is that of the loop, and None once the runner has failed."""

    def __init__(self, runner_group: RunnerGroup) -> None:
        self._runner_group = runner_group
        self.version: int | None = None

    def start(self) -> None:
        """Start the runner."""
        with suppress(RunnerFailed):
            self._runner_group.start(REFERENCE, Command(default_python()))
            self._runner_group.send(REFERENCE, {"op": "reference"})
            self.version = self._runner_group.receive(REFERENCE, START_TIMEOUT_S)["version"]

    def time(self, round_number: int) -> None:
        """Time the loop once."""
        try:
            self._runner_group.ask(REFERENCE, round_number, START_TIMEOUT_S)
        except RunnerFailed:
            self.version = None  # it is left out of the block

    def walls_ns(self, rounds: int, timeout_s: float) -> list[int] | None:
        """Return the loop's time in each round; None when it was not timed in all of them."""
        wall_ns: list[int] = []
        if self.version is not None:
            with suppress(RunnerFailed):
                wall_ns = self._runner_group.ask(REFERENCE, {"op": "trials"}, timeout_s)["wall_ns"]
        return wall_ns if len(wall_ns) == rounds else None
