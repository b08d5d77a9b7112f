"""What the live display says of a contest."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.engine.progress import stage
from tests.support.synthetic import conducted

CLOSE = {"of": "threads", "metric": "speedup", "max": 1.002}


@pytest.mark.parametrize(
    ("expected", "said"),
    [
        ([], "4 blocks, processes wins"),
        ([CLOSE], "64 blocks, processes wins; more blocks for what is expected of threads"),
    ],
)
def test_a_contest_that_is_decided_shows_its_winner_and_which_expectation_needs_more_blocks(
    expected: list[dict[str, Any]], said: str
) -> None:
    times_ms = {"sequential": 10.0, "threads": 9.98, "processes": 5.0}
    (contest,) = conducted(times_ms, expect=expected).contests
    assert stage(contest) == said
