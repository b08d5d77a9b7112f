"""`python -m tests.verify.queues`: windows of sleeping calls against queues with known latencies; nothing is asserted.

M/D/1 is a single server that sleeps equally long each time: the mean is known (Pollaczek-Khinchine). M/M/c has c
servers and exponential sleeps: mean and percentiles are known (Erlang C). The other lines are a queue without any cost
that got the very arrivals of the window: with the sleeps as asked, which takes the chance of the draw out of the
comparison, and with the calls as long as they were, which takes out that sleeps last longer than asked, too. The ratio
is to the latter.
"""

from __future__ import annotations

import asyncio
import heapq
import math
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from random import Random
from statistics import mean
from typing import Any

from orchestrator.runner import arrivals, loops, registry
from orchestrator.runner.__main__ import _drive
from orchestrator.runner.arrival_times import offsets_ns
from orchestrator.runner.call import Call
from tests.support.conformance.ways import needs, parts

SERVICE_S = 0.01
WINDOW_S = 20.0
LOADS = (0.5, 0.8, 0.9)
SHARES = (0.5, 0.9, 0.99)

Row = list[float]


def sleep(seconds: float) -> None:
    time.sleep(seconds)


async def sleep_async(seconds: float) -> None:
    await asyncio.sleep(seconds)


def main() -> None:
    """Print mean, p50, p90 and p99 of each queue in ms: in theory, without costs, and measured."""
    window_s = float(sys.argv[1]) if len(sys.argv) > 1 else WINDOW_S
    print(f"latency in ms: mean, p50, p90, p99; sleeps of {SERVICE_S * 1e3:g} ms, windows of {window_s:g} s")
    for way, servers, function in (
        ("sequential", 1, sleep),
        ("threads:pool=futures", 4, sleep),
        ("event_loop", 4, sleep_async),
        ("processes", 4, sleep),
    ):
        for load in LOADS:
            compare(way, servers, function, load, window_s)


def compare(way: str, servers: int, function: Callable[[float], Any], load: float, window_s: float) -> None:
    """Print the lines of one queue."""
    rate = load * servers / SERVICE_S
    at_ns = offsets_ns("poisson", rate, int(window_s * 1e9), seed=1)
    random = Random(2)
    sleeps = [SERVICE_S if servers == 1 else random.expovariate(1 / SERVICE_S) for _ in at_ns]
    window = measured(way, servers, function, sleeps, at_ns)
    latencies = [call.latency_ns / 1e9 for call in window.arrivals if call.latency_ns is not None]
    late_ms = sorted(call.late_ns / 1e6 for call in window.arrivals)
    name = f"M/D/1, {way}" if servers == 1 else f"M/M/{servers}, {way}"
    print(f"\n{name}, load {load:g}, {len(at_ns)} calls, {len(at_ns) - len(latencies)} not ended")
    theory = [pollaczek_khinchine(load)] if servers == 1 else erlang(rate, servers)
    at_s = [at / 1e9 for at in at_ns]
    lengths = [(call.ended_ns - call.started_ns) / 1e9 for call in window.arrivals if call.started_ns and call.ended_ns]
    ideal, found = row(queue(at_s, lengths, servers)), row(latencies)
    print(f"  {'theory':20}" + shown(theory))
    print(f"  {'sleeps as asked':20}" + shown(row(queue(at_s, sleeps, servers))))
    print(f"  {'calls as they were':20}" + shown(ideal) + f"   ({mean(lengths) / mean(sleeps):.3f} x the sleeps asked)")
    print(f"  {'measured':20}" + shown(found))
    print(f"  {'ratio':20}" + "".join(f"{a / b:9.3f}" for a, b in zip(found, ideal, strict=True)))
    late = shown(quantile(late_ms, share) / 1e3 for share in SHARES)
    print(f"  {'dispatcher late':20}{'':9}{late}", flush=True)


def measured(
    way: str, workers: int, function: Callable[[float], Any], sleeps: Sequence[float], at_ns: list[int]
) -> arrivals.Window:
    """Return a window of a model in this process."""
    name, options = parts(way)
    model, call = registry.load(name), Call(function, {}, item=0)
    found: list[arrivals.Window] = []

    async def serve() -> None:
        async with model.open(call, workers, options, None) as opened:
            assert opened.submit
            found.append(await arrivals.run(opened.submit, call, sleeps, at_ns, int(60e9)))

    loop = needs(way).loop
    if loop is None:
        _drive(serve())
    else:
        loops.run(loop, serve)
    return found[0]


def queue(at_s: Iterable[float], sleeps: Iterable[float], servers: int) -> list[float]:
    """Return the latencies of calls that are served in order by servers without any cost."""
    free = [0.0] * servers
    latencies = []
    for at, taken in zip(at_s, sleeps, strict=True):
        end = max(at, heapq.heappop(free)) + taken
        heapq.heappush(free, end)
        latencies.append(end - at)
    return latencies


def pollaczek_khinchine(load: float) -> float:
    """Return the mean latency of M/D/1."""
    return SERVICE_S * (1 + load / (2 * (1 - load)))


def erlang(rate: float, servers: int) -> Row:
    """Return the mean latency of M/M/c, and its percentiles."""
    offered = rate * SERVICE_S
    terms = [offered**n / math.factorial(n) for n in range(servers)]
    last = offered**servers / math.factorial(servers) / (1 - offered / servers)
    waits = last / (sum(terms) + last)
    served, drained = 1 / SERVICE_S, servers / SERVICE_S - rate

    def longer(than_s: float) -> float:
        """Return P(latency > x): the wait is 0, or exponential with the rate `drained`; the sleep is exponential."""
        alone = math.exp(-served * than_s)
        if math.isclose(served, drained):
            return (1 - waits) * alone + waits * (1 + served * than_s) * alone
        both = (drained * alone - served * math.exp(-drained * than_s)) / (drained - served)
        return (1 - waits) * alone + waits * both

    return [SERVICE_S + waits / drained, *(solved(longer, 1 - share) for share in SHARES)]


def solved(falling: Callable[[float], float], value: float) -> float:
    """Return where a falling function takes a value."""
    low, high = 0.0, 100 * SERVICE_S
    while high - low > 1e-7:
        middle = (low + high) / 2
        low, high = (middle, high) if falling(middle) > value else (low, middle)
    return low


def row(latencies: Sequence[float]) -> Row:
    found = sorted(latencies)
    return [mean(found), *(quantile(found, share) for share in SHARES)]


def quantile(found: Sequence[float], share: float) -> float:
    return found[min(len(found) - 1, int(share * len(found)))]


def shown(seconds: Iterable[float]) -> str:
    return "".join(f"{value * 1e3:9.2f}" for value in seconds)


if __name__ == "__main__":
    main()
