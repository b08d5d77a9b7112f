"""One function that computes or waits, to compare all models at both."""

from __future__ import annotations

from . import cpu, io

SECONDS = 0.005
"""How long a call waits; computing takes about as long."""


def call(kind: str) -> str:
    """Compute for some 5 ms if `kind` is "cpu", sleep as long if it is "io", and return it."""
    if kind == "cpu":
        cpu.nested_loop(1, 50_000)
    else:
        io.wait(SECONDS)
    return kind


async def call_async(kind: str) -> str:
    """Do the same as a coroutine: it computes in the event loop, and sleeps without blocking it."""
    if kind == "cpu":
        cpu.nested_loop(1, 50_000)
    else:
        await io.wait_async(SECONDS)
    return kind
