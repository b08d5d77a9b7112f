"""Verdicts in one sentence each: of a point, and of one host at a point. Pure."""

from __future__ import annotations

import math
from collections.abc import Iterable
from statistics import median

from .. import units
from . import figures, serving
from .contest import Contest
from .decide import Finding
from .looks import LOOKS
from .outlook import Outlook
from .per_host import HostVerdict
from .stats import Ratio


def of_point(contest: Contest, finding: Finding, expected: Outlook | None, *, at_this_load: bool) -> str:
    """Return the verdict on a point.

    A win shows the pairwise interval at `look_level`, as the table and expectations do; an undecided verdict shows the
    interval that decides, see `Finding`.
    """
    return f"{contest.point.label}: {_text(contest, finding, expected, at_this_load=at_this_load)}."


def of_host(found: HostVerdict, best: str | None, rival: str | None) -> str:
    """Return the verdict of one host, with its ratio of the two variants that the verdict on the point compares."""
    ratio = f"; {best} is {_times(found.ratio)} as fast as {rival}" if found.ratio else ""
    return f"on {found.host}: {found.decision}{ratio}, after {units.count(found.look.blocks, 'block')}."


def _text(contest: Contest, finding: Finding, expected: Outlook | None, *, at_this_load: bool) -> str:
    winners = finding.winners
    if not contest.contenders:
        return "undecided: every variant failed"
    if not contest.blocks:
        return f"undecided: no block was finished{_of_a_block(contest)}"
    if len(contest.variants) == 1:
        return f"undecided: {winners[0]} ran alone, so there is nothing to compare it with"
    if finding.verdict == "win":
        return _win(contest, finding, at_this_load=at_this_load)
    if finding.verdict == "tie":
        bounds = f"{contest.plan.experiment.measure.tie * 100:.3g} %"
        after = _after(contest, finding.gap)
        tied = f"{units.listed(winners)} tie within {bounds}{_latency(contest, winners[0])} {after}"
        return "; ".join([tied, f"{winners[0]} is the simplest", *_saturated(contest, contest.variants)])
    return _undecided(contest, finding, expected)


def _of_a_block(contest: Contest) -> str:
    """Return how long a block takes, as the end of a sentence; empty where that is not known."""
    return "" if contest.needs_ns is None else f"; one takes about {math.ceil(contest.needs_ns / 1e9)} s"


def _win(contest: Contest, finding: Finding, *, at_this_load: bool) -> str:
    winners, rival, gap = finding.winners, finding.rival, finding.gap
    best = finding.best or winners[0]
    named = best if len(winners) == 1 else f"{contest.kinds[best]} ({' or '.join(winners)})"
    if rival is None or gap is None:
        is_alone = not contest.variants.keys() - contest.excluded - {best}
        return f"{named} wins: every {'other variant' if is_alone else 'variant of another kind'} failed"
    here = " at this load" * at_this_load
    shown = contest.compare(best, rival, contest.look_level) or gap
    if contest.point.arrivals:
        others = [label for label in contest.variants if label != rival]
        speed = serving.saturated(contest, [rival])
        behind = f"{rival} is saturated at {speed[rival]:.3g}/s" if speed else f"{rival} needs {_times(shown)} as long"
        answers = f"{named} answers{here}{_latency(contest, best)}"
        return "; ".join([answers, f"{behind}, {_after(contest, gap)}", *_saturated(contest, others)])
    pays = ""
    if batches := figures.break_even_batches(contest, best, rival):
        startup = units.duration(figures.startup_ns(contest, best))
        pays = f"; its start-up of {startup} pays off after {units.count(batches, 'batch')}"
    return f"{named} wins{here}: {_times(shown)} as fast as {rival}, {_after(contest, gap)}{pays}"


def _undecided(contest: Contest, finding: Finding, expected: Outlook | None) -> str:
    """Return what is known, how much longer a decision would take, and what to choose until then."""
    rival, gap, after = finding.rival, finding.gap, _after(contest, finding.gap)
    best = finding.best or finding.winners[0]
    if rival is None or gap is None or expected is None:
        return f"undecided {after}"
    known = f"{best} is {_times(gap)} as fast as {rival}"
    if contest.point.arrivals:
        answers = f"{best} answers{_latency(contest, best)}"
        known = ", ".join([answers, *_saturated(contest, contest.variants), f"{rival} needs {_times(gap)} as long"])
    if gap.low is None or gap.high is None:
        known += f", {'faster' if gap.value >= 1 else 'slower'} in {gap.agreeing} of {gap.blocks}"
    elif gap.low <= 1 <= gap.high and not contest.point.arrivals:
        known += f", at most {_percent(gap.high - 1)} faster and at most {_percent(1 - gap.low)} slower"
    more = f"more than {LOOKS[-1]} blocks would be needed"
    if expected.seconds is not None:
        more = f"about {units.duration(expected.seconds * 1e9)} more would probably decide"
    return f"undecided {after}: {known}; {more}; for now, choose {expected.choice}"


def _latency(contest: Contest, label: str) -> str:
    """Return the latency of a variant where calls arrive at a rate, such as ` with p99 12 ms`; nothing for batches."""
    if contest.point.arrivals is None:
        return ""
    metric = contest.point.arrivals.metric
    shown = [block.shown_ns(metric) for block in serving.of_blocks(contest, label)]
    known = [ns for ns in shown if ns is not None]
    text = units.duration(median(known)) if 2 * len(known) > len(shown) else "beyond the drain"
    return f" with {'a mean of' if metric == 'mean' else metric} {text}"


def _saturated(contest: Contest, labels: Iterable[str]) -> list[str]:
    """Return which of some variants do not keep up with calls that arrive at a rate, in a phrase; none if all do."""
    found = serving.saturated(contest, labels)
    if len(found) < 2:
        return [f"{label} is saturated at {rate:.3g}/s" for label, rate in found.items()]
    if len(found) == len(contest.variants):
        most = max(found, key=lambda label: found[label])
        return [f"no variant keeps up, and {most} serves most, {found[most]:.3g}/s"]
    return [
        f"{units.listed(list(found))} are saturated at {units.listed([f'{rate:.3g}' for rate in found.values()])}/s"
    ]


def _percent(share: float) -> str:
    return f"{math.ceil(share * 1000) / 10:.3g} %"


def _after(contest: Contest, gap: Ratio | None) -> str:
    return f"after {units.count(gap.blocks if gap else len(contest.counting), 'block')}"


def _times(gap: Ratio) -> str:
    return f"{units.ratio(gap.value, gap.low, gap.high)} times"
