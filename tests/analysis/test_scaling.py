"""How a model scales: the fits, their events, and which variants share a curve."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.analysis.results import fold
from orchestrator.analysis.scaling import law
from tests.support.synthetic import conducted

COUNTS = np.array([1.0, 2, 4, 8, 16])


def times(sigma: float, kappa: float) -> np.ndarray[Any, np.dtype[np.float64]]:
    found: np.ndarray[Any, np.dtype[np.float64]] = (1 + sigma * (COUNTS - 1) + kappa * COUNTS * (COUNTS - 1)) / COUNTS
    return found


@given(st.floats(0, 0.5), st.floats(0, 0.05))
def test_a_law_is_found_in_times_that_follow_it(sigma: float, kappa: float) -> None:
    assert law(COUNTS, times(sigma, kappa), has_kappa=True) == pytest.approx((sigma, kappa), abs=1e-6)


@given(st.floats(0, 1))
def test_the_serial_part_is_found_in_times_that_follow_amdahl(serial: float) -> None:
    assert law(COUNTS, times(serial, 0), has_kappa=False) == pytest.approx((serial, 0), abs=1e-9)


@given(st.lists(st.floats(0.01, 100), min_size=5, max_size=5))
def test_no_parameter_is_negative_whatever_the_times(found: list[float]) -> None:
    sigma, kappa = law(COUNTS, np.array(found), has_kappa=True)
    assert sigma >= 0
    assert kappa >= 0


def test_a_published_scaling_is_reproduced() -> None:
    """Mandelbrot with 1 to 16 threads: published as sigma 0.047, kappa 0.0045, peak at 14.5."""
    sigma, kappa = law(COUNTS, 1 / np.array([1, 1.96, 3.33, 5.07, 5.75]), has_kappa=True)
    assert sigma == pytest.approx(0.047, abs=0.005)
    assert kappa == pytest.approx(0.0045, abs=0.0002)
    assert np.sqrt((1 - sigma) / kappa) == pytest.approx(14.5, abs=0.2)


def scaled(times_ms: dict[str, float], **spec: Any) -> list[dict[str, Any]]:
    run = conducted(times_ms, **spec)
    return [event.fields() for event in run.derived() if event.event == "scaling.fitted"]


def threads(*times_ms: float, **more: Any) -> list[dict[str, Any]]:
    """Return the scaling of threads with 1, 2, 4 ... workers that take so long."""
    workers = [2**power for power in range(len(times_ms))]
    named = {f"threads(workers={n})": ms for n, ms in zip(workers, times_ms, strict=True)}
    spec = {"models": ["threads"], "matrix": {"workers": workers}, "measure": {"blocks": 12}}
    return scaled(named, **{**spec, **more})


def test_every_worker_is_needed_where_there_is_no_loss() -> None:
    (event,) = threads(40, 20, 10)
    assert (event["of"], event["workers"], event["enough_workers"]) == ("threads", [1, 2, 4], 4)
    assert event["speedups"] == pytest.approx([1, 2, 4], rel=0.01)
    assert event["amdahl_serial"] == pytest.approx(0, abs=0.01)
    assert event["descriptive"]
    assert event["peak_workers"] is None


def test_there_is_no_peak_where_sigma_may_be_zero() -> None:
    (event,) = threads(*(40 * t for t in times(0.0, 0.05)[:4]))
    assert event["usl_kappa_low"] > 0
    assert (event["descriptive"], event["peak_workers"]) == (True, None)


def test_one_worker_is_enough_where_more_gain_nothing() -> None:
    (event,) = threads(40, 40, 40)
    assert (event["enough_workers"], event["enough_workers_high"]) == (1, 1)
    assert event["amdahl_serial"] == pytest.approx(1, abs=0.01)


def test_there_is_a_peak_where_more_workers_become_slower() -> None:
    (event,) = threads(*(40 * t for t in times(0.05, 0.05)[:4]))
    assert event["usl_kappa_low"] > 0
    assert event["peak_workers_low"] <= event["peak_workers"] <= event["peak_workers_high"]
    assert event["peak_workers"] == pytest.approx(np.sqrt(0.95 / 0.05), rel=0.1)
    assert not event["descriptive"]
    assert event["enough_workers"] == 4


def test_two_numbers_of_workers_have_no_peak() -> None:
    (event,) = threads(40, 25)
    assert event["usl_sigma"] is None
    assert event["amdahl_serial"] == pytest.approx(0.25, abs=0.02)


def test_few_blocks_have_no_intervals() -> None:
    (event,) = threads(40, 25, measure={"max_time": "4s"})
    assert event["speedup_lows"] == [None, None]
    assert event["amdahl_serial_low"] is None


def test_models_without_an_axis_of_workers_do_not_scale() -> None:
    assert scaled({"sequential": 20, "threads": 10}) == []


def test_variants_that_differ_in_options_have_curves_of_their_own() -> None:
    labels = [f"processes(workers={w}, chunksize={c})" for w in (1, 2) for c in (1, 4)]
    spec: dict[str, Any] = {"models": ["processes"], "matrix": {"workers": [1, 2], "chunksize": [1, 4]}}
    found = scaled(dict(zip(labels, (40.0, 30.0, 20.0, 15.0), strict=True)), **spec, measure={"blocks": 6})
    assert [(event["of"], event["workers"]) for event in found] == [
        ("processes(chunksize=1)", [1, 2]),
        ("processes(chunksize=4)", [1, 2]),
    ]


def test_two_functions_under_one_label_pattern_have_curves_of_their_own() -> None:
    calls = {1: "a:slow", 2: "a:slow", 4: "a:fast", 8: "a:fast"}
    models = [{"model": "threads", "workers": workers, "call": call} for workers, call in calls.items()]
    times_ms = {f"threads(workers={workers})": 40.0 / workers for workers in calls}
    found = scaled(times_ms, models=models, measure={"blocks": 6})
    assert [(event["of"], event["workers"]) for event in found] == [
        ("threads(call=a:slow)", [1, 2]),
        ("threads(call=a:fast)", [4, 8]),
    ]


def test_entries_that_differ_in_workers_only_share_a_curve() -> None:
    models = [{"model": "threads", "workers": workers} for workers in (1, 2)]
    (event,) = scaled({"threads(workers=1)": 40.0, "threads(workers=2)": 20.0}, models=models, measure={"blocks": 6})
    assert (event["of"], event["workers"]) == ("threads", [1, 2])


def test_a_journal_gives_the_same_scaling_again() -> None:
    workers = {"threads(workers=1)": 40.0, "threads(workers=2)": 25.0}
    spec: dict[str, Any] = {"models": ["threads"], "matrix": {"workers": [1, 2]}, "measure": {"blocks": 6}}
    assert fold(conducted(workers, **spec).records()).differences == []
