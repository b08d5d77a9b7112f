"""Functions for `make bench ARGS=verdicts`: work in equal turns for pairs, and calls for `advise`.

A turn is the same work every time, so 5 % more turns are 5 % more work. The controls of `tests.verify` use none of it.
"""

from __future__ import annotations

import json
import re
import time

DOCUMENT = json.dumps([{"id": n, "name": f"item {n}", "tags": ["a", "b", None], "price": n / 7} for n in range(10)])
NUMBERS = [n * 7919 % 1009 for n in range(200)]
LOG_LINE = re.compile(r"(\d+)-(\d+) (\w+): (.*?) in ([\d.]+) ms")
KEYS = [f"key {n}" for n in range(150)]

TURNS = {"parse_json": 100, "sort_list": 100, "format_text": 100, "update_dict": 100}
"""For each function of a pair, the number of turns that take about 1 to 3 ms."""


def parse_json(turns: int) -> int:
    """Parse a document of 10 objects in each turn."""
    found = []
    for _ in range(turns):
        found = json.loads(DOCUMENT)
    return len(found)


def sort_list(turns: int) -> int:
    """Sort 200 numbers in each turn."""
    ordered = []
    for _ in range(turns):
        ordered = sorted(NUMBERS)
    return ordered[0]


def format_text(turns: int) -> int:
    """Format 10 lines of a log and match a pattern with each, in each turn."""
    length = 0
    for _ in range(turns):
        for n in range(10):
            found = LOG_LINE.match(f"{n:04}-{n + 1:02} worker: request {n} done in {n / 3:.2f} ms")
            length = len(found[5]) if found else 0
    return length


def update_dict(turns: int) -> int:
    """Fill a dictionary with 150 keys and increase each value, in each turn."""
    counts: dict[str, int] = {}
    for _ in range(turns):
        counts = {}
        for key in KEYS:
            counts[key] = counts.get(key, 0) + 1
    return len(counts)


def one_us() -> int:
    """Return a sum after about 1 us."""
    total = 0
    for n in range(20):
        total += n
    return total


def one_ms() -> int:
    """Return a sum after about 1 ms."""
    total = 0
    for n in range(20_000):
        total += n
    return total


def thirty_megabytes() -> bytes:
    """Return 30 MB, which a process must send back."""
    return b"x" * 30_000_000


def sleep_10_ms() -> None:
    """Wait for 10 ms."""
    time.sleep(0.01)
