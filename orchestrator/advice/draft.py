"""Write the spec of a design as YAML with comments, and with expectations once it has run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Sequence
from pathlib import PurePath
from typing import Any

from .. import units
from ..analysis.accounts import BUSY_CALL
from ..journal.derived_events import VariantCompared
from ..journal.event import Event
from ..runner import names, registry
from ..spec.document import dump
from ..text import printable
from . import commands
from .design import TIMEOUT_S, Design, model_of
from .facts import Facts
from .question import Question


def spec(question: Question, facts: Facts, designed: Design, again: str, findings: Sequence[str] = ()) -> str:
    """Return the spec of a design as YAML with comments; `again` is the shell command that runs it.

    `findings` are comments only, because another run of a saved spec may find something else.
    """
    baseline = _baseline(question, facts, designed)
    lines = [
        *_heading(question, again),
        dump({"name": experiment_name(question), "description": _description(question, facts, designed)}),
        *[f"# {finding}" for finding in findings],
        *[""] * bool(findings),
        "# the function and its arguments",
        dump({"workload": question.workload}).rstrip(),
        *([f"  check: none  # {printable(facts.incomparable)}"] if facts.incomparable else []),
        "",
        *(_arrivals(question, designed) if designed.arrivals else _batch(question, facts, designed)),
        *_models(question, facts, designed),
        "",
        *_matrix(question, facts, designed),
        *([dump({"baseline": baseline})] if baseline else []),
        *_measure(question, designed),
    ]
    return "\n".join(lines) + "\n"


def _batch(question: Question, facts: Facts, designed: Design) -> Iterator[str]:
    """Yield the lines about the calls of one batch."""
    made = "awaited one after the other" if facts.is_async else "in a plain loop"
    took = units.duration(designed.tasks * facts.wall_ns)
    end = "lower" if question.over and designed.is_longest_at_low(question.over) else "upper"
    at_most = f" at the {end} end of {question.over.name}" if question.over else ""
    yield f"# calls in one batch{_of_items(facts, designed)}: about {took} {made}{at_most}"
    yield "# tasks: all" if designed.tasks == facts.items else dump({"tasks": designed.tasks})


def _models(question: Question, facts: Facts, designed: Design) -> Iterator[str]:
    """Yield the lines about the models that are compared, and why others are not."""
    yield "models:"
    for entry in designed.entries:
        yield f"  - {dump(entry, flow=True)}  # {registry.load(model_of(entry)).SUMMARY}"
    if left_out := _left_out(question, facts, designed):
        yield dump({"left_out": left_out}).rstrip()


def _matrix(question: Question, facts: Facts, designed: Design) -> Iterator[str]:
    """Yield the lines about the levels that are combined with the models."""
    matrix: dict[str, Any] = {f"kwargs.{question.over.name}": list(question.over.levels)} if question.over else {}
    if question.workers or not designed.arrivals:
        matrix |= {"workers": list(designed.workers)}
    matrix |= {"python": [question.python]} if question.python else {}
    if not matrix:
        return
    measured = "every combination is measured"
    if question.over:
        measured = f"of {question.over.name} only the levels next to where the winner changes are measured"
    why_workers = "the cores here" if facts.busy >= BUSY_CALL else "more than cores, for calls that wait"
    why_workers = "calls in flight" if facts.is_async and not facts.takes_turns else why_workers
    yield f"# {measured}" + f"; workers: {why_workers}" * (not designed.arrivals)
    yield dump({"matrix": matrix})


def _baseline(question: Question, facts: Facts, designed: Design) -> str:
    """Return the variant that the others are compared with, empty for the first of them or a plain loop."""
    if question.models is not None or (facts.is_async and question.workers):
        return ""
    return "event_loop" + "(workers=1)" * (len(designed.workers) > 1) if facts.is_async else "sequential"


def _measure(question: Question, designed: Design) -> Iterator[str]:
    """Yield the lines about how it is measured."""
    measure: dict[str, Any] = {"refine": f"kwargs.{question.over.name}"} if question.over else {}
    measure |= {"metric": designed.metric} if designed.metric and not question.objective else {}
    measure |= {"rounds": designed.rounds} if designed.rounds else {}
    measure |= {"max_time": _seconds(designed.max_time_s)}
    measure |= {"timeout": _seconds(designed.timeout_s)} if designed.timeout_s > TIMEOUT_S else {}
    yield "# max_time bounds the whole run, which ends as soon as the question is decided"
    yield dump({"measure": measure}).rstrip()


def _left_out(question: Question, facts: Facts, designed: Design) -> dict[str, str]:
    """Return why models are not compared: of those that were asked for, else of all standard ones."""
    compared = {model_of(entry) for entry in designed.entries}
    wanted = registry.STANDARD if question.models is None else [*designed.unfit, *map(model_of, question.models)]
    other = "it is not for coroutine functions" if facts.is_async else "it is not compared"
    return {name: printable(designed.unfit.get(name, other)) for name in wanted if name not in compared}


def _arrivals(question: Question, designed: Design) -> Iterator[str]:
    """Yield the lines about calls that arrive at a rate."""
    yield "# calls a second, and how long they come in one trial"
    yield dump({"arrivals": dict(designed.arrivals or {})})
    if question.objective:
        metric, ns = question.objective
        yield "# up to which rate each variant holds it, among those around `rate`"
        yield dump({"objective": {metric: f"{ns / 1e6:g}ms"}})


def _of_items(facts: Facts, designed: Design) -> str:
    if not facts.items:
        return ""
    return ", one for each item" if designed.tasks == facts.items else f", for {designed.tasks} of {facts.items} items"


def saved(text: str, derived: Sequence[Event], over: str | None = None) -> str:
    """Return the spec with expectations to uncomment: the measured speedups, with a margin.

    `over` names the argument of a range; each claim is then about one level.
    """
    lines = [
        "",
        "# Uncomment this, and the exit status reports whether it still holds: 0, or 1 if broken, 4 if undecided.",
        "# expect:",
    ]
    compared = [event for event in derived if isinstance(event, VariantCompared)]
    for event in compared:
        low, high = event.speedup_low, event.speedup_high
        if low is None or high is None:
            continue
        worse, better = float(f"{low * 0.8:.2g}"), float(f"{high * 1.25:.2g}")
        bound = {"min": max(1.0, worse)} if low > 1 else {"max": min(1.0, better) if high < 1 else better}
        where = {"where": {f"kwargs.{over}": event.fields()[f"kwargs_{over}"]}} if over else {}
        claim = {"of": event.variant, **where, "metric": "speedup", **bound}
        lines.append(f"#   - {dump(claim, flow=True)}  # measured: {units.ratio(event.speedup, low, high)}")
    return text + "\n".join(lines) + "\n" if len(lines) > 3 else text


def _seconds(duration_s: float) -> str:
    return f"{math.ceil(duration_s)}s" if duration_s >= 1 else f"{math.ceil(duration_s * 1000)}ms"


def experiment_name(question: Question) -> str:
    """Return the name of the experiment that answers a question."""
    if question.name:
        return re.sub("[^A-Za-z0-9._-]", "_", question.name)[:64]
    over = f"-over-{question.over.name}" if question.over else ""
    name = names.parse(question.call)
    source = PurePath(name.source).stem if name.is_file else name.source
    return re.sub("[^A-Za-z0-9._-]", "_", f"advise-{source}.{name.function}{over}")[:64]


def _description(question: Question, facts: Facts, designed: Design) -> str:
    kind = "coroutine function" if facts.is_async else "function"
    took = units.duration(facts.wall_ns)
    if facts.items:
        took += f" on average over {_tried(question, facts)}"
    along = ""
    if question.over:
        name, low, high = question.over.name, question.over.levels[0], question.over.levels[-1]
        along = f", and from what {name} on, between {units.number(low)} and {units.number(high)}"
        assert designed.other_end  # every design of a range has it
        shorter = designed.other_end[1]
        first, last = (facts, shorter) if designed.is_longest_at_low(question.over) else (shorter, facts)
        took = f"{units.duration(first.wall_ns)} at {name}={units.number(low)} and "
        took += f"{units.duration(last.wall_ns)} at {name}={units.number(high)}"
    whole = _question(question, designed, kind, along)
    said = f"{whole} A call took {took} when tried, {units.percent(facts.busy)} of it on a core."
    return printable(" ".join(said.split()))


def _tried(question: Question, facts: Facts) -> str:
    """Return how many of the items the pilot has tried."""
    source = "" if question.is_code else f" of {question.items}"
    if facts.tried >= facts.items:
        return f"all {units.count(facts.items, 'item')}{source}"
    return f"{facts.tried or 'some'} of {units.count(facts.items, 'item')}{source}"


def _question(question: Question, designed: Design, kind: str, along: str) -> str:
    called = question.shown or question.call
    if question.objective:
        metric, ns = question.objective
        holding = f"with {metric} within {units.duration(ns)}"
        return f"Up to which rate of calls does each model run the {kind} {called} {holding}?"
    if designed.arrivals:
        arriving = f"that arrive at {question.rate:g} a second"
        return f"Which model answers calls of the {kind} {called} {arriving} soonest ({designed.metric})?"
    return f"Which model runs the {kind} {called} best{along}?"


def _heading(question: Question, again: str) -> list[str]:
    """Return the comment at the top of the spec: its origin, and the commands that run it again."""
    return [
        f"# Written by `{question.shown or commands.command(question)}`. Again, and from cron every night:",
        f"#   {again}",
        f"#   15 3 * * * {again} --quiet --wait 2h",
        "# For completion in an editor: orchestrator schema spec > spec.schema.json, then",
        "# yaml-language-server: $schema=spec.schema.json",
        "",
    ]
