"""Design the experiment for calls that arrive at a rate, or for a latency to hold, from the facts of a pilot. Pure."""

from __future__ import annotations

import math
from typing import Any

from ..analysis.accounts import BUSY_CALL
from ..analysis.looks import LOOKS
from ..runner import registry
from ..spec.open_loop import MOST_WINDOWS, RATES, calls_needed, halvings
from .design import LONGEST_S, TIMEOUT_S, Design, has_workers, model_of
from .facts import Facts
from .question import Question

LEAST_WINDOW_S, MOST_WINDOW_S = 0.5, 2.0

CALLS_IN_WINDOW = 10  # a window is at least so many times as long as a call

SPARE = 3.0
"""So many times the square root of the calls that run on average are workers beside these: hardly any call has to wait
then (Halfin & Whitt, "Heavy-traffic limits for queues with many exponential servers", 1981)."""

MOST_THREADS, MOST_IN_FLIGHT = 64, 1000

OTHERS = {
    "event_loop": "it runs a plain function as one worker does",
    "thread_per_task": "`threads` stands for it where calls arrive",
    "process_per_task": "it takes calls in batches only",
}
"""Models left out for plain functions, with the reason."""

LEAST_RATE, MOST_RATE = 20, 10_000


def design_arrivals(question: Question, facts: Facts, cores: int) -> Design:
    """Return the experiment that compares models at `question.rate`, or the rates at which they hold a latency."""
    rate = question.rate or _rate(facts, cores)
    metric = question.objective[0] if question.objective else _metric(rate)
    left_out = {**({} if facts.is_async or question.models is not None else OTHERS), **facts.refused}
    entries = _entries(question, facts, rate, cores)
    window_s, windows = _window(facts, rate, metric)
    block_s = (len(entries) + 1) * facts.ready_ns / 1e9 / cores + len(entries) * windows * window_s
    levels = halvings(RATES) if question.objective else 1
    needed_s = LOOKS[0] * block_s * levels
    arrivals: dict[str, Any] = {"rate": round(rate) if rate == round(rate) else rate, "window": f"{window_s:g}s"}
    return Design(
        left_out={name: why for name, why in left_out.items() if name not in facts.failed},
        entries=entries,
        workers=question.workers or [cores],
        tasks=max(1, round(rate * window_s)),
        rounds=None,
        timeout_s=TIMEOUT_S,
        first_look_s=needed_s,
        needed_s=needed_s,
        max_time_s=question.max_time_s or min(LONGEST_S, math.ceil(3 * needed_s)),
        unable=dict(facts.failed),
        arrivals=arrivals,
        metric=metric,
    )


def _rate(facts: Facts, cores: int) -> float:
    """Return about the rate at which calls keep all cores busy: the search for a capacity begins there."""
    per_core = 1e9 / facts.wall_ns / max(facts.busy, 0.05)
    return float(f"{min(MOST_RATE, max(LEAST_RATE, cores * per_core)):.2g}")


def _metric(rate: float) -> str:
    """Return p99 where its 1,000 calls come within two seconds, else p90."""
    return "p99" if rate * MOST_WINDOW_S >= calls_needed("p99") else "p90"


def _window(facts: Facts, rate: float, metric: str) -> tuple[float, int]:
    """Return the length of a window in seconds, and how many a block has."""
    needed_s = calls_needed(metric) / rate
    least_s = max(LEAST_WINDOW_S, CALLS_IN_WINDOW * facts.wall_ns / 1e9)
    window_s = max(least_s, min(MOST_WINDOW_S, needed_s), needed_s / MOST_WINDOWS)
    window_s = math.ceil(window_s * 10) / 10
    return window_s, max(1, math.ceil(needed_s / window_s - 1e-9))


def _entries(question: Question, facts: Facts, rate: float, cores: int) -> list[str | dict[str, Any]]:
    """Return the models that take calls one at a time, each with the workers that the rate needs, if none are given."""
    running = rate * facts.wall_ns / 1e9
    in_flight = max(cores, math.ceil(running + SPARE * math.sqrt(running)))
    loops = min(MOST_IN_FLIGHT, 10 * in_flight)
    left_out = {**facts.refused, **facts.failed}
    is_busy = facts.busy >= BUSY_CALL
    workers = loops if facts.is_async else cores if is_busy else min(MOST_THREADS, in_flight)
    if facts.is_async and question.models is None:
        several = {"model": "threads_of_loops", "workers": cores, "concurrency": math.ceil(loops / cores)}
        return [{"model": "event_loop", "workers": loops}, several]
    pickles = () if facts.unpicklable else ("interpreters", "processes")
    wanted = ["sequential", "threads", *pickles] if question.models is None else question.models
    able = [entry for entry in wanted if model_of(entry) not in left_out]
    return able if question.workers else [_with_workers(entry, workers) for entry in able]


def _with_workers(entry: str | dict[str, Any], workers: int) -> str | dict[str, Any]:
    """Return an entry with a number of workers, if its model takes one and it names none."""
    if registry.load(model_of(entry)).WORKERS != "asked" or has_workers(entry):
        return entry
    return {"model": entry, "workers": workers} if isinstance(entry, str) else {**entry, "workers": workers}
