"""Two versions of the code in one experiment: each entry of `models` once for the newer and once for the base. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from .expand import plan_experiment
from .load import Source, parse
from .model import Experiment
from .plan import Items, Plan, Variant, canonical

LONGEST_NAME = 64


@dataclass(frozen=True)
class TwoVersions:
    """The experiment in which both versions compete."""

    experiment: Experiment
    pairs: Mapping[str, str]
    """The label of each variant of the newer version, and that of the same variant of the base."""
    claimed: Sequence[int]
    """The place in the spec of each expectation that it makes; the other expectations are about the pairs."""


def two_versions(
    plan: Plan,
    source: Source,
    newer: Sequence[Mapping[str, Any]],
    base: Sequence[Mapping[str, Any] | None],
    *,
    tolerance: float,
    about: str,
) -> TwoVersions:
    """Return the experiment that compares both versions of each variant.

    `newer` and `base` are what each entry of `models` overrides; None leaves an entry out. The expectations of the
    spec are about the newer version, and one for each pair says that it takes no longer than `tolerance` allows.
    """
    value = plan.experiment.resolved()
    taken = [entry.name for entry in plan.experiment.models]
    entries = [entry | dict(own) for entry, own in zip(value["models"], newer, strict=True)]
    twins: dict[int, int] = {}
    for place, own in enumerate(base):
        if own is not None:
            twins[place] = len(entries)
            taken.append(_free(f"base {taken[place]}", taken))
            entries.append(value["models"][place] | dict(own) | {"label": taken[-1], "optional": True})
    claims = _claims(plan)
    value |= {
        "name": f"{plan.experiment.name[: LONGEST_NAME - 3]}-ci",
        "description": about,
        "models": entries,
        "baseline": plan.baseline.label,
        "expect": [claim for _, claim in claims],
    }
    pairs = _pairs(plan_experiment(parse(value, source), plan.cores, batch_items(plan)), twins)
    least = round(1 / (1 + tolerance), 6)
    value["expect"] += [{"of": label, "against": other, "min": least} for label, other in pairs.items()]
    return TwoVersions(parse(value, source), pairs, [place for place, _ in claims])


def _free(name: str, taken: Sequence[str]) -> str:
    name, number = name[: LONGEST_NAME - 4], 1
    while (found := name if number == 1 else f"{name} {number}") in taken:
        number += 1
    return found


def _claims(plan: Plan) -> list[tuple[int, dict[str, Any]]]:
    """Return the expectations of a spec, each with its place, about labels, so that none is about the base too."""
    found: dict[tuple[int, str, str | None], dict[str, Any]] = {}
    for claim in plan.claims:
        expected = claim.expectation
        place = plan.experiment.expect.index(expected)
        against = claim.against.label if expected.metric == "speedup" else None
        named = {"of": claim.variant.label, "against": against}
        found[(place, claim.variant.label, against)] = expected.resolved() | named
    return [(place, claim) for (place, _, _), claim in found.items()]


def _pairs(plan: Plan, twins: Mapping[int, int]) -> dict[str, str]:
    labels = {(variant.entry, _settings(variant)): variant.label for variant in plan.variants}
    return {
        variant.label: labels[(twins[variant.entry], _settings(variant))]
        for variant in plan.variants
        if variant.entry in twins
    }


def _settings(variant: Variant) -> str:
    return canonical([variant.model, variant.workers, variant.python, dict(variant.options)])


def base_alone(two: TwoVersions, plan: Plan) -> Plan:
    """Return the plan of the base alone, to ask whether it can run; `plan` is that of the spec."""
    labels = set(two.pairs.values())
    both = plan_experiment(two.experiment, plan.cores, batch_items(plan))
    return replace(both, variants=tuple(variant for variant in both.variants if variant.label in labels), claims=())


def batch_items(plan: Plan) -> list[Items]:
    """Return the items that were read for a plan."""
    return [point.items for point in plan.points if point.items]
