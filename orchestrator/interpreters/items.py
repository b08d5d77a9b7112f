"""Read the items of a workload once, before the start, in a runner under the interpreter of the first variant."""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Any

from ..runner.problem import Problem, read
from ..spec.document import KeyPath
from ..spec.expand import wanted_items
from ..spec.model import Experiment
from ..spec.plan import Items
from ..spec.problem import SpecProblem
from ..spec.values import REFERENCE
from ..supervisor import group
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.interrupt import Interrupt
from ..supervisor.process import Command, RunnerFailed
from . import find
from .environments import Unbuilt
from .probe import command, environment_for, python_place

TIMEOUT_S = 30.0


def read_items(experiment: Experiment, runner_env: RunnerEnvironment, interrupt: Interrupt) -> list[Items]:
    """Return the items of every batch of an experiment; raises SpecProblem with its place."""
    found: list[Items] = []
    for place, (source, tasks) in enumerate(wanted_items(experiment)):
        in_matrix = "workload.items" in experiment.matrix
        path: KeyPath = ("matrix", "workload.items", place) if in_matrix else ("workload", "items")
        started = _command(experiment, source, runner_env, interrupt)
        try:
            answer = group.read_items(runner_env, interrupt, started, source, tasks, TIMEOUT_S)
        except RunnerFailed as error:
            if unfit := find.unfit(started.python):
                raise SpecProblem(python_place(experiment, 0, _request(experiment)), unfit) from error
            raise SpecProblem(path, _failed(source, started.python, error)) from error
        if answer["event"] == "refused":
            raise SpecProblem(path, read(answer))
        found += [Items(source, count, **batch) for count, batch in zip(tasks, answer["batches"], strict=True)]
    return found


def _failed(source: str | Sequence[Any], python: str, error: RunnerFailed) -> Problem:
    reading = f"reading the items of {source}" if isinstance(source, str) else "reading the items"
    what, remedy = f"{reading} failed: {error.error}", f"check that {python} can read them"
    if error.cause == "timeout":
        what = f"{reading} took longer than {TIMEOUT_S:g} s"
        remedy = "give fewer items, or end the iterable"
    return Problem("items_failed", what, remedy)


def _request(experiment: Experiment) -> str | None:
    """Return the interpreter that the spec names for its first variant, which reads the items; None for none."""
    return experiment.models[0].python or next(iter(experiment.matrix.get("python", ())), None)


def _command(experiment: Experiment, source: Any, runner_env: RunnerEnvironment, interrupt: Interrupt) -> Command:
    """Return the command of a runner that reads the items; a function may need the packages of the spec."""
    entry = experiment.models[0]
    request = _request(experiment)
    python = find.resolve(request)
    if python is None:
        raise SpecProblem(python_place(experiment, 0, request), find.missing(request or ""))
    if isinstance(source, str) and re.fullmatch(REFERENCE, source) and experiment.requirements:
        try:
            built = environment_for(experiment.requirements, request, python, (), runner_env, interrupt)
        except Unbuilt as error:
            raise SpecProblem(("requirements",), error.problem) from error
        python = built.python if built else python
    return command(entry, python, experiment.limits.bounds())
