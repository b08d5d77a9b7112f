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
    from ..runner.problem import Problem
    from ..spec.load import load
    from ..spec.problem import SpecProblem

    experiment, source = load(config, overrides or [])
    # imported after the spec is read: an error in it is then reported at once
    from ..machine.host import effective_cores, keep_to
    from ..spec.expand import plan_experiment

    if cluster:
        cores = cluster.cores()
    elif experiment.limits.cpus and (missing := keep_to(experiment.limits.cpus)):
        place = ("limits", "cpus", experiment.limits.cpus.index(missing[0]))
        what = f"no processor {missing[0]} to run on here"
        problem = Problem("processor_missing", what, "name those of `taskset -p $$`")
        raise source.failure(SpecProblem(place, problem))
    else:
        cores = effective_cores()
    try:
        return plan_experiment(experiment, cores), source
    except SpecProblem as found:
        raise source.failure(found) from found
