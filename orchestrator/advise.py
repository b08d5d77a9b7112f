"""Advice without YAML: a first look at a function, and the experiment that answers which model runs it best.

The experiment is written as a spec, comments included, and read like any other: what `--save` keeps is what was run.
"""

from __future__ import annotations

import math
import shlex
from collections.abc import Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from . import launch, pythons, units
from .document import dump
from .errors import BadInput, WorkloadFailed
from .host import effective_cores
from .launch import Command, Interrupt, RunnerFailed
from .log import diagnostics
from .plan import plan
from .results import Results
from .run import Ended, run
from .runner import models
from .spec import loads
from .stats import LOOK_LEVEL, LOOKS, can_decide

SCOUT_TIMEOUT_S = 30.0

BATCH_NS, WAITING_BATCH_NS = 20e6, 30e6
"""How long a plain loop takes over a batch: long enough to be told from wake-ups, short enough for many rounds."""

FEWEST_TASKS, MOST_TASKS = 4, 64
SHORT_NS = 500_000
"""Calls shorter than this are also sent to processes several at a time, as a pool's `chunksize` is for."""

LONG_NS = 25_000_000
"""Calls that compute for longer than this come one to a core."""

BUSY = 0.9
"""The share of a call on a core from which on more workers than cores are of no use."""

MOST_WORKERS = 16

ROUNDS_S = 0.5
"""The rounds of a block take half as long as by default: eleven blocks are to fit into `BUDGET_S`."""

FEWEST_ROUNDS, MOST_ROUNDS = 3, 40
SHORTEST_TRIAL_NS, NEW_PROCESS_NS = 3e6, 1.5e6
FIGHTING = 6
"""How many times as long a round takes where calls that are parallel by themselves run side by side (seen: OpenBLAS)."""

BUDGET_S, LONGEST_S = 18.0, 300.0


@dataclass(frozen=True)
class Asked:
    """What the user has asked for: a function with its arguments, and where it runs."""

    call: str
    kwargs: Mapping[str, Any]
    python: str | None = None
    tasks: int | None = None
    max_time_s: float | None = None


@dataclass(frozen=True)
class Facts:
    """What a first look has told, as `runner.scout` does."""

    is_async: bool
    refused: Mapping[str, str]
    calls: int
    wall_ns: int
    cpu_ns: int
    unpicklable: str | None
    incomparable: str | None
    ready_ns: int

    @property
    def busy(self) -> float:
        """The share of a call's time that it is on a core."""
        return min(1.0, self.cpu_ns / self.wall_ns)

    @property
    def is_parallel(self) -> bool:
        """Whether a call keeps more than one core busy by itself; of very short ones, reading the clock tells more."""
        return self.cpu_ns > 1.2 * self.wall_ns and self.wall_ns > 100_000


def scout(asked: Asked) -> Facts:
    """Return what a first look tells: the function is called some times, in a process of its own.

    Raises BadInput when it can't be called like this, and WorkloadFailed when a call fails.
    """
    python = pythons.resolve(asked.python)
    if python is None:
        remedy = "install it, or name the path of an executable"
        raise BadInput(f"no interpreter {asked.python!r} here", where="--python", remedy=remedy)
    given = {"call": asked.call, "kwargs": dict(asked.kwargs)}
    with launch.kit() as laid, closing(Interrupt()) as interrupt:
        try:
            told = launch.scout(laid, interrupt, Command(python), given, SCOUT_TIMEOUT_S)
        except RunnerFailed as error:
            if complaint := pythons.complaint(python):
                raise BadInput(complaint[0], where="--python", remedy=complaint[1]) from error
            raise _failed(asked, error) from error
    if told["event"] == "refused":
        raise _refused(asked, told)
    return Facts(**{name: told[name] for name in Facts.__dataclass_fields__})


def _refused(asked: Asked, told: Mapping[str, str]) -> BadInput:
    remedy = told["remedy"]
    elsewhere = "name the project's directory with --project, or the interpreter that has it with --python"
    if told["field"] == "kwargs" and remedy.startswith("mend kwargs"):
        missing = remedy.rpartition(": give ")[2] if ": give " in remedy else "the arguments it takes"
        remedy = f"give {missing}, each as name=value"
    elif told["what"].startswith("no module"):
        remedy = elsewhere
    elif told["what"].startswith("importing"):
        remedy = f"{remedy}, or {elsewhere}"
    return BadInput(told["what"], remedy=remedy)


def _failed(asked: Asked, error: RunnerFailed) -> WorkloadFailed:
    if error.cause == "timeout":
        what = f"{asked.call} took longer than {SCOUT_TIMEOUT_S:g} s"
        return WorkloadFailed(what, remedy="ask for less work in one call, so that it can be called many times")
    place = [line.strip() for line in (error.traceback or "").splitlines() if line.startswith("  File ")]
    where = f" ({place[-1]})" if place else ""
    what = f"{asked.call} failed when it was called: {' '.join(error.error.split())}{where}"
    structured = [f"{name} is a {_kind(value)}" for name, value in asked.kwargs.items() if not isinstance(value, str)]
    if error.error.startswith("TypeError") and structured:
        remedy = (
            f"""values are read as YAML ({", ".join(structured)}); for text, quote it inside too: {_quoted(asked)}"""
        )
    elif error.error.startswith("EOFError"):
        remedy = "standard input is empty here: give the function its input as arguments"
    else:
        remedy = "call it with arguments that it can work with"
    return WorkloadFailed(what, remedy=remedy)


def _quoted(asked: Asked) -> str:
    name = next(name for name, value in asked.kwargs.items() if not isinstance(value, str))
    return f"{name}='\"...\"'"


def _kind(value: object) -> str:
    names = {dict: "mapping", list: "list", bool: "truth value", type(None): "nothing"}
    return names.get(type(value)) or "number"


def spec(asked: Asked, facts: Facts, cores: int, save: Path | None = None) -> str:
    """Return the spec of the experiment that answers the question, as YAML with comments, for the file `save`."""
    tasks = _tasks(asked, facts, cores)
    entries = _entries(facts, tasks, cores)
    one_by_one, at_once = 1, _workers(facts, tasks, cores)
    workload: dict[str, Any] = {"call": asked.call} | ({"kwargs": dict(asked.kwargs)} if asked.kwargs else {})
    matrix: dict[str, Any] = {"workers": sorted({one_by_one, at_once}) if facts.is_async else [at_once]}
    matrix |= {"python": [asked.python]} if asked.python else {}
    round_s = _round_s(facts, tasks, [_model(entry) for entry in entries for _ in matrix["workers"]])
    rounds = max(FEWEST_ROUNDS, min(MOST_ROUNDS, round(ROUNDS_S / round_s)))
    variants = len(entries) * len(matrix["workers"])
    needed_s = _first_look_s(variants, (rounds + 2) * round_s + variants * facts.ready_ns / 1e9 / cores)
    enough_s = max(BUDGET_S, min(LONGEST_S, math.ceil(1.25 * needed_s)))
    max_time_s = asked.max_time_s or enough_s
    in_loop = "awaited one after the other" if facts.is_async else "in a plain loop"
    baseline = ("event_loop(workers=1)" if at_once > 1 else "event_loop") if facts.is_async else "sequential"
    lines = [
        *_heading(asked, save),
        dump({"name": _name(asked.call), "description": _description(asked, facts)}),
        "# the function and its arguments",
        dump({"workload": workload}).rstrip(),
        *([f"  check: none  # {facts.incomparable}"] if facts.incomparable else []),
        "",
        f"# calls in one batch: about {units.duration(tasks * facts.wall_ns)} {in_loop}",
        dump({"tasks": tasks}),
        "models:",
        *(f"  - {dump(entry, flow=True)}  # {models.load(_model(entry)).SUMMARY}" for entry in entries),
        "",
        f"# every combination is measured; workers: {'calls in flight' if facts.is_async else _why_workers(facts)}",
        dump({"matrix": matrix}),
        dump({"baseline": baseline}),
        "# max_time bounds the whole run, which ends as soon as the question is decided",
        dump({"measure": {"rounds": rounds, "max_time": f"{max_time_s:g}s"}}).rstrip(),
    ]
    return "\n".join(lines) + "\n"


def saved(text: str, results: Results) -> str:
    """Return the spec with an expectation to uncomment: what was measured, with some room for other days."""
    lines = [
        "",
        "# Uncomment this, and the exit status says whether it still holds: 0, or 1 when it is broken, 4 undecided.",
        "# expect:",
    ]
    compared = [event for event in results.derived if event["event"] == "variant.compared" and event["speedup_low"]]
    for event in compared:
        low, high = event["speedup_low"], event["speedup_high"]
        bound = {"min": float(f"{low * 0.8:.2g}")} if low > 1 else {"max": float(f"{high * 1.25:.2g}")}
        claim = dump({"of": event["variant"], "metric": "speedup", **bound}, flow=True)
        lines.append(f"#   - {claim}  # measured: {units.ratio(event['speedup'], low, high)}")
    return text + "\n".join(lines) + "\n" if compared else text


def _name(call: str) -> str:
    return f"advise-{call.replace(':', '.')}"[:64]


def _description(asked: Asked, facts: Facts) -> str:
    kind = "coroutine function" if facts.is_async else "function"
    told = [
        f"Which model runs the {kind} {asked.call} best?",
        f"A call took {units.duration(facts.wall_ns)} when tried, {units.percent(facts.busy)} of it on a core.",
    ]
    if facts.is_parallel:
        told.append(f"It kept {facts.cpu_ns / facts.wall_ns:.1f} cores busy by itself.")
    if not facts.is_async:
        reasons: dict[str, list[str]] = {}
        for name, why in _left_out(facts).items():
            reasons.setdefault(why.replace(f" of {name}", ""), []).append(name)
        told += [f"Left out: {' and '.join(names)}, for {why}." for why, names in reasons.items()]
    if facts.incomparable:
        told.append(f"Nobody checks that results are right under every model: {facts.incomparable}.")
    return " ".join(told)


def _left_out(facts: Facts) -> dict[str, str]:
    """Return why a model is no contestant, by model."""
    unsendable = f"its results can't be sent between processes ({facts.unpicklable})"
    sending = [name for name in models.NAMES if models.load(name).PICKLES] if facts.unpicklable else []
    return dict.fromkeys(sending, unsendable) | dict(facts.refused)


def _entries(facts: Facts, tasks: int, cores: int) -> list[str | dict[str, Any]]:
    """Return the entries of `models`: all that can run the function, and chunks where calls are short."""
    left_out = _left_out(facts)
    entries: list[str | dict[str, Any]] = []
    for name in models.NAMES:
        if name not in left_out:
            entries.append(name)
            chunk = math.ceil(tasks / (4 * cores))  # four chunks a worker, as multiprocessing.Pool makes them
            if facts.wall_ns < SHORT_NS and chunk > 1 and "chunksize" in models.load(name).OPTIONS:
                entries.append({"model": name, "chunksize": chunk})
    return entries


def _model(entry: str | dict[str, Any]) -> str:
    return entry if isinstance(entry, str) else str(entry["model"])


def _tasks(asked: Asked, facts: Facts, cores: int) -> int:
    """Return the calls of a batch: what was asked for, or about `BATCH_NS` in a plain loop, the same for every core."""
    if asked.tasks:
        return asked.tasks
    if facts.is_parallel:  # copies of it fight each other for the cores, and a batch takes many times as long
        return max(FEWEST_TASKS, 2 * cores)
    is_busy = facts.busy >= BUSY
    wanted = round((BATCH_NS if is_busy else WAITING_BATCH_NS) / facts.wall_ns)
    fewest = cores if is_busy and facts.wall_ns > LONG_NS else max(FEWEST_TASKS, 2 * cores)
    return math.ceil(max(fewest, min(MOST_TASKS, wanted)) / cores) * cores


def _workers(facts: Facts, tasks: int, cores: int) -> int:
    """Return the calls to have in flight: one for each core while they compute, more while they wait."""
    if facts.is_async:
        return tasks
    if facts.busy >= BUSY:
        return cores
    return max(1, min(tasks, MOST_WORKERS, math.ceil(cores / max(facts.busy, 0.01))))


def _why_workers(facts: Facts) -> str:
    return "the cores here" if facts.busy >= BUSY else "more than cores, for calls that wait"


def _round_s(facts: Facts, tasks: int, variants: Sequence[str]) -> float:
    """Return about how long one round takes, or longer: nobody knows yet what runs in parallel."""
    trials_ns = [max(SHORTEST_TRIAL_NS, tasks * facts.wall_ns) for _ in variants]
    trials_ns += [tasks * NEW_PROCESS_NS for name in variants if name == "process_per_task"]
    return sum(trials_ns) / 1e9 * (FIGHTING if facts.is_parallel else 1)


def _first_look_s(variants: int, block_s: float) -> float:
    """Return about how long it takes to the first look."""
    return block_s * next((m for m in LOOKS if can_decide(m, LOOK_LEVEL / max(1, variants - 1))), LOOKS[-1])


def _heading(asked: Asked, save: Path | None) -> list[str]:
    """Return what stands at the top of the spec: where it comes from, and how it runs again."""
    arguments = " ".join(shlex.quote(f"{name}={dump(value, flow=True)}") for name, value in asked.kwargs.items())
    again = f"cd {shlex.quote(str(Path.cwd()))} && orchestrator run {shlex.quote(str(save or 'my.yaml'))}"
    name = shlex.quote((save or Path("my.yaml")).stem)
    return [
        f"# Written by `orchestrator advise {f'{asked.call} {arguments}'.strip()}`. Again, and from cron every night:",
        f"#   {again}",
        f"#   15 3 * * * {again} >> {name}.jsonl 2>> {name}.log",
        "# For completion in an editor: orchestrator schema spec > spec.schema.json, then",
        "# yaml-language-server: $schema=spec.schema.json",
        "",
    ]


def advise(asked: Asked, runs: Path, save: Path | None) -> Ended:
    """Return how the experiment ended that answers what was asked; writes its spec to `save`, if given, at the end.

    Raises BadInput and WorkloadFailed before anything is written.
    """
    _check_target(save)
    cores = effective_cores()
    facts = scout(asked)
    text = spec(asked, facts, cores, save)
    experiment, source = loads(text, "the experiment of advise")
    planned = plan(experiment, cores)
    diagnostics().info("function.scouted", call=asked.call, calls=facts.calls, call_ms=facts.wall_ns / 1e6)
    ended = run(planned, source, runs)
    if save:
        _write(save, saved(text, ended.results))
    return ended


def _check_target(save: Path | None) -> None:
    """Raise BadInput when the spec can't be saved there: it would be a pity after the run."""
    if save and save.exists():
        raise BadInput(f"{save} is there already", where="--save", remedy="name another file, or delete it")
    if save and not save.parent.is_dir():
        raise BadInput(f"no directory {save.parent}", where="--save", remedy="make it first")


def _write(save: Path, text: str) -> None:
    try:
        with save.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"cannot write {save}: {error.strerror}", where="--save", remedy="name another file") from error
