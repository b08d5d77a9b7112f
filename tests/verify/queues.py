"""Queues whose latencies are known: formulas of queueing theory, and a queue without costs. Pure."""

from __future__ import annotations

import heapq
import math
from collections.abc import Callable, Iterable, Sequence
from decimal import Decimal, localcontext
from statistics import mean

SHARES = (0.5, 0.9, 0.99)

Row = list[float]
"""The mean, and the percentiles of `SHARES`, in seconds."""


def served(at_s: Iterable[float], lengths_s: Iterable[float], servers: int) -> list[float]:
    """Return the latencies of calls that are served in order by servers without any cost."""
    free = [0.0] * servers
    latencies = []
    for at, taken in zip(at_s, lengths_s, strict=True):
        end = max(at, heapq.heappop(free)) + taken
        heapq.heappush(free, end)
        latencies.append(end - at)
    return latencies


def deterministic(load: float, service_s: float) -> Row:
    """Return the latencies of M/D/1, one server that takes equally long each time (Pollaczek-Khinchine, Erlang)."""

    def longer(than_s: float) -> float:
        return 1 - _md1_waits_at_most(load, than_s / service_s - 1)

    mean_s = service_s * (1 + load / (2 * (1 - load)))
    return [mean_s, *(_solved(longer, 1 - share, service_s) for share in SHARES)]


def _md1_waits_at_most(load: float, services: float) -> float:
    """Return P(wait <= t) of M/D/1, t in services: a sum of large terms with both signs, hence the 80 digits."""
    if services < 0:
        return 0.0
    with localcontext() as context:
        context.prec = 80
        rate, until, total, factorial = Decimal(load), Decimal(services), Decimal(0), Decimal(1)
        for k in range(math.floor(services) + 1):
            factorial *= max(1, k)
            left = rate * (until - k)
            total += (-left) ** k / factorial * left.exp() if k else left.exp()
        return float((1 - rate) * total)


def exponential(load: float, service_s: float, servers: int) -> Row:
    """Return the latencies of M/M/c, servers that take exponentially long (Erlang C)."""
    offered = load * servers
    terms = [offered**n / math.factorial(n) for n in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - load)
    waits = last / (sum(terms) + last)
    served, drained = 1 / service_s, servers * (1 - load) / service_s

    def longer(than_s: float) -> float:
        """Return P(latency > x): the wait is 0, or exponential with the rate `drained`; the service is exponential."""
        alone = math.exp(-served * than_s)
        if math.isclose(served, drained):
            return (1 - waits) * alone + waits * (1 + served * than_s) * alone
        both = (drained * alone - served * math.exp(-drained * than_s)) / (drained - served)
        return (1 - waits) * alone + waits * both

    return [service_s + waits / drained, *(_solved(longer, 1 - share, service_s) for share in SHARES)]


def _solved(falling: Callable[[float], float], value: float, start: float) -> float:
    """Return where a falling function of seconds takes a value; `start` is of the order of the result."""
    low, high = 0.0, start
    while falling(high) > value:
        high *= 2
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return low


def row(latencies_s: Sequence[float]) -> Row:
    """Return the mean of some latencies, and their percentiles."""
    found = sorted(latencies_s)
    return [mean(found), *(quantile(found, share) for share in SHARES)]


def quantile(ascending: Sequence[float], share: float) -> float:
    """Return a percentile: the smallest value that this share of all does not exceed."""
    return ascending[max(0, math.ceil(share * len(ascending) - 1e-9) - 1)]
