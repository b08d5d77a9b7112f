"""Generated data, the same in every process and run, cached so that its creation is not timed."""

from __future__ import annotations

import functools
import random

WORDS = 2_000
"""Size of the vocabulary: text of these words compresses to about a third, as prose does."""


@functools.cache
def noise(size: int) -> bytes:
    """Return `size` bytes that look random."""
    return random.Random(0).randbytes(size)


@functools.cache
def text(size: int) -> bytes:
    """Return `size` bytes of made-up words, ASCII."""
    source = random.Random(0)
    letters = "etaoinshrdlucmfw"
    words = ["".join(source.choices(letters, k=source.randint(2, 10))) for _ in range(WORDS)]
    drawn = " ".join(source.choices(words, k=size // 3 + 1))  # a word and its space are three bytes at least
    return drawn[:size].encode()


@functools.cache
def orders(rows: int) -> list[dict[str, str]]:
    """Return `count` orders; all fields are text."""
    source = random.Random(0)
    names = text(20 * rows).decode().split()
    return [
        {"id": str(row), "customer": source.choice(names), "amount": str(source.randint(1, 99_999))}
        for row in range(rows)
    ]
