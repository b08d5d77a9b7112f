"""A try-out of processes and of threads at once, before the experiment: a model that fails there is left out."""

from __future__ import annotations

from ..interpreters import find
from ..interpreters.probe import command
from ..runner import registry
from ..runner.last_words import place
from ..spec.plan import Plan, Variant, runner_request
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.group import RunnerGroup
from ..supervisor.interrupt import Interrupt
from ..supervisor.process import RunnerFailed

THREADS = ("threads", "thread_per_task")
"""The first is tried for both."""

LONG_NS = 1_000_000_000

PATIENCE_S = 10.0

PATIENCE = 4
"""The time for a model to start its workers and to warm them up, at least, and in calls."""


def try_out(plan: Plan, wall_ns: int, runner_env: RunnerEnvironment, interrupt: Interrupt) -> dict[str, str]:
    """Return the reason for each model of the plan whose workers can't run the first point; raises Interrupted.

    One call in a thread was tried in the pilot; here, short calls are made in threads at once. `wall_ns` is the time of
    a call.
    """
    timeout_s = max(PATIENCE_S, PATIENCE * wall_ns / 1e9)
    tried: dict[str, Variant] = {}
    for variant in plan.variants:
        pickles = registry.load(variant.model).needs(dict(variant.options)).pickles
        is_threads = variant.model == THREADS[0] and wall_ns < LONG_NS
        if (pickles or is_threads) and variant.model != plan.baseline.model:
            tried.setdefault(variant.model, variant)
    failed: dict[str, str] = {}
    with RunnerGroup(runner_env, interrupt) as runner_group:
        for model, variant in tried.items():
            python = find.resolve(variant.python)
            assert python is not None, "the pilot ran under it"
            runner_group.start(model, command(variant, python, plan.experiment.limits.bounds()))
            runner_group.send(model, {"op": "prepare", **runner_request(plan.points[0], variant)})
        for model in tried:  # all import at once
            try:
                runner_group.receive(model, 2 * timeout_s)
                runner_group.ask(model, {"op": "open"}, timeout_s)
                runner_group.ask(model, {"op": "warm"}, timeout_s)
            except RunnerFailed as error:
                failed[model] = _reason(error)
    if THREADS[0] in failed:
        why = f"calls at once fail ({failed[THREADS[0]]})"
        failed |= {name: why for name in THREADS if any(variant.model == name for variant in plan.variants)}
    return failed


def _reason(error: RunnerFailed) -> str:
    """Return in a few words why a model's workers failed."""
    text = " ".join(error.error.split()).rstrip(".")
    if error.cause == "timeout":
        return f"its workers gave {text}"
    if "daemonic processes are not allowed to have children" in text:
        return f"it starts processes of its own, which a worker must not ({text})"
    if error.cause == "result" and "unpickled: " in text:
        return f"its results can't be unpickled ({text.partition('unpickled: ')[2]})"
    said = text.partition("; last output: ")[2]
    if error.cause == "worker_lost" and said:
        return f"a worker ended ({said})"
    at = place(error.traceback or "") if error.cause == "exception" else ""
    return f"{text} at {at}" if at and at not in text else text.removeprefix("WorkerLost: ")
