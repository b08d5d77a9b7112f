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
