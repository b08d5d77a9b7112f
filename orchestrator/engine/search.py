"""Which points of a searched axis come next: where the winner changes, or up to which rate an objective holds."""

from __future__ import annotations

from collections.abc import Sequence

from ..analysis import capacity, crossover, refinement
from ..analysis.contest import Contest
from ..journal.raw_events import PointSkipped
from ..spec.plan import Plan, columns


class Search:
    """The lines that a run searches along; none where the spec asks for no search."""

    def __init__(self, plan: Plan, contests: Sequence[Contest]) -> None:
        refined = plan.experiment.measure.refine
        self.has_objective = plan.experiment.objective is not None
        self.lines = capacity.lines(plan, contests)
        if refined and not self.lines:
            self.lines = crossover.lines(plan, contests, [refined])
        self._places = {
            contest.point.id: (line, place) for line in self.lines for place, contest in enumerate(line.contests)
        }
        self._wanted: dict[str, set[str]] = {}
        """The ids of the points that are measured from now on; for an objective, with the variants that need them."""

    def update(self) -> None:
        """Choose the points that are measured from now on."""
        self._wanted = {}
        for line in self.lines:
            found = (
                capacity.needed(line)
                if self.has_objective
                else {place: set[str]() for place in refinement.wanted(line)}
            )
            self._wanted |= {line.contests[place].point.id: labels for place, labels in found.items()}

    def wants(self, contest: Contest) -> bool:
        """Return whether a point is measured."""
        return contest.point.id in self._wanted

    def needed(self, contest: Contest) -> set[str]:
        """Return the variants that an objective needs at a point."""
        return set(self._wanted.get(contest.point.id, ()))

    def skipped(self, contest: Contest) -> PointSkipped | None:
        """Return that a point of a line was not measured, and why; None for one that is on no line."""
        if contest.point.id not in self._places:
            return None
        line, place = self._places[contest.point.id]
        reason, *ends = (capacity if self.has_objective else refinement).skipped(line, place)
        low, high = (None if end is None else line.values[end] for end in ends)
        return PointSkipped(**columns(contest.point), axis=line.column, low=low, high=high, reason=reason)
