"""The theory that windows of arrivals are compared with, and the comparison itself in short."""

from __future__ import annotations

import subprocess
import sys
from random import Random

import pytest

from tests.support.paths import ROOT
from tests.verify import arrivals, queues


def simulated(load: float, servers: int, is_exponential: bool, calls: int = 200_000) -> queues.Row:
    random, at, times, lengths = Random(1), 0.0, [], []
    for _ in range(calls):
        at += random.expovariate(load * servers)
        times.append(at)
        lengths.append(random.expovariate(1) if is_exponential else 1.0)
    return queues.row(queues.served(times, lengths, servers))


@pytest.mark.parametrize("load", [0.3, 0.8])
def test_the_latencies_of_m_d_1_are_those_of_a_simulated_queue(load: float) -> None:
    assert queues.deterministic(load, 1) == pytest.approx(simulated(load, 1, False), rel=0.05)


@pytest.mark.parametrize(("load", "servers"), [(0.5, 4), (0.75, 4), (0.8, 1)])
def test_the_latencies_of_m_m_c_are_those_of_a_simulated_queue(load: float, servers: int) -> None:
    assert queues.exponential(load, 1, servers) == pytest.approx(simulated(load, servers, True), rel=0.05)


def test_percentiles_of_a_long_queue_are_found() -> None:
    assert queues.deterministic(0.9, 0.01)[3] == pytest.approx(
        0.229, rel=0.005
    )  # P(wait > t) tends to 0.931 exp(-0.207 t)


def test_a_percentile_is_the_smallest_value_that_so_many_do_not_exceed() -> None:
    assert [queues.quantile([1, 2, 3, 4], share) for share in (0.25, 0.5, 0.99)] == [1, 2, 4]


def test_a_ratio_is_marked_where_it_is_over_5_percent_from_1_and_its_interval_too() -> None:
    assert [arrivals.ratio(logs) for logs in ([0.1, 0.11, 0.1], [0.1, -0.1, 0.3], [0.01, 0.011, 0.01])] == [
        "1.11 [1.09, 1.12] (!)",
        "1.11 [0.67, 1.82]",
        "1.01 [1.01, 1.01]",
    ]


@pytest.mark.slow
def test_a_stall_is_charged_to_all_calls_that_came_during_it() -> None:
    # a machine under load adds to latencies; no machine can make a stall shorter
    rows = [row.split(" | ") for row in arrivals.stall(arrivals.SHORT)]
    known, measured, closed = ([float(cell.split()[0]) for cell in row[2:]] for row in rows[2:])
    assert measured[0] >= known[0] - 2 and measured[1] >= known[1]
    assert len(closed) == 2


@pytest.mark.slow
def test_every_queue_serves_all_calls_of_a_short_window() -> None:
    command = [sys.executable, "-m", "tests.verify.arrivals", "--smoke", "queues"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert [row.split(" | ")[0] for row in done.stdout.splitlines()[2:]] == [f"| {q.name}" for q in arrivals.QUEUES]
