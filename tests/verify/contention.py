"""Contention measured without an account: CPU time of bare threads, alone and together.

The same two threads make all calls, as in a pool: each new thread would first have to get its memory. A third thread
gives each call alone to one of them and waits for its end, as a pool does. If one thread makes these calls in a row,
copies take 2 % less.
"""

from __future__ import annotations

import subprocess
from collections.abc import Mapping, Sequence
from statistics import median, quantiles
from typing import Any

from tests.support.paths import ROOT

POINTS = 0.05
FRESH = 20  # processes on either side: memory on a shared host is as fast as its neighbours leave it

CONTROLS = (
    ("two threads, private data, 3.13t", "python3.13t", "private", 200_000),
    ("two threads, shared data, 3.13t", "python3.13t", "shared", 200_000),
    ("copies of 16 MiB in two threads", None, "copied", 40),
    ("sums of 32 MiB of numbers in two threads", None, "streamed", 16),
)
"""What it is, the interpreter, the function of `controls`, and its `n`.

A call takes 10 ms or more: threads that have just been woken share a core for some ms, in which nothing contends.
"""

SCRIPT = """
import queue, sys, threading, time
from statistics import median
from tests.verify import controls
work, n, count = getattr(controls, sys.argv[1]), int(sys.argv[2]), 8
jobs = [queue.SimpleQueue(), queue.SimpleQueue()]
def serve(own):
    while job := own.get():
        job()
for own in jobs:
    threading.Thread(target=serve, args=(own,), daemon=True).start()
over = threading.Barrier(2, timeout=60)
def call(own):
    begun = time.thread_time_ns()
    work(n)
    own.append(time.thread_time_ns() - begun)
def alone_ns():
    own = []
    for _ in range(count):
        jobs[0].put(lambda: (call(own), over.wait()))
        over.wait()
    return median(own[count // 2:])
def together_ns():
    gate, over, every = threading.Barrier(2), threading.Barrier(3, timeout=60), ([], [])
    def calls(own):
        work(n)
        gate.wait()
        while min(map(len, every)) < count:  # so that none of the other's calls runs alone
            call(own)
        over.wait()
    for place, own in enumerate(every):
        jobs[place].put(lambda own=own: calls(own))
    over.wait()
    return median(every[0] + every[1])
alone_ns()  # warms
together, alone = together_ns(), alone_ns()
for own in jobs:
    own.put(None)
print(max(0, 1 - alone / together))
"""


def by_hand(python: str, call: str, count: int) -> float:
    """Return which part of the CPU time of calls in two bare threads is beyond that of calls in one of them."""
    done = subprocess.run(
        [python, "-c", SCRIPT, call, str(count)], cwd=ROOT, capture_output=True, text=True, check=True
    )
    return float(done.stdout)


def row(what: str, known: Sequence[float], accounts: Sequence[Mapping[str, Any]]) -> str:
    """Return the row of the table, marked (!) where the account is further than `POINTS` from the other way."""
    known_ones = [account for account in accounts if account["contention_share"] is not None] or accounts
    parts = [_part(account["contention_share"] or 0.0, account) for account in known_ones]
    machine = [_part(account["contention_machine_share"] or 0.0, account) for account in accounts]
    objects = sorted({account["contended_objects"] or "-" for account in accounts})
    mark = "" if abs(median(parts) - median(known)) <= POINTS else " (!)"
    cells = (_middle(known), f"{_middle(parts)}{mark}", f"{median(machine):.1%}", "; ".join(objects))
    return f"| {what} | {' | '.join(cells)} |"


def _middle(parts: Sequence[float]) -> str:
    """Return the median, and between which values half of them lie."""
    low, _, high = quantiles(parts, n=4) if len(parts) > 1 else (parts[0],) * 3
    return f"{median(parts):.1%} ({low:.0%} to {high:.0%})"


def _part(share: float, account: Mapping[str, Any]) -> float:
    on_core = account["on_core_share"] + (account["contention_share"] or 0.0)
    return share / on_core if on_core else 0.0
