"""The baseline of an experiment, and its expectations as claims about points and variants."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product
from typing import Any

from ..runner.problem import Problem
from ..runner.registry import no_arrivals
from .document import KeyPath, quoted
from .model import Expectation, Experiment
from .plan import Claim, Point, Variant, canonical, column
from .problem import SpecProblem, suggestion

Subject = tuple[Point, Variant]
"""A variant at a point that a claim is about."""


def _named(name: str, path: KeyPath, variants: Sequence[Variant], experiment: Experiment) -> list[Variant]:
    """Return the variants called `name`: the one with that label, those of that entry, or all of that model.

    Raises SpecProblem at `path` if there are none.
    """
    by_label = [variant for variant in variants if variant.label == name]
    by_entry = [variant for variant in variants if experiment.models[variant.entry].label == name]
    found = by_label or by_entry or [variant for variant in variants if variant.model == name]
    if not found:
        known = list(dict.fromkeys([variant.label for variant in variants] + [variant.model for variant in variants]))
        what = f"no model or label {quoted(name)} in this experiment"
        raise SpecProblem(path, Problem("variant_unknown", what, suggestion(name, known)))
    return found


def baseline_of(experiment: Experiment, variants: Sequence[Variant]) -> Variant:
    """Return the variant that the others are compared with; raises SpecProblem."""
    if experiment.baseline is None:
        able = [each for each in variants if not (experiment.arrivals and no_arrivals(each.model, each.options))]
        return next((each for each in able if each.model == "sequential"), (able or variants)[0])
    found = _named(experiment.baseline, ("baseline",), variants, experiment)
    if len(found) > 1:
        labels = ", ".join(variant.label for variant in found)
        what = f"{quoted(experiment.baseline)} means {len(found)} variants"
        raise SpecProblem(("baseline",), Problem("baseline_ambiguous", what, f"name one: {labels}"))
    return found[0]


def claims_of(
    experiment: Experiment, points: Sequence[Point], variants: Sequence[Variant], baseline: Variant
) -> tuple[Claim, ...]:
    """Return a claim for each point and variant that an expectation matches; raises SpecProblem."""
    claims: list[Claim] = []
    for number, expected in enumerate(experiment.expect):
        where = {column(key): value for key, value in expected.where.items()}
        named = _named(expected.of, ("expect", number, "of"), variants, experiment)
        others = [baseline]
        if expected.against is not None:
            others = _named(expected.against, ("expect", number, "against"), variants, experiment)
            # `where: {workers: 2}` applies to both sides if the other side has such a variant
            others = [other for other in others if _matches(other.columns, where)] or others
        subjects = [(p, v) for p in points for v in named if _matches({**p.columns, **v.columns}, where, whole=True)]
        if not subjects:
            raise _unmatched(number, expected, points, named)
        if expected.metric == "speedup":
            subjects = _without_itself(number, subjects, others)
        claims += [Claim(expected, point, variant, other) for (point, variant), other in product(subjects, others)]
    return tuple(claims)


def _without_itself(number: int, subjects: Sequence[Subject], others: Sequence[Variant]) -> list[Subject]:
    """Return what a claim is about without the one variant it is compared with; raises SpecProblem if none is left.

    Of several that it is compared with, none may be among them: each would have to be faster than the other.
    """
    itself = [variant for _, variant in subjects if variant in others]
    rest = [each for each in subjects if each[1] not in others]
    if itself and (len(others) > 1 or not rest):
        remedy = "name another in `against`, or leave it out by `where`"
        what = f"compares {itself[0].label} with itself"
        raise SpecProblem(("expect", number), Problem("claim_reflexive", what, remedy))
    return rest


def _unmatched(number: int, expected: Expectation, points: Sequence[Point], variants: Sequence[Variant]) -> SpecProblem:
    """Return why `where` matches nothing: an unknown column, or a value that no row has."""
    rows = [{**point.columns, **variant.columns} for point in points for variant in variants]
    names = list(dict.fromkeys(name for row in rows for name in row))
    what = f"matches no point and variant of {expected.of}"
    for key in expected.where:
        name = column(key)
        path = ("expect", number, "where", key)
        if name not in names:
            unknown = f"{expected.of} has no column {quoted(name)}"
            return SpecProblem(path, Problem("column_unknown", unknown, suggestion(name, names)), key=True)
        there = list(dict.fromkeys(canonical(row[name]) for row in rows if name in row))
        if not any(name in row and row[name] == expected.where[key] for row in rows):
            return SpecProblem(path, Problem("claim_unmatched", what, f"there is {', '.join(there):.200}"))
    return SpecProblem(("expect", number, "where"), Problem("claim_unmatched", what, "leave a column out"))


def _matches(columns: Mapping[str, Any], where: Mapping[str, Any], *, whole: bool = False) -> bool:
    """Return whether the columns have the values of `where`; a missing column matches unless `whole`."""
    return all((key in columns or not whole) and columns.get(key, value) == value for key, value in where.items())
