"""Hostile specs: each is planned or refused, without a traceback."""

from __future__ import annotations

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from orchestrator.errors import BadInput
from orchestrator.spec import document
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.load import Source, parse
from orchestrator.spec.problem import SpecProblem
from tests.support.yaml_fuzz import FRAGMENTS, mutated

ANYTHING = st.one_of(
    mutated(),
    st.lists(st.sampled_from(FRAGMENTS), max_size=60).map(b"".join),
    st.binary(max_size=300),
)


def take(content: bytes) -> None:
    """Check that a spec is planned or refused with a remedy."""
    try:
        read = document.parse(content, "a.yaml")
        source = Source(read, {})
        plan_experiment(parse({"name": "x", **read.value}, source), 2)
    except BadInput as refused:
        assert all(line.isprintable() for line in str(refused).split("\n"))
    except SpecProblem as found:
        assert found.problem.remedy


relaxed = settings(suppress_health_check=list(HealthCheck))


@given(ANYTHING)
@settings(relaxed, max_examples=300)
def test_hostile_specs_are_planned_or_refused(content: bytes) -> None:
    take(content)


@pytest.mark.long
@pytest.mark.timeout(3600)
@given(ANYTHING)
@settings(relaxed, max_examples=100_000)
def test_a_hundred_thousand_hostile_specs_are_planned_or_refused(content: bytes) -> None:
    take(content)
