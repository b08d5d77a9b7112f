"""What the pilot calls of a function have shown. Pure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ..analysis.accounts import BUSY_CALL, keeps_several_cores

FILLING_CALL = 0.2  # from this share of a call on a core, five in flight keep an event loop busy


@dataclass(frozen=True)
class Facts:
    """The facts that a pilot finds about a function, see `runner.first_calls.pilot`.

    `cpu_share` is the CPU time of all threads divided by the wall time that was not spent waiting for a core. `items`
    is the number of items, 0 without; `wall_ns` is then the mean over the `tried` ones, and `longest_ns` the time of
    the longest call but the first, with `longest_item`. `absent` are the models that the interpreter
    lacks; `failed` has by model how a call of the function failed under it. `growth` is how many times as long as
    the first calls the last ones took, None if they took no longer. `never_yields`: its coroutines block their
    event loop. `changes` has what its `import` and its `call` change for their whole process. `left_open` and
    `keeps` are what each call leaves open and the memory that it keeps. `returned_errors` is in how many calls the
    result is an exception, or holds one. `bound` is what lets the fewest calls of a process through at once.
    `module_state` has the global variables that calls change.
    """

    is_async: bool
    refused: Mapping[str, str]
    first_ns: int
    wall_ns: int
    cpu_share: float
    process_ns: int | None
    unpicklable: str | None
    incomparable: str | None
    ready_ns: int
    items: int = 0
    tried: int = 0
    longest_ns: int = 0
    longest_item: str | None = None
    started: int = 0
    absent: Sequence[str] = ()
    failed: Mapping[str, str] = field(default_factory=dict)
    copied: str | None = None
    kept_by: str | None = None
    is_drained: bool = False
    growth: float | None = None
    never_yields: bool = False
    changes: Mapping[str, Sequence[str]] = field(default_factory=dict)
    left_open: Mapping[str, Any] | None = None
    keeps: Mapping[str, Any] | None = None
    returned_errors: Mapping[str, Any] | None = None
    bound: Mapping[str, Any] | None = None
    module_state: Sequence[Mapping[str, str]] = ()

    @property
    def busy(self) -> float:
        """The share of a call's time that it is on a core."""
        return min(1.0, self.cpu_share)

    @property
    def takes_turns(self) -> bool:
        """Whether a coroutine computes, so that calls in flight in one event loop can't overlap."""
        return self.is_async and self.busy >= BUSY_CALL and not self.is_parallel

    @property
    def fills_a_loop(self) -> bool:
        """Whether coroutines compute for so much of their time that few in flight keep an event loop busy."""
        return self.is_async and self.busy >= FILLING_CALL and not self.is_parallel

    @property
    def is_parallel(self) -> bool:
        """Whether a call keeps more than one core busy by itself; not known for very short calls."""
        return self.started > 1 or keeps_several_cores(self.wall_ns, self.cpu_share)
