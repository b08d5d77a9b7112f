"""The parts of the time of workers and of calls, as readers see them: words, colours, and which part is the largest."""

from __future__ import annotations

from .. import units
from ..analysis import explain
from ..analysis.results import PointEvents
from ..journal.derived_events import VariantExplained
from ..journal.window_events import VariantServed
from ..runner.account.figures import CALL_PARTS, SHARES

PARTS = {
    "on_core": "on a core",
    "contention": "slower together",
    "run_queue": "core queue",
    "gil": "GIL",
    "lock": "lock",
    "blocked": "blocked",
    "serialisation": "pickling",
    "dispatch": "dispatch",
    "executor": "executor",
    "waiting": "waiting",
    "idle": "idle",
    "loop_blocked": "loop blocked",
}
"""The parts of the workers' time, as readers see them."""

CALL_NAMES = {**PARTS, "queued": "queued", "waiting": "awaiting"}
"""The parts of the time of calls that arrive at a rate."""

COLOURS = {
    "on_core": "#2f9461",
    "contention": "#a8912b",
    "run_queue": "#c8781e",
    "gil": "#d1495b",
    "lock": "#c2609f",
    "blocked": "#3b82c4",
    "serialisation": "#8f63c4",
    "dispatch": "#1f8f9c",
    "executor": "#a0782c",
    "waiting": "#7f8791",
    "idle": "#a3aab2",
}
"""The colour of each part of the workers' time, the same in every chart."""


def first_cause(event: VariantExplained) -> str:
    """Return the first cause with its share; empty where there is none."""
    if not event.causes:
        return ""
    word = PARTS[event.causes[0]]
    if event.causes[0] == "executor" and event.executor_kind:
        word = event.executor_kind.removeprefix("default ")  # or a semaphore, a limiter, a lock of asyncio
    if event.causes[0] == "dispatch":
        word = explain.dispatch_name(event.model)
    return f"{word} {units.percent(event.cause_shares[0])}"


def shares(event: VariantExplained) -> dict[str, float | None]:
    """Return the share of each part of the workers' time; None where the system does not report it."""
    return {name: getattr(event, f"{name}_share") for name in SHARES}


def call_shares(event: VariantServed) -> dict[str, float | None]:
    """Return the share of each part of the time of calls that arrived at a rate; None where it is not known."""
    return {name: getattr(event, f"call_{name}_share") for name in CALL_PARTS}


def largest_part(event: VariantServed) -> str:
    """Return the largest part of the time of calls with its share; nothing without an account."""
    shares = {name: share for name, share in call_shares(event).items() if share}
    name = max(shares, key=shares.__getitem__, default=None)
    return f"{CALL_NAMES[name]} {units.percent(shares[name])}" if name else ""


def main_causes(found: PointEvents) -> dict[str, str]:
    """Return for variants with an account where most of their time went, or where that of their calls did."""
    if found.served:
        return {event.variant: largest_part(event) for event in found.served if event.accounts}
    return {event.variant: first_cause(event) for event in found.explained}
