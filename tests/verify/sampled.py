"""Ten functions that compute: some hold the GIL all the time, others release it in C code."""

from __future__ import annotations

import hashlib
import json
import pickle
import re
import zlib

TEXT = "the quick brown fox jumps over the lazy dog " * 200
RECORDS = [{"name": f"n{number}", "values": list(range(10))} for number in range(200)]
DATA = TEXT.encode() * 30
WORD = re.compile(r"(\w)(\w*)")


def adds(n: int) -> int:
    """Add small integers."""
    total = 0
    for i in range(n):
        total = (total * 31 + i) % 1_000_003
    return total


def stores(n: int) -> int:
    """Store into a dictionary."""
    found: dict[int, int] = {}
    for i in range(n):
        found[i & 1023] = i
    return len(found)


def formats(n: int) -> int:
    """Format and join short strings."""
    return len(",".join(f"{i}:{i * 2:x}" for i in range(n)))


def sorts(n: int) -> int:
    """Sort numbers by a function."""
    return sorted(range(n), key=lambda i: i * 7919 % 10_007)[0]


def encodes(n: int) -> int:
    """Write and read JSON."""
    return sum(len(json.loads(json.dumps(RECORDS))) for _ in range(n))


def matches(n: int) -> int:
    """Replace words by a regular expression."""
    return sum(len(WORD.sub(r"\2\1", TEXT)) for _ in range(n))


def pickles(n: int) -> int:
    """Pickle and unpickle."""
    return sum(len(pickle.loads(pickle.dumps(RECORDS))) for _ in range(n))


def hashes(n: int) -> int:
    """Hash in C, without the GIL."""
    return sum(hashlib.sha256(DATA).digest()[0] for _ in range(n))


def compresses(n: int) -> int:
    """Compress in C, without the GIL."""
    return sum(len(zlib.compress(DATA)) for _ in range(n))


def half(n: int) -> int:
    """Compute with the GIL, and hash without it for about as long."""
    return sum(adds(4000) + hashes(1) for _ in range(n))


COUNTS = {
    adds: 200_000,
    stores: 250_000,
    formats: 40_000,
    sorts: 60_000,
    encodes: 15,
    matches: 12,
    pickles: 40,
    hashes: 60,
    compresses: 12,
    half: 30,
}
"""How often each does it in one call, for some 10 to 30 ms."""

RELEASING = {"hashes", "compresses", "half"}
"""Those that let others run meanwhile."""
