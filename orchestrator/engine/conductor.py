"""Conducts a run: blocks of all points in turn, until every point is decided or the time is over.

Each host runs one block at a time. With several hosts, blocks of one point run in parallel, and count in the order in
which they were dispatched.
"""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterable, Sequence
from typing import Literal

import anyio
import anyio.lowlevel

from ..analysis import decide, pace
from ..analysis.contest import Contest
from ..analysis.expect import is_open
from ..analysis.fold import add_event
from ..analysis.looks import LOOKS, first_tie_look
from ..analysis.stats import Ratio, fields
from ..errors import first_of
from ..journal.event import Event
from ..journal.raw_events import (
    BlockCancelled,
    BlockDiscarded,
    BlockStarted,
    HostJoined,
    HostLeft,
    LookTaken,
    VariantDropped,
    VariantExcluded,
)
from ..log import logger
from ..spec.plan import Claim, Plan, Variant, columns
from .forecast import MOST_S, budget_s
from .hosts import BlockExecutor, BlockTask, Host, HostGone
from .queue import PointQueue, PointState
from .search import Search

LOSSES = 2  # a block is given up after this many hosts were lost while they ran it, as it may be the cause

AWAITED_S = 5.0  # how long a run waits for hosts to come back after the end of its time


class Watcher:
    """A display of progress that shows nothing; called between trials and blocks, never during a timed one."""

    def doing(self, contest: Contest, what: str) -> None:
        """Receive a few words on the current step of a point."""

    def expected(self, win_s: float, tie_s: float, most_s: float) -> None:
        """Receive how long a win and a tie take at the earliest, and how long the run may take."""

    def block_ended(self, contests: Sequence[Contest], left_s: float) -> None:
        """Receive the contests after a block, and the time that is left at most."""


class Conductor:
    """One run: dispatches blocks to hosts, stores their events, and decides what is measured next."""

    def __init__(
        self,
        plan: Plan,
        contests: Sequence[Contest],
        executor: BlockExecutor,
        store: Callable[[Event], None],
        sync: Callable[[], None],
        watcher: Watcher,
        seed: int,
        clock: Callable[[], float] = time.monotonic,
        spent_s: float = 0.0,
        most_s: float | None = None,
    ) -> None:
        self._plan = plan
        self._contests = contests
        self._executor = executor
        self._store = store
        self._sync = sync
        self._watcher = watcher
        self._seed = seed
        self._clock = clock
        self._begun = clock() - spent_s
        self._most_s = math.inf if most_s is None else most_s
        self._budget_s = min(self._most_s, plan.experiment.measure.max_time or MOST_S)
        self._is_announced = False
        claims: dict[str, list[Claim]] = {}
        for claim in plan.claims:
            claims.setdefault(claim.point.id, []).append(claim)
        every = (PointState(each, claims.get(each.point.id, ()), place) for place, each in enumerate(contests))
        self._queue = PointQueue(every)
        self._search = Search(plan, contests)
        self._hosts = self._running = 0
        """The number of hosts, and the number of running blocks."""
        self._next_check = 0
        """The block number from which the time is checked again."""
        self._untried = len(contests)
        """The number of points without a finished block."""
        self._is_short = False
        self._unsynced = False
        self._is_idle = False
        """Whether there is nothing to dispatch until a block ends or a host comes or goes."""
        self._news = anyio.Event()

    async def run(self) -> None:
        """Measure until every point is decided or `max_time` is over; points take turns.

        A resumed run may first have to settle its last block. Raises Interrupted, HostsLost and what `store` and
        `sync` raise; no block is running then.
        """
        for state in self._queue:
            self._settle(state, is_asked=bool(self._wanted(state)))
        self._refine()
        try:
            async with anyio.create_task_group() as working:
                with anyio.move_on_after(max(0.0, self._end() - self._clock()) + AWAITED_S) as self._taking:
                    while host := await self._executor.next_host():
                        working.start_soon(self._work, host)
        except BaseExceptionGroup as group:
            raise first_of(group) from None
        self._record_skipped()

    async def _work(self, host: Host) -> None:
        """Run blocks on a host while there are blocks for it."""
        self._hosts += 1
        if host.name is not None:
            self._store(HostJoined(host=host.name, **host.about))
        self._queue.offer_all()  # with one more host, there may be time for more blocks
        self._wake_hosts()
        try:
            while state := await self._next_point(host):
                await self._run_block(state, host)
        except HostGone as gone:
            assert host.name is not None
            self._store(HostLeft(host=host.name, reason=gone.reason))
        finally:
            self._hosts -= 1
            self._wake_hosts()

    async def _next_point(self, host: Host) -> PointState | None:
        """Return the next point to measure, None when nothing is left; waits while running blocks may change that."""
        while True:
            state = None if self._is_idle else self._queue.take(host.name, self._fits)
            if state:
                return state
            self._is_idle = True
            if not self._running:
                self._taking.cancel()
                self._news.set()
                return None
            await self._news.wait()

    def _wake_hosts(self) -> None:
        """Let waiting hosts look for a block again."""
        self._is_idle = False
        self._news.set()
        self._news = anyio.Event()

    def _refine(self) -> None:
        """Choose which points of a searched axis are measured from now on."""
        if self._search.lines:
            self._search.update()
            for state in self._queue:
                state.wanted = None
            self._queue.offer_all()

    def _record_skipped(self) -> None:
        """Record the points of a searched axis that were not measured, with the reasons."""
        for state in self._queue:
            contest = state.contest
            is_left = not contest.begun_numbers and not contest.is_skipped and not state.claims
            if is_left and (skipped := self._search.skipped(contest)):
                self._record(state, skipped)
        self._flush()

    def _settle(self, state: PointState, *, is_asked: bool) -> bool:
        """Record what the blocks so far decide; return whether anything was recorded.

        Unless `is_asked`, no look is taken: nothing is left to decide, and these blocks were running at the last look.
        """
        contest = state.contest
        if (cut_off := contest.open_block) is not None:
            self._record(state, BlockDiscarded(**columns(contest.point), block=cut_off, reason="the run was cut off"))
        self._exclude(state)
        for label, gap in decide.futile(contest).items():
            self._drop(state, label, decide.leader(contest), gap, "futility")
        if chosen := pace.rounds(contest):
            self._record(state, chosen)
        while is_asked and decide.is_look_due(contest) and contest.contenders:
            self._look(state)
            is_asked = bool(self._wanted(state))
        for label, look in contest.unlogged_drops():
            self._drop(state, label, look.best, look.gaps[label], "separated")
        is_new = self._unsynced
        self._flush()
        return is_new

    def _fits(self, state: PointState) -> bool:
        """Return whether a point needs a block that can start now and for which there is time."""
        contest, running = state.contest, len(state.running)
        wanted = self._wanted(state)
        left_s = self._end() - self._clock()
        if not wanted or left_s <= 0 or state.needs_s(self._hosts) > left_s:
            return False
        if running and (contest.rounds is None or any(variant.label not in contest.repeats for variant in wanted)):
            return False  # the running block chooses repeats and rounds, once
        return contest.finished_blocks + running < decide.horizon(contest)

    def _end(self) -> float:
        """Return the end of the run's time, on this clock; it may come earlier once every point has had a block."""
        return self._begun + self._budget_s

    def _expect(self, number: int) -> None:
        """Set and announce the time of the run once every point had a block; then warn if it ends before a look."""
        if number < self._next_check or (self._untried and not self._search.lines):
            return
        self._next_check = number + 1  # once in each turn of all points
        asked = [state for state in self._queue if state.contest.looks or self._wanted(state)]
        known = [state for state in asked if state.took_s is not None]
        if not self._is_announced and known and (self._search.lines or len(known) == len(asked)):
            self._is_announced = True
            self._announce(known)
        waiting = [state for state in asked if not state.contest.looks]
        if self._is_short or not waiting or any(state.took_s is None for state in waiting):
            return
        needs_s = min(state.to_look_s(self._hosts) for state in waiting)
        left_s = self._end() - self._clock()
        if len(waiting) == len(asked) and needs_s > left_s > 0:
            self._is_short = True
            note = f"the first look needs {needs_s:.0f} s, and {left_s:.0f} s are left; there may be no verdict"
            logger().warning("budget.short", note=note)

    def _announce(self, known: Sequence[PointState]) -> None:
        """Set how long the run may take, and what the watcher shows of it, from the time of the blocks so far."""
        block_s = sum(state.blocks_s(1, 1) for state in known) / max(1, self._hosts)
        self._budget_s = min(self._most_s, budget_s(self._plan, block_s))
        if self._plan.experiment.measure.blocks is None:
            tie_blocks = first_tie_look(known[0].contest.plan)
            self._watcher.expected(LOOKS[0] * block_s, tie_blocks * block_s, self._budget_s)

    def _wanted(self, state: PointState) -> Sequence[Variant]:
        """Return the variants that the next block of a point needs; none when nothing is left to decide."""
        if state.wanted is None:
            state.wanted = self._needed(state)
        return state.wanted

    def _needed(self, state: PointState) -> list[Variant]:
        contest = state.contest
        if decide.next_look(contest) is None or not contest.contenders:
            return []
        if contest.fixed_blocks:
            return [variant for label, variant in contest.variants.items() if label not in contest.excluded]
        claims = [claim for claim in state.claims if not contest.looks or is_open(claim, contest)]
        # a variant that is left alone is still measured up to a look, as its time is of interest
        is_asked = not decide.is_decided(contest)
        if self._search.lines:
            is_asked = self._search.wants(contest) or bool(claims and not contest.looks)
        contested = is_asked and not (contest.is_alone and contest.looks)
        if self._search.has_objective:
            needed = self._search.needed(contest)
        elif not contested and not claims:
            return []
        else:
            needed = set(contest.contenders if contested else ())
            if self._search.lines or not contest.knows_baseline:
                needed.add(self._plan.baseline.label)
        needed |= {label for claim in claims for label in (claim.variant.label, claim.against.label)}
        return [v for label, v in contest.variants.items() if label in needed and label not in contest.excluded]

    async def _run_block(self, state: PointState, host: Host) -> None:
        """Run the next block of a point on a host, and settle what it decides; raises HostGone."""
        contest, task = state.contest, self._next_task(state)
        begun = self._clock()
        state.given[host.name] += 1
        scope = state.running[task.number] = anyio.CancelScope()
        self._running += 1
        self._queue.offer(state)  # more blocks of the point may run in parallel
        events: list[Event] | None = None
        try:
            with scope:
                events = await host.run(task, lambda what: self._watcher.doing(contest, what))
        except HostGone as gone:
            state.losses[task.number] += gone.has_begun
            if state.losses[task.number] < LOSSES:
                raise
            events = _lost(task, gone.reason)
        finally:
            del state.running[task.number]
            self._running -= 1
            self._queue.offer(state)
        if events is None:
            assert host.name is not None
            events = [BlockCancelled(**task.about(), host=host.name, reason="a verdict was reached")]
        else:
            self._untried -= state.took_s is None
            state.took_s, state.spared_s = self._clock() - begun, 0.0
        await self._ended(state, task.number, events)

    def _next_task(self, state: PointState) -> BlockTask:
        contest = state.contest
        measure = self._plan.experiment.measure
        return BlockTask(
            number=state.next_number,
            point=contest.point,
            variants=tuple(self._wanted(state)),
            baseline=self._plan.baseline.label,
            seed=self._seed,
            repeats=dict(contest.repeats),
            rounds=contest.rounds or measure.rounds,
            without_warmup=pace.without_warmup(contest),
            in_first_round=pace.in_first_round(contest, state.claims),
            guarded=frozenset(contest.guarded),
            copied=frozenset(contest.copied),
            limits=self._plan.experiment.limits.bounds(),
            records_timeline=not contest.blocks and not state.running,
            timeout_s=measure.timeout,
            deadline=self._end(),
        )

    async def _ended(self, state: PointState, number: int, events: Sequence[Event]) -> None:
        """Record the events of a block, and settle what follows from them."""
        is_asked = bool(self._wanted(state))
        for event in events:
            self._record(state, event)
        await anyio.lowlevel.checkpoint()  # blocks that end at the same time share one sync
        self._flush()
        if self._settle(state, is_asked=is_asked):
            self._refine()
            self._cancel_overrun(self._queue if self._search.lines else [state])
        self._wanted(state)
        state.spare(events)
        self._queue.offer(state)
        self._expect(number)
        self._wake_hosts()
        self._watcher.block_ended(self._contests, max(0.0, self._end() - self._clock()))

    def _cancel_overrun(self, states: Iterable[PointState]) -> None:
        """Cancel the blocks of points at which nothing is left to decide, where the spec says so."""
        if self._plan.experiment.measure.overrun == "cancel":
            for state in states:
                if state.running and not self._wanted(state):
                    for scope in state.running.values():
                        scope.cancel()

    def _exclude(self, state: PointState) -> None:
        contest = state.contest
        for label, count in contest.failures.items():
            if label not in contest.excluded and decide.is_to_exclude(contest, label):
                self._record(state, VariantExcluded(**columns(contest.point, contest.variants[label]), failures=count))

    def _look(self, state: PointState) -> None:
        contest = state.contest
        look = decide.judge(contest)
        gaps = {label: gap for label, gap in look.gaps.items() if gap.low is not None and gap.high is not None}
        self._record(
            state,
            LookTaken(
                **columns(contest.point),
                blocks=look.blocks,
                level=contest.level,
                best=look.best,
                variants=list(gaps),
                ratios=[gap.value for gap in gaps.values()],
                lows=[gap.low for gap in gaps.values() if gap.low is not None],
                highs=[gap.high for gap in gaps.values() if gap.high is not None],
            ),
        )

    def _drop(
        self, state: PointState, label: str, best: str, gap: Ratio, reason: Literal["separated", "futility"]
    ) -> None:
        about = columns(state.contest.point, state.contest.variants[label])
        self._record(
            state, VariantDropped(**about, blocks=gap.blocks, best=best, reason=reason, **fields("ratio", gap))
        )

    def _flush(self) -> None:
        if self._unsynced:
            self._sync()
            self._unsynced = False

    def _record(self, state: PointState, event: Event) -> None:
        self._store(event)
        self._unsynced = True
        state.wanted = None
        add_event(state.contest, event.fields())


def _lost(task: BlockTask, reason: str) -> list[Event]:
    """Return the events of a block that is given up."""
    labels = [variant.label for variant in task.variants]
    why = f"{LOSSES} hosts were lost while they ran it, the last one because {reason}"
    return [BlockStarted(**task.about(), variants=labels), BlockDiscarded(**task.about(), reason=why)]
