"""Claims about a result, decided on its blocks as the expectations of a spec are."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ..errors import BadInput

if TYPE_CHECKING:
    from ..analysis.results import Results
    from ..journal.derived_events import ExpectationChecked


class Broken(AssertionError):
    """A claim about a result is wrong; `event` has the figures."""

    def __init__(self, text: str, event: ExpectationChecked) -> None:
        super().__init__(text)
        self.event = event


class Undecided(AssertionError):
    """A claim about a result may be right or wrong after the blocks so far; `event` has the figures."""

    def __init__(self, text: str, event: ExpectationChecked) -> None:
        super().__init__(text)
        self.event = event


def check(results: Results, claim: Mapping[str, Any]) -> list[ExpectationChecked]:
    """Return how a claim comes out at each point that it matches, if it holds at all of them.

    Raises Broken, Undecided, and BadInput for one that can't be checked.
    """
    __tracebackhide__ = True  # pytest then shows the test, not this
    from ..analysis import expect

    contests = {contest.point.id: contest for contest in results.contests if not contest.is_skipped}
    events = [expect.check(each, contests[each.point.id]) for each in _claims(results, claim, list(contests))]
    for outcome, kind in (("broken", Broken), ("undecided", Undecided)):
        if failed := [event for event in events if event.outcome == outcome]:
            raise kind(_text(results, failed[0]), failed[0])
    return events


def _claims(results: Results, claim: Mapping[str, Any], measured: list[str]) -> Any:
    """Return a claim as those about each point and variant that it matches; raises BadInput."""
    from pydantic import ValidationError

    from ..spec.claims import claims_of
    from ..spec.document import key_path
    from ..spec.model import Expectation
    from ..spec.problem import SpecProblem, refusal

    plan = results.plan
    try:
        expected = Expectation.model_validate(dict(claim))
    except ValidationError as error:
        details = error.errors()[0]
        problem = refusal(details)
        where = ".".join(map(str, ("expect", *details["loc"])))
        raise BadInput(problem.what, where=where, remedy=problem.remedy) from None
    asked = plan.experiment.model_copy(update={"expect": (expected,)})
    points = [point for point in plan.points if point.id in measured]
    try:
        return claims_of(asked, points, plan.variants, plan.baseline)
    except SpecProblem as found:
        path = ("expect", *found.path[2:])
        raise BadInput(found.problem.what, where=key_path(path), remedy=found.problem.remedy) from None


def _text(results: Results, event: ExpectationChecked) -> str:
    """Return a claim that does not hold with what was found, its cause, and what to do if it is undecided."""
    from ..output import lines

    text = f"{event.outcome}: {lines.claim(event, several_points=len(results.contests) > 1)}"
    contest = next(each for each in results.contests if each.point.id == event.point_id)
    why = [each.why for each in results.about(contest.point).explained if each.variant == event.variant and each.why]
    text += "".join(f"\n{event.variant}: {each}" for each in why)
    if event.outcome == "undecided" and event.reason is None:
        text += (
            "\nthe interval contains the bound; give the claim to compare as expect=, which then measures for longer"
        )
    return text
