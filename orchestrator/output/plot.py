"""Bars and intervals drawn with characters, for tables in a terminal."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

LEAST_FACTOR = 1.05  # an axis reaches at least so far to both sides of 1, so that its mark is never at the edge


@dataclass(frozen=True)
class Signs:
    """The characters of bars and intervals."""

    parts: str
    """The parts of a cell of a bar, filled from the left; the last one is the full cell."""
    low: str
    line: str
    high: str
    """An interval."""
    estimate: str
    alone: str
    """A ratio with an interval, and one without."""
    one: str
    """The mark at 1."""
    ellipsis: str


BLOCKS = Signs("▏▎▍▌▋▊▉█", "├", "─", "┤", "●", "○", "│", "…")
ASCII = Signs("#", "[", "-", "]", "o", ".", "|", "...")


def bar(share: float, width: int, signs: Signs) -> str:
    """Return a bar that fills a share of `width` cells, at least a part of one."""
    steps = len(signs.parts)
    full, rest = divmod(max(1, round(share * width * steps)), steps)
    return signs.parts[-1] * full + (signs.parts[rest - 1] if rest else "")


@dataclass(frozen=True)
class Axis:
    """A logarithmic axis of ratios, over `width` cells; 1 is always on it."""

    low: float
    high: float
    width: int

    @classmethod
    def over(cls, ratios: Iterable[float], width: int) -> Axis:
        """Return the axis that has room for all these ratios."""
        known = [1 / LEAST_FACTOR, LEAST_FACTOR, *(ratio for ratio in ratios if ratio > 0)]
        return cls(min(known), max(known), width)

    def place(self, ratio: float) -> int:
        """Return the cell of a ratio."""
        share = math.log(max(ratio, self.low) / self.low) / math.log(self.high / self.low)
        return round(min(share, 1.0) * (self.width - 1))

    def ticks(self) -> str:
        """Return the line above the plot: 1 above its mark, and the ends where there is room for them."""
        one, low, high = self.place(1), _tick(self.low), _tick(self.high)
        cells = [" "] * self.width
        cells[one] = "1"
        if len(low) < one:
            cells[: len(low)] = low
        if one + 1 < self.width - len(high):
            cells[self.width - len(high) :] = high
        return "".join(cells)

    def drawn(self, ratio: float | None, low: float | None, high: float | None, signs: Signs) -> str:
        """Return a ratio with its interval, if it has one, and the mark at 1."""
        cells = [" "] * self.width
        cells[self.place(1)] = signs.one
        if ratio is None:
            return "".join(cells)
        if low is None or high is None:
            cells[self.place(ratio)] = signs.alone
            return "".join(cells)
        first, last = self.place(low), self.place(high)
        cells[first : last + 1] = [signs.line] * (last + 1 - first)
        cells[first], cells[last] = signs.low, signs.high
        if first < self.place(1) < last:
            cells[self.place(1)] = signs.one
        cells[self.place(ratio)] = signs.estimate
        return "".join(cells)


def _tick(ratio: float) -> str:
    return f"{ratio:.0f}" if ratio >= 10 else f"{ratio:.2g}"
