"""Calls in greenlets, which take turns in one thread: the clocks of a call stand still while others run."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ..call import Call
from . import clocks
from .clocks import AFTER, BEFORE, STAMPS, WALL, Clocks
from .stamps import Returned, Stamped, packed


class Away:
    """How long a call was away from its thread, by each clock, and since when it is, None while it runs."""

    __slots__ = ("left", "spent")

    def __init__(self) -> None:
        self.left: Clocks | None = None
        self.spent = [0] * len(clocks.read())


class Turns:
    """Which greenlets are in calls, and how long each was away from the thread."""

    def __init__(self) -> None:
        from greenlet import getcurrent

        self._current = getcurrent
        self._calls: dict[Any, Away] = {}

    def begin(self) -> Away:
        """Begin a call in the running greenlet."""
        away = self._calls[self._current()] = Away()
        return away

    def end(self) -> None:
        """End the call in the running greenlet."""
        del self._calls[self._current()]

    @contextmanager
    def watched(self) -> Iterator[None]:
        """Read the clocks at each switch between greenlets of this thread meanwhile."""
        from greenlet import settrace

        earlier = settrace(self._switched)
        try:
            yield
        finally:
            settrace(earlier)

    def _switched(self, _: str, pair: tuple[Any, Any]) -> None:
        leaves, enters = map(self._calls.get, pair)
        if leaves is None and enters is None:
            return
        now = clocks.read()
        if leaves is not None:
            leaves.left = now
        if enters is not None and enters.left is not None:
            enters.spent = [spent + at - left for spent, at, left in zip(enters.spent, now, enters.left)]
            enters.left = None


class InGreenlet(Stamped):
    """A call with time stamps that is made in greenlets."""

    __slots__ = ("turns",)

    def __init__(self, call: Call) -> None:
        """Stamp a call."""
        super().__init__(call, weigh=False, is_small=True)
        self.turns = Turns()

    def __call__(self, item: Any = 0) -> Returned:
        args, kwargs = self.arguments(item)
        function = self.function
        away = self.turns.begin()
        stamps = clocks.new_stamps()
        clocks.begin_call(stamps)
        value = function(*args, **kwargs)
        clocks.end_call(stamps)
        self.turns.end()
        made = STAMPS.unpack(stamps)
        before, after = made[BEFORE:AFTER], made[AFTER:]
        busy_ns, *spent = [end - begin - other for end, begin, other in zip(after, before, away.spent)]
        return value, packed(made, after[WALL], busy_ns, spent), None


@contextmanager
def watched(call: Stamped) -> Iterator[None]:
    """Read the clocks at each switch between greenlets meanwhile, if the call is made in them."""
    if not isinstance(call, InGreenlet):
        yield
        return
    with call.turns.watched():
        yield
