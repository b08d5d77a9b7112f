"""Running the controls through the real command line, in turn."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml

from tests.support.paths import ROOT

from .cases import Case
from .records import Record


def run(case: Case, load: int, directory: Path, overrides: Sequence[str] = ()) -> Record:
    """Run one control and return what came of it; `elapsed_s` is that of the whole command.

    Raises RuntimeError with what the program said when it ended with another status than 0.
    """
    spec = directory / f"{case.name}.yaml"
    spec.write_text(yaml.safe_dump({"name": case.name, **case.spec}))
    command = [sys.executable, "-m", "orchestrator", "run", str(spec), *overrides, "--runs", str(directory / "runs")]
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    elapsed_s = time.perf_counter() - begun
    if done.returncode:
        raise RuntimeError(f"{case.name}: status {done.returncode}: {done.stderr.strip()}")
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    return _record(case, load, lines, elapsed_s, list(_journal(directory, case)))


def _journal(directory: Path, case: Case) -> Iterator[dict[str, Any]]:
    file = directory / "runs" / case.name / "latest" / "events.jsonl"
    yield from (json.loads(line) for line in file.read_text().splitlines())


def _record(
    case: Case, load: int, lines: list[dict[str, Any]], elapsed_s: float, events: list[dict[str, Any]]
) -> Record:
    reached = next(line for line in lines if line["event"] == "verdict.reached")
    compared = next(line for line in lines if line["event"] == "variant.compared" and line["variant"] == "a")
    blocks = [event for event in events if event["event"] == "block.finished"]
    steal = [block["steal_share"] for block in blocks if block["steal_share"] is not None]
    loads = [event["load_1m"] for event in events if event["event"] == "context.sampled"]
    return Record(
        case=case.name,
        load=load,
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        run_id=reached["run_id"],
        verdict=reached["verdict"],
        winners=reached["winners"],
        ratio=compared["speedup"],
        low=compared["speedup_low"],
        high=compared["speedup_high"],
        blocks=reached["blocks"],
        elapsed_s=round(elapsed_s, 2),
        at_this_load=reached["at_this_load"],
        warnings=reached["warnings"],
        load_1m=loads[-1] if loads else None,
        steal_share=round(sum(steal) / len(steal), 4) if steal else None,
    )


def workplace() -> tempfile.TemporaryDirectory[str]:
    """Return a directory for the runs of the controls, for a `with`."""
    return tempfile.TemporaryDirectory(prefix="orchestrator-verify-")
