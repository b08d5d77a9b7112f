"""Where a run comes from: the command, the versions, the commit, and the hash of its spec."""

from __future__ import annotations

import hashlib
import json
import platform
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ..analysis.stats import STATS_VERSION
from ..interpreters.identity import differences
from ..interpreters.probe import Probed
from ..journal.raw_events import ItemsRead, RunStarted
from ..release import commit, package_version, release
from ..spec.plan import Plan, canonical
from .share import Share

PACKAGES = ("anyio", "numpy", "pydantic")


def run_started(
    plan: Plan, seed: int, identity: Mapping[str, str], environments: dict[str, list[str]], share: Share
) -> RunStarted:
    """Return the first event of a new run."""
    return RunStarted(
        **origin(plan, seed, share),
        spec=json.dumps(plan.experiment.resolved(), ensure_ascii=False),
        effective_cores=plan.cores,
        level_split=plan.level_split,
        identity=dict(identity),
        commit=commit(),
        environments=environments,
        items=recorded_items(plan),
    )


def origin(plan: Plan, seed: int, share: Share) -> dict[str, Any]:
    """Return the fields that `run.started` and `run.resumed` share."""
    return {
        "experiment": plan.experiment.name,
        "spec_sha256": _spec_sha256(plan),
        "seed": seed,
        "command": list(share.command) or sys.argv,
        "most_s": share.most_s,
        "cwd": str(Path.cwd()),
        "versions": {
            "python": platform.python_version(),
            "orchestrator": release(),
            **{name: package_version(name) for name in PACKAGES},
        },
    }


def identity(plan: Plan, probed: Probed) -> dict[str, str]:
    """Return what the results of a plan depend on beside its spec: this program, what was probed, the items."""
    program = f"orchestrator {package_version('orchestrator')}, statistics {STATS_VERSION}"
    return {"program": program, **probed.identity, **items(plan)}


def items(plan: Plan) -> dict[str, str]:
    """Return the part of a run's identity that the items of its workload are, if there are any."""
    digests = [each["digest"] for each in recorded_items(plan)]
    return {"items": " ".join(digests)} if digests else {}


def recorded_items(plan: Plan) -> list[ItemsRead]:
    """Return the items of all batches without their data, as `run.started` has them."""
    found: list[ItemsRead] = []
    for point in plan.points:
        if point.items:
            about: Any = {name: value for name, value in vars(point.items).items() if name != "data"}
            if about not in found:
                found.append(about)
    return found


def changed(started: Mapping[str, Any], plan: Plan, identity: Mapping[str, str]) -> list[str]:
    """Return what differs from the run with this `run.started`: the names of parts of its identity."""
    then = {"spec": started["spec_sha256"], **started["identity"]}
    return differences({"spec": _spec_sha256(plan), **identity}, then)


def _spec_sha256(plan: Plan) -> str:
    return hashlib.sha256(canonical(plan.experiment.resolved()).encode()).hexdigest()
