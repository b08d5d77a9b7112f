"""Write the spec of a design as YAML with comments, and with expectations once it has run."""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePath
from typing import Any

from .. import units
from ..analysis.accounts import BUSY_CALL, MULTI_CORE_CALL, SHORT_CALL_NS
from ..journal.derived_events import VariantCompared
from ..journal.event import Event
from ..runner import names, registry
from ..runner.last_words import CLOSE
from ..runner.returned_errors import RAISE
from ..spec.document import dump
from ..text import printable
from . import commands
from .design import FIRST_CALL, TIMEOUT_S, Design, Facts, model_of
from .question import Question

IDS = re.compile(r"\b(0x[0-9a-fA-F]+|\d{5,})\b")
"""Numbers that are others at each call: of threads, processes, and addresses."""

OWN_LOOPS = ("cannot be called from a running event loop", "while another loop is running", "Already running")
"""What asyncio's ways to run a loop, and anyio's, say of a call inside an event loop."""

MAY_HELP = set(registry.FOR_COROUTINES) - set(registry.STANDARD)

UNEQUAL = 5
"""How many times as long as the mean the longest call takes where it is named."""


def spec(asked: Question, facts: Facts, designed: Design, again: str) -> str:
    """Return the spec of a design as YAML with comments; `again` is the shell command that runs it."""
    matrix: dict[str, Any] = {f"kwargs.{asked.over.name}": list(asked.over.levels)} if asked.over else {}
    matrix |= {} if designed.arrivals else {"workers": list(designed.workers)}
    matrix |= {"python": [asked.python]} if asked.python else {}
    measure: dict[str, Any] = {"refine": f"kwargs.{asked.over.name}"} if asked.over else {}
    measure |= {"metric": designed.metric} if designed.metric and not asked.objective else {}
    measure |= {"rounds": designed.rounds} if designed.rounds else {}
    measure |= {"max_time": _seconds(designed.max_time_s)}
    measure |= {"timeout": _seconds(designed.timeout_s)} if designed.timeout_s > TIMEOUT_S else {}
    one_by_one = "awaited one after the other" if facts.is_async else "in a plain loop"
    at_most = f" at the upper end of {asked.over.name}" if asked.over else ""
    baseline = "event_loop" + "(workers=1)" * (len(designed.workers) > 1) if facts.is_async else "sequential"
    if asked.models is not None or (facts.is_async and asked.workers):
        baseline = ""  # the first of them, or a plain loop
    why_workers = "the cores here" if facts.busy >= BUSY_CALL else "more than cores, for calls that wait"
    why_workers = "calls in flight" if facts.is_async and not facts.takes_turns else why_workers
    measured = "every combination is measured"
    if asked.over:
        measured = f"of {asked.over.name} only the levels next to where the winner changes are measured"
    compared = {model_of(entry) for entry in designed.entries}
    unfit = set(registry.STANDARD) if asked.models is None else {*designed.left_out, *designed.unable}
    left_out = [name for name in registry.STANDARD if name in unfit - compared]
    batch = units.duration(designed.tasks * facts.wall_ns)
    lines = [
        *_heading(asked, again),
        dump({"name": experiment_name(asked), "description": _description(asked, facts, designed)}),
        "# the function and its arguments",
        dump({"workload": asked.workload}).rstrip(),
        *([f"  check: none  # {printable(facts.incomparable)}"] if facts.incomparable else []),
        "",
        *(
            _arrivals(asked, designed)
            if designed.arrivals
            else [
                f"# calls in one batch{_of_items(facts, designed)}: about {batch} {one_by_one}{at_most}",
                *(["# tasks: all"] if designed.tasks == facts.items else [dump({"tasks": designed.tasks})]),
            ]
        ),
        "models:",
        *(f"  - {dump(entry, flow=True)}  # {registry.load(model_of(entry)).SUMMARY}" for entry in designed.entries),
        *([dump({"left_out": left_out}).rstrip()] if left_out else []),
        "",
        *(
            [f"# {measured}" + f"; workers: {why_workers}" * (not designed.arrivals), dump({"matrix": matrix})]
            if matrix
            else []
        ),
        *([dump({"baseline": baseline})] if baseline else []),
        "# max_time bounds the whole run, which ends as soon as the question is decided",
        dump({"measure": measure}).rstrip(),
    ]
    return "\n".join(lines) + "\n"


def _arrivals(asked: Question, designed: Design) -> Iterator[str]:
    """Yield the lines about calls that arrive at a rate."""
    yield "# calls a second, and how long they come in one trial"
    yield dump({"arrivals": dict(designed.arrivals or {})})
    if asked.objective:
        metric, ns = asked.objective
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


def experiment_name(asked: Question) -> str:
    """Return the name of the experiment that answers a question."""
    if asked.name:
        return re.sub("[^A-Za-z0-9._-]", "_", asked.name)[:64]
    over = f"-over-{asked.over.name}" if asked.over else ""
    name = names.parse(asked.call)
    source = PurePath(name.source).stem if name.is_file else name.source
    return re.sub("[^A-Za-z0-9._-]", "_", f"advise-{source}.{name.function}{over}")[:64]


def _description(asked: Question, facts: Facts, designed: Design) -> str:
    kind = "coroutine function" if facts.is_async else "function"
    took = units.duration(facts.wall_ns)
    if facts.items:
        took += f" on average over {_tried(asked, facts)}"
    along = ""
    if asked.over:
        name, low, high = asked.over.name, asked.over.levels[0], asked.over.levels[-1]
        along = f", and from what {name} on, between {units.number(low)} and {units.number(high)}"
        lowest = units.duration(designed.lowest_ns)
        took = f"{lowest} at {name}={units.number(low)} and {took} at {name}={units.number(high)}"
    sentences = [
        *_first_of_all(facts),
        _question(asked, designed, kind, along),
        f"A call took {took} when tried, {units.percent(facts.busy)} of it on a core.",
    ]
    if not facts.kept_by and facts.first_ns > max(FIRST_CALL * facts.wall_ns, 1e6):
        first = f"The first call took {units.duration(facts.first_ns)}"
        sentences.append(f"{first}: what it keeps for later ones (imports, a cache) is not in the figures.")
    if asked.is_by_value:
        sentences.append("It is sent by value: its globals are copies, and changes of them don't come back.")
    if facts.copied:
        sentences.append(
            f"It changes its argument {facts.copied}, so each call gets fresh copies, made before its time."
        )
    sentences += [*_of_the_process(facts), *_of_the_executor(facts, designed)]
    sentences += _of_the_items(asked, facts, designed)
    sentences += [f"Left out: {names}, for {why}." for why, names in _reasons(designed.left_out, facts)]
    sentences += [f"{names} can't run it: {why}." for why, names in _reasons(designed.unable, facts)]
    spawned = _reasons(designed.spawned, facts)
    sentences += [f"{names} uses `start_method: spawn`: forked, {why}." for why, names in spawned]
    if any(text in facts.failed.get("event_loop", "") for text in OWN_LOOPS):
        how = "name the coroutine function itself to compare calls in one event loop"
        sentences.append(f"Each call makes an event loop of its own: {how}.")
    if facts.incomparable:
        sentences.append(f"Results are not checked: {facts.incomparable}.")
    return printable(" ".join(" ".join(sentences).split()))


def _of_the_items(asked: Question, facts: Facts, designed: Design) -> Iterator[str]:
    """Yield how unequal the calls with items are, and which of the items a batch has."""
    if facts.longest_item is not None and facts.longest_ns > UNEQUAL * facts.wall_ns:
        longest = units.duration(facts.longest_ns)
        yield f"Calls are unequal: the longest, with item {facts.longest_item}, took {longest}."
    if designed.tasks < facts.items and not designed.arrivals:
        given = f"{asked.option('tasks')}{'' if asked.is_code else ' '}{facts.items}"
        yield f"A batch has {designed.tasks} of the {facts.items} items, evenly spread; {given} takes all."


def _tried(asked: Question, facts: Facts) -> str:
    """Return how many of the items the pilot has tried."""
    source = "" if asked.is_code else f" of {asked.items}"
    if facts.tried >= facts.items:
        return f"all {units.count(facts.items, 'item')}{source}"
    return f"{facts.tried or 'some'} of {units.count(facts.items, 'item')}{source}"


def _of_the_process(facts: Facts) -> Iterator[str]:
    """Yield what the function does to the process that runs it, which other code there has to bear."""
    if by_import := facts.changes.get("import"):
        guard = 'put it under `if __name__ == "__main__":`'
        yield f"Importing it {units.listed(by_import)}, in every worker as well: {guard}, unless that is meant."
    if by_call := facts.changes.get("call"):
        yield f"A call {units.listed(by_call)}, for all threads of its process: they may get in each other's way."


def _of_the_executor(facts: Facts, designed: Design) -> Iterator[str]:
    """Yield which executor bounds how many calls run at once, where it has fewer workers than are compared."""
    if not (shared := facts.executor) or (designed.workers and shared["workers"] >= max(designed.workers)):
        return
    has = units.count(shared["workers"], shared["kind"])
    more = {"thread": "threads", "process": "processes"}[shared["kind"]]
    yield (
        f"Calls hand their work to {shared['name']}, an executor with {has} that all calls of a process share, so at "
        f"most {shared['workers']} of their tasks run at once: give it more {more}, or call the function itself."
    )


def _question(asked: Question, designed: Design, kind: str, along: str) -> str:
    called = asked.shown or asked.call
    if asked.objective:
        metric, ns = asked.objective
        holding = f"with {metric} within {units.duration(ns)}"
        return f"Up to which rate of calls does each model run the {kind} {called} {holding}?"
    if designed.arrivals:
        arriving = f"that arrive at {asked.rate:g} a second"
        return f"Which model answers calls of the {kind} {called} {arriving} soonest ({designed.metric})?"
    return f"Which model runs the {kind} {called} best{along}?"


def _first_of_all(facts: Facts) -> Iterator[str]:
    """Yield what makes the rest less important."""
    yield from _returned_errors(facts)
    if facts.kept_by:
        took = f"The first call took {units.duration(facts.first_ns)} and later ones {units.duration(facts.wall_ns)}"
        if facts.is_drained:
            yield f"{took}, with other results: it may have read a source to its end; open that in the function."
        else:
            yield (
                f"{took}: they were answered from what it kept ({facts.kept_by}), so the figures are those of "
                "look-ups; give each call another argument with --items."
            )
    if facts.growth:
        yield (
            f"Each call takes longer than the one before, the last ones {facts.growth:.1f} times as long as the first: "
            "it keeps something that grows, so no ratio holds for long; begin anew in the function."
        )
    yield from _kept_by_calls(facts)
    if facts.never_yields and facts.wall_ns > SHORT_CALL_NS:
        how = "computes" if facts.busy >= BUSY_CALL else "waits in a blocking call"
        yield (
            f"It {how} and never lets its event loop run anything else, so calls in flight can't overlap; make it a "
            "plain function to compare threads and processes, or await what it waits for."
        )
    elif facts.takes_turns:
        yield "It computes, so calls in flight in one event loop take turns on one core."
    if facts.is_parallel:
        does = ["starts processes of its own"] if facts.started > 1 else []
        does += [f"keeps {facts.cpu_share:.1f} cores busy"] if facts.cpu_share > MULTI_CORE_CALL else []
        once = "; start the processes once, outside of the function" if facts.started > 1 else ""
        yield f"It is parallel by itself: a call {' and '.join(does)}, so calls at once compete for the cores{once}."


def _returned_errors(facts: Facts) -> Iterator[str]:
    """Yield in how many calls the result is an exception, or holds one."""
    if found := facts.returned_errors:
        is_each = found["calls"] == found["all"]
        calls = "Each call" if is_each else f"{found['calls']} of {found['all']} calls"
        figures = "the figures are those" if is_each else "in part the figures are those"
        text = f"{calls} returned {found['what']} ({found['error']})"
        yield f"{text}: where that is a failure, {figures} of the failure; {RAISE}."


def _kept_by_calls(facts: Facts) -> Iterator[str]:
    """Yield what each call leaves open, and the memory that it keeps."""
    if left := facts.left_open:
        at = f" ({left['at']})" if left["at"] else ""
        yield (
            f"Each call leaves {left['what']} open{at}, and after about {left['calls']:,} calls its process can open "
            f"no more; {CLOSE}."
        )
    if kept := facts.keeps:
        at = f" (allocated at {kept['at']})" if kept["at"] else ""
        another = " with another item" if facts.items else ""
        yield (
            f"It keeps {units.size(kept['bytes'])} a call{another}{at}: a list, a dict or a cache grows without a "
            "bound, and so do the workers; empty it, or give it a bound."
        )


def _reasons(of: Mapping[str, str], facts: Facts) -> list[tuple[str, str]]:
    """Return each reason with the models that it holds for; of coroutines, only for models that could help them.

    Reasons that differ by ids alone are one.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    expected = MAY_HELP if facts.takes_turns else ()
    for name, why in of.items():
        if facts.is_async and name not in expected:
            continue
        why = why.replace(f" of {name}", "")
        found.setdefault(IDS.sub("", why), (why, []))[1].append(name)
    return [(why, units.listed(names)) for why, names in found.values()]


def _heading(asked: Question, again: str) -> list[str]:
    """Return the comment at the top of the spec: its origin, and the commands that run it again."""
    return [
        f"# Written by `{asked.shown or commands.command(asked)}`. Again, and from cron every night:",
        f"#   {again}",
        f"#   15 3 * * * {again} >> {experiment_name(asked)}.jsonl 2>> {experiment_name(asked)}.log",
        "# For completion in an editor: orchestrator schema spec > spec.schema.json, then",
        "# yaml-language-server: $schema=spec.schema.json",
        "",
    ]
