"""The fixture of the pytest plugin: results whose claims pass, fail or skip the test."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

import pytest

from ..errors import Failure
from . import public
from .claims import Broken, Undecided, check
from .options import Function, Functions, Options
from .result import Result
from .threads import blocking

if TYPE_CHECKING:
    from ..journal.derived_events import ExpectationChecked

WAIT = "1h"  # for the machine: under xdist, the tests take turns


class Concurrency:
    """What the fixture `concurrency` is: the functions of the package, with runs in a directory of the tests."""

    def __init__(self, runs: Path, *, is_strict: bool) -> None:
        self.results: list[TestedResult] = []
        """The results of the test so far."""
        self._runs = runs
        self._is_strict = is_strict

    def compare(self, func: Functions, **options: Unpack[Options]) -> TestedResult:
        """Return what `orchestrator.compare` returns, after a wait for other runs on this machine."""
        __tracebackhide__ = True
        return self._answered(func, options)

    def advise(self, func: Function, /, *args: Any, **kwargs: Any) -> TestedResult:
        """Return what `orchestrator.advise` returns, after a wait for other runs on this machine."""
        __tracebackhide__ = True
        return self._answered(func, {"args": args, "kwargs": kwargs}, is_advice=True)

    def load(self, run: str | Path) -> TestedResult:
        """Return the result of a run that was measured before."""
        return self._tested(public.load(run))

    def _answered(self, func: Functions, options: Options, *, is_advice: bool = False) -> TestedResult:
        __tracebackhide__ = True
        given: Options = {"runs": self._runs, "wait": WAIT, **options}
        try:
            return self._tested(blocking(public.answering(func, given, is_advice=is_advice)))
        except Failure as error:
            raise error.with_traceback(None) from None  # the test is shown, and not the lines of this program

    def _tested(self, result: Result) -> TestedResult:
        made = TestedResult(result, is_strict=self._is_strict)
        self.results.append(made)
        return made


class TestedResult(Result):
    """A result that records its claims; an undecided one skips the test, or fails it if `is_strict`."""

    __test__ = False

    def __init__(self, result: Result, *, is_strict: bool) -> None:
        super().__init__(result._results, result.directory, is_advice=result._is_advice)
        self._is_strict = is_strict
        self._claims: list[dict[str, Any]] = []

    def _check(self, claim: Mapping[str, Any]) -> None:
        """Fail the test where a claim is broken, and skip it where it is undecided."""
        __tracebackhide__ = True
        try:
            events = check(self._results, claim)
        except (Broken, Undecided) as error:
            self._keep([error.event])
            if isinstance(error, Undecided) and not self._is_strict:
                raise pytest.skip.Exception(str(error), _use_item_location=True) from None  # at the test, not here
            raise
        self._keep(events)

    def _keep(self, events: Sequence[ExpectationChecked]) -> None:
        from ..output import lines

        for event in events:
            figures = {
                name: event.fields()[name] for name in ("of", "against", "metric", "min", "max", "value", "low", "high")
            }
            text = lines.claim(event, several_points=len(self.points) > 1)
            self._claims.append({"outcome": event.outcome, "text": text, **figures})

    def record(self) -> dict[str, Any]:
        """Return verdict and claims as plain data."""
        points = self.points
        ratio = points[0].ratio if len(points) == 1 else None
        return {
            "experiment": self.name,
            "run": str(self.directory),
            "sentence": " ".join(point.sentence for point in points),
            "verdict": [point.verdict for point in points],
            "winners": [list(point.winners) for point in points],
            "ratio": None if ratio is None else [float(ratio), ratio.low, ratio.high],
            "claims": self._claims,
        }
