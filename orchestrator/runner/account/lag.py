"""How long an event loop keeps an event waiting, from the lengths of its turns."""

from __future__ import annotations

from collections.abc import Sequence


def lag(turns_ns: Sequence[int], wall_ns: int) -> dict[str, int | None]:
    """Return the lag of an event that comes at a random moment of the trial, and the longest turn.

    An event that comes within a turn waits for its end: longer than x with the probability
    sum(max(0, turn - x)) / wall.
    """
    if not turns_ns:
        return {"loop_lag_p50_ns": None, "loop_lag_p99_ns": None, "loop_longest_ns": None}
    longest = max(turns_ns)

    def quantile(share: float) -> int:
        low, high = 0, longest
        while high - low > 1000:
            middle = (low + high) // 2
            if sum(turn - middle for turn in turns_ns if turn > middle) > (1 - share) * wall_ns:
                low = middle
            else:
                high = middle
        return 0 if low == 0 else high

    return {"loop_lag_p50_ns": quantile(0.5), "loop_lag_p99_ns": quantile(0.99), "loop_longest_ns": longest}
