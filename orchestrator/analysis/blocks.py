"""What the fold keeps of one block, and what is known after so many of them."""

from __future__ import annotations

from array import array
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from .accounts import Account
from .stats import Ratio


@dataclass(slots=True)
class Block:
    """The raw data of one block by variant label: one value per round, and one start-up.

    Kept small: a run on a cluster may have a hundred thousand of them.
    """

    number: int
    host: str | None = None
    """Where on a cluster it ran; None for the machine of the run."""
    walls: dict[str, array[int]] = field(default_factory=dict)
    cpus: dict[str, array[int]] = field(default_factory=dict)
    startups: dict[str, int] = field(default_factory=dict)
    threads: dict[str, int] = field(default_factory=dict)
    """How many threads of the system its workers had, in one process or more."""
    observed: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    overlaps: dict[str, float] = field(default_factory=dict)
    """How many times as long two workers took at once as one alone, from 1 (in parallel) to 2 (one at a time)."""
    accounts: dict[str, Account] = field(default_factory=dict)
    reference: Sequence[int] = ()
    """The reference loop's time in every round; empty where it was not timed."""
    reference_version: int | None = None
    free_cores: float | None = None
    steal_share: float | None = None
    pressure: float | None = None
    unchecked: tuple[str, ...] = ()
    gil_enabled_by: dict[str, str] = field(default_factory=dict)
    """The module that switched the GIL back on, where a variant began without."""


@dataclass(frozen=True)
class Look:
    """What is known after `blocks` blocks.

    `gaps` tells how many times as long each contender takes as `best`. `dropped` are separated from the best;
    `remaining` are not. `decision` is "win", "tie" or None.
    """

    blocks: int
    best: str
    gaps: Mapping[str, Ratio]
    dropped: tuple[str, ...]
    remaining: tuple[str, ...]
    decision: str | None
