"""Conducting a run: blocks of all points in turn until every question is decided or the time is over."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Literal, Protocol

import anyio
import anyio.to_thread

from . import block, crossover, refinement
from .block import BlockExecutor, BlockTask
from .contest import FAILURES_TO_EXCLUDE, Contest
from .events import BlockDiscarded, Event, LookTaken, PointSkipped, VariantDropped, VariantExcluded
from .expect import is_open
from .launch import Interrupt, Kit
from .plan import Claim, Plan, Variant, columns
from .stats import Ratio


class Watcher(Protocol):
    """Somebody who looks on: called between blocks and between trials, never while one is timed."""

    def doing(self, contest: Contest, what: str) -> None:
        """Take a few words on what is being done for a point."""

    def block_ended(self, contests: Sequence[Contest]) -> None:
        """Take the standing after a block."""


class LocalExecutor:
    """Runs blocks on this machine, each in a worker thread that ends before `run` returns, also when cancelled."""

    def __init__(self, laid: Kit, interrupt: Interrupt, pythons: Mapping[str, str]) -> None:
        self._kit = laid
        self._interrupt = interrupt
        self._pythons = pythons

    async def run(self, task: BlockTask, notify: Callable[[str], None]) -> list[Event]:
        """Return the raw events of the block; raises Interrupted."""

        async def interrupt_when_cancelled() -> None:
            try:
                await anyio.sleep_forever()
            finally:
                if not done:
                    self._interrupt.set()

        done = False
        failed: list[Exception] = []  # raised after the group, which would wrap it
        async with anyio.create_task_group() as group:
            group.start_soon(interrupt_when_cancelled)
            try:
                events = await anyio.to_thread.run_sync(
                    block.execute, task, self._kit, self._interrupt, self._pythons, notify
                )
            except Exception as error:
                failed.append(error)
            finally:
                done = True
                group.cancel_scope.cancel()
        if failed:
            raise failed[0]
        return events


class Conductor:
    """One run: takes blocks from an executor, stores what they say, and decides what is measured next."""

    def __init__(
        self,
        plan: Plan,
        contests: Sequence[Contest],
        executor: BlockExecutor,
        store: Callable[[Event], None],
        sync: Callable[[], None],
        watcher: Watcher,
        seed: int,
        warn: Callable[[str], None] = block.tell_nobody,
        clock: Callable[[], float] = time.monotonic,
        spent_s: float = 0.0,
    ) -> None:
        self._plan = plan
        self._contests = contests
        self._executor = executor
        self._store = store
        self._sync = sync
        self._watcher = watcher
        self._seed = seed
        self._warn = warn
        self._clock = clock
        self._deadline = clock() + plan.experiment.measure.max_time - spent_s
        refined = plan.experiment.measure.refine
        self._lines = crossover.lines(plan, contests, [refined]) if refined else []
        self._telling: set[str] = set()
        """Of a refined axis, the ids of the points that tell where the winner changes."""
        self._took_s: dict[str, float] = {}
        self._is_short = False
        self._unsynced = False

    async def run(self) -> None:
        """Measure until every point is decided or `max_time` is over; points take turns.

        A run that was cut off may have had something to settle after its last block.
        """
        for contest in self._contests:
            self._settle(contest)
        self._refine()
        while following := self._next():
            await self._run_block(following)
            if self._settle(following):
                self._refine()
            self._tell_shortage()
            self._watcher.block_ended(self._contests)
        self._tell_skipped()

    def _refine(self) -> None:
        """Choose the levels of a refined axis that are measured from now on, up to the next look."""
        self._telling = {line.contests[place].point.id for line in self._lines for place in refinement.wanted(line)}

    def _tell_skipped(self) -> None:
        """Record which levels of a refined axis were not measured, and why."""
        for line in self._lines:
            for place, contest in enumerate(line.contests):
                if not contest.started and not contest.skipped and not self._claims(contest):
                    reason, *ends = refinement.skipped(line, place)
                    low, high = (None if end is None else line.levels[end] for end in ends)
                    about = columns(contest.point)
                    self._record(contest, PointSkipped(**about, axis=line.column, low=low, high=high, reason=reason))
        self._flush()

    def _settle(self, contest: Contest) -> bool:
        """Decide and record what the blocks so far decide, and return whether that was anything."""
        if (cut_off := contest.open_block) is not None:
            about = columns(contest.point)
            self._record(contest, BlockDiscarded(**about, block=cut_off, reason="the run was cut off"))
        self._exclude(contest)
        for label, gap in contest.hopeless().items():
            self._drop(contest, label, contest.leader(), gap, "hopeless")
        if contest.look_due() and contest.contenders:
            self._look(contest)
        for label, look in contest.untold():
            self._drop(contest, label, look.best, look.gaps[label], "separated")
        is_new = self._unsynced
        self._flush()
        return is_new

    def _next(self) -> Contest | None:
        """Return the undecided point with the fewest blocks for which there is time."""
        left_s = self._deadline - self._clock()
        fitting = [c for c in self._contests if left_s > 0 and self._wanted(c) and self._needs_s(c) <= left_s]
        return min(fitting, key=lambda contest: contest.started, default=None)

    def _tell_shortage(self) -> None:
        """Warn, once every point had its first block, when none can reach its first look in time."""
        asked = [contest for contest in self._contests if contest.looks or self._wanted(contest)]
        waiting = [contest for contest in asked if not contest.looks]
        if self._is_short or not waiting or any(contest.point.id not in self._took_s for contest in waiting):
            return
        needs_s = min(self._took_s[c.point.id] * ((c.next_look() or 0) - len(c.blocks)) for c in waiting)
        left_s = self._deadline - self._clock()
        if len(waiting) == len(asked) and needs_s > left_s > 0:
            self._is_short = True
            self._warn(f"the first look needs {needs_s:.0f} s, and {left_s:.0f} s are left: ratios, but no verdict")

    def _needs_s(self, contest: Contest) -> float:
        """Return the time that a point needs to learn more: one block, or once it had a look, all up to the next."""
        blocks = (contest.next_look() or 0) - len(contest.blocks) if contest.looks else 1
        return blocks * self._took_s.get(contest.point.id, 0.0)

    def _wanted(self, contest: Contest) -> list[Variant]:
        """Return the variants that the next block of a point needs; none when nothing is left to decide there."""
        if contest.next_look() is None or not contest.contenders:
            return []
        if contest.fixed:
            return [variant for label, variant in contest.variants.items() if label not in contest.excluded]
        claims = [claim for claim in self._claims(contest) if not contest.looks or is_open(claim, contest)]
        # who is left alone is still measured up to a look: its time is worth knowing
        is_asked = not contest.is_decided
        if self._lines:
            is_asked = contest.point.id in self._telling or bool(claims and not contest.looks)
        contested = is_asked and not (contest.alone and contest.looks)
        if not contested and not claims:
            return []
        needed = set(contest.contenders) if contested else set()
        needed |= {label for claim in claims for label in (claim.variant.label, claim.against.label)}
        needed.add(self._plan.baseline.label)
        return [v for label, v in contest.variants.items() if label in needed and label not in contest.excluded]

    def _claims(self, contest: Contest) -> list[Claim]:
        return [claim for claim in self._plan.claims if claim.point.id == contest.point.id]

    async def _run_block(self, contest: Contest) -> None:
        variants = self._wanted(contest)
        measure = self._plan.experiment.measure
        task = BlockTask(
            number=contest.started,
            point=contest.point,
            variants=tuple(variants),
            reference=self._plan.baseline.label,
            seed=self._seed,
            repeats=dict(contest.repeats),
            rounds=contest.rounds or measure.rounds,
            guarded=frozenset(contest.guarded),
            limits=self._plan.experiment.limits.bounds(),
            draws=not contest.blocks,
            timeout_s=measure.timeout,
            deadline=self._deadline,
        )
        begun = self._clock()
        events = await self._executor.run(task, lambda what: self._watcher.doing(contest, what))
        self._took_s[contest.point.id] = self._clock() - begun
        for event in events:
            self._record(contest, event)
        self._flush()

    def _exclude(self, contest: Contest) -> None:
        for label, count in contest.failures.items():
            if count >= FAILURES_TO_EXCLUDE and label not in contest.excluded:
                about = columns(contest.point, contest.variants[label])
                self._record(contest, VariantExcluded(**about, failures=count))

    def _look(self, contest: Contest) -> None:
        look = contest.judge()
        gaps = {label: gap for label, gap in look.gaps.items() if gap.low is not None and gap.high is not None}
        self._record(
            contest,
            LookTaken(
                **columns(contest.point),
                blocks=look.blocks,
                level=contest.level,
                best=look.best,
                variants=list(gaps),
                ratios=[gap.ratio for gap in gaps.values()],
                lows=[gap.low for gap in gaps.values() if gap.low is not None],
                highs=[gap.high for gap in gaps.values() if gap.high is not None],
            ),
        )

    def _drop(
        self, contest: Contest, label: str, best: str, gap: Ratio, reason: Literal["separated", "hopeless"]
    ) -> None:
        about = columns(contest.point, contest.variants[label])
        self._record(
            contest,
            VariantDropped(
                **about,
                blocks=gap.blocks,
                best=best,
                reason=reason,
                ratio=gap.ratio,
                ratio_low=gap.low,
                ratio_high=gap.high,
            ),
        )

    def _flush(self) -> None:
        if self._unsynced:
            self._sync()
            self._unsynced = False

    def _record(self, contest: Contest, event: Event) -> None:
        self._store(event)
        self._unsynced = True
        contest.add(event.fields())
