"""The statistics: exact null distributions, coverage, and figures that depend on neither order nor unit."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable
from dataclasses import asdict, replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy import stats as scipy_stats  # type: ignore[import-untyped]
from scipy.stats import mannwhitneyu, theilslopes, wilcoxon  # type: ignore[import-untyped]

from orchestrator.analysis import stats
from orchestrator.analysis.distributions import rank_sum_cdf, student_quantile
from orchestrator.analysis.looks import LOOK_LEVEL, LOOKS, first_ranked, has_rank_interval
from orchestrator.analysis.stats import Ratio
from tests.verify import looks

Floats = NDArray[np.float64]
SYMMETRIC: dict[str, Callable[[np.random.Generator, tuple[int, int]], Floats]] = {
    "normal": lambda rng, size: rng.normal(size=size),
    "laplace": lambda rng, size: rng.laplace(size=size),
    "cauchy": lambda rng, size: rng.standard_cauchy(size=size),
}

repeatable = settings(derandomize=True, max_examples=60)

times = st.integers(1_000, 10**10)
levels = st.floats(0.001, 0.999)
logs = st.lists(st.floats(-5, 5), min_size=1, max_size=30)


@st.composite
def some_blocks(draw: st.DrawFn, least: int = 1) -> list[dict[str, list[int]]]:
    rounds = draw(st.integers(1, 7))
    trials = st.lists(times, min_size=rounds, max_size=rounds)
    return draw(st.lists(st.fixed_dictionaries({"a": trials, "b": trials}), min_size=least, max_size=14))


def blocks_of(*ratios: float) -> list[dict[str, list[int]]]:
    """Blocks of one round in which `a` is so many times as fast as `b`."""
    return [{"a": [1_000_000], "b": [round(1_000_000 * ratio)]} for ratio in ratios]


def compared(blocks: list[dict[str, list[int]]], a: str = "a", b: str = "b", level: float = 0.05) -> Ratio:
    found = stats.compare(blocks, a, b, level)
    assert found is not None
    return found


def close_to(ratio: Ratio, by: float = 1.0) -> dict[str, object]:
    scaled = {
        name: bound and pytest.approx(bound * by, rel=1e-12)
        for name, bound in [("value", ratio.value), ("low", ratio.low), ("high", ratio.high)]
    }
    return {**asdict(ratio), **scaled}


def exact_counts(m: int) -> list[int]:
    """How many of the 2**m sign patterns have each rank sum, in integers."""
    counts = np.zeros(m * (m + 1) // 2 + 1, dtype=object)
    counts[0] = 1
    for rank in range(1, m + 1):
        counts[rank:] = counts[rank:] + counts[:-rank]
    return [int(count) for count in counts]


def misses_zero(values: Floats, level: float) -> bool:
    interval = stats.walsh_interval(values, level)
    return interval is not None and not interval[0] <= 0 <= interval[1]


# The statistic of a block


def test_a_block_statistic_is_the_median_log_ratio_of_its_rounds() -> None:
    assert stats.block_statistic([10, 10, 10], [20, 5, 30]) == pytest.approx(math.log(2))


def test_an_even_number_of_rounds_takes_the_mean_of_the_two_in_the_middle() -> None:
    assert stats.block_statistic([1, 1, 1, 1], [1, 2, 8, 100]) == pytest.approx(math.log(4))


def test_a_block_statistic_pairs_within_the_round() -> None:
    drift = [100, 1_000, 10_000]
    assert stats.block_statistic(drift, [2 * t for t in drift]) == pytest.approx(math.log(2))


def test_equal_times_have_a_statistic_of_exactly_zero() -> None:
    assert stats.block_statistic([3_333_333] * 4, [3_333_333] * 4) == 0


@repeatable
@given(st.lists(st.tuples(times, times), min_size=1, max_size=40))
def test_swapping_the_sides_of_a_block_negates_its_statistic_to_the_last_bit(
    rounds: list[tuple[int, int]],
) -> None:
    a, b = [r[0] for r in rounds], [r[1] for r in rounds]
    assert stats.block_statistic(a, b) == -stats.block_statistic(b, a)


@pytest.mark.parametrize(("a", "b"), [([], []), ([0], [1]), ([1], [-1]), ([1, 2], [1, 0])], ids=str)
def test_a_block_refuses_missing_and_non_positive_times(a: list[int], b: list[int]) -> None:
    with pytest.raises(ValueError, match=r"not positive|one or more"):
        stats.block_statistic(a, b)


def test_only_blocks_that_both_ran_have_a_statistic() -> None:
    blocks = [{"a": [1], "b": [2]}, {"a": [1]}, {"b": [1]}, {"a": [1], "b": [4], "c": [9]}]
    assert stats.log_statistics(blocks, "a", "b") == pytest.approx([math.log(2), math.log(4)])


def test_no_common_block_gives_no_statistics() -> None:
    assert stats.log_statistics([{"a": [1]}, {"b": [1]}], "a", "b").shape == (0,)


# Walsh averages and their median


def test_walsh_averages_are_all_pairs_and_the_values_themselves_in_order() -> None:
    assert stats.walsh_averages([4.0, 1.0, 2.0]).tolist() == [1.0, 1.5, 2.0, 2.5, 3.0, 4.0]


@repeatable
@given(logs)
def test_hodges_lehmann_is_the_median_of_brute_force_averages(values: list[float]) -> None:
    pairs = itertools.combinations_with_replacement(values, 2)
    assert stats.hodges_lehmann(values) == float(np.median([(x + y) / 2 for x, y in pairs]))


@repeatable
@given(logs)
def test_hodges_lehmann_of_negated_values_is_negated(values: list[float]) -> None:
    assert stats.hodges_lehmann([-value for value in values]) == -stats.hodges_lehmann(values)


def test_one_wild_value_hardly_moves_hodges_lehmann() -> None:
    assert stats.hodges_lehmann([0.99, 1.0, 1.01, 1.02, 1e9]) < 1.03


@pytest.mark.parametrize("values", [[], [math.nan, 1.0], [1.0, math.inf]], ids=str)
@pytest.mark.parametrize("function", [stats.walsh_averages, stats.hodges_lehmann, stats.quartiles])
def test_no_values_and_values_that_are_not_finite_are_refused(
    function: Callable[[list[float]], object], values: list[float]
) -> None:
    with pytest.raises(ValueError, match="finite"):
        function(values)


# The exact null distribution


@pytest.mark.parametrize("m", range(1, 11))
def test_critical_index_agrees_with_enumeration_of_all_signs(m: int) -> None:
    sums = [sum(itertools.compress(range(1, m + 1), signs)) for signs in itertools.product((0, 1), repeat=m)]
    for level in (0.001, 0.011, 0.05, 0.1, 0.25, 0.5, 0.9, *(2.0**-power for power in range(1, m + 1))):
        allowed = [k for k in range(len(sums)) if 2 * sum(t < k for t in sums) <= level * 2**m]
        assert stats.critical_index(m, level) == min(allowed[-1], m * (m + 1) // 2)


@pytest.mark.parametrize("m", [5, 8, 11, 20, 36, 50])
def test_critical_index_agrees_with_the_exact_p_values_of_scipy(m: int) -> None:
    rng = np.random.default_rng(m)
    for shift in np.linspace(0.1, 1.0, 8):
        test = wilcoxon(rng.normal(shift, size=m), method="exact")
        if test.pvalue < 0.9:
            assert stats.critical_index(m, test.pvalue * (1 + 1e-9)) == test.statistic + 1
            assert stats.critical_index(m, test.pvalue * (1 - 1e-9)) <= test.statistic


@pytest.mark.parametrize("m", [64, 200])
@pytest.mark.parametrize("level", [LOOK_LEVEL, LOOK_LEVEL / 9, 0.05, 1e-50])
def test_critical_index_is_exact_for_many_blocks(m: int, level: float) -> None:
    below = itertools.accumulate(exact_counts(m))
    assert stats.critical_index(m, level) == sum(1 for _ in itertools.takewhile(lambda n: 2 * n / 2**m <= level, below))


def test_no_value_has_no_interval() -> None:
    assert stats.critical_index(0, 0.5) == 0


@pytest.mark.parametrize(("m", "level"), [(-1, 0.05), (8, 0.0), (8, 1.0), (8, -0.1), (8, math.nan)])
def test_impossible_numbers_and_levels_are_refused(m: int, level: float) -> None:
    with pytest.raises(ValueError, match="level lies between 0 and 1"):
        stats.critical_index(m, level)


@repeatable
@given(st.integers(1, 60), st.floats(1e-15, 0.999))
def test_there_is_a_rank_interval_when_all_agreeing_would_be_rare_enough(m: int, level: float) -> None:
    assert has_rank_interval(m, level) == (stats.critical_index(m, level) > 0)


@pytest.mark.parametrize(("rivals", "first"), [(1, 8), (2, 9), (3, 10), (5, 10), (6, 11), (10, 11), (11, 15)])
def test_the_first_rank_interval_comes_when_the_level_can_be_reached(rivals: int, first: int) -> None:
    assert first_ranked(LOOK_LEVEL / rivals) == first


# Early looks


@pytest.mark.parametrize(
    ("chance", "degrees", "expected"),
    [(0.5, 7, 0.0), (0.975, 1, 12.7062), (0.9995, 7, 5.40788), (0.99998, 10, 6.93904), (0.95, 14, 1.76131)],
)
def test_a_quantile_of_student_is_that_of_the_tables(chance: float, degrees: int, expected: float) -> None:
    assert student_quantile(chance, degrees) == pytest.approx(expected, rel=1e-5, abs=1e-12)


@pytest.mark.parametrize(("chance", "degrees"), [(0.4, 3), (1.0, 3), (0.9, 0)])
def test_an_impossible_quantile_is_refused(chance: float, degrees: int) -> None:
    with pytest.raises(ValueError, match="no quantile"):
        student_quantile(chance, degrees)


def test_four_equal_blocks_have_an_interval_from_the_prior_alone() -> None:
    low, high = stats.moderated_interval([0.3] * 4, 0.001)
    reach = 5.40788 * math.sqrt(4 * 0.08**2 / 7) / 2
    assert (low, high) == pytest.approx((0.3 - reach, 0.3 + reach), rel=1e-5)


@repeatable
@given(st.lists(st.floats(-5, 5), min_size=4, max_size=11), levels)
def test_a_moderated_interval_is_never_narrower_than_that_of_the_prior(values: list[float], level: float) -> None:
    low, high = stats.moderated_interval(values, level)
    least, most = stats.moderated_interval([0.0] * len(values), level)
    assert high - low >= (most - least) * (1 - 1e-9)
    assert low <= stats.hodges_lehmann(values) <= high


def test_blocks_too_few_for_ranks_have_a_moderated_interval_at_a_tenth_of_the_level() -> None:
    values = [0.1, 0.2, 0.15, 0.12]
    assert stats.block_interval(values, LOOK_LEVEL) == pytest.approx(stats.moderated_interval(values, 0.001))
    assert stats.block_interval(values[:3], LOOK_LEVEL) is None


# The interval


@pytest.mark.slow
@repeatable
@given(st.integers(1, 16), levels, st.integers(0, 2**32 - 1))
def test_the_interval_holds_the_centres_that_the_test_does_not_reject(m: int, level: float, seed: int) -> None:
    values = np.random.default_rng(seed).normal(size=m)
    interval = stats.walsh_interval(values, level)
    averages = stats.walsh_averages(values)
    between = (averages[1:] + averages[:-1]) / 2
    for centre in [averages[0] - 1, *between, averages[-1] + 1]:
        rejected = wilcoxon(values - centre, method="exact").pvalue <= level
        assert rejected == (interval is not None and not interval[0] <= centre <= interval[1])


@repeatable
@given(logs, levels, levels)
def test_a_smaller_level_gives_an_interval_that_contains_the_other(values: list[float], one: float, two: float) -> None:
    wide, narrow = (stats.walsh_interval(values, level) for level in sorted([one, two]))
    assert wide is None or (narrow is not None and wide[0] <= narrow[0] <= narrow[1] <= wide[1])


@repeatable
@given(logs, levels)
def test_the_interval_contains_the_estimate(values: list[float], level: float) -> None:
    interval = stats.walsh_interval(values, level)
    assert interval is None or interval[0] <= stats.hodges_lehmann(values) <= interval[1]


def test_the_widest_interval_spans_the_values() -> None:
    assert stats.walsh_interval([3.0, 1.0, 2.0, 5.0, 4.0, 8.0, 7.0, 6.0], LOOK_LEVEL) == (1.0, 8.0)


def test_too_few_values_have_no_interval() -> None:
    assert stats.walsh_interval([1.0] * 7, LOOK_LEVEL) is None


# Ratios


def test_a_faster_side_has_a_ratio_above_one() -> None:
    assert compared([{"a": [1_000], "b": [3_000]}]).value == pytest.approx(3)


def test_no_common_block_gives_no_ratio() -> None:
    assert stats.compare([{"a": [1]}, {"b": [1]}], "a", "b", 0.05) is None


def test_too_few_blocks_give_a_ratio_without_bounds() -> None:
    found = compared(blocks_of(*[2.0] * 3), level=LOOK_LEVEL)
    assert asdict(found) == close_to(Ratio(2.0, None, None, 3, 3, is_ranked=False))


def test_a_few_blocks_give_bounds_that_are_not_ranked() -> None:
    found = compared(blocks_of(*[2.0] * 7), level=LOOK_LEVEL)
    assert found.low is not None and found.high is not None
    assert 1.8 < found.low < 2 < found.high < 2.2
    assert not found.is_ranked


def test_a_variant_that_ran_the_first_round_only_is_compared_over_it() -> None:
    assert compared([{"a": [1_000, 5_000, 5_000], "b": [3_000]}]).value == pytest.approx(3)


def test_enough_blocks_give_bounds() -> None:
    found = compared(blocks_of(2.0, 2.7, 2.1, 2.6, 2.2, 2.5, 2.3, 2.4), level=LOOK_LEVEL)
    assert asdict(found) == close_to(Ratio(found.value, 2.0, 2.7, 8, 8, is_ranked=True))


def test_blocks_agree_when_they_lie_on_the_side_of_the_estimate() -> None:
    assert compared(blocks_of(1.2, 1.3, 1.4, 1.5, 0.9)).agreeing == 4


def test_blocks_agree_with_a_slower_side_too() -> None:
    assert compared(blocks_of(0.5, 0.6, 0.7, 1.1)).agreeing == 3


def test_a_block_without_a_difference_agrees_with_neither_side() -> None:
    blocks = blocks_of(1.0, 1.0, 1.3, 1.4, 1.5)
    assert (compared(blocks, "a", "b").agreeing, compared(blocks, "b", "a").agreeing) == (3, 3)


def test_no_block_agrees_with_an_estimate_of_one() -> None:
    assert compared([{"a": [1, 1], "b": [2, 1]}, {"a": [2, 1], "b": [1, 1]}]) == Ratio(
        1.0, None, None, 2, 0, is_ranked=False
    )


@repeatable
@given(some_blocks(), levels)
def test_swapping_the_sides_gives_the_reciprocal_ratio_and_interval(
    blocks: list[dict[str, list[int]]], level: float
) -> None:
    ratio = compared(blocks, "a", "b", level)
    low, high = (bound and 1 / bound for bound in (ratio.high, ratio.low))
    swapped = replace(ratio, value=1 / ratio.value, low=low, high=high)
    assert asdict(compared(blocks, "b", "a", level)) == close_to(swapped)


@repeatable
@given(some_blocks(), st.integers(2, 1_000))
def test_scaling_one_side_scales_the_ratio_and_interval(blocks: list[dict[str, list[int]]], by: int) -> None:
    slower = [{**block, "b": [by * t for t in block["b"]]} for block in blocks]
    expected = close_to(compared(blocks), by)
    assert {**asdict(compared(slower)), "agreeing": expected["agreeing"]} == expected


@repeatable
@given(some_blocks(), st.integers(2, 1_000))
def test_scaling_both_sides_leaves_the_ratio_and_interval(blocks: list[dict[str, list[int]]], by: int) -> None:
    expected = close_to(compared(blocks))
    both = [{label: [by * t for t in walls] for label, walls in block.items()} for block in blocks]
    assert {**asdict(compared(both)), "agreeing": expected["agreeing"]} == expected


@repeatable
@given(some_blocks(least=2), st.randoms(use_true_random=False))
def test_the_order_of_the_blocks_changes_nothing_but_the_width_of_the_interval(
    blocks: list[dict[str, list[int]]], random: object
) -> None:
    shuffled = list(blocks)
    random.shuffle(shuffled)  # type: ignore[attr-defined]
    found, expected = compared(shuffled), compared(blocks)
    assert (found.value, found.blocks, found.agreeing) == (expected.value, expected.blocks, expected.agreeing)
    assert (found.low is None) == (expected.low is None)


@repeatable
@given(some_blocks(), st.lists(times, min_size=1, max_size=3))
def test_a_block_that_one_side_missed_changes_nothing(blocks: list[dict[str, list[int]]], walls: list[int]) -> None:
    assert compared([{"a": walls}, *blocks, {"b": walls}]) == compared(blocks)


# Coverage. The seeds are fixed, and were not chosen: the first tried is the one that stands.


@pytest.mark.parametrize("shape", SYMMETRIC)
@pytest.mark.parametrize("m", [8, 20])
def test_one_look_covers_the_centre_of_symmetric_statistics(shape: str, m: int) -> None:
    runs = 2_000
    level = 0.05
    values = SYMMETRIC[shape](np.random.default_rng([1, m]), (runs, m))
    missed = sum(misses_zero(row, level) for row in values) / runs
    assert missed <= level + 3 * math.sqrt(level * (1 - level) / runs)


@pytest.mark.parametrize("shape", SYMMETRIC)
@pytest.mark.parametrize("deviation", [0.03, 0.06, 0.1])
def test_all_looks_cover_together_at_least_95_percent(shape: str, deviation: float) -> None:
    """By the signed ranks, which allow many runs; that the interval says the same is tested above."""
    runs = 20_000
    values = SYMMETRIC[shape](np.random.default_rng(1), (runs, LOOKS[-1])) * deviation
    missed = np.zeros(runs, dtype=bool)
    for m in LOOKS:
        seen = values[:, :m]
        if not has_rank_interval(m, LOOK_LEVEL):
            low, high = looks.interval(seen, LOOK_LEVEL)
            missed |= (low > 0) | (high < 0)
            continue
        ranks = np.abs(seen).argsort(axis=1).argsort(axis=1) + 1
        above = (ranks * (seen > 0)).sum(axis=1)
        missed |= np.minimum(above, m * (m + 1) // 2 - above) < stats.critical_index(m, LOOK_LEVEL)
    assert missed.mean() <= 0.05 + 3 * math.sqrt(0.05 * 0.95 / runs)


def alike(rng: np.random.Generator, blocks: int, rounds: int = 5) -> list[dict[str, list[int]]]:
    """Blocks of the same code twice, in random order in every round, under a lasting load that both share.

    The load drifts with a time constant of 50 trials; each runner (a fresh process in every block) and each
    trial add noise of their own, with bursts.
    """
    size = 2 * blocks * rounds
    load = np.convolve(rng.normal(0, 0.05, size + 200), 0.98 ** np.arange(200))[200 : size + 200]
    layout = np.repeat(rng.normal(0, 0.02, (blocks, 1, 2)), rounds, axis=1)
    bursts = rng.exponential(0.2, (blocks, rounds, 2)) * (rng.random((blocks, rounds, 2)) < 0.1)
    order = rng.permuted(np.broadcast_to([0, 1], (blocks, rounds, 2)), axis=2)
    shared = np.take_along_axis(load.reshape(blocks, rounds, 2), order, axis=2)
    walls = np.exp(shared + layout + bursts + rng.normal(0, 0.01, layout.shape)) * 5e6
    return [{"a": block[:, 0].tolist(), "b": block[:, 1].tolist()} for block in walls.astype(np.int64)]


def test_the_same_code_under_autocorrelated_load_is_rarely_called_different_at_any_look() -> None:
    """Without a stop on a tie, which would end most runs in time."""
    rng = np.random.default_rng(1)
    runs = 1_000
    wrong = 0
    for _ in range(runs):
        found = stats.log_statistics(alike(rng, LOOKS[-1]), "a", "b")
        wrong += any(misses_zero(found[:m], LOOK_LEVEL) for m in LOOKS)
    assert wrong / runs <= 0.05


def test_the_load_of_that_simulation_is_autocorrelated() -> None:
    blocks = alike(np.random.default_rng(1), LOOKS[-1])
    found = stats.lag1_autocorrelation([math.log(block["a"][0]) for block in blocks])
    assert found is not None
    assert found > 0.5


# Autocorrelation and spread


@repeatable
@given(st.lists(st.integers(-1_000, 1_000), min_size=8, max_size=64))
def test_autocorrelation_is_the_lagged_products_over_the_squares(numbers: list[int]) -> None:
    deviations = np.array(numbers) - np.mean(numbers)
    found = stats.lag1_autocorrelation([float(number) for number in numbers])
    if len(set(numbers)) == 1:
        assert found is None
    else:
        expected = float(np.sum(deviations[1:] * deviations[:-1]) / np.sum(deviations**2))
        assert found == pytest.approx(expected, abs=1e-12)


def test_values_that_alternate_have_negative_autocorrelation() -> None:
    assert stats.lag1_autocorrelation([1.0, -1.0] * 10) == pytest.approx(-0.95)


def test_a_trend_has_positive_autocorrelation() -> None:
    found = stats.lag1_autocorrelation(np.arange(50.0))
    assert found is not None
    assert found > 0.9


def test_tiny_differences_have_an_autocorrelation_too() -> None:
    assert stats.lag1_autocorrelation([1e-200, -1e-200] * 10) == pytest.approx(-0.95)


@pytest.mark.parametrize("values", [[], [1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 7.0], [0.1] * 9], ids=["none", "seven", "equal"])
def test_too_few_or_equal_values_have_no_autocorrelation(values: list[float]) -> None:
    assert stats.lag1_autocorrelation(values) is None


def autocorrelated(rng: np.random.Generator, size: tuple[int, int], rho: float) -> Floats:
    """Rows of unit variance in which each value is like its predecessor by `rho`."""
    found = rng.normal(size=size)
    for place in range(1, size[1]):
        found[:, place] = rho * found[:, place - 1] + math.sqrt(1 - rho**2) * found[:, place]
    return found


def test_values_that_alternate_need_no_wider_interval() -> None:
    assert stats.widening([1, -1] * 8) == 1


def test_a_trend_needs_a_wider_interval_but_not_a_boundless_one() -> None:
    assert stats.widening(range(64)) == pytest.approx(math.sqrt(1.8 / 0.2))


def test_too_few_values_for_an_autocorrelation_are_not_widened() -> None:
    assert stats.widening(range(7)) == 1


@repeatable
@given(st.lists(st.floats(-5, 5), min_size=8, max_size=30), levels)
def test_a_widened_interval_contains_the_exact_one(values: list[float], level: float) -> None:
    exact, found = stats.walsh_interval(values, level), stats.block_interval(values, level)
    if exact is not None:
        assert found is not None and found[0] <= exact[0] <= exact[1] <= found[1]


def test_an_early_interval_of_correlated_values_is_widened_too() -> None:
    values, level = [number / 100 for number in range(8)], LOOK_LEVEL / 12
    assert stats.walsh_interval(values, level) is None
    narrow, found = stats.moderated_interval(values, stats.EARLY_SHARE * level), stats.block_interval(values, level)
    assert found is not None
    assert found[1] - found[0] == pytest.approx(stats.widening(values) * (narrow[1] - narrow[0]))
    assert stats.widening(values) > 1.5


def test_an_early_interval_of_a_shift_is_widened_by_the_more_correlated_sample() -> None:
    flat, trend = [0.0, 0.07, 0.01, 0.06, 0.02, 0.05, 0.03, 0.04], [number / 100 for number in range(8)]
    level = LOOK_LEVEL / 1000
    found = stats.shift_interval(flat, trend, level)
    unwidened = stats.shift_interval(flat, [0.0, 0.07, 0.01, 0.06, 0.02, 0.05, 0.03, 0.04], level)
    assert found is not None and unwidened is not None
    assert found[1] - found[0] == pytest.approx(stats.widening(trend) * (unwidened[1] - unwidened[0]))
    assert stats.shift_interval(trend, flat, level) == pytest.approx((-found[1], -found[0]))


@repeatable
@given(st.lists(st.floats(-5, 5), min_size=8, max_size=30), levels)
def test_a_widened_interval_of_negated_values_is_negated(values: list[float], level: float) -> None:
    found, negated = stats.block_interval(values, level), stats.block_interval([-value for value in values], level)
    assert (found is None) == (negated is None)
    if found and negated:
        assert negated == pytest.approx((-found[1], -found[0]))


@pytest.mark.parametrize("m", [4, 7, 8, 15])
def test_the_intervals_of_many_simulated_runs_are_those_of_one(m: int) -> None:
    rows = autocorrelated(np.random.default_rng(1), (50, m), 0.3)
    low, high = looks.interval(rows, LOOK_LEVEL)
    found = [stats.block_interval(row, LOOK_LEVEL) for row in rows]
    assert list(zip(low, high, strict=True)) == [pytest.approx(bounds) for bounds in found]


def test_widened_intervals_of_correlated_values_cover_more_often() -> None:
    rows = autocorrelated(np.random.default_rng(1), (2_000, 20), 0.3)
    exact = sum(misses_zero(row, 0.05) for row in rows) / len(rows)
    found = [stats.block_interval(row, 0.05) for row in rows]
    widened = sum(not (bounds and bounds[0] <= 0 <= bounds[1]) for bounds in found) / len(rows)
    assert widened < 0.1 < exact  # 8.8 % and 15.4 %


def test_independent_values_are_called_correlated_in_one_of_twenty_cases_at_most() -> None:
    rows = autocorrelated(np.random.default_rng(1), (2_000, 20), 0.0)
    assert sum(stats.is_correlated(row) for row in rows) / len(rows) < 0.05


def test_correlated_values_are_recognised() -> None:
    rows = autocorrelated(np.random.default_rng(1), (2_000, 20), 0.6)
    assert sum(stats.is_correlated(row) for row in rows) / len(rows) > 0.7


# Two runs


@repeatable
@given(logs, logs)
def test_a_shift_is_the_median_of_all_differences(a: list[float], b: list[float]) -> None:
    assert stats.shift(a, b) == pytest.approx(float(np.median([y - x for x in a for y in b])), abs=1e-12)


@repeatable
@given(logs, logs, levels)
def test_a_shift_the_other_way_is_negated_with_its_interval(a: list[float], b: list[float], level: float) -> None:
    assert stats.shift(b, a) == pytest.approx(-stats.shift(a, b), abs=1e-12)
    found, other = stats.shift_interval(a, b, level), stats.shift_interval(b, a, level)
    assert (found is None) == (other is None)
    if found and other:
        assert other == pytest.approx((-found[1], -found[0]), abs=1e-9)


@pytest.mark.parametrize(("m", "n"), [(1, 1), (3, 5), (8, 8), (8, 20), (11, 13)])
def test_the_chances_of_rank_sums_agree_with_scipy(m: int, n: int) -> None:
    """The exact one-sided p-value of scipy for samples that have this U is P(U <= u)."""
    cdf = rank_sum_cdf(m, n)
    assert len(cdf) == m * n + 1 and cdf[-1] == pytest.approx(1)
    for above in range(n + 1):  # the first of m lies above so many of n, the others below all
        a = [*np.linspace(-2, -1, m - 1), above - 0.5]
        expected = mannwhitneyu(a, np.arange(n), alternative="less", method="exact").pvalue
        assert cdf[above] == pytest.approx(expected, rel=1e-9)


def test_two_samples_of_one_distribution_differ_in_one_of_twenty_cases_at_most() -> None:
    rng = np.random.default_rng(1)
    found = [stats.shift_interval(rng.normal(size=11), rng.normal(size=15), 0.05) for _ in range(2_000)]
    assert sum(not (bounds and bounds[0] <= 0 <= bounds[1]) for bounds in found) / len(found) < 0.06


def test_three_against_three_are_too_few_for_an_interval() -> None:
    assert stats.shift_interval([1, 2, 3], [4, 5, 6], 0.05) is None


@pytest.mark.parametrize("sd", [0.02, 0.06, 0.10])
@pytest.mark.parametrize("modes", [False, True])
def test_the_shift_of_two_runs_of_four_blocks_is_wrong_less_often_than_its_level(sd: float, *, modes: bool) -> None:
    rng = np.random.default_rng(1)

    def blocks() -> stats.Times:
        return rng.choice([-sd, sd], 4) if modes else rng.normal(0, sd, 4)

    found = [stats.shift_interval(blocks(), blocks(), 0.025) for _ in range(3_000)]
    assert all(found)
    assert sum(not bounds[0] <= 0 <= bounds[1] for bounds in found if bounds) / len(found) < 0.025


def test_an_early_shift_has_the_interval_of_the_moderated_t_test() -> None:
    a, b, level = [0.00, 0.01, 0.02, 0.03], [0.30, 0.31, 0.32, 0.33], 0.02
    variance = (4 * 0.08**2 + 2 * 0.0005) / 10  # the prior, and the squares of both samples
    reach = scipy_stats.t.ppf(1 - level / 20, 10) * np.sqrt(variance * (1 / 4 + 1 / 4))
    assert stats.shift_interval(a, b, level) == pytest.approx((0.3 - reach, 0.3 + reach))


def test_an_impossible_level_of_a_shift_is_refused() -> None:
    with pytest.raises(ValueError, match="level 1"):
        stats.shift_interval([1], [2], 1)


# What a ratio depends on


@pytest.mark.parametrize("distinct", [1_000_000, 5])
def test_a_slope_and_its_interval_agree_with_scipy_with_and_without_ties(distinct: int) -> None:
    rng = np.random.default_rng(1)
    for _ in range(20):
        x = rng.integers(0, distinct, 15).astype(float)
        y = 3 * x / distinct + rng.normal(size=15)
        found, expected = stats.theil_sen(x, y, 0.05), theilslopes(y, x, 0.95)
        assert found is not None
        assert (found.value, found.low, found.high) == pytest.approx(
            (expected.slope, expected.low_slope, expected.high_slope)
        )


def test_a_load_that_never_changed_has_no_slope() -> None:
    assert stats.theil_sen([0.0] * 20, range(20), 0.01) is None


def test_too_few_points_have_no_slope() -> None:
    assert stats.theil_sen([1, 2, 3], [1, 2, 3], 0.01) is None


def test_unpaired_points_are_refused() -> None:
    with pytest.raises(ValueError, match="3 values of x against 2 of y"):
        stats.theil_sen([1, 2, 3], [1, 2], 0.01)


def test_spread_is_the_quartiles_of_type_7() -> None:
    assert stats.quartiles([4.0, 1.0, 2.0, 3.0]) == (1.75, 3.25)


def test_the_spread_of_one_value_is_that_value_twice() -> None:
    assert stats.quartiles([5.0]) == (5.0, 5.0)
