"""Numbers as people read them."""

from __future__ import annotations

import pytest

from orchestrator import units


@pytest.mark.parametrize(
    ("ns", "shown"),
    [
        (None, "-"),
        (0, "0 ns"),
        (999, "999 ns"),
        (1_000, "1 us"),
        (20_400_000, "20.4 ms"),
        (123_456_789, "123 ms"),
        (1_234_000_000, "1.23 s"),
        (3_600e9, "3600 s"),
    ],
)
def test_a_time_has_three_significant_digits_and_its_unit(ns: float | None, shown: str) -> None:
    assert units.duration(ns) == shown


def test_quartiles_share_the_unit_of_the_median() -> None:
    assert units.between((999_900, 1_100_000), 1_000_000) == "[1, 1.1]"


def test_quartiles_that_are_not_known_are_not_shown() -> None:
    assert units.between((None, None), None) == ""


@pytest.mark.parametrize(
    ("interval", "shown"),
    [
        ((None, None, None), "-"),
        ((1.618, None, None), "1.62"),
        ((1.618, 1.482, 1.75), "1.62 [1.48, 1.75]"),
        ((0.968, 0.934, 0.9962), "0.97 [0.93, 0.996]"),
        ((1.004, 0.912, 1.0), "1.00 [0.91, 1.00]"),
        ((1.004, 1.0011, 1.007), "1.004 [1.001, 1.01]"),
        ((1.2, 1.0004, 1.4), "1.20 [1.00, 1.40]"),
        ((0.0021, 0.0017, 0.0024), "0.0021 [0.0017, 0.0024]"),
        ((423.4, 363.0, 465.0), "423 [363, 465]"),
    ],
)
def test_a_ratio_is_shown_with_its_interval(interval: tuple[float | None, ...], shown: str) -> None:
    assert units.ratio(*interval) == shown


@pytest.mark.parametrize(
    ("interval", "limit", "shown"),
    [
        ((1.2704, 1.0812, 1.296), 1.3, "1.27 [1.08, 1.296]"),
        ((1.2704, 1.0812, 1.29996), 1.3, "1.27 [1.08, 1.29996]"),
        ((1.2704, 1.0812, 1.3), 1.3, "1.27 [1.08, 1.30]"),
        ((1.2704, 1.0812, 1.294), 1.3, "1.27 [1.08, 1.29]"),
        ((1.349, 1.31, 1.39), 1.35, "1.349 [1.31, 1.39]"),
        ((1.298, 1.297, 1.299), 1.296, "1.30 [1.30, 1.30]"),
        ((100.4, 100.2, 101.0), 100, "100.4 [100.2, 101]"),
        ((1.298, None, None), 1.3, "1.298"),
    ],
)
def test_a_ratio_is_shown_with_the_digits_that_tell_on_which_side_of_a_limit_it_is(
    interval: tuple[float, float | None, float | None], limit: float, shown: str
) -> None:
    assert units.ratio(*interval, limits=[limit]) == shown


def test_times_are_shown_with_the_digits_that_tell_on_which_side_of_a_limit_they_are() -> None:
    assert units.duration(20_010_000, [20e6]) == "20.01 ms"
    assert units.between((19_990_000, 20_040_000), 20_010_000, [20e6]) == "[19.99, 20.04]"


def test_a_share_is_shown_in_percent() -> None:
    assert (units.percent(0.936), units.percent(None)) == ("94 %", "-")
