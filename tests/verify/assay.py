"""A method of an object with much data: every call that goes to another process takes the object along."""

from __future__ import annotations

import math
import random


class Assay:
    """Doses and replies, and the error of a model of them."""

    def __init__(self, measurements: int = 200_000) -> None:
        source = random.Random(20)
        self.doses = [source.uniform(0.0, 10.0) for _ in range(measurements)]
        self.replies = [1 / (1 + math.exp(5 - dose)) + source.gauss(0, 0.05) for dose in self.doses]

    def score(self, slope: float, middle: float) -> float:
        """Return the squared errors of every fiftieth measurement, summed and negated."""
        total = 0.0
        for dose, reply in zip(self.doses[::50], self.replies[::50], strict=True):
            total -= (reply - 1 / (1 + math.exp(slope * (middle - dose)))) ** 2
        return total


assay = Assay()
