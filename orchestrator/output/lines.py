"""The lines beside the tables of a run: causes, scaling, crossovers, expectations, and the time that it took."""

from __future__ import annotations

import json
import shlex
from collections.abc import Sequence

from .. import units
from ..analysis import crossover
from ..analysis.crossover import worth_showing
from ..analysis.explain import missing_because
from ..analysis.results import Results
from ..files import SPECS
from ..journal.derived_events import ExpectationChecked, ScalingFitted, VariantExplained
from ..journal.raw_events import BlockFinished
from ..journal.read import SPEC_FILE
from ..spec.values import LATENCIES
from ..text import printable
from . import tables
from .grid import Grid, Line

OUTCOME_STYLES = {"held": "green", "broken": "bold red", "undecided": "yellow"}
VERDICT_STYLES = {"win": "bold", "tie": "bold", "undecided": "yellow"}
DECISION_STYLES = {"found": "bold", "none": "", "undecided": "yellow"}

MUCH_LONGER = 1.1  # how many times as long as the others an instrumented batch takes where it is noted

_UNREPORTED = {
    "run_queue_share": "waiting for a core",
    "peak_pss_bytes": "peak memory",
    "worker_private_bytes": "private memory of workers",
}
_UNKNOWN = {"contention_share": "contention", "contended_objects": "what the threads share"}


def explanation(event: VariantExplained, command: Sequence[str]) -> Line:
    """Return the causes of a variant's time, the advice, and the command that tries it."""
    line = [(f"{event.variant}: ", "bold"), (event.why or "nothing stands out", "")]
    if event.instrumented_ratio is not None and event.instrumented_ratio > MUCH_LONGER:
        ratio = units.ratio(event.instrumented_ratio)
        line.append((f" (in a batch that took {ratio} times as long as the others)", "yellow"))
    if event.advice:
        line.append((f"; {event.advice}", "cyan"))
    because = missing_because(event)
    if unreported := [name for name in event.missing if name not in because]:
        missing = ", ".join(_UNREPORTED.get(name, name) for name in unreported)
        line.append((f" (not reported by this system: {missing})", "yellow"))
    for name, reason in because.items():
        line.append((f" ({_UNKNOWN[name]} is not known: {printable(reason)})", "yellow"))
    if event.try_overrides:
        line.append((f"; try: {tried(event, command)}", "dim"))
    return line


def tried(event: VariantExplained, command: Sequence[str]) -> str:
    """Return the command that tries the advice; nothing where no override of the spec does."""
    if not event.try_overrides:
        return ""
    return f"orchestrator run {shlex.join(_with_overrides(command, event.try_overrides))}"


def call(event: VariantExplained, run: str) -> str:
    """Return the call in Python that tries the advice, from the directory of a run; nothing where none does.

    The overrides are a mapping, so that a line that is wrapped between them is still a call.
    """
    if not event.try_overrides:
        return ""
    pairs = (override.partition("=") for override in event.try_overrides)
    overrides = ", ".join(f"{json.dumps(key, ensure_ascii=False)}: {json.loads(value)!r}" for key, _, value in pairs)
    return f"orchestrator.run({json.dumps(f'{run}/{SPEC_FILE}', ensure_ascii=False)}, {{{overrides}}})"


def _with_overrides(command: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return the spec of a run's command with its overrides, replaced by `overrides` where both set a key."""
    if list(command[1:2]) != ["run"]:
        return ["CONFIG", *overrides]
    words = [word for word in command[2:] if not word.startswith("-")]
    own = [word for word in words if "=" not in word]
    first = own[0] if own and own[0] == command[2] else "CONFIG"  # a spec may have any name
    spec = next((word for word in own if word.endswith(SPECS)), first)
    replaced = {override.partition("=")[0] for override in overrides}
    had = [word for word in words if "=" in word]
    return [spec, *(word for word in had if word.partition("=")[0] not in replaced), *overrides]


def scaling(event: ScalingFitted) -> Line:
    """Return the speedup curve, how many workers pay, and the laws that fit."""
    bounds = zip(event.speedups, event.speedup_lows, event.speedup_highs, strict=True)
    curve = ", ".join(f"{n}: {units.ratio(*each)}" for n, each in zip(event.workers, bounds, strict=True))
    fields = event.fields()
    enough = units.fitted(fields, "enough_workers")
    pays = f"more than {enough} workers do not pay" if event.enough_workers < event.workers[-1] else "each step pays"
    text = f"{curve}; {pays}; Amdahl: {units.fitted(fields, 'amdahl_serial', 100, ' %')} serial"
    if event.usl_sigma is not None:
        text += f"; USL: sigma {units.fitted(fields, 'usl_sigma')}, kappa {units.fitted(fields, 'usl_kappa')}"
        text += " (descriptive)" * event.descriptive
    if event.peak_workers is not None:
        text += f"; peak at {units.fitted(fields, 'peak_workers')} workers"
    return [(f"scaling of {event.of}: ", "bold"), (text, "")]


def crossovers(results: Results) -> list[Line | Grid]:
    """Return for every axis of numbers what changes along it, and a table of its values; nothing without an axis.

    First comes up to which rate the variants hold an objective, where there is one.
    """
    found = capacities(results)
    for line in crossover.lines(results.plan, results.contests):
        located = [] if results.capacity_verdicts else worth_showing(results.crossovers, line)
        found += [[(event.sentence, DECISION_STYLES[event.decision])] for event in located]
        if any(contest.blocks for contest in line.contests):
            found += [tables.along(line, results), []]
    return found


def capacities(results: Results) -> list[Line | Grid]:
    """Return up to which rate the variants hold an objective, a sentence and a table; nothing without an objective."""
    found: list[Line | Grid] = []
    for verdict in results.capacity_verdicts:
        own = [event for event in results.capacities if event.points == verdict.points]
        found += [[(verdict.sentence, VERDICT_STYLES[verdict.verdict])], tables.capacities(own), []]
    return found


def expectation(event: ExpectationChecked, *, several_points: bool) -> Line:
    """Return the outcome of an expectation, and its claim."""
    outcome = (f"{event.outcome:9}", OUTCOME_STYLES[event.outcome])
    return [outcome, (f" {claim(event, several_points=several_points)}", "")]


def claim(event: ExpectationChecked, *, several_points: bool) -> str:
    """Return what was expected, and what was found."""
    bounds = []
    if event.min is not None:
        bounds.append(f"at least {_bound(event, event.min)}")
    if event.max is not None:
        bounds.append(f"at most {_bound(event, event.max)}")
    if event.equals is not None or not bounds:  # it may be null
        bounds.append(f"equal to {event.equals!r}")
    against = f" against {event.against}" if event.against else ""
    place = f" at {event.point}" if several_points else ""
    claimed = f"{event.metric} of {event.of}{against}{place} {' and '.join(bounds)}"
    return f"{claimed}; found {_found(event)}" + (f": {event.reason}" if event.reason else "")


def _bound(event: ExpectationChecked, bound: float) -> str:
    return units.duration(bound, [bound]) if _is_time(event) else f"{bound:g}"


def _is_time(event: ExpectationChecked) -> bool:
    return event.metric.endswith("_ns") or event.metric in LATENCIES


def _found(event: ExpectationChecked) -> str:
    """Return what was found, with enough digits to tell on which side of its bounds the interval ends."""
    value, bounds = event.value, [bound for bound in (event.min, event.max) if bound is not None]
    if value is None:
        return "nothing"
    if _is_time(event) and isinstance(value, int | float):
        return f"{units.duration(value, bounds)} {units.between((event.low, event.high), value, bounds)}".strip()
    return units.ratio(value, event.low, event.high, limits=bounds) if isinstance(value, float) else repr(value)


def took(results: Results) -> str:
    """Return how long the run took, and how it ended if not by itself."""
    blocks, finished = units.count(len(results.events(BlockFinished)), "block"), results.finished
    if finished is None:
        return f"{blocks}; the run has not come to its end"
    ended = f"; ended by {results.ended_by}" if results.ended_by else ""
    return f"{blocks} in {finished.elapsed_s:.1f} s{ended}"


def spent(results: Results) -> str:
    """Return where the run's time went."""
    blocks = results.events(BlockFinished)
    elapsed_ns = sum(block.elapsed_ns for block in blocks)
    finished = results.finished
    total = f"{units.count(len(blocks), 'block')}{'' if finished is None else f' in {finished.elapsed_s:.1f} s'}"
    if not elapsed_ns:
        return f"{total}; run {results.run_id}"
    parts = {
        "starting runners": sum(block.starting_ns for block in blocks),
        "warm-up": sum(block.warming_ns for block in blocks),
        "trials": sum(block.trials_ns - block.wait_ns for block in blocks),
        "diagnostics": sum(block.diagnostics_ns for block in blocks),
    }
    parts["between trials and ending"] = elapsed_ns - sum(parts.values())
    shares = ", ".join(f"{what} {ns / elapsed_ns * 100:.0f} %" for what, ns in parts.items())
    if finished and finished.conducting_s and finished.conducting_cpu_s:
        own = finished.conducting_cpu_s / finished.conducting_s
        shares += f"; the orchestrator itself used {own * 100:.1f} % of a core"
    return f"{total}: {shares}; run {results.run_id}"
