"""When calls arrive in an open loop: offsets from the start of a window, from a seed."""

from __future__ import annotations

from random import Random

PROCESSES = ("poisson", "constant")


def offsets_ns(process: str, rate: float, window_ns: int, seed: int) -> list[int]:
    """Return the arrivals of a window in ns from its start, in order; the same seed gives the same arrivals.

    `rate` is their mean number a second. `poisson` arrivals are independent of each other, so gaps are exponential.
    `constant` ones are equally spaced, and the first comes at a random part of a gap.
    """
    if process not in PROCESSES:
        raise ValueError(f"unknown process {process!r}; known: {', '.join(PROCESSES)}")
    random = Random(seed)
    gap_ns = 1e9 / rate
    at_ns = random.expovariate(1 / gap_ns) if process == "poisson" else random.random() * gap_ns
    offsets: list[int] = []
    while at_ns < window_ns:
        offsets.append(int(at_ns))
        at_ns += random.expovariate(1 / gap_ns) if process == "poisson" else gap_ns
    return offsets
