"""Figures of the account that follow from the calls of a batch alone.

Each function of `OF_BATCH` is named as its figure, whose value is the median over the batches of a trial.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from statistics import median

from .stamps import Taken


def longest_call_ns(taken: Sequence[Taken]) -> int:
    """Return the time of the longest call."""
    return max(map(_length_ns, taken))


def longest_share(taken: Sequence[Taken]) -> float:
    """Return the time of the longest call as a share of that of all calls."""
    lengths_ns = [*map(_length_ns, taken)]
    return max(lengths_ns) / (sum(lengths_ns) or 1)


OF_BATCH: tuple[Callable[[Sequence[Taken]], float], ...] = (longest_call_ns, longest_share)


class OfCalls:
    """The figures of `OF_BATCH` in each batch so far."""

    def __init__(self) -> None:
        self._values: dict[str, list[float]] = {figure.__name__: [] for figure in OF_BATCH}

    def add(self, taken: Sequence[Taken]) -> None:
        """Add the calls of a batch."""
        for figure in OF_BATCH:
            self._values[figure.__name__].append(figure(taken))

    def figures(self) -> dict[str, float]:
        """Return the median of each figure, as a whole number where those of all batches are."""
        return {name: _rounded(values) for name, values in self._values.items()}


def longest(taken: Sequence[Taken]) -> int:
    """Return the place of the longest call of a batch."""
    return max(range(len(taken)), key=lambda place: _length_ns(taken[place]))


def _length_ns(call: Taken) -> int:
    """Return the time of a call without waits for a core or the GIL; of a coroutine, all of it."""
    span_ns = call.ended - call.begun
    return span_ns if call.busy_ns != span_ns else span_ns - call.run_queue_ns - call.gil_ns


def _rounded(values: Sequence[float]) -> float:
    return round(median(values), None if all(isinstance(value, int) for value in values) else 6)
