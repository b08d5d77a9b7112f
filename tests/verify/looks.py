"""Simulated contests of the same code: how often a win is false, and how many blocks a true difference takes.

`python -m tests.verify.looks` prints the table of docs/method.md. Block statistics are drawn from noise that is worse
than what was recorded; ties and looks are those of the program, with early looks and without.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from orchestrator.analysis.distributions import student_quantile
from orchestrator.analysis.looks import LOOK_LEVEL, LOOKS
from orchestrator.analysis.stats import (
    EARLY_SHARE,
    MOST_CORRELATION,
    PRIOR_DEGREES,
    PRIOR_SD,
    critical_index,
)

Rows = NDArray[np.float64]
"""Block statistics: a row for each simulated contest, a column for each block."""

RUNS = 4000
TIE = math.log1p(0.03)
EFFECTS = (1.1, 1.15, 1.25, 1.8)


def autocorrelated(dice: np.random.Generator, rho: float) -> Rows:
    """Return normal noise whose consecutive blocks are correlated."""
    rows = dice.standard_normal((RUNS, LOOKS[-1]))
    for block in range(1, rows.shape[1]):
        rows[:, block] = rho * rows[:, block - 1] + math.sqrt(1 - rho**2) * rows[:, block]
    return rows


def two_modes(dice: np.random.Generator) -> Rows:
    """Return noise that is about -1 or 1."""
    shape = (RUNS, LOOKS[-1])
    return dice.choice([-1.0, 1.0], shape) + dice.standard_normal(shape) * 0.05


def rare_mode(dice: np.random.Generator) -> Rows:
    """Return noise with one block in five elsewhere, around its pseudo-median."""

    def drawn(*shape: int) -> Rows:
        return np.where(dice.random(shape) < 0.2, 2.5, 0.0) + dice.standard_normal(shape) * 0.05

    centre = float(np.median(drawn(2, 2_000_000).mean(axis=0)))
    return drawn(RUNS, LOOKS[-1]) - centre


def contaminated(dice: np.random.Generator) -> Rows:
    """Return normal noise of which one block in five lies five times as far."""
    shape = (RUNS, LOOKS[-1])
    return dice.standard_normal(shape) * np.where(dice.random(shape) < 0.2, 5, 1)


NOISE: dict[str, tuple[Callable[[np.random.Generator], Rows], tuple[float, ...]]] = {
    "normal": (lambda dice: dice.standard_normal((RUNS, LOOKS[-1])), (0.06, 0.1)),
    "two modes": (two_modes, (0.03, 0.06, 0.1, 0.15)),
    "one block in five in another mode": (rare_mode, (0.1,)),
    "one block in five, five times as far": (contaminated, (0.1,)),
    "autocorrelation of 0.2": (lambda dice: autocorrelated(dice, 0.2), (0.06,)),
}


@dataclass(frozen=True)
class Ends:
    """How contests ended: 1 or -1 for a win of either side, 0 otherwise, and after how many blocks."""

    wins: NDArray[np.int64]
    blocks: NDArray[np.int64]


def contests(rows: Rows, *, rivals: int, is_early: bool) -> Ends:
    """Return how contests with these block statistics end."""
    wins, blocks = np.zeros(len(rows), np.int64), np.full(len(rows), LOOKS[-1])
    is_open = np.ones(len(rows), bool)
    for look in LOOKS:
        if is_early or critical_index(look, LOOK_LEVEL / rivals):
            seen = rows[is_open, :look]
            low, high = interval(seen, LOOK_LEVEL / rivals)
            tie_low, tie_high = interval(seen, LOOK_LEVEL)
            ties = (tie_low > -TIE) & (tie_high < TIE) & (critical_index(look, LOOK_LEVEL) > 0)
            won = np.where(ties, 0, np.where(low > 0, 1, np.where(high < 0, -1, 0)))
            places = np.flatnonzero(is_open)[ties | (won != 0)]
            wins[places], blocks[places] = won[ties | (won != 0)], look
            is_open[places] = False
    return Ends(wins, blocks)


def interval(rows: Rows, level: float) -> tuple[Rows, Rows]:
    """Return the interval of every row, as `stats.block_interval` has it for one."""
    m = rows.shape[1]
    i, j = np.triu_indices(m)
    averages = np.sort((rows[:, i] + rows[:, j]) / 2, axis=1)
    centre = np.median(averages, axis=1)
    if k := critical_index(m, level):
        factor = widening(rows)
        return centre - (centre - averages[:, k - 1]) * factor, centre + (averages[:, -k] - centre) * factor
    degrees = PRIOR_DEGREES + m - 1
    squares = PRIOR_DEGREES * PRIOR_SD**2 + (m - 1) * rows.var(axis=1, ddof=1)
    reach = student_quantile(1 - EARLY_SHARE * level / 2, degrees) * np.sqrt(squares / degrees / m) * widening(rows)
    return centre - reach, centre + reach


def widening(rows: Rows) -> Rows:
    """Return the factor of `stats.widening` for every row."""
    m = rows.shape[1]
    if m < 8:
        return np.ones(len(rows))
    off = rows - rows.mean(axis=1, keepdims=True)
    lag1 = (off[:, :-1] * off[:, 1:]).sum(axis=1) / (off * off).sum(axis=1) + 1 / m
    r = np.clip(lag1, 0, MOST_CORRELATION)
    return np.asarray(np.sqrt((1 + r) / (1 - r)))


def table() -> Iterator[str]:
    """Yield the rows of the table, in Markdown."""
    for name, (draw, deviations) in NOISE.items():
        for deviation in deviations:
            rows = draw(np.random.default_rng(7)) * deviation
            false = [
                np.mean(contests(rows, rivals=rivals, is_early=is_early).wins != 0)
                for rivals, is_early in ((1, False), (1, True), (3, True))
            ]
            found = [
                ", ".join(str(int(np.median(contests(moved, rivals=1, is_early=is_early).blocks))) for moved in effects)
                for is_early, effects in ((early, [rows + math.log(e) for e in EFFECTS]) for early in (False, True))
            ]
            cells = [name, f"{deviation * 100:g} %", *(f"{share * 100:.1f} %" for share in false), *found]
            yield f"| {' | '.join(cells)} |"


if __name__ == "__main__":
    for row in table():
        print(row, flush=True)
