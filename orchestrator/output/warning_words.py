"""The warnings of a verdict in words, in full and in short, with the figures behind them."""

from __future__ import annotations

import math
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass

from .. import units
from ..analysis.results import PointEvents
from ..journal.derived_events import VerdictReached
from ..runner.gil import UNKNOWN
from ..text import printable


@dataclass(frozen=True)
class Words:
    """How a warning is put: in full, and in short for the first screen."""

    full: str
    short: str | None
    """None where the first screen says it elsewhere."""
    detail: Callable[[VerdictReached], str] = lambda _: ""
    """The figures behind it, or what it names, to be put after the words."""
    is_naming: bool = False
    """Whether the short words say little without the detail."""


def short(verdicts: Sequence[VerdictReached], but: Collection[str] = ()) -> list[str]:
    """Return the warnings of all points `but` some in short, the gravest first; of several points, how many have it."""
    found = []
    for warning, words in WORDS.items():
        having = [verdict for verdict in verdicts if warning in verdict.warnings and warning not in but]
        if having and words.short is not None:
            named = words.detail(having[0]) if words.is_naming and len(having) == 1 else ""
            where = f" ({len(having)} of {len(verdicts)} points)" if len(verdicts) > 1 else ""
            found.append(f"{words.short}{named}{where}")
    return found


def below(found: PointEvents) -> list[str]:
    """Return what stands below the verdict on a point: the verdict of each host, and the warnings."""
    hosts = [event.sentence for event in found.on_hosts]
    return hosts + ([full(warning, found.verdict) for warning in found.verdict.warnings] if found.verdict else [])


def full(warning: str, event: VerdictReached) -> str:
    """Return a warning of a verdict in full, with the figures behind it."""
    words = WORDS[warning]
    return f"{words.full}{words.detail(event)}"


def answered(event: VerdictReached) -> str:
    """Return what answered the calls after the first, such as ` by functools.lru_cache`."""
    return f" by {units.listed(_by_value(event.kept_by or {}))}"


def _correlation(event: VerdictReached) -> str:
    return "" if event.autocorrelation is None else f" (r = {event.autocorrelation:.2f})"


def _gil_modules(event: VerdictReached) -> str:
    by: dict[str, list[str]] = {}
    for label, module in (event.gil_enabled_by or {}).items():
        by.setdefault("an unknown module" if module == UNKNOWN else f"module {module}", []).append(label)
    return ", ".join(f" by {module} under {units.listed(labels)}" for module, labels in by.items())


def _copied(event: VerdictReached) -> str:
    return f" {units.listed(_by_value(event.copied or {}))}"


def _hosts(event: VerdictReached) -> str:
    return f": {', '.join(map(printable, event.hosts_disagree or ()))}"


def _of_workload(event: VerdictReached) -> str:
    return f": {'; '.join(map(printable, event.workload_warnings or ()))}"


def _slope(event: VerdictReached) -> str:
    if not event.load_signal or event.load_slope is None:
        return ""
    slopes = (event.load_slope, event.load_slope_low, event.load_slope_high)
    factors = [None if slope is None else math.exp(slope / 10) for slope in slopes]
    return f" (times {units.ratio(*factors)} for every tenth more of {event.load_signal.replace('_', ' ')})"


def _by_value(of: Mapping[str, str]) -> list[str]:
    """Return each value, with the variants that it holds for if they have several."""
    values = sorted(set(of.values()))
    if len(values) == 1:
        return [printable(values[0])]
    return [f"{printable(value)} ({units.listed([label for label in of if of[label] == value])})" for value in values]


WORDS: Mapping[str, Words] = {
    "recomputed_differs": Words(
        "the verdict in the journal differs from this one", "the verdict in the journal differs from this one"
    ),
    "answers_kept": Words(
        "calls after the first computed next to nothing, so the times are those of look-ups; give each call another "
        "item (workload.items), or name a function that keeps nothing: answered",
        "calls after the first computed next to nothing: answered",
        answered,
        is_naming=True,
    ),
    "parallel_by_itself": Words(
        "a call is parallel by itself: it keeps several cores busy, or starts processes, so calls at once compete for "
        "the cores",
        "a call is parallel by itself, so calls at once compete for the cores",
    ),
    "arguments_copied": Words(
        "calls change their arguments, so each call got fresh copies, untimed, of",
        "each call got fresh copies, untimed, of what it changes:",
        _copied,
        is_naming=True,
    ),
    "too_few_blocks": Words(
        "too few blocks to call a tie; allow more time (measure.max_time) or blocks (measure.blocks)",
        "too few blocks to call a tie",
    ),
    "hosts_disagree": Words(
        "hosts disagree, so the verdict holds for this mixture of hosts only",
        "hosts disagree, so the verdict holds for this mixture only",
        _hosts,
        is_naming=True,
    ),
    "gil_enabled": Words("the GIL was enabled again", "the GIL was enabled again", _gil_modules, is_naming=True),
    "workload_warned": Words("warning of the workload", "warning of the workload", _of_workload, is_naming=True),
    "crowded": Words(
        "other processes used the cores; waiting for a core pulls ratios towards 1, most of all for short batches",
        "other processes used the cores, pulling ratios towards 1",
    ),
    "load_dependent": Words(
        "the ratio follows the load of the machine from block to block",
        "the ratio follows the load of the machine",
        _slope,
    ),
    "cores_decide": Words(
        "the ranking may change with the number of free cores", "the ranking may change with the number of free cores"
    ),
    "no_steady_state": Words(
        "batches get slower or faster within a block, and the reference loop does not",
        "batches get slower or faster within a block",
    ),
    "blocks_correlated": Words(
        "consecutive blocks are correlated, so the interval was widened; it may still be too narrow",
        "blocks are correlated, so the interval may be too narrow",
        _correlation,
    ),
    "results_unchecked": Words(
        "results were not compared, as they can't be pickled; see `check`",
        "results were not compared, as they can't be pickled",
    ),
    "check_failed": Words(
        "results were not checked, as calls that were made for the check raised exceptions, too",
        "results were not checked, as calls failed",
    ),
    "precision_missed": Words(
        "the interval is wider than measure.precision", "the interval is wider than measure.precision"
    ),
    "contaminated": Words(
        "a single worker waited for a core, so other processes distort its account",
        "other processes distort an account",
    ),
    "calls_failed": Words(
        "calls raised exceptions, and each counts as one that did not end",
        "calls raised exceptions, and count as not ended",
    ),
    "generator_late": Words(
        "calls were started more than 1 ms late (p99) though all workers were idle, so the latencies include the "
        "lateness of this program; lower the rate, or leave a core free",
        "calls were started over 1 ms late (p99) with idle workers, which adds to latencies",
    ),
    "blocks_discarded": Words(
        "blocks were discarded because a variant failed in them or they were cut off",
        "blocks were discarded: a variant failed in them, or they were cut off",
    ),
    "variants_excluded": Words("variants that failed are excluded", None),  # which is said of each of them
}
"""The words of each warning, the gravest first."""
