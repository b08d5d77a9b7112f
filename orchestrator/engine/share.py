"""What one run has of a suite: its part of the time for all, and the command that runs it alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass


@dataclass(frozen=True)
class Share:
    """What a run has of its suite."""

    most_s: float | None = None
    """The longest time that the run may take, whatever its spec says; None without a limit."""
    command: Sequence[str] = ()
    """The command that runs the same spec alone; without one, the command of this program."""


WHOLE = Share()  # of a run that is in no suite


def shares_s(left_s: float, most_s: Sequence[float]) -> list[float]:
    """Return the least time that each run gets of what is left: its fair part, or its own limit if that is less."""
    even_s = fair_s(left_s, most_s)
    return [min(even_s, each_s) for each_s in most_s]


def fair_s(left_s: float, most_s: Sequence[float]) -> float:
    """Return the time that each run may take of what is left for all, where run i takes at most `most_s[i]`.

    It is the same for all; what short runs can't use goes to the others. Infinite when there is enough for all.
    """
    bounds = sorted(most_s)
    for place, bound in enumerate(bounds):
        even_s = left_s / (len(bounds) - place)
        if bound >= even_s:
            return even_s
        left_s -= bound
    return math.inf
