"""The plan of a spec for this machine, or for the hosts of a cluster."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..runner.problem import Problem
from ..spec.load import Source, load
from ..spec.problem import SpecProblem

if TYPE_CHECKING:
    from ..cluster.scheduler import Cluster
    from ..spec.model import Experiment
    from ..spec.plan import Items, Plan


def load_plan(config: Path, overrides: Sequence[str] | None, cluster: Cluster | None = None) -> tuple[Plan, Source]:
    """Return the plan of a spec, and the origin of each part; raises BadInput."""
    experiment, source = load(config, overrides or [])
    # imported after the spec is read: an error in it is then reported at once
    from ..machine.host import effective_cores, keep_to
    from ..spec.expand import plan_experiment

    if cluster:
        cores = cluster.cores()
    elif experiment.limits.cpus and (missing := keep_to(experiment.limits.cpus)):
        place = ("limits", "cpus", experiment.limits.cpus.index(missing[0]))
        what, remedy = f"no processor {missing[0]} to run on here", "name those of `taskset -cp $$`"
        raise source.failure(SpecProblem(place, Problem("processor_missing", what, remedy)))
    else:
        cores = effective_cores()
    try:
        return plan_experiment(experiment, cores, read_items(experiment, source)), source
    except SpecProblem as found:
        raise source.failure(found) from found


def load_plans(
    configs: Iterable[Path], overrides: Sequence[str] | None, cluster: Cluster | None = None
) -> tuple[list[tuple[Path, Plan, Source]], list[str]]:
    """Return each spec with its plan and the origin of its parts, and the problems of the specs that have none.

    No spec's `limits` change which processors this process may use.
    """
    from ..machine.host import affinity_kept

    plans: list[tuple[Path, Plan, Source]] = []
    problems: list[str] = []
    for config in configs:
        try:
            with affinity_kept():
                plans.append((config, *load_plan(config, overrides, cluster)))
        except BadInput as error:
            problems += str(error).splitlines()
    return plans, problems


def read_items(experiment: Experiment, source: Source) -> list[Items]:
    """Return the items of an experiment, read in a runner; none for a workload without. Raises BadInput."""
    from ..spec.expand import wanted_items

    if not wanted_items(experiment):
        return []
    from ..engine.signals import interruptible
    from ..interpreters import items

    try:
        return interruptible(partial(items.read_items, experiment))
    except SpecProblem as found:
        raise source.failure(found) from found
