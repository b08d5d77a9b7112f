"""`make verify-accounts ARGS=advice`: take the advice of the shipped configs, and see whether it helps.

Each piece of advice is tried: a model of the same contest is compared there, and what the printed command adds is run.
The table goes to docs/method.md.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator import units
from orchestrator.analysis.contest import Contest
from orchestrator.analysis.results import fold
from orchestrator.analysis.stats import Ratio, compare
from orchestrator.journal.read import EVENTS_FILE, Records
from tests.support.paths import ROOT

from .measure import workplace

SMALL = ("kwargs.outer=1", "kwargs.inner=100", "tasks=4000")
CASES: tuple[tuple[str, tuple[str, ...]], ...] = (
    *((config, ()) for config in ("compress", "cpu", "http", "identity", "images", "io", "mixed", "tutorial")),
    ("io", ("matrix.workers=[1]",)),
    ("io", ("models=[sequential]",)),
    ("cpu", ("models=[sequential, event_loop, threads]",)),
    ("cpu", (*SMALL, "models=[sequential, processes]")),
)
HEADER = ("| config | variant | why | advice | gain |", "|---|---|---|---|---|")


def rows() -> Iterator[str]:
    """Yield the table, a row for each variant that is given advice."""
    yield from HEADER
    with workplace() as directory:
        for config, overrides in CASES:
            contests, explained = _run(Path(directory), config, overrides)
            for event in explained:
                if event["advice"]:
                    gain = _gain(Path(directory), config, overrides, contests[event["point"]], event)
                    shown = units.ratio(gain.value, gain.low, gain.high) if gain else "not ours to try"
                    name = config if len(contests) == 1 else event["point"]
                    asked = " ".join([name, *(f"`{override}`" for override in overrides)])
                    tried = "".join(f"; `{override}`" for override in event["try_overrides"])
                    yield f"| {asked} | {event['variant']} | {event['why']} | {event['advice']}{tried} | {shown} |"
                    print(config, event["variant"], event["advice"], event["try_overrides"], shown, flush=True)


def _run(directory: Path, config: str, overrides: Sequence[str]) -> tuple[dict[str, Contest], list[Mapping[str, Any]]]:
    """Run a shipped config, and return the contest of each point and the explanations."""
    free = ["expect=[]"] if overrides else []
    command = [sys.executable, "-m", "orchestrator", "run", f"configs/{config}.yaml", *overrides, *free]
    done = subprocess.run(
        [*command, "--fresh", "--runs", str(directory)], cwd=ROOT, capture_output=True, text=True, check=False
    )
    if done.returncode not in (0, 4):
        raise RuntimeError(f"{config}: status {done.returncode}: {done.stderr.strip()}")
    results = fold(Records(directory / config / "latest" / EVENTS_FILE))
    contests = {contest.point.label: contest for contest in results.contests}
    return contests, [event.fields() for event in results.derived if event.event == "variant.explained"]


def _gain(
    directory: Path, config: str, overrides: Sequence[str], contest: Contest, event: Mapping[str, Any]
) -> Ratio | None:
    """Return how many times as fast the batch is with the advice taken."""
    tried = list(event["try_overrides"])
    if not tried:
        found = re.match(r"use `([^`]+)`", event["advice"])
        return _ratio(contest, found[1], event["variant"]) if found and found[1] in contest.variants else None
    again, _ = _run(directory, config, [*overrides, *tried, "measure.blocks=8"])
    same = again[contest.point.label]
    before, after = _sides(same, contest, event, tried[0])
    return _ratio(same, after, before)


def _sides(again: Contest, contest: Contest, event: Mapping[str, Any], override: str) -> tuple[str, str]:
    """Return the variant that was given advice, and the one that takes it, as the new run names them."""
    name, _, value = override.partition("=")
    if name == "models":
        (added,) = [label for label in again.variants if label not in contest.variants]
        return event["variant"], added
    axis = name.removeprefix("matrix.")
    before, after = json.loads(value)
    own = {v.columns.get(axis): label for label, v in again.variants.items() if v.model == event["model"]}
    return own[before], own[after]


def _ratio(contest: Contest, label: str, other: str) -> Ratio | None:
    return compare([block.walls for block in contest.counting], label, other, contest.look_level)
