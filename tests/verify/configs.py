"""Specs of configs/ run through the real command line, and what such a run printed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tests.support.paths import ROOT


@dataclass(frozen=True)
class Ran:
    """What a command of the program did: its status, its events, what it wrote to stderr last, and its time."""

    at: str
    status: int
    events: list[dict[str, Any]]
    error: str
    elapsed_s: float

    def of(self, name: str) -> list[dict[str, Any]]:
        """Return the events of that name."""
        return [event for event in self.events if event["event"] == name]


def run_config(spec: str, runs: Path, overrides: Sequence[str] = ()) -> Ran:
    """Run a spec, a path from the repository's root, as its users do; it waits for another run on the machine."""
    return program(["run", spec, *overrides, "--runs", str(runs), "--fresh", "--wait", "1h"])


def program(words: Sequence[str], environ: Mapping[str, str] | None = None) -> Ran:
    """Run the program in the repository."""
    at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    begun = time.perf_counter()
    command = [sys.executable, "-m", "orchestrator", *words]
    env = {**os.environ, **(environ or {})}
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    elapsed_s = round(time.perf_counter() - begun, 2)
    events = [json.loads(line) for line in done.stdout.splitlines()]
    return Ran(at, done.returncode, events, (done.stderr.strip().splitlines() or [""])[-1], elapsed_s)
