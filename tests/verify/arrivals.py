"""`make verify-arrivals`: windows of arrivals whose latencies are known, and what the generator of arrivals costs.

Run it with nothing else on the machine. The tables go to docs/method.md. A ratio is marked with (!) if it is more than
5 % from 1 (10 % for the client) and its interval excludes 1.
"""

from __future__ import annotations

import argparse
import asyncio
import math
import multiprocessing
import os
import resource
import sys
import time
from collections.abc import Awaitable, Callable, Iterable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from functools import partial
from random import Random
from statistics import mean, median, stdev
from typing import Any

from experiments import http
from orchestrator.runner import arrivals, loops, registry
from orchestrator.runner.__main__ import _drive
from orchestrator.runner.arrival_times import offsets_ns
from orchestrator.runner.call import Call
from orchestrator.runner.registry import Submit
from orchestrator.runner.windows import rounded, summary
from tests.support.arrivals import calls_of
from tests.support.conformance.ways import needs, parts
from tests.support.paths import ROOT

from . import figures, queues

METHOD = ROOT / "docs/method.md"
SERVICE_S = 0.02
LOADS = (0.5, 0.8, 0.9)
NEAR = 0.05

STALL_S, STALLS_RATE, ANSWER_S = 0.2, 200, 0.001
FAST_RATE = 2_000
BARE = "a loop that only sleeps"
MILLION = 1_000_000
CLIENT_RATES, CLIENT_NEAR = (50, 100, 200), 0.1


@dataclass(frozen=True)
class Size:
    """How long a run of this program measures."""

    windows: int
    window_s: float
    loads: tuple[float, ...] = LOADS


FULL, SHORT = Size(6, 10.0), Size(1, 0.5, (0.5,))


@dataclass(frozen=True)
class Queue:
    """A model with workers that sleep: a queue of the theory."""

    way: str
    servers: int
    is_async: bool = False

    @property
    def name(self) -> str:
        """The name of the queue and of its model."""
        return f"{'M/D/1' if self.servers == 1 else f'M/M/{self.servers}'}, {self.way.partition(':')[0]}"

    def known(self, load: float) -> queues.Row:
        """Return the latencies of the theory."""
        if self.servers == 1:
            return queues.deterministic(load, SERVICE_S)
        return queues.exponential(load, SERVICE_S, self.servers)

    def sleeps(self, count: int, seed: int) -> list[float]:
        """Return how long the calls of a window sleep."""
        random = Random(f"sleeps {seed}")  # not those of the arrivals, which would shorten the queue
        return [SERVICE_S if self.servers == 1 else random.expovariate(1 / SERVICE_S) for _ in range(count)]


QUEUES = (Queue("sequential", 1), Queue("threads:pool=futures", 4), Queue("event_loop", 4, True), Queue("processes", 4))


def main() -> int:
    """Run what the command line names, all without, print the tables, and put them into the documentation."""
    tables: dict[str, Callable[[Size], Iterable[str]]] = {
        "queues": theory,
        "stall": stall,
        "generator": generator,
        "memory": memory,
        "client": client,
    }
    parser = argparse.ArgumentParser(prog="python -m tests.verify.arrivals", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help=f"{', '.join(tables)} [default: all]")
    parser.add_argument("--smoke", action="store_true", help="short windows, and no documentation")
    parser.add_argument("--windows", type=int, default=FULL.windows, help="of each queue and load [default: 6]")
    parser.add_argument("--window", type=float, default=FULL.window_s, help="their length in seconds [default: 10]")
    given = parser.parse_args()
    if unknown := set(given.tables) - tables.keys():
        parser.error(f"no table {', '.join(sorted(unknown))}; there are {', '.join(tables)}")
    size = SHORT if given.smoke else Size(given.windows, given.window)
    found = {name: "\n".join(rows(size)) for name, rows in tables.items() if name in (given.tables or tables)}
    print("\n\n".join(found.values()))
    if not given.smoke and len(found) == len(tables):
        METHOD.write_text(figures.replace(METHOD.read_text(), "arrivals", "\n\n".join(found.values()) + "\n"))
    return 0


# --- queues of sleeping calls


def sleep(seconds: float) -> None:
    time.sleep(seconds)


async def sleep_async(seconds: float) -> None:
    await asyncio.sleep(seconds)


def theory(size: Size) -> Iterator[str]:
    """Compare windows of sleeping calls with the theory, and with the same calls in a queue without costs."""
    yield "| queue | load | a sleep lasts | from call to call | mean | p50 | p90 | p99 |"
    yield "|---|---|---|---|---|---|---|---|"
    for queue in QUEUES:
        for load in size.loads:
            yield _compared(queue, load, size)


def _compared(queue: Queue, load: float, size: Size) -> str:
    """Return the row of a queue at a load: theory, measured, and the ratio to the same calls without costs."""
    rate = load * queue.servers / SERVICE_S
    times = [offsets_ns("poisson", rate, int(size.window_s * 1e9), seed) for seed in range(size.windows)]
    sleeps = [queue.sleeps(len(at_ns), seed) for seed, at_ns in enumerate(times)]
    call = Call(sleep_async if queue.is_async else sleep, {}, item=0)
    windows = opened(queue.way, queue.servers, call, list(zip(sleeps, times, strict=True)))
    measured, logs, longer, gaps = [], [], [], []
    for window, asked in zip(windows, sleeps, strict=True):
        lengths = [(call.ended_ns - call.started_ns) / 1e9 for call in ended(window)]
        free_of_cost = queues.row(queues.served((at / 1e9 for at in window.offsets_ns), lengths, queue.servers))
        measured.append(queues.row([(call.latency_ns or 0) / 1e9 for call in ended(window)]))
        logs.append([math.log(seen / known) for seen, known in zip(measured[-1], free_of_cost, strict=True)])
        longer.append(mean(lengths) / mean(asked))
        gaps.append(mean(between(window, queue.servers)))
    cells = [
        f"{known * 1e3:.1f}, {mean(seen) * 1e3:.1f} ms, {ratio(values)}"
        for known, seen, values in zip(
            queue.known(load), zip(*measured, strict=True), zip(*logs, strict=True), strict=True
        )
    ]
    print(queue.name, load, *cells, file=sys.stderr, flush=True)
    return f"| {queue.name} | {load:g} | {mean(longer):.2f} x | {mean(gaps) * 1e3:.2f} ms | {' | '.join(cells)} |"


def between(window: arrivals.Window, servers: int) -> list[float]:
    """Return the time from the end of a call until the same worker starts a call that was already waiting."""
    calls = ended(window)
    starts, ends = sorted(call.started_ns for call in calls), sorted(call.ended_ns for call in calls)
    return [
        (starts[n] - ends[n - servers]) / 1e9
        for n, call in enumerate(calls)
        if n >= servers and call.intended_ns < ends[n - servers]
    ] or [0.0]


def ratio(logs: Sequence[float], near: float = NEAR) -> str:
    """Return the ratio with its 95 % interval over windows, and a mark where both are away from 1."""
    centre = mean(logs)
    if len(logs) < 2:
        return f"{math.exp(centre):.2f}"
    from scipy.special import stdtrit  # type: ignore[import-untyped]

    half = float(stdtrit(len(logs) - 1, 0.975)) * stdev(logs) / math.sqrt(len(logs))
    is_off = abs(centre) > math.log(1 + near) and abs(centre) > half
    interval = f"{math.exp(centre):.2f} [{math.exp(centre - half):.2f}, {math.exp(centre + half):.2f}]"
    return interval + (" (!)" if is_off else "")


# --- a stall


async def answer(stalls: bool) -> None:
    """Wait as a server does that asks another one; a stall blocks the loop first."""
    if stalls:
        time.sleep(STALL_S)
    await asyncio.sleep(ANSWER_S)


def stall(size: Size) -> Iterator[str]:
    """Block the loop once a second, and measure that with arrivals and with calls one after the other."""
    seconds = max(2.0, size.window_s)
    at_ns = offsets_ns("constant", STALLS_RATE, int(seconds * 1e9), 1)
    stalls = [place % STALLS_RATE == 0 for place in range(len(at_ns))]
    [window] = opened("event_loop", 1000, Call(answer, {}, item=0), [(stalls, at_ns)])
    found = sorted((call.latency_ns or 0) / 1e6 for call in ended(window))
    closed = sorted(asyncio.run(_one_after_the_other(seconds)))
    # so many calls come during a stall, each a gap later than the one before, and each waits for the rest of the stall
    gap_ms, answer_ms = 1e3 / STALLS_RATE, ANSWER_S * 1e3
    hit = [STALL_S * 1e3 - gap_ms * n + answer_ms for n in range(int(STALL_S * STALLS_RATE))]
    known = sorted(hit + [answer_ms] * (STALLS_RATE - len(hit)))
    yield "| a stall of 200 ms once a second | p50 | p99 | longest |"
    yield "|---|---|---|---|"
    for what, latencies in (
        (f"known, {STALLS_RATE} calls a second", known),
        ("measured", found),
        ("calls one after the other (closed loop)", closed),
    ):
        shares = [queues.quantile(latencies, 0.5), queues.quantile(latencies, 0.99), latencies[-1]]
        yield f"| {what} | {' | '.join(f'{value:.1f} ms' for value in shares)} |"


async def _one_after_the_other(seconds: float) -> list[float]:
    """Return the latencies in ms that a closed loop sees of the same server."""
    until, next_stall = time.monotonic() + seconds, time.monotonic()
    found = []
    while (begun := time.monotonic()) < until:
        stalls = begun >= next_stall
        next_stall += stalls
        await answer(stalls)
        found.append((time.monotonic() - begun) * 1e3)
    return found


# --- what the generator costs


def nothing() -> None:
    pass


async def nothing_async() -> None:
    pass


def generator(size: Size) -> Iterator[str]:
    """Measure how late calls are submitted and started at a high rate, by a runner that has one core."""
    yield f"| {FAST_RATE:,} calls a second on one core | submitted late, p99 | started late, p50 | p99 | served |"
    yield "|---|---|---|---|---|"
    for way in (BARE, "event_loop", "sequential", "threads:pool=futures", "processes"):
        measured = [_alone(_late, way, size.window_s) for _ in range(size.windows)]
        late, started, p99, share = (median(values) for values in zip(*measured, strict=True))
        if way == BARE:
            yield f"| {way} | {late:.2f} ms | | | |"
        else:
            yield f"| {way} | {late:.2f} ms | {started:.2f} ms | {p99:.2f} ms | {share * 100:.0f} % |"


def _late(way: str, seconds: float) -> tuple[float, float, float, float]:
    """Return in ms how late calls that found all workers idle were submitted and started; and the share that ended."""
    os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    at_ns = offsets_ns("poisson", FAST_RATE, int(seconds * 1e9), 1)
    if way == BARE:
        return queues.quantile(sorted(_bare_ms(at_ns)), 0.99), 0.0, 0.0, 1.0
    call = Call(nothing_async if way == "event_loop" else nothing, {})
    warm = offsets_ns("constant", 100, 100_000_000, 1)
    _, window = opened(way, 1 if way == "sequential" else 4, call, [([None], warm), ([None], at_ns)])
    started = sorted((call.started_ns - call.intended_ns) / 1e6 for call in ended(window))
    late_ms = (summary(window)["late_p99_ns"] or 0) / 1e6
    return late_ms, queues.quantile(started, 0.5), queues.quantile(started, 0.99), len(started) / len(at_ns)


def _bare_ms(at_ns: Iterable[int]) -> Iterator[float]:
    """Yield how late a loop is that only sleeps until each time: what the machine adds by itself."""
    begun_ns = time.monotonic_ns()
    for offset_ns in at_ns:
        left_ns = begun_ns + offset_ns - time.monotonic_ns()
        if left_ns > 0:
            time.sleep(left_ns / 1e9)
        yield (time.monotonic_ns() - begun_ns - offset_ns) / 1e6


def memory(size: Size) -> Iterator[str]:
    """Measure the largest memory of a process that runs a window of a million calls and sums it up."""
    count = MILLION if size.windows > 1 else 20_000
    before, after, seconds, kept = _alone(_grown, count)
    yield "| calls of a window | memory before | at most | taken | latencies kept |"
    yield "|---|---|---|---|---|"
    yield f"| {count:,} | {before:.0f} MB | {after:.0f} MB | {seconds:.0f} s | {kept:,} rounded values |"


def _grown(count: int) -> tuple[float, float, float, int]:
    """Return the memory in MB before and at most, how long it took, and how many values the summary has."""
    before, begun = _peak_mb(), time.monotonic()
    at_ns = offsets_ns("constant", 10_000, count * 100_000, 1)
    [window] = opened("sequential", 1, Call(nothing, {}), [([None], at_ns)])
    found = summary(window)
    kept = len(found.get("rounded_latency_ns") or {rounded(value) for value in found["latency_ns"]})
    return before, _peak_mb(), time.monotonic() - begun, kept


def _peak_mb() -> float:
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


# --- a client written by hand


def client(size: Size) -> Iterator[str]:
    """Send the same requests to the same server in turns: through event_loop, and by hand with asyncio alone."""
    yield "| requests a second | p50, event_loop | by hand | ratio | p99, event_loop | by hand | ratio |"
    yield "|---|---|---|---|---|---|---|"
    with http.server() as address:
        for rate in CLIENT_RATES:
            pairs = _client_pairs(address, rate, size)
            cells = []
            for share in (0.5, 0.99):
                ours, others = zip(*([queues.quantile(sorted(x), share) for x in pair] for pair in pairs), strict=True)
                logs = [math.log(a / b) for a, b in zip(ours, others, strict=True)]
                cells += [f"{mean(ours) * 1e3:.1f} ms", f"{mean(others) * 1e3:.1f} ms", ratio(logs, CLIENT_NEAR)]
            yield f"| {rate} | {' | '.join(cells)} |"


def _client_pairs(address: http.Address, rate: float, size: Size) -> list[tuple[list[float], list[float]]]:
    """Return the latencies in s of both clients, window by window."""
    kwargs: dict[str, Any] = {"size": 1_000, "latency_ms": 20, "spread": "exponential", "keep_alive": True}
    call = Call(http.with_aiohttp, kwargs, item="item")
    found: list[tuple[list[float], list[float]]] = []

    async def body(submit: Submit) -> None:
        for seed in range(size.windows):
            at_ns = offsets_ns("poisson", rate, int(size.window_s * 1e9), seed)
            items = range(len(at_ns))
            window = await arrivals.run(submit, call, items, at_ns, int(60e9))
            by_hand = await _by_hand(lambda item: http.with_aiohttp(item, **kwargs), at_ns)
            found.append(([(call.latency_ns or 0) / 1e9 for call in ended(window)], by_hand))

    serve("event_loop", http.CONNECTIONS, call, body, partial(http.aiohttp_session, address))
    return found


async def _by_hand(fetch: Callable[[int], Awaitable[Any]], at_ns: Sequence[int]) -> list[float]:
    """Return the latencies of requests, each a task that sleeps until its time: nothing of the runner is used."""
    begun = time.monotonic()

    async def one(item: int, due: float) -> float:
        await asyncio.sleep(due - time.monotonic())
        await fetch(item)
        return time.monotonic() - due

    return await asyncio.gather(*(one(item, begun + offset / 1e9) for item, offset in enumerate(at_ns)))


# --- windows


def opened(
    way: str, workers: int, call: Call, windows: Sequence[tuple[Sequence[Any], list[int]]]
) -> list[arrivals.Window]:
    """Return windows of a model in this process, from the items and the offsets of each."""
    found: list[arrivals.Window] = []

    async def each(submit: Submit) -> None:
        for items, at_ns in windows:
            found.append(await arrivals.run(submit, call, items, at_ns, int(60e9)))

    serve(way, workers, call, each)
    return found


def serve(
    way: str, workers: int, call: Call, body: Callable[[Submit], Awaitable[None]], initializer: Any = None
) -> None:
    """Call `body` with the `submit` of a model that is open."""
    name, options = parts(way)
    model = registry.load(name)

    async def main() -> None:
        async with model.open(call, workers, options, initializer) as found:
            assert found.submit
            await body(found.submit)

    loop = needs(way).loop
    if loop is None:
        _drive(main())
    else:
        loops.run(loop, main)


def ended(window: arrivals.Window) -> list[Any]:
    """Return the calls that ended, in the order of their arrival; raises where others did not."""
    calls = [call for call in calls_of(window) if call.ended_ns is not None]
    if len(calls) != len(window.offsets_ns):
        raise RuntimeError(f"{len(window.offsets_ns) - len(calls)} of {len(window.offsets_ns)} calls did not end")
    return calls


def _alone(function: Callable[..., Any], *arguments: Any) -> Any:
    """Call a function in a fresh process."""
    with ProcessPoolExecutor(1, mp_context=multiprocessing.get_context("spawn")) as pool:
        return pool.submit(function, *arguments).result()


if __name__ == "__main__":
    sys.exit(main())
