"""The plan of the spec that a command is given."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..cluster.scheduler import Cluster
    from ..spec.load import Source
    from ..spec.plan import Plan


def load_plan(config: Path, overrides: list[str] | None, cluster: Cluster | None = None) -> tuple[Plan, Source]:
    """Return the plan of a spec for this machine, or for the hosts of a cluster; raises BadInput."""
    from ..spec.load import load
    from ..spec.problem import Problem

    experiment, source = load(config, overrides or [])
    # imported after the spec is read: an error in it is then reported at once
    from ..machine.host import effective_cores, keep_to
    from ..spec.expand import plan_experiment

    if cluster:
        cores = cluster.cores()
    elif experiment.limits.cpus and (missing := keep_to(experiment.limits.cpus)):
        place = ("limits", "cpus", experiment.limits.cpus.index(missing[0]))
        raise source.failure(
            Problem(place, f"no processor {missing[0]} to run on here", "name those of `taskset -p $$`")
        )
    else:
        cores = effective_cores()
    try:
        return plan_experiment(experiment, cores), source
    except Problem as problem:
        raise source.failure(problem) from problem
