"""Calls that arrived at a rate, pooled over the windows of a block."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.analysis.windows import Calls, Served, served
from orchestrator.runner.arrivals import OUTCOMES, Window
from orchestrator.runner.windows import MOST_RAW, rounded, summary
from orchestrator.spec.plan import PointArrivals

MS = 1_000_000
POINT = PointArrivals(rate=200, process="poisson", window_s=2, windows=1, metric="p99")


def window(
    latencies_ns: Sequence[int | None], gap_ns: int = 5 * MS, service_ns: int = MS, late_ns: int = 0
) -> dict[str, Any]:
    """Return a window of calls that arrived at equal gaps; None: it was cancelled."""
    count = len(latencies_ns)
    offsets = [place * gap_ns for place in range(count)]
    ends = [-1 if ns is None else at + ns for at, ns in zip(offsets, latencies_ns, strict=True)]
    starts = [-1 if end < 0 else max(at, end - service_ns) for at, end in zip(offsets, ends, strict=True)]
    outcomes = bytearray(OUTCOMES.index("cancelled" if ns is None else "ended") for ns in latencies_ns)
    submitted = [at + late_ns for at in offsets]
    return summary(Window(0, max([*ends, 1]), offsets, submitted, starts, ends, outcomes, {}))


def pooled(*windows: dict[str, Any]) -> Served:
    calls = Calls()
    for each in windows:
        calls.add(each)
    found = served(calls, POINT)
    assert found
    return found


def test_a_percentile_is_the_least_latency_that_so_many_calls_do_not_exceed() -> None:
    found = pooled(window([each * MS for each in range(1, 1001)]))
    assert {metric: ns / MS for metric, ns in found.latency_ns.items()} == {
        "p50": 500,
        "p90": 900,
        "p99": 990,
        "p99.9": 999,
        "mean": 500.5,
    }


def test_the_windows_of_a_block_are_pooled() -> None:
    low, high = window([MS] * 500), window([3 * MS] * 500)
    found = pooled(low, high)
    assert (found.calls, found.latency_ns["p50"], found.latency_ns["p90"]) == (1000, MS, 3 * MS)


def test_more_calls_than_are_kept_one_by_one_are_counted_with_a_small_error() -> None:
    random = Random(1)
    values = [round(random.expovariate(1 / 20) * MS) + 1 for _ in range(MOST_RAW + 1)]
    many = window(values)
    assert "latency_ns" not in many
    assert sum(many["rounded_calls"]) == len(values)
    exact = sorted(values)
    found = pooled(many)
    assert found.latency_ns["p99"] == pytest.approx(exact[round(0.99 * len(values))], rel=0.01)
    assert found.latency_ns["mean"] == pytest.approx(sum(values) / len(values))


@settings(max_examples=200)
@given(st.integers(0, 2**62))
def test_a_rounded_time_is_within_half_a_percent(ns: int) -> None:
    assert abs(rounded(ns) - ns) <= ns / 256


def test_a_percentile_that_falls_on_cancelled_calls_is_beyond_the_drain() -> None:
    found = pooled(window([MS] * 980 + [None] * 20))
    assert found.beyond == {"p99", "p99.9", "mean"}
    assert found.shown_ns("p99") is None
    assert found.shown_ns("p50") == MS
    assert found.latency_ns["p99"] >= POINT.window_ns


@settings(max_examples=100)
@given(st.integers(0, 999), st.integers(0, 999))
def test_the_fewer_calls_end_the_longer_is_a_percentile_beyond_the_drain(some: int, others: int) -> None:
    few, many = sorted([some, others])
    values = [pooled(window([MS] * count + [None] * (1000 - count))).latency_ns["p99.9"] for count in (few, many)]
    assert values[0] >= values[1] >= MS


def test_calls_that_are_too_few_for_a_percentile_do_not_show_it() -> None:
    found = pooled(window([MS] * 100))
    assert [found.shown_ns(metric) for metric in ("p50", "p90", "p99", "p99.9")] == [MS, MS, None, None]


def test_a_variant_that_keeps_up_achieves_the_rate_however_long_each_call_takes() -> None:
    assert pooled(window([300 * MS] * 400)).achieved_share == 1
    assert pooled(window([MS] * 399 + [1900 * MS])).achieved_share == pytest.approx(1, rel=0.01)


def test_a_queue_that_grows_shows_the_rate_at_which_calls_end() -> None:
    # calls arrive every 5 ms and end every 8 ms
    found = pooled(window([8 * MS + place * 3 * MS for place in range(400)], service_ns=8 * MS))
    assert found.achieved_share == pytest.approx(5 / 8, rel=0.01)


def test_calls_that_do_not_end_are_not_achieved() -> None:
    assert pooled(window([MS] * 300 + [None] * 100)).achieved_share == pytest.approx(0.75)


def test_the_share_of_waiting_is_of_all_latencies_together() -> None:
    assert pooled(window([4 * MS] * 100)).queue_share == pytest.approx(0.75)


def test_the_lateness_of_the_generator_is_of_calls_that_found_all_workers_idle() -> None:
    assert pooled(window([3 * MS] * 100, late_ns=2 * MS)).late_p99_ns == 2 * MS
    # each call ends long after the next has arrived
    assert pooled(window([300 * MS] * 100, late_ns=2 * MS)).late_p99_ns is None


def test_a_window_without_calls_has_no_latencies() -> None:
    calls = Calls()
    calls.add(window([]))
    assert served(calls, POINT) is None
