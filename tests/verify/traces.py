"""Recorded blocks of the same code twice, and contests replayed from them: rates that need no machine.

A replay takes consecutive blocks from a place chosen by a seed, so that what lasts over several blocks stays as it was.
The sides of each block may be swapped, since they are the same code; an effect multiplies the times of one side.
"""

from __future__ import annotations

import gzip
import json
import random
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from orchestrator.analysis import decide
from orchestrator.analysis.contest import Contest
from orchestrator.analysis.fold import add_event
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from orchestrator.spec.plan import Plan

FILE = Path(__file__).with_name("traces.json.gz")

Block = tuple[Sequence[int], Sequence[int]]
"""The times of both sides in one block, us, one per round."""


def record(journals: Iterable[Path]) -> list[list[list[int]]]:
    """Return the blocks of all these runs of the control `same`, in order."""
    found = []
    for journal in journals:
        times: dict[int, dict[str, list[int]]] = {}
        for line in journal.read_text().splitlines():
            event = json.loads(line)
            if event["event"] == "trial.finished":
                sides = times.setdefault(event["block"], {"a": [], "b": []})
                sides[event["variant"]].append(round(event["wall_ns"] / 1e3))
        found += [[sides["a"], sides["b"]] for sides in times.values() if len(sides["a"]) == len(sides["b"])]
    return found


def write(traces: Mapping[str, Sequence[Any]]) -> None:
    """Store traces by the load under which they were recorded."""
    FILE.write_bytes(gzip.compress(json.dumps(traces, separators=(",", ":")).encode(), mtime=0))


def read() -> dict[str, list[Block]]:
    """Return the stored traces by load."""
    stored: dict[str, list[Block]] = json.loads(gzip.decompress(FILE.read_bytes()))
    return stored


def pair() -> Plan:
    """Return the plan of a contest of two: `a`, and `b`, the baseline."""
    models = [{"model": "sequential", "label": label} for label in "ab"]
    value = {"name": "replay", "workload": {"call": "m:f"}, "models": models, "baseline": "b"}
    return plan_experiment(Experiment.model_validate(value), cores=2)


def replay(planned: Plan, trace: Sequence[Block], seed: int, effect: float = 1.0) -> Contest:
    """Return a contest at its end, as a run would have come to it; `b` takes `effect` times as long as recorded."""
    dice = random.Random(seed)
    first = dice.randrange(len(trace))
    contest = Contest(planned, planned.points[0])
    number = 0
    while decide.next_look(contest) and not decide.is_decided(contest):
        sides = trace[(first + number) % len(trace)]
        _add(contest, number, sides, effect, dice)
        number += 1
        if decide.is_look_due(contest):
            # the fold judges by itself; that it differs from the look of no journal is of no interest here
            add_event(contest, {"event": "look.taken", "blocks": len(contest.blocks), "best": None})
    return contest


def _add(contest: Contest, number: int, sides: Block, effect: float, dice: random.Random) -> None:
    add_event(contest, {"event": "block.started", "block": number})
    if dice.random() < 0.5:
        sides = sides[1], sides[0]
    for a, b in zip(*sides, strict=True):
        for variant, wall_us in (("a", a), ("b", b * effect)):
            wall_ns = round(wall_us * 1e3)
            add_event(contest, {"event": "trial.finished", "variant": variant, "wall_ns": wall_ns, "cpu_ns": wall_ns})
    quiet = {"free_cores": 2.0, "steal_share": 0.0, "pressure": 0.0, "unchecked": [], "check_failed": []}
    quiet |= dict.fromkeys(("elapsed_ns", "starting_ns", "warming_ns", "trials_ns"), 0)
    add_event(contest, {"event": "block.finished", "block": number, **quiet})
