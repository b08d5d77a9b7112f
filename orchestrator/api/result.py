"""The result of a run: its verdict with the ratio, causes, claims about it, and its data for other tools."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal, Self

from ..errors import BadInput
from .claims import check

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from ..analysis.contest import Contest
    from ..analysis.results import PointEvents, Results
    from .pictures import Plot

Verdict = Literal["win", "tie", "undecided"]

WIDTH = 100  # columns of the text


class Ratio(float):
    """How many times as fast one variant is as another: a number, with the bounds of its 95 % interval.

    The bounds are None after too few blocks.
    """

    low: float | None
    high: float | None

    def __new__(cls, value: float, low: float | None = None, high: float | None = None) -> Self:
        made = super().__new__(cls, value)
        made.low, made.high = low, high
        return made

    def __getnewargs__(self) -> tuple[Any, ...]:
        return float(self), self.low, self.high

    def __repr__(self) -> str:
        from .. import units

        return units.ratio(float(self), self.low, self.high)


@dataclass(frozen=True)
class Point:
    """The result for one combination of arguments."""

    _results: Results
    _contest: Contest

    @property
    def label(self) -> str:
        """The call, such as `parse(n=1) x 4` for a batch of four."""
        return self._contest.point.label

    @property
    def verdict(self) -> Verdict:
        """Whether a model wins, the best ones tie, or more time would be needed to know."""
        return self._found.verdict.verdict if self._found.verdict else "undecided"

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        return self._found.verdict.sentence if self._found.verdict else f"{self.label}: undecided."

    @property
    def winners(self) -> tuple[str, ...]:
        """The variants that nothing beats; while undecided, those that can still win."""
        return tuple(self._found.verdict.winners) if self._found.verdict else ()

    @property
    def winner(self) -> str | None:
        """The variant that wins: of several winners the simplest; None while undecided."""
        found = self._found.verdict
        if found is None or found.verdict == "undecided":
            return None
        return found.recommended if found.recommended in found.winners else found.winners[0]

    @property
    def recommended(self) -> str | None:
        """The variant to use now: the winner, or while undecided the simplest that no other has beaten so far.

        Where each call uses several cores by itself, it is a plain loop unless another one is surely 1.1 times as fast.
        """
        return self._found.verdict.recommended if self._found.verdict else None

    @property
    def ratio(self) -> Ratio | None:
        """How many times as fast the fastest winner is as the next variant, as the sentence has it."""
        from ..analysis import decide

        finding = decide.finding(self._contest)
        gap = finding.gap
        if finding.verdict == "win" and finding.best and finding.rival:
            gap = self._contest.compare(finding.best, finding.rival, self._contest.look_level) or gap
        return Ratio(gap.value, gap.low, gap.high) if gap else None

    @property
    def why(self) -> dict[str, str]:
        """Where the time of each variant's workers went, by variant."""
        return {event.variant: event.why for event in self._found.explained if event.why}

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each variant, the best first: its times in nanoseconds, its speedup, and its main cause."""
        from ..output import parts, ranking

        causes = parts.main_causes(self._found)
        return [
            {
                "variant": event.variant,
                "model": event.fields()["model"],
                "workers": event.fields()["workers"],
                "standing": standing,
                "wall_ns": event.wall_ns,
                "speedup": event.speedup,
                "speedup_low": event.speedup_low,
                "speedup_high": event.speedup_high,
                "startup_ns": event.startup_ns,
                "blocks": event.blocks,
                "failures": event.failures,
                "why": causes.get(event.variant, ""),
            }
            for standing, event in ranking.ordered(self._found)
        ]

    @cached_property
    def _found(self) -> PointEvents:
        return self._results.about(self._contest.point)


class Result:
    """What a run found out. Everything is computed from its journal in `directory`.

    Where the spec has several points, `points` has the verdict of each, and the properties of a verdict raise BadInput.
    """

    def __init__(self, results: Results, directory: Path, *, is_advice: bool = False) -> None:
        self._results = results
        self._is_advice = is_advice
        self.directory: Path = directory
        """The directory of the run, with its journal `events.jsonl` and its spec."""

    @property
    def name(self) -> str:
        """The name of the experiment."""
        return self._results.started.experiment

    @property
    def run_id(self) -> str:
        """The id of the run, which sorts by time."""
        return self._results.run_id

    @cached_property
    def points(self) -> tuple[Point, ...]:
        """The points that were measured, in the order of the spec."""
        return tuple(Point(self._results, each) for each in self._results.contests if not each.is_skipped)

    @property
    def verdict(self) -> Verdict:
        """Whether a model wins, the best ones tie, or more time would be needed to know."""
        return self._only.verdict

    @property
    def sentence(self) -> str:
        """The verdict in a sentence."""
        return self._only.sentence

    @property
    def winner(self) -> str | None:
        """The variant that wins: of several winners the simplest; None while undecided."""
        return self._only.winner

    @property
    def recommended(self) -> str | None:
        """The variant to use now: the winner, or while undecided the simplest that no other has beaten so far.

        Where each call uses several cores by itself, it is a plain loop unless another one is surely 1.1 times as fast.
        """
        return self._only.recommended

    @property
    def winners(self) -> tuple[str, ...]:
        """The variants that nothing beats; while undecided, those that can still win."""
        return self._only.winners

    @property
    def ratio(self) -> Ratio | None:
        """How many times as fast the fastest winner is as the next variant, as the sentence has it."""
        return self._only.ratio

    @property
    def why(self) -> dict[str, str]:
        """Where the time of each variant's workers went, by variant."""
        return self._only.why

    @property
    def left_out(self) -> dict[str, str]:
        """Why models were left out, by model, since they can't run the function or are no choice for it.

        A variant that could not run on this machine is there as well, by variant.
        """
        from ..journal.raw_events import VariantUnavailable

        ruled_out = self._results.plan.experiment.left_out
        return ruled_out | {event.variant: event.reason for event in self._results.events(VariantUnavailable)}

    @property
    def description(self) -> str:
        """The question that the run answers, and how long a call took when tried."""
        return self._results.plan.experiment.description

    @property
    def findings(self) -> tuple[str, ...]:
        """What the pilot calls have shown of the function, a sentence each, the gravest first."""
        return self._results.plan.experiment.findings

    @property
    def expectations(self) -> list[dict[str, Any]]:
        """The claims that the run was given, each with its `outcome`: held, broken or undecided."""
        return [event.fields() for event in self._results.expectations]

    @property
    def outcome(self) -> str:
        """How the run ended: decided, undecided, expectation_broken, workload_failed, interrupted or unfinished."""
        return self._results.finished.outcome if self._results.finished else "unfinished"

    @property
    def failures(self) -> tuple[str, ...]:
        """The error of each failed trial, with its variant."""
        return tuple(f"{event.variant}: {event.error}" for event in self._results.failures)

    def table(self) -> list[dict[str, Any]]:
        """Return a row for each variant of each point, the best first."""
        several = len(self.points) > 1
        return [
            {**({"point": point.label} if several else {}), **row} for point in self.points for row in point.table()
        ]

    def events(self, *names: str) -> list[dict[str, Any]]:
        """Return the events of the journal with these names, all without any; docs/log-format.md has their fields.

        Raises BadInput for a name that no event has.
        """
        from ..journal.catalog import EVENTS
        from ..spec.problem import suggestion

        if unknown := [name for name in names if name not in EVENTS]:
            raise BadInput(f"no event {unknown[0]!r}", where="events", remedy=suggestion(unknown[0], list(EVENTS)))
        return [dict(record) for record in self._results.records(*(names or EVENTS))]

    def expect(
        self,
        of: str,
        *,
        min: float | None = None,
        max: float | None = None,
        against: str | None = None,
        metric: str = "speedup",
        where: Mapping[str, Any] | None = None,
        equals: object = ...,
    ) -> Self:
        """Return the result if a claim holds; raise Broken with the interval and the cause, or Undecided.

        The arguments are those of `expect` in a spec: `of` and `against` are a model or a label, and `against` is the
        baseline where it is not given. A claim holds if the whole interval is within the bounds.
        """
        __tracebackhide__ = True
        claim = {"of": of, "min": min, "max": max, "against": against, "metric": metric, "where": where}
        given = {name: value for name, value in claim.items() if value is not None}
        self._check(given if equals is ... else {**given, "equals": equals})
        return self

    def _check(self, claim: Mapping[str, Any]) -> None:
        __tracebackhide__ = True
        check(self._results, claim)

    def to_pandas(self, table: str = "variants") -> pandas.DataFrame:
        """Return a table of the run for pandas.

        The tables are variants, trials, blocks, accounts, verdicts, contexts, runs, windows and latencies.
        `variants` is in the order of the spec, and not in that of `table()`, which has the best first.
        """
        from .frames import to_pandas

        return to_pandas(self._results, table)

    def to_polars(self, table: str = "variants") -> polars.DataFrame:
        """Return a table of the run for polars, as `to_pandas` does."""
        from .frames import to_polars

        return to_polars(self._results, table)

    def to_arrow(self, table: str = "variants") -> pyarrow.Table:
        """Return a table of the run for Arrow, as `to_pandas` does."""
        from .frames import to_arrow

        return to_arrow(self._results, table)

    def plot(self, chart: str | None = None) -> Plot:
        """Return a chart of the page as a picture, which a notebook shows; the first one by default."""
        from .pictures import plot

        return plot(self._results, chart)

    def save(self, path: str | Path) -> Path:
        """Write the result to a file, and return its path.

        The suffix says what: .html the page, .md a report, .json or .jsonl the derived events, .yaml the spec,
        .txt what `print` shows.
        """
        from .pictures import save

        return save(self._results, Path(path), str(self))

    @cached_property
    def _only(self) -> Point:
        if len(self.points) == 1:
            return self.points[0]
        what = f"this run has {len(self.points)} points, each with a verdict of its own"
        raise BadInput(what, where=self.name, remedy="use result.points")

    def __str__(self) -> str:
        """Return what the terminal shows of the run."""
        from ..output.formats import render

        name, run = "advice" if self._is_advice else "table", _shown(self.directory)
        return render(name, self._results, width=WIDTH, run=run, is_code=True)

    def __repr__(self) -> str:
        verdicts = ", ".join(point.sentence for point in self.points[:3])
        return f"<Result of {self.name}: {verdicts or 'nothing was measured'}>"

    def _repr_pretty_(self, printer: Any, _: bool) -> None:
        """Show in a terminal of IPython what `print` does."""
        printer.text(str(self).rstrip())

    def _repr_html_(self) -> str:
        from ..output.html.cell import render

        return render(self._results, _shown(self.directory))


def _shown(directory: Path) -> str:
    """Return the path of a run, relative to the working directory where it is below it."""
    here = Path.cwd()
    return str(directory.relative_to(here) if directory.is_relative_to(here) else directory)
