"""Design the experiment that finds the best model for a function, from the facts of a pilot. Pure."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from .. import units
from ..analysis.accounts import BUSY_CALL
from ..analysis.decide import FUTILE_RATIOS
from ..analysis.looks import LOOK_LEVEL, LOOKS, first_ranked
from ..analysis.refinement import coarse
from ..runner import registry
from ..runner.measure import SHORTEST_NS
from ..spec.model import Measure
from ..spec.plan import first_rounds
from .facts import Facts
from .question import Question, Range

BATCH_NS, WAITING_BATCH_NS = 20e6, 30e6
"""The time of a batch in a plain loop: long compared with a wake-up, short enough for many rounds."""

ITEMS_NS, FEWEST_ITEMS = 400e6, 32
"""The size of a sample of the items: as many as take `ITEMS_NS` in a plain loop, at least `FEWEST_ITEMS`."""

MOST_FOR_ALL = 2
"""A batch has all items if they are at most this many times the sample, which may lack the longest one."""

FEWEST_TASKS, MOST_TASKS = 4, 64

MOST_FOR_WORKERS = 256
"""A batch is not enlarged beyond this for the workers asked for: a plain loop makes the calls one by one."""

SHORT_NS = 2_000_000  # calls shorter than this are also sent to processes in chunks (a pool's `chunksize`)
SHORT_ITEMS_NS = 5_000_000  # of unequal calls, chunks of longer ones are tried too: they may lose
LONG_NS = 25_000_000  # with calls that compute for longer than this, a batch has one call per core
FIRST_CALL = 20  # a first call that takes this many times as long as later ones is reported

MOST_WORKERS = 16
EXPLAINING = 1.15  # the time of a whole block relative to that of its rounds: diagnostics follow the rounds
FIGHTING = 3  # the slowdown of a round when calls that use several cores by themselves (OpenBLAS) run in parallel
BUDGET_S, LONGEST_S = 18.0, 300.0
SHORT_BUDGET_S, FEW_ROUNDS = 8.0, 1  # where little is to be learned: calls that are parallel by themselves, or kept

PARALLEL = ("sequential", "threads")
"""Models for plain calls that are parallel by themselves: do two at once gain anything?"""

ROUNDS_ALONG, ROUNDS_S_ALONG = 10, 1.0
"""The rounds of a block for a range, unless they take longer than the second figure."""

ONE_LOOP = {"processes_of_loops": "one event loop is enough for calls that wait"}

COMPETING = "each call uses several cores by itself, so calls at once would compete for them"

IN_RANGE = {
    "event_loop": "it runs a plain function as a plain loop does",
    "thread_per_task": "`threads` stands for it along a range",
    "process_per_task": "`processes` stands for it along a range",
}
"""Models left out of a range, with the reason: every model costs time at every level."""

LONG_CALL_NS = 200_000_000
"""Of longer calls, the start of a worker is too small a part to be seen."""

IN_LONG_CALLS = {
    "event_loop": "it runs a plain function as a plain loop does",
    "thread_per_task": "`threads` stands for it: calls are long compared with the start of a thread",
    "process_per_task": "`processes` stands for it: calls are long compared with the start of a process",
}
"""Models left out where calls are long, with the reason: every model costs seconds in every block."""

TIMEOUT_S, PATIENCE = Measure().timeout, 5
"""The timeout of a trial is the default of a spec, or a multiple of the time of a plain loop."""

MOST_PROCESSES, MOST_STARTING_NS = 128, 1e9
"""No process per call for batches of more calls, or where starting the processes takes longer."""


@dataclass(frozen=True)
class Design:
    """The `entries` of the spec's `models` to compare, each with every number of `workers`.

    `left_out` has the reason for each model that is left out, `unable` for each that fails with the function, `spawned`
    for each whose workers are spawned.
    `first_look_s` is about the time to the first look, which can find a win, and `needed_s` that to the first one that
    can find a tie. They are the same along a range, for calls that arrive, for calls that are parallel by themselves,
    and where a tie would take longer than `LONGEST_S`.
    """

    left_out: Mapping[str, str]
    entries: Sequence[str | dict[str, Any]]
    workers: Sequence[int]
    tasks: int
    rounds: int | None
    timeout_s: float
    first_look_s: float
    needed_s: float
    max_time_s: float
    other_end: tuple[int | float, Facts] | None = None  # of a range: the level where calls are shorter, and its facts
    unable: Mapping[str, str] = field(default_factory=dict)
    arrivals: Mapping[str, Any] | None = None  # in the place of tasks
    metric: str | None = None
    alone_workers: Sequence[int] = ()  # those to compare an event loop with itself, where no other model is left
    spawned: Mapping[str, str] = field(default_factory=dict)

    def is_longest_at_low(self, over: Range) -> bool:
        """Return whether calls take longest at the lower end of a range."""
        return self.other_end is not None and self.other_end[0] == over.levels[-1]

    @property
    def variants(self) -> int:
        return len(_models(self.entries, self.workers))

    @property
    def unfit(self) -> Mapping[str, str]:
        """The reason for each model that is left out or fails."""
        return {**self.left_out, **self.unable}

    def without(self, failed: Mapping[str, str], spawned: Mapping[str, str]) -> Design:
        """Return the design without models that failed, and with workers that are spawned, each with its reason."""
        entries = [
            _spawning(entry) if model_of(entry) in spawned else entry
            for entry in self.entries
            if model_of(entry) not in failed
        ]
        workers = self.alone_workers if self.alone_workers and _is_one(entries) else self.workers
        return replace(self, entries=entries, workers=workers, unable={**self.unable, **failed}, spawned=spawned)


def design(question: Question, facts: Facts, cores: int) -> Design:
    """Return the experiment for a machine with `cores`: of models asked for, else standard ones, those that fit."""
    tasks = question.tasks or _for_workers(question, facts, _tasks(question, facts, cores))
    unable = _unable(facts)
    left_out = {name: why for name, why in _left_out(facts, tasks, cores).items() if name not in unable}
    entries = _entries(facts, {**left_out, **unable}, tasks, cores)
    if question.models is not None:
        left_out = {name: why for name, why in facts.refused.items() if name not in unable}
        entries = [entry for entry in question.models if model_of(entry) not in {**left_out, **unable}]
    entries = _in_own_loops(entries, question, facts, tasks, cores)
    at_once = _workers(facts, tasks, cores)
    alone_workers = sorted({1, tasks}) if facts.is_async and not question.workers else []  # one by one is a contestant
    is_alone = _is_one(entries) if question.models is None else len(entries) == 1
    workers = question.workers or (alone_workers if alone_workers and is_alone else [at_once])
    variants = _models(entries, workers)
    rounds = FEW_ROUNDS if facts.is_parallel else None
    block_s = _block_s(facts, tasks, variants, rounds, cores, at_once)
    # a tie's level is not divided among rivals, as in `analysis`
    all_s = block_s * (LOOKS[0] if facts.is_parallel else first_ranked(LOOK_LEVEL))
    enough_s = max(BUDGET_S, min(LONGEST_S, math.ceil(1.25 * all_s)))
    if facts.is_parallel or facts.kept_by:
        enough_s = max(SHORT_BUDGET_S, min(LONGEST_S, all_s))
    first_look_s = block_s * LOOKS[0]
    needed_s = all_s if all_s <= LONGEST_S else first_look_s
    timeout_s = max(TIMEOUT_S, PATIENCE * tasks * facts.wall_ns / 1e9)
    max_time_s = question.max_time_s or enough_s
    return Design(
        left_out,
        entries,
        workers,
        tasks,
        rounds,
        timeout_s,
        first_look_s,
        needed_s,
        max_time_s,
        unable=unable,
        alone_workers=alone_workers if question.models is None else [],
    )


def design_over(question: Question, low: Facts, high: Facts, cores: int) -> tuple[Facts, Design]:
    """Return the facts that hold along a whole range, from pilots of both ends, and the experiment for it.

    Batches, workers and the longest trial fit the end where a call takes longer; calls that are short at the other end
    are also sent in chunks. The time is that of the levels measured first, and of those that then halve the interval in
    which the winner changes.
    """
    assert question.over
    longest, other_end = high, (question.over.levels[0], low)
    if low.wall_ns >= high.wall_ns:
        longest, other_end = low, (question.over.levels[-1], high)
    facts = replace(
        longest,
        refused={**(IN_RANGE if not high.is_async else {}), **low.refused, **high.refused},
        failed={**low.failed, **high.failed},
        unpicklable=low.unpicklable or high.unpicklable,
        incomparable=low.incomparable or high.incomparable,
        ready_ns=max(low.ready_ns, high.ready_ns),
    )
    single = design(replace(question, over=None), facts, cores)
    shortest = replace(facts, wall_ns=min(low.wall_ns, high.wall_ns))
    entries = _entries(shortest, {**single.left_out, **single.unable}, single.tasks, cores)
    entries = _in_own_loops(entries, question, facts, single.tasks, cores)
    variants = _models(entries, single.workers)
    rounds = ROUNDS_ALONG if ROUNDS_ALONG * _round_s(facts, single.tasks, variants) <= ROUNDS_S_ALONG else None
    count = len(question.over.levels)
    # the levels that are measured, if the winner changes once, and the time of a call at each
    first = coarse(count)
    halving = math.ceil(math.log2(max(1, first[1] - first[0]))) + 1
    places = [*first, *[count // 2] * halving]
    walls_ns = [max(1, round(low.wall_ns * (high.wall_ns / low.wall_ns) ** (place / (count - 1)))) for place in places]
    needed_s = LOOKS[0] * sum(
        _block_s(replace(facts, wall_ns=wall_ns), single.tasks, variants, rounds, cores) for wall_ns in walls_ns
    )
    # twice: levels without a clear winner take more blocks, and the run ends as soon as it can
    enough_s = max(BUDGET_S, min(LONGEST_S, math.ceil(2 * needed_s)))
    found = replace(single, entries=entries, rounds=rounds, other_end=other_end, first_look_s=needed_s)
    return facts, replace(found, needed_s=needed_s, max_time_s=question.max_time_s or enough_s)


def _left_out(facts: Facts, tasks: int, cores: int) -> dict[str, str]:
    """Return the reason for each model that is left out."""
    starting_ns = facts.process_ns or 0
    dear = {}
    if tasks > MOST_PROCESSES:
        dear = {"process_per_task": f"it would start {tasks} processes at once"}
    elif tasks * starting_ns > MOST_STARTING_NS and starting_ns > FUTILE_RATIOS[-1] * cores * facts.wall_ns:
        dear = {"process_per_task": f"a process takes {units.duration(starting_ns)} to start and end"}
    competing = registry.STANDARD if facts.is_parallel and not facts.is_async else ()
    parallel = {name: COMPETING for name in competing if name not in PARALLEL}
    loops = ONE_LOOP if facts.is_async and not facts.fills_a_loop else {}
    alike = IN_LONG_CALLS if facts.wall_ns > LONG_CALL_NS and not facts.is_async else {}
    return dear | alike | parallel | loops | dict(facts.refused)


def _unable(facts: Facts) -> dict[str, str]:
    """Return the reason for each model that fails with the function."""
    sending = [name for name in _considered(facts) if registry.load(name).needs({}).pickles]
    found = dict.fromkeys(sending if facts.unpicklable else [], f"its results {facts.unpicklable}") | dict(facts.failed)
    return {name: why for name, why in found.items() if name not in facts.absent}


def _considered(facts: Facts) -> Sequence[str]:
    return registry.FOR_COROUTINES if facts.is_async else registry.STANDARD


def _entries(facts: Facts, left_out: Mapping[str, str], tasks: int, cores: int) -> list[str | dict[str, Any]]:
    """Return the entries of `models`: all that can run the function, and chunks where calls are short."""
    entries: list[str | dict[str, Any]] = []
    for name in _considered(facts):
        if name not in left_out:
            entries.append(name)
            chunk = math.ceil(tasks / (4 * cores))  # four chunks a worker, as multiprocessing.Pool makes them
            is_short = facts.wall_ns < (SHORT_ITEMS_NS if facts.items else SHORT_NS)
            if is_short and chunk > 1 and "chunksize" in registry.load(name).OPTIONS:
                entries.append({"model": name, "chunksize": chunk})
    return entries


def _shared(entry: str | dict[str, Any], tasks: int, cores: int) -> str | dict[str, Any]:
    """Return an entry of which only the model is given, where its workers have several calls in flight: one per core.

    Without this, a batch of calls that wait would get as many processes as calls in flight.
    """
    if not isinstance(entry, str) or registry.load(entry).needs({}).per_worker == 1:
        return entry
    return {"model": entry, "workers": cores, "concurrency": math.ceil(tasks / cores)}


def _in_own_loops(
    entries: Sequence[str | dict[str, Any]], question: Question, facts: Facts, tasks: int, cores: int
) -> list[str | dict[str, Any]]:
    """Return the entries for coroutines: those with several calls in each worker have one worker on each core.

    Coroutines that only compute have such workers anyway, unless the models were asked for.
    """
    shares = facts.is_async and not question.workers and (question.models is not None or not facts.takes_turns)
    return [_shared(entry, tasks, cores) if shares else entry for entry in entries]


def _spawning(entry: str | dict[str, Any]) -> dict[str, Any]:
    """Return an entry whose workers are spawned."""
    return {"model": model_of(entry), **({} if isinstance(entry, str) else entry), "start_method": "spawn"}


def _models(entries: Sequence[str | dict[str, Any]], workers: Sequence[int]) -> list[str]:
    """Return the model of each variant: an entry that has its own `workers` is one, others are one for each number."""
    return [model_of(entry) for entry in entries for _ in ([0] if has_workers(entry) else workers)]


def _is_one(entries: Sequence[str | dict[str, Any]]) -> bool:
    """Return whether a single entry is measured with each number of workers."""
    return sum(not has_workers(entry) for entry in entries) == 1


def has_workers(entry: str | dict[str, Any]) -> bool:
    """Return whether an entry names its number of workers."""
    return isinstance(entry, dict) and "workers" in entry


def model_of(entry: str | dict[str, Any]) -> str:
    """Return the model of an entry."""
    return entry if isinstance(entry, str) else str(entry["model"])


def _tasks(question: Question, facts: Facts, cores: int) -> int:
    """Return the calls of a batch: as requested, or about `BATCH_NS` in a plain loop, equal for every core.

    With items, a call for each of them, or for some.
    """
    if question.tasks:
        return question.tasks
    if facts.items:
        wanted = max(FEWEST_ITEMS, math.ceil(ITEMS_NS / facts.wall_ns))
        return facts.items if facts.items <= MOST_FOR_ALL * wanted else wanted
    if facts.is_parallel:  # calls in parallel compete for the cores, and a batch takes many times as long
        return max(2, cores)
    is_busy = facts.busy >= BUSY_CALL
    wanted = round((BATCH_NS if is_busy else WAITING_BATCH_NS) / facts.wall_ns)
    fewest = cores if is_busy and facts.wall_ns > LONG_NS else max(FEWEST_TASKS, 2 * cores)
    return math.ceil(max(fewest, min(MOST_TASKS, wanted)) / cores) * cores


def _for_workers(question: Question, facts: Facts, tasks: int) -> int:
    """Return the calls of a batch, raised to a multiple of the largest number of workers asked for.

    Otherwise some workers would be idle, and no number of them could gain what it gains with a full batch.
    """
    given = [entry["workers"] for entry in question.models or () if isinstance(entry, dict) and has_workers(entry)]
    most = max([0, *(question.workers or ()), *(each for each in given if isinstance(each, int))])
    if most < 2:
        return tasks
    even = math.ceil(tasks / most) * most
    most_calls = min(MOST_FOR_WORKERS, facts.items or MOST_FOR_WORKERS)  # an item is not taken twice
    return max(tasks, min(even, most_calls))


def _workers(facts: Facts, tasks: int, cores: int) -> int:
    """Return the calls to have in flight: one for each core while they compute, more while they wait."""
    if facts.is_async and not facts.takes_turns:
        return tasks
    if facts.busy >= BUSY_CALL:
        return cores
    return max(1, min(tasks, MOST_WORKERS, math.ceil(cores / max(facts.busy, 0.01))))


def _block_s(
    facts: Facts, tasks: int, variants: Sequence[str], rounds: int | None, cores: int, at_once: int = 1
) -> float:
    """Return an estimate of the time of a block; without `rounds`, it has those of the first blocks of a run."""
    round_s = _round_s(facts, tasks, variants, at_once)
    starting_s = len(variants) * facts.ready_ns / 1e9 / cores
    # warming up and calibrating take about two rounds, or a call of each variant where calls are long
    warming_s = len(variants) * facts.wall_ns / 1e9 if facts.wall_ns > LONG_CALL_NS else 2 * round_s
    rounds = rounds or first_rounds(round_s, starting_s + warming_s)
    return EXPLAINING * (rounds * round_s + warming_s + starting_s)


def _round_s(facts: Facts, tasks: int, variants: Sequence[str], at_once: int = 1) -> float:
    """Return an upper estimate of the time of one round: only waiting is assumed to be done `at_once`."""
    waits = facts.busy < BUSY_CALL and not facts.is_async

    def trial_ns(name: str) -> float:
        in_turn_ns = tasks * (facts.wall_ns + ((facts.process_ns or 0) if name == "process_per_task" else 0))
        fighting = FIGHTING if facts.is_parallel and name != "sequential" else 1
        beside = at_once if waits and name not in ("sequential", "event_loop") else 1
        return max(SHORTEST_NS, in_turn_ns * fighting / beside)

    return sum(map(trial_ns, variants)) / 1e9
