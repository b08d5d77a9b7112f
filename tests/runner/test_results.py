"""The results that are compared between variants."""

from __future__ import annotations

import tracemalloc
from pathlib import Path

import pytest

from orchestrator.runner import results
from orchestrator.runner.registry import WrongResults


def test_equal_results_have_equal_digests() -> None:
    assert results.digest([{"a": [1, 2]}, bytes(100_000)]) == results.digest([{"a": [1, 2]}, bytes(100_000)])
    assert results.digest([bytes(100_000)]) != results.digest([bytes(99_999) + b"a"])


def test_results_that_cannot_be_pickled_have_no_digest() -> None:
    assert results.digest([lambda: None]) is None


def test_large_results_are_digested_without_a_copy_of_their_pickle() -> None:
    large = [bytes(10_000_000)]
    tracemalloc.start()
    results.digest(large)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 1_000_000


def test_saved_results_are_compared_with_those_of_another_variant(tmp_path: Path) -> None:
    file = str(tmp_path / "results")
    results.save([1, {2}], file)
    results.compare([1, {2}], file, "threads")
    with pytest.raises(WrongResults, match="result 1 is"):
        results.compare([1, {3}], file, "threads")


def test_results_that_begin_alike_are_shown_from_where_they_differ(tmp_path: Path) -> None:
    path, numbers = str(tmp_path / "theirs"), list(range(1000))
    results.save([numbers], path)
    with pytest.raises(WrongResults, match=r"result 0 is \.\.\..* 502, 503, -1, 505.*, but \.\.\..* 503, 504, 505"):
        results.compare([[*numbers[:504], -1, *numbers[505:]]], path, "sequential")


def test_unequal_results_with_the_same_text_are_said_to_be_so(tmp_path: Path) -> None:
    path = str(tmp_path / "theirs")
    results.save([float("nan")], path)
    with pytest.raises(WrongResults, match="result 0 is nan, but an unequal one with the same text under sequential"):
        results.compare([float("nan")], path, "sequential")
