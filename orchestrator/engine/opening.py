"""The run to measure: an interrupted one that is resumed, or a new one."""

from __future__ import annotations

import secrets
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ..analysis.contest import Contest
from ..analysis.results import replay
from ..archive import resume
from ..archive.resume import CutOff, Policy
from ..errors import JournalDamaged, Unwritable
from ..interpreters.probe import Probed
from ..journal.event import Event
from ..journal.raw_events import HostJoined, HostLeft, RunResumed, TrialFailed, VariantExcluded, VariantUnavailable
from ..journal.write import Journal, create, new_run_id, reopen
from ..log import logger
from ..spec import document
from ..spec.plan import Plan
from . import origin
from .share import Share

SHOWN: dict[type[Event], tuple[str, ...]] = {
    TrialFailed: ("point", "variant", "cause", "error"),
    VariantExcluded: ("point", "variant", "failures"),
    HostJoined: ("host", "address"),
    HostLeft: ("host", "reason"),
    VariantUnavailable: ("variant", "reason", "remedy"),
}
"""The fields of the events that a user has to know at once."""


@dataclass(frozen=True)
class OpenRun:
    """A run that is ready to measure, new or resumed."""

    journal: Journal
    contests: Sequence[Contest]
    seed: int
    spent_s: float = 0.0
    """The time that was measured before the run was interrupted."""
    most_s: float | None = None
    """The longest time that the run may take, beside what its spec says."""

    def store(self, event: Event) -> None:
        """Write an event to the journal, and log it if the user has to know it at once."""
        self.journal.write(event)
        if shown := SHOWN.get(type(event)):
            log = logger().info if isinstance(event, HostJoined) else logger().warning
            log(event.event, **{field: getattr(event, field) for field in shown})


@contextmanager
def open_run(plan: Plan, probed: Probed, runs: Path, policy: Policy, share: Share) -> Iterator[OpenRun]:
    """Yield the interrupted run that `policy` resumes, if nothing has changed since; else a new run.

    Raises JournalDamaged and Unwritable, of an interrupted run only when `policy` asks for it, and Busy.
    """
    identity = origin.identity(plan, probed)
    with ExitStack() as stack:
        cut_off = _unchanged(plan, identity, runs, policy)
        resumed = cut_off and _resumed_or_none(stack, plan, cut_off, policy, share)
        yield resumed or stack.enter_context(_new(plan, probed, runs, identity, share))


def _unchanged(plan: Plan, identity: dict[str, str], runs: Path, policy: Policy) -> CutOff | None:
    """Return the run to resume; None, with a warning, when it has changed or is missing."""
    name = plan.experiment.name
    cut_off = resume.candidate(runs, name, policy)
    if cut_off and (changed := origin.changed(cut_off.started, plan, identity)):
        note = f"{', '.join(changed)} changed since the run was interrupted, so a new run starts"
        logger().warning("run.not_resumed", run=str(cut_off.directory), note=note)
        return None
    if policy.asked and not cut_off:
        note = "this experiment has no interrupted run, so a new run starts"
        logger().warning("run.not_resumed", runs=str(runs / name), note=note)
    return cut_off


def _resumed_or_none(stack: ExitStack, plan: Plan, cut_off: CutOff, policy: Policy, share: Share) -> OpenRun | None:
    """Return the resumed run; without --resume, None when its journal is damaged or can't be written."""
    try:
        return stack.enter_context(_resumed(plan, cut_off, share))
    except (JournalDamaged, Unwritable) as error:
        if policy.asked:
            raise
        what = "is damaged" if isinstance(error, JournalDamaged) else "can't be written"
        note = f"its journal {what}, so a new run starts: {error}"
        logger().warning("run.not_resumed", run=str(cut_off.directory), note=note)
        return None


@contextmanager
def _resumed(plan: Plan, cut_off: CutOff, share: Share) -> Iterator[OpenRun]:
    with reopen(cut_off.directory) as reopened:
        replayed = replay(reopened.records)
        journal, cut_bytes = reopened.repaired()
        about = origin.origin(plan, cut_off.started["seed"], share)
        spent_s = round(replayed.spent_s, 3)
        journal.write(RunResumed(**about, cut_ts=cut_off.last_ts, cut_bytes=cut_bytes, spent_s=spent_s))
        blocks = sum(len(contest.blocks) for contest in replayed.contests)
        about = {"run": str(cut_off.directory), "cut_off": cut_off.last_ts, "blocks": blocks, "cut_bytes": cut_bytes}
        logger().info("run.resumed", **about, note="use --fresh to start a new run instead")
        yield OpenRun(journal, replayed.contests, cut_off.started["seed"], replayed.spent_s, share.most_s)


@contextmanager
def _new(plan: Plan, probed: Probed, runs: Path, identity: dict[str, str], share: Share) -> Iterator[OpenRun]:
    seed = plan.experiment.measure.seed
    seed = secrets.randbelow(2**53) if seed is None else seed
    spec = document.dump(plan.experiment.rerunnable())
    with create(runs, plan.experiment.name, new_run_id(), spec) as journal:
        opened = OpenRun(journal, [Contest(plan, point) for point in plan.points], seed, most_s=share.most_s)
        opened.store(origin.run_started(plan, seed, identity, probed.environments, share))
        for missing in probed.unavailable:
            opened.store(missing)
            for contest in opened.contests:
                contest.withdraw(missing.variant)
        yield opened
