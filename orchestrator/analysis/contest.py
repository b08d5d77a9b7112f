"""What is known of the variants at one point: blocks, looks, drops and failures. Data only.

`fold` fills a contest from raw events, and `decide` judges it.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from statistics import median
from typing import Any, Literal

from ..spec.plan import Plan, Point, Variant, runner_request
from . import looks
from .accounts import BUSY_CALL, DISTURBED_BATCH, Account, keeps_several_cores
from .stats import Ratio, compare
from .windows import Calls, Served

Decision = Literal["win", "tie"]


@dataclass(slots=True)
class Block:
    """The raw data of one block by variant label: one value per round, and one start-up time.

    It is small, since a run on a cluster may have a hundred thousand blocks.
    """

    number: int
    host: str | None = None  # the host of a cluster that it ran on; None: the machine of the run
    walls: dict[str, array[int]] = field(default_factory=dict)
    """The `wall_ns` of each trial. A variant that is far behind has fewer: those of the first rounds.

    Where calls arrive at a rate, the latency that the verdict is about, a single one for all windows of the block.
    """
    calls: dict[str, Calls] = field(default_factory=dict)
    """What the windows so far showed; empty once the block has ended."""
    served: dict[str, Served] = field(default_factory=dict)
    spans: dict[str, array[int]] = field(default_factory=dict)
    """The `wall_ns` of each window."""
    cpus: dict[str, array[int]] = field(default_factory=dict)
    startups: dict[str, int] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    """The number of operating-system threads of all workers, over all processes."""
    observed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    overlaps: dict[str, float] = field(default_factory=dict)
    """The time of two workers at once divided by that of one alone, from 1 (in parallel) to 2 (one at a time)."""
    accounts: dict[str, Account] = field(default_factory=dict)
    call_accounts: dict[str, Mapping[str, int | None]] = field(default_factory=dict)
    """Where calls arrive at a rate, the parts of their time in ns by `CALL_PARTS`; None for what is not known."""
    calls_ns: dict[str, int] = field(default_factory=dict)
    """The time until every worker had made its first call, where there was a warm-up."""
    elapsed_ns: int = 0
    overhead_ns: int = 0
    """The time for starting and warming up."""
    rounds_ns: int = 0
    """The time of all rounds."""
    reference: Sequence[int] = ()  # the reference loop's time in every round; empty where it was not timed
    reference_version: int | None = None
    free_cores: float | None = None
    steal_share: float | None = None
    pressure: float | None = None
    unchecked: tuple[str, ...] = ()
    check_failed: tuple[str, ...] = ()
    gil_enabled_by: dict[str, str] = field(default_factory=dict)
    """The module that enabled the GIL, for a variant that started without it."""

    def busy_cores(self, label: str) -> float:
        """Return how many cores a variant kept busy during its trials."""
        return median(self.cpus[label]) / median(self.spans.get(label) or self.walls[label])


@dataclass(frozen=True)
class Look:
    """The result of a look after `blocks` blocks.

    `gaps`: how many times as fast `best` is as each other contender. `dropped` are separated from the best,
    `remaining` are not.
    """

    blocks: int
    best: str
    gaps: Mapping[str, Ratio]
    dropped: tuple[str, ...]
    remaining: tuple[str, ...]
    decision: Decision | None


@dataclass(eq=False)
class Contest:
    """One point: its finished blocks, the variants still in the contest, and the looks taken."""

    plan: Plan
    point: Point
    variants: dict[str, Variant] = field(init=False)
    look_level: float = field(init=False)
    """The level of one look for pairwise claims: ratios to the baseline, expectations."""
    blocks: list[Block] = field(default_factory=list)  # the blocks that count, in the order of their numbers
    looks: list[Look] = field(default_factory=list)
    dropped: dict[str, int] = field(default_factory=dict)  # after how many blocks each variant was dropped
    dropped_for_futility: set[str] = field(default_factory=set)
    excluded: set[str] = field(default_factory=set)  # the variants that failed too often
    failures: Counter[str] = field(default_factory=Counter)
    hung: set[str] = field(default_factory=set)  # the variants that reached `measure.timeout`
    repeats: dict[str, int] = field(default_factory=dict)
    rounds: int | None = None
    has_frozen_rounds: bool = False
    """Whether `rounds` holds for all further blocks."""
    guarded: set[str] = field(default_factory=set)
    copied: dict[str, str] = field(default_factory=dict)
    """By variant, an argument that calls change, so that each call gets copies."""
    kept_by: dict[str, str] = field(default_factory=dict)
    """By variant, what answered all calls but the first."""
    started: dict[str, int] = field(default_factory=dict)
    """By variant, how many processes a call starts."""
    begun_numbers: set[int] = field(default_factory=set)  # the numbers of the blocks that have begun
    discarded: int = 0
    needs_ns: int | None = None
    """About how long a block takes, where the time of the run ended in the last one; None where that is not known."""
    is_skipped: bool = False
    differences: list[str] = field(default_factory=list)  # where the journal differs from what is recomputed
    running: Block | None = None  # the block whose events are being read
    ended: dict[int, Block | None] = field(default_factory=dict)
    """Blocks that ended and don't count yet, by number; None: discarded."""
    following: int = 0  # the number of the next block to count
    logged_drops: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self.variants = {variant.label: variant for variant in self.plan.variants}
        self.look_level = looks.look_level(self.plan)

    def withdraw(self, label: str) -> None:
        """Remove a variant that can't run on this machine, before the first block."""
        del self.variants[label]

    @property
    def level(self) -> float:
        """The level of one look in the contest for the best, which must hold against every rival at once.

        That is `look_level` divided by the number of rivals, and by the number of points along an axis (Bonferroni).
        """
        return self.look_level / max(1, len(self.variants) - 1) / self.plan.level_split

    @property
    def tie_level(self) -> float:
        """The level of one look for a tie."""
        return looks.tie_level(self.plan)

    @property
    def log_tie(self) -> float:
        """The logarithm of a ratio up to which two variants tie."""
        return math.log1p(self.plan.experiment.measure.tie)

    @property
    def fixed_blocks(self) -> int | None:
        """The number of blocks, where the spec fixes it: there is one look then, and no variant is dropped before."""
        return self.plan.experiment.measure.blocks

    @property
    def contenders(self) -> list[str]:
        """The variants that can still win."""
        return [label for label in self.variants if label not in self.dropped and label not in self.excluded]

    @property
    def knows_baseline(self) -> bool:
        """Whether the baseline needs no further blocks: it can't win, and ratios to it have an exact interval."""
        label = self.plan.baseline.label
        measured = sum(label in block.walls for block in self.blocks)
        return label in self.dropped and looks.has_rank_interval(measured, self.look_level)

    @property
    def front(self) -> list[str]:
        """The variants that the last look did not separate from the best; none before the first look."""
        return [label for label in self.looks[-1].remaining if label not in self.excluded] if self.looks else []

    @property
    def is_alone(self) -> bool:
        """Whether there is nothing to compare: one variant, or all others excluded."""
        return len(self.variants) - len(self.excluded) < 2

    @property
    def counting(self) -> list[Block]:
        """The blocks behind all results: those up to the last look, or all before the first look."""
        return self.blocks[: self.looks[-1].blocks] if self.looks else self.blocks

    def block_medians(self, label: str) -> list[float]:
        """Return the median time of a variant in each block that counts and has it, in ns."""
        return [median(block.walls[label]) for block in self.counting if label in block.walls]

    @property
    def finished_blocks(self) -> int:
        """The number of finished blocks, including those that don't count yet."""
        return len(self.blocks) + sum(block is not None for block in self.ended.values())

    @property
    def open_block(self) -> int | None:
        """The number of the block that has begun and not ended; only an interrupted run leaves one."""
        return self.running.number if self.running else None

    def unlogged_drops(self) -> list[tuple[str, Look]]:
        """Return the variants that a look dropped, with that look, where the log has no such event yet."""
        return [(label, look) for look in self.looks for label in look.dropped if label not in self.logged_drops]

    @property
    def kinds(self) -> dict[str, str]:
        """What each variant competes as: its model, or the label of its entry in the spec.

        One that only repeats a plain loop is of that loop's kind, and a model that starts a worker for each call is of
        the kind of its pool: which of them is faster by a little would take most of the blocks. Where all variants are
        of one kind, each competes for itself.
        """
        loops = self.repeated_loops
        names = {self.name_of(variant) for variant in self.variants.values()}
        found = {label: self._competes_as(self.variants[loops.get(label, label)], names) for label in self.variants}
        return found if len(set(found.values())) > 1 else {label: label for label in self.variants}

    @property
    def plain_loops(self) -> list[str]:
        """The variants that are plain loops, without those that failed too often."""
        loops = [label for label, each in self.variants.items() if each.model == "sequential"]
        return [label for label in loops if label not in self.excluded]

    @property
    def is_parallel(self) -> bool:
        """Whether a call keeps several cores busy by itself, or starts several processes."""
        if any(started > 1 for started in self.started.values()):
            return True
        if self.point.arrivals:  # where time passes between calls
            return False

        def keeps_several(loop: str) -> bool:
            mine = [block for block in self.counting if loop in block.walls]
            if not mine:
                return False
            wall_ns = median(median(block.walls[loop]) for block in mine)
            cpu_ns = median(median(block.cpus[loop]) for block in mine)
            return keeps_several_cores(wall_ns / self.point.tasks, cpu_ns / wall_ns)

        return any(map(keeps_several, self.plain_loops))

    @property
    def repeated_loops(self) -> dict[str, str]:
        """The variants that make one call after the other, each with the plain loop that it repeats.

        They are a plain function in an event loop, pools that only have one worker, and threads that take turns. They
        are measured and shown, but they are no rivals: to part them from the loop would take many blocks, and teach
        nothing. Threads are rivals all the same where two others would not be left, and so are the rest.
        """
        loops = self.plain_loops
        widest: Counter[int] = Counter()
        for each in self.variants.values():
            widest[each.entry] = max(widest[each.entry], each.at_once(self.point.tasks))
        found: dict[str, str] = {}
        turns: dict[str, str] = {}
        for label, each in self.variants.items():
            is_loop = each.model == "event_loop" or (each.workers == 1 and widest[each.entry] == 1)
            if each.model == "sequential" or (each.needs.pickles and not is_loop):
                continue
            loop = next((loop for loop in loops if self.runs_as(each, self.variants[loop])), None)
            if loop and is_loop:
                found[label] = loop
            elif loop and self._takes_turns(label, loop):
                turns[label] = loop
        return next((each for each in (found | turns, found) if len(self.variants) - len(each) > 1), {})

    def _takes_turns(self, label: str, loop: str) -> bool:
        """Return whether the threads of a variant compute one at a time, so that they can't be faster than a loop.

        They keep no more cores busy than the loop does, whose calls compute. That CPU time per wall time hardly varies
        from block to block, however much the times themselves do, so the blocks up to the first look settle it for all
        later ones. Threads that seem to be faster all the same stay rivals, and all do along an axis, where the winner
        may change.
        """
        early = self.blocks[: looks.first_look(self.plan)]
        both = [block for block in early if label in block.cpus and loop in block.cpus]
        if not both or self.point.arrivals or self.plan.level_split > 1:
            return False
        most = 1 + self.plan.experiment.measure.tie
        busy = median(block.busy_cores(loop) for block in both)
        speedup = median(median(block.walls[loop]) / median(block.walls[label]) for block in both)
        keeps = median(block.busy_cores(label) for block in both)
        return busy >= BUSY_CALL and keeps <= most * busy and speedup <= most

    def undisturbed(self, label: str) -> list[tuple[Account, float | None]]:
        """Return the accounts of a variant, each with how many times as long as the trials of its block its batch took.

        None where a batch had fewer calls. Those beyond `DISTURBED_BATCH` count only where there are no others.
        """
        found: list[tuple[Account, float | None]] = []
        for block in self.counting:
            if account := block.accounts.get(label):
                is_whole = account.calls == self.point.tasks and block.walls.get(label)
                found.append((account, account.wall_ns / median(block.walls[label]) if is_whole else None))
        if not any(ratio is not None and ratio <= DISTURBED_BATCH for _, ratio in found):
            return found
        return [(account, ratio) for account, ratio in found if ratio is None or ratio <= DISTURBED_BATCH]

    def runs_as(self, variant: Variant, loop: Variant) -> bool:
        """Return whether a variant makes the very calls of a plain loop, under the same interpreter."""
        mine, other = (runner_request(self.point, each)["workload"] for each in (variant, loop))
        interpreters = [(each.python, each.path, dict(each.env)) for each in (variant, loop)]
        return mine == other and not mine.get("async_call") and interpreters[0] == interpreters[1]

    def name_of(self, variant: Variant) -> str:
        """Return the label of the entry in the spec that a variant comes from, or its model."""
        return self.plan.experiment.models[variant.entry].name

    def _competes_as(self, variant: Variant, names: Collection[str]) -> str:
        """Return the name of a variant's kind; `names` are those of all entries."""
        own = self.name_of(variant)
        pool = variant.needs.pool if own == variant.model else None
        return pool if pool and pool in names else own

    def compare(self, a: str, b: str, level: float) -> Ratio | None:
        """Return how many times as fast `a` is as `b` over the blocks that count, see `stats.compare`."""
        return compare([block.walls for block in self.counting], a, b, level)
