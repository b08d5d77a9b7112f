"""The data of one block, and the result of one look."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from .accounts import Account
from .stats import Ratio

Decision = Literal["win", "tie"]


@dataclass(slots=True)
class Block:
    """The raw data of one block by variant label: one value per round, and one start-up time.

    It is small, since a run on a cluster may have a hundred thousand blocks.
    """

    number: int
    host: str | None = None
    """The host of a cluster that it ran on; None: the machine of the run."""
    walls: dict[str, array[int]] = field(default_factory=dict)
    cpus: dict[str, array[int]] = field(default_factory=dict)
    startups: dict[str, int] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    """The number of operating-system threads of all workers, over all processes."""
    observed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    overlaps: dict[str, float] = field(default_factory=dict)
    """The time of two workers at once divided by that of one alone, from 1 (in parallel) to 2 (one at a time)."""
    accounts: dict[str, Account] = field(default_factory=dict)
    reference: Sequence[int] = ()
    """The reference loop's time in every round; empty where it was not timed."""
    reference_version: int | None = None
    free_cores: float | None = None
    steal_share: float | None = None
    pressure: float | None = None
    unchecked: tuple[str, ...] = ()
    gil_enabled_by: dict[str, str] = field(default_factory=dict)
    """The module that enabled the GIL, for a variant that started without it."""


@dataclass(frozen=True)
class Look:
    """The result of a look after `blocks` blocks.

    `gaps`: how many times as fast `best` is as each other contender. `dropped` are separated from the best,
    `remaining` are not.
    """

    blocks: int
    best: str
    gaps: Mapping[str, Ratio]
    dropped: tuple[str, ...]
    remaining: tuple[str, ...]
    decision: Decision | None
