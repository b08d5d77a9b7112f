"""Trees of coroutines, after the async_tree of pyperformance: each node gathers six children, the leaves do the work.

That tree has six levels and sleeps for 50 ms; this one has five by default and sleeps for a sixth as long, so that
sleeping is the same share of the time.
"""

from __future__ import annotations

import asyncio
import math
from collections.abc import Awaitable, Callable
from random import Random

BRANCHES = 6
LEVELS = 6
SLEEP_S = 0.05
"""How long a leaf sleeps in a tree of `LEVELS` levels."""

KEPT = 90
"""Of 100 data, so many are kept once they are fetched."""


async def tree(work: str, levels: int = 5) -> int:
    """Return the number of leaves; `work` of each is none, io, memoization or mixed (half of the leaves compute)."""
    leaves = _Leaves(SLEEP_S * BRANCHES ** (levels - LEVELS))
    works = {"none": leaves.none, "io": leaves.io, "memoization": leaves.memoization, "mixed": leaves.mixed}
    return await _node(levels, works[work])


async def _node(level: int, leaf: Callable[[], Awaitable[None]]) -> int:
    if level == 0:
        await leaf()
        return 1
    return sum(await asyncio.gather(*[_node(level - 1, leaf) for _ in range(BRANCHES)]))


class _Leaves:
    """The work of the leaves of one tree; what is random is the same for every tree."""

    def __init__(self, sleep_s: float) -> None:
        self._sleep_s = sleep_s
        self._random = Random(0)
        self._fetched: set[int] = set()

    async def none(self) -> None:
        pass

    async def io(self) -> None:
        await asyncio.sleep(self._sleep_s)

    async def memoization(self) -> None:
        wanted = self._random.randint(1, 100)
        if wanted in self._fetched:
            return
        if wanted <= KEPT:
            self._fetched.add(wanted)
        await self.io()

    async def mixed(self) -> None:
        if self._random.random() < 0.5:
            math.factorial(500)
        else:
            await self.memoization()
