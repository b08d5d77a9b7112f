"""Bars and intervals drawn with characters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.output.plot import ASCII, BLOCKS, Axis, Signs, bar

RATIOS = st.floats(1e-3, 1e3)
SIGNS = st.sampled_from([ASCII, BLOCKS])


@pytest.mark.parametrize(("share", "drawn"), [(1.0, "████"), (0.5, "██"), (0.28, "█▏"), (1e-9, "▏")])
def test_a_bar_fills_its_share_and_is_never_empty(share: float, drawn: str) -> None:
    assert bar(share, 4, BLOCKS) == drawn


def test_a_bar_in_ascii_has_whole_cells() -> None:
    assert bar(0.55, 4, ASCII) == "##"


def test_an_axis_is_logarithmic() -> None:
    axis = Axis(0.25, 4, 9)
    assert [axis.place(ratio) for ratio in (0.25, 0.5, 1, 2, 4)] == [0, 2, 4, 6, 8]


def test_the_ticks_stand_above_their_cells() -> None:
    assert Axis(0.25, 4, 17).ticks() == "0.25    1       4"


def test_a_tick_without_room_is_left_out() -> None:
    assert Axis(0.7, 12, 16).ticks() == "  1           12"


@pytest.mark.parametrize(
    ("interval", "drawn"),
    [
        ((2, 1.5, 3), "        | [-o-]  "),
        ((1, 0.5, 2), "    [---o---]    "),
        ((1.4, 0.5, 2), "    [---|-o-]    "),
        ((2, None, None), "        |   .    "),
        ((None, None, None), "        |        "),
        ((2, 2, 2), "        |   o    "),
    ],
)
def test_an_interval_is_drawn_with_its_estimate_and_the_mark_at_1(
    interval: tuple[float | None, float | None, float | None], drawn: str
) -> None:
    assert Axis(0.25, 4, 17).drawn(*interval, ASCII) == drawn


@given(st.lists(RATIOS, min_size=3, max_size=3).map(sorted), st.integers(9, 60), SIGNS)
def test_a_drawn_interval_is_as_wide_as_its_axis(bounds: list[float], width: int, signs: Signs) -> None:
    low, ratio, high = bounds
    axis = Axis.over(bounds, width)
    assert len(axis.drawn(ratio, low, high, signs)) == len(axis.ticks()) == width


@given(RATIOS, RATIOS, st.integers(9, 60))
def test_the_larger_ratio_is_never_drawn_to_the_left(one: float, other: float, width: int) -> None:
    axis = Axis.over([one, other], width)
    assert axis.place(min(one, other)) <= axis.place(max(one, other))
