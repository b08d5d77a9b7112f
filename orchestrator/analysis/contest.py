"""The contest of the variants at one point: a fold over raw events, with a judgement at each look.

The conductor, `report` and resume feed the same events to the same fold, so they come to the same standing. What a look
decides is computed from the trials; a journaled look only says that one was taken, and is compared with what is found.
"""

from __future__ import annotations

import math
from array import array
from collections import Counter
from collections.abc import Mapping, Sequence
from statistics import median
from typing import Any

from ..spec.plan import Plan, Point, Variant
from .accounts import Account
from .blocks import Block, Look
from .stats import LOOK_LEVEL, LOOKS, ONE_LOOK_LEVEL, Ratio, can_decide, compare, log_statistics

FAILURES_TO_EXCLUDE = 2

FUTILE_RATIO, FUTILE_BLOCKS = 3.0, 3
"""Who takes this many times as long as the best in each of so many first blocks leaves before the first look."""

TIE = "=tie"
"""What `faster` says of two instead of a label; no label begins like that."""


class Contest:
    """One point: its finished blocks, who is still in the contest, and the looks taken.

    Blocks count in the order of their numbers, and not before all with a lower number have ended: where several run at
    once, what is looked at must not depend on how long each took. None counts beyond a look that is due.
    """

    def __init__(self, plan: Plan, point: Point) -> None:
        self.plan = plan
        self.point = point
        self.variants: dict[str, Variant] = {variant.label: variant for variant in plan.variants}
        self.look_level = ONE_LOOK_LEVEL if self.fixed_blocks else LOOK_LEVEL
        """Of one look, for whatever is no contest: ratios to the baseline, expectations."""
        self.blocks: list[Block] = []
        self.looks: list[Look] = []
        self.dropped: dict[str, int] = {}
        self.dropped_for_futility: set[str] = set()
        self.excluded: set[str] = set()
        self.failures: Counter[str] = Counter()
        self.repeats: dict[str, int] = {}
        self.rounds: int | None = None
        self.guarded: set[str] = set()
        self.begun_numbers: set[int] = set()
        """The numbers of the blocks that have begun."""
        self.discarded = 0
        self.is_skipped = False
        self.differences: list[str] = []
        self._open: Block | None = None
        self._ended: dict[int, Block | None] = {}
        self._following = 0
        self._logged_drops: set[str] = set()

    @property
    def front(self) -> list[str]:
        """The variants that the last look did not separate from the best; none before the first look."""
        return [label for label in self.looks[-1].remaining if label not in self.excluded] if self.looks else []

    def withdraw(self, label: str) -> None:
        """Take a variant out that can't run on this machine, before the first block."""
        del self.variants[label]

    def add(self, event: Mapping[str, Any]) -> None:
        """Take one raw event of this point."""
        handler = _HANDLERS.get(event["event"])
        if handler:
            handler(self, event)

    @property
    def level(self) -> float:
        """Of one look in the contest for the best: divided by the number of rivals, so that the claim holds for all.

        And by the number of points along an axis, so that the claims hold for all of them together.
        """
        return self.look_level / max(1, len(self.variants) - 1) / self.plan.level_split

    @property
    def contenders(self) -> list[str]:
        """The variants that can still win."""
        return [label for label in self.variants if label not in self.dropped and label not in self.excluded]

    @property
    def counting(self) -> list[Block]:
        """The blocks that count for what is claimed: up to the last look; all, while there was none."""
        return self.blocks[: self.looks[-1].blocks] if self.looks else self.blocks

    @property
    def is_alone(self) -> bool:
        """Whether there is nothing to compare: one variant, or all others excluded."""
        return len(self.variants) - len(self.excluded) < 2

    def next_look(self) -> int | None:
        """Return the number of blocks at which something can be decided next; None after the last look."""
        if self.fixed_blocks:
            return self.fixed_blocks if self._looked < self.fixed_blocks else None
        return next((m for m in LOOKS if m > self._looked and can_decide(m, self.level)), None)

    @property
    def finished(self) -> int:
        """How many blocks have finished, whether they count yet or not."""
        return len(self.blocks) + sum(block is not None for block in self._ended.values())

    @property
    def horizon(self) -> int:
        """How many blocks may be begun before the next look is taken: those up to the look after it."""
        following = self.next_look() or 0
        return following if self.fixed_blocks else next((m for m in LOOKS if m > following), following)

    @property
    def fixed_blocks(self) -> int | None:
        """The number of blocks, where the spec fixes it: then nobody leaves, and there is one look."""
        return self.plan.experiment.measure.blocks

    def is_look_due(self) -> bool:
        """Return whether a look is to be taken now."""
        return len(self.blocks) == self.next_look()

    def judge(self) -> Look:
        """Return what the finished blocks decide."""
        return self.judge_blocks(self.blocks, self.contenders, self.level)

    def judge_blocks(self, blocks: Sequence[Block], contenders: Sequence[str], level: float) -> Look:
        """Return what some blocks decide between some variants, at this level."""
        times = [block.walls for block in blocks]
        best = self.fastest(contenders, blocks) or contenders[0]
        gaps = {label: gap for label in contenders if label != best and (gap := compare(times, best, label, level))}
        separated = [
            label for label, gap in gaps.items() if gap.low is not None and gap.low > 1 and not self.is_tie(gap)
        ]
        remaining = tuple(label for label in contenders if label not in separated)
        decision = None
        if len({self.kind(label) for label in remaining}) == 1:
            decision = "win"
        elif self._all_pairs_tie(times, remaining, level):
            decision = "tie"
        kept = self._kept_for_precision(best, gaps) if decision == "win" else None
        dropped = tuple(label for label in separated if label != kept)
        return Look(len(blocks), best, gaps, dropped, remaining, decision)

    def futile(self) -> dict[str, Ratio]:
        """Return who leaves now, before the first look, and how many times as long each takes as the leader.

        The nearest rival of the leader never does, so that a win has an interval; nor do threads that are asked how
        parallel they run, for the interval of that; nor anybody where a precision was asked for, or where a crossover
        is sought: who is futile here may win at another point, and its interval here bounds the change.
        """
        if len(self.blocks) < FUTILE_BLOCKS or self.looks:
            return {}
        if self.plan.experiment.measure.precision is not None or self.fixed_blocks:
            return {}
        if self.plan.level_split > 1:
            return {}
        if len(self.contenders) < 2:
            return {}
        first = self.blocks[:FUTILE_BLOCKS]
        best = self.fastest(self.contenders, first) or self.contenders[0]
        times = [block.walls for block in first]
        others = [label for label in self.contenders if label != best]
        gaps = {label: gap for label in others if (gap := compare(times, best, label, self.level))}
        rivals = [label for label in gaps if self.kind(label) != self.kind(best)]
        nearest = min(rivals, key=lambda label: gaps[label].value, default=None)
        return {
            label: gap
            for label, gap in gaps.items()
            if label != nearest
            and min(log_statistics(times, best, label)) >= math.log(FUTILE_RATIO)
            and not any(label in block.overlaps for block in first)
        }

    @property
    def is_decided(self) -> bool:
        """Whether a look has decided who wins, as precisely as was asked for; expectations may still be open."""
        return any(look.decision == "tie" or (look.decision == "win" and self.is_precise(look)) for look in self.looks)

    def unlogged_drops(self) -> list[tuple[str, Look]]:
        """Return who left at a look that has been taken, while the log does not say so yet."""
        return [(label, look) for look in self.looks for label in look.dropped if label not in self._logged_drops]

    @property
    def open_block(self) -> int | None:
        """The number of the block that was begun and not ended; only a run that was cut off leaves one."""
        return self._open.number if self._open else None

    def leader(self) -> str:
        """Return the contender that is fastest so far."""
        return self.fastest(self.contenders, self.blocks) or self.contenders[0]

    def fastest(self, labels: Sequence[str], blocks: Sequence[Block]) -> str | None:
        """Return the fastest of some variants over some blocks; None where no ratio tells."""
        times = [block.walls for block in blocks]
        ratios = {label: ratio for label in labels if (ratio := compare(times, label, labels[0], self.level))}
        return max(ratios, key=lambda label: ratios[label].value, default=None)

    def compare(self, a: str, b: str, level: float) -> Ratio | None:
        """Return how many times as fast `a` is as `b` over the blocks that count, see `stats.compare`."""
        return compare([block.walls for block in self.counting], a, b, level)

    def faster(self, a: str, b: str) -> str | None:
        """Return which of two is surely faster, `TIE` when they are as fast, None while a look has not told."""
        gap = self.compare(a, b, self.level) if self.looks else None
        if gap is None or gap.low is None or gap.high is None or {a, b} & self.excluded:
            return None
        if self.is_tie(gap):
            return TIE
        return a if gap.low > 1 else b if gap.high < 1 else None

    def is_tie(self, gap: Ratio) -> bool:
        """Return whether the interval lies within the tie bounds, on the logarithmic scale."""
        width = math.log1p(self.plan.experiment.measure.tie)
        return gap.low is not None and gap.high is not None and -width < math.log(gap.low) <= math.log(gap.high) < width

    def kind(self, label: str) -> str:
        """Return what a variant counts as when models compete: its model, or the label that the user gave its entry.

        Where all are of one kind, each variant counts as itself.
        """
        kinds = {name: self._entry_name(variant) for name, variant in self.variants.items()}
        return kinds[label] if len(set(kinds.values())) > 1 else label

    def is_precise(self, look: Look) -> bool:
        """Return whether a win needs no further blocks: none asked for, or the interval is narrow enough."""
        return self._kept_for_precision(look.best, look.gaps) is None

    def _kept_for_precision(self, best: str, gaps: Mapping[str, Ratio]) -> str | None:
        """Return the runner-up while its ratio to the best is less precise than asked for."""
        precision = self.plan.experiment.measure.precision
        others = {label: gap for label, gap in gaps.items() if self.kind(label) != self.kind(best)}
        if precision is None or not others:
            return None
        runner_up = min(others, key=lambda label: others[label].value)
        gap = others[runner_up]
        if gap.low is None or gap.high is None:
            return runner_up
        return runner_up if math.log(gap.high / gap.low) / 2 > math.log1p(precision) else None

    def _entry_name(self, variant: Variant) -> str:
        return self.plan.experiment.models[variant.entry].name

    def _all_pairs_tie(self, times: Sequence[Mapping[str, Sequence[int]]], labels: Sequence[str], level: float) -> bool:
        pairs = [(a, b) for place, a in enumerate(labels) for b in labels[place + 1 :]]
        gaps = [compare(times, a, b, level) for a, b in pairs]
        return bool(gaps) and all(gap is not None and self.is_tie(gap) for gap in gaps)

    def _end(self, number: int, block: Block | None) -> None:
        """Take note that a block has ended; None: it does not count."""
        self._ended[number] = block
        self._count(self.next_look())

    def _count(self, most: int | None) -> None:
        """Count the blocks that have ended, up to the first that has not, or to so many in all."""
        while self._following in self._ended and (most is None or len(self.blocks) < most):
            block = self._ended.pop(self._following)
            self._following += 1
            if block:
                self.blocks.append(block)

    @property
    def _looked(self) -> int:
        return self.looks[-1].blocks if self.looks else 0

    def _on_point_skipped(self, event: Mapping[str, Any]) -> None:
        self.is_skipped = True

    def _on_block_started(self, event: Mapping[str, Any]) -> None:
        if self._open:
            self._end(self._open.number, None)  # it was cut off
        self.begun_numbers.add(event["block"])
        self.is_skipped = False
        self._open = Block(event["block"], event.get("host"))

    def _on_runner_ready(self, event: Mapping[str, Any]) -> None:
        if self._open:
            self._open.startups[event["variant"]] = event["startup_ns"]
            self._open.threads[event["variant"]] = len(set(event["worker_threads"]))
            if event.get("gil_enabled_by"):  # older journals do not tell
                self._open.gil_enabled_by[event["variant"]] = event["gil_enabled_by"]

    def _on_point_calibrated(self, event: Mapping[str, Any]) -> None:
        self.repeats[event["variant"]] = event["repeats"]
        self.rounds = event["rounds"]

    def _on_runner_guarded(self, event: Mapping[str, Any]) -> None:
        self.guarded.add(event["variant"])

    def _on_reference_timed(self, event: Mapping[str, Any]) -> None:
        if self._open:
            self._open.reference = array("q", event["wall_ns"])
            self._open.reference_version = event["version"]

    def _on_trial_finished(self, event: Mapping[str, Any]) -> None:
        if self._open:
            walls = self._open.walls.setdefault(event["variant"], array("q"))
            walls.append(event["wall_ns"])
            cpus = self._open.cpus.setdefault(event["variant"], array("q"))
            cpus.append(event["cpu_ns"])

    def _on_trial_observed(self, event: Mapping[str, Any]) -> None:
        if self._open:
            seen = {key: value for key, value in event.items() if key.startswith("observed_")}
            self._open.observed.setdefault(event["variant"], []).append(seen)

    def _on_overlap_measured(self, event: Mapping[str, Any]) -> None:
        if self._open:
            pairs = zip(event["alone_ns"], event["together_ns"], strict=True)
            self._open.overlaps[event["variant"]] = median(together / alone for alone, together in pairs)

    def _on_account_measured(self, event: Mapping[str, Any]) -> None:
        if self._open:
            self._open.accounts[event["variant"]] = Account.of(event)

    def _on_trial_failed(self, event: Mapping[str, Any]) -> None:
        self.failures[event["variant"]] += 1

    def _on_block_finished(self, event: Mapping[str, Any]) -> None:
        if self._open:
            self._open.free_cores = event["free_cores"]
            self._open.steal_share = event["steal_share"]
            self._open.pressure = event.get("pressure")  # older journals have none
            self._open.unchecked = tuple(event["unchecked"])
            self._end(self._open.number, self._open)
            self._open = None

    def _on_block_discarded(self, event: Mapping[str, Any]) -> None:
        self.discarded += 1
        self._end(event["block"], None)
        self._open = None

    def _on_variant_excluded(self, event: Mapping[str, Any]) -> None:
        self.excluded.add(event["variant"])
        for label in self.dropped_for_futility:  # behind somebody who is out of the contest: they are back in it
            del self.dropped[label]
        self.dropped_for_futility.clear()

    def _on_look_taken(self, event: Mapping[str, Any]) -> None:
        self._count(event["blocks"])  # earlier versions have looked at other numbers of blocks
        look = self.judge()
        self.looks.append(look)
        self.dropped.update(dict.fromkeys(look.dropped, look.blocks))
        if (look.blocks, look.best) != (event["blocks"], event["best"]):
            self.differences.append(
                f"look at {event['blocks']} blocks: the journal says best {event['best']}, recomputed {look.best}"
            )
        self._count(self.next_look())

    def _on_variant_dropped(self, event: Mapping[str, Any]) -> None:
        if event.get("reason") == "futility" and event["variant"] in self.futile():  # older journals have no reason
            self.dropped[event["variant"]] = FUTILE_BLOCKS
            self.dropped_for_futility.add(event["variant"])
        self._logged_drops.add(event["variant"])
        if event["variant"] not in self.dropped:
            self.differences.append(f"the journal drops {event['variant']}, recomputing does not")


_HANDLERS = {
    name.removeprefix("_on_").replace("_", ".", 1): method
    for name, method in vars(Contest).items()
    if name.startswith("_on_")
}
"""What a contest does with an event, by its name."""
