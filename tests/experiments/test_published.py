"""The workloads of the published results: what they return, and in whose presence."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from experiments import async_tree, convoy, free_threading, offloaded, roots, rows, short_sequences
from tests.support.configs import PUBLISHED
from tests.verify.reproduced import MANDELBROT_PUBLISHED, read


@pytest.mark.parametrize("config", PUBLISHED, ids=lambda config: config.name)
def test_a_published_result_names_its_source_and_a_figure_for_each_claim(config: Path) -> None:
    found = read(config.read_text())
    assert "](https://" in found.source
    assert found.figures
    assert len({what for what, _ in found.figures}) == len(found.figures)


def test_a_claim_without_a_published_figure_is_refused() -> None:
    head = "# source: s\n# agrees if: r\nexpect:\n"
    assert read(f"{head}  # a | 2\n  - {{of: x, min: 1}}\n").figures == [("a", "2")]
    with pytest.raises(ValueError, match="above each claim"):
        read(f"{head}  - {{of: x, min: 1}}\n")


def test_the_published_fit_has_three_figures() -> None:
    assert [float(figure) for _, figure in MANDELBROT_PUBLISHED.figures] == [0.047, 0.0045, 14.5]


def test_loops_for_free_threading_return_what_they_did() -> None:
    assert free_threading.create_objects(3) == 3
    assert free_threading.run_generators(2) == 90
    assert free_threading.compare_with_a_string(5) == 0
    assert free_threading.read_a_thread_local(1) == 10


@pytest.mark.parametrize("work", ["none", "io", "memoization", "mixed"])
def test_a_tree_has_six_leaves_to_the_power_of_its_levels(work: str) -> None:
    assert anyio.run(async_tree.tree, work, 2) == 36


def test_observations_are_completed() -> None:
    assert offloaded.observations(20) > 0
    assert offloaded.observations(20) == offloaded.observations(20)


def test_a_thread_pool_gives_the_sum_of_the_loop() -> None:
    assert rows.in_a_thread_pool(5) == rows.in_a_loop(5)
    assert rows.even_squares(rows.table(1)[0][:5]) == 0 + 4 + 16


def test_lists_and_arrays_compute_the_same() -> None:
    listed = short_sequences.with_lists(10, 3)
    assert short_sequences.with_arrays(10, 3) == pytest.approx(listed)


def test_the_root_of_a_square_is_the_number() -> None:
    assert roots.root_of_square(7) == 7


@pytest.fixture(scope="module")
def served() -> Iterator[None]:
    with convoy.server() as port:
        convoy.take(port)
        yield


def test_every_request_is_answered(served: None) -> None:
    assert anyio.run(convoy.alone, 3) == 3 * convoy.SIZE


def test_the_spinning_thread_ends_with_the_last_request(served: None) -> None:
    before = threading.active_count()
    assert anyio.run(convoy.beside_a_spinning_thread, 1) == convoy.SIZE
    assert threading.active_count() == before
