"""The workload's call with stamps around it: each result comes back with what its call took, wherever it was made.

What crosses a process is stamped as it is pickled and unpickled, by objects that look at the clock when the pickler
reaches them: one before the contents, one after. So serialisation is timed with the model's own pickler, where and as
often as the model pickles, and nothing is pickled twice.
"""

from __future__ import annotations

import os
import threading
import time
import types
from collections.abc import Callable, Coroutine, Generator
from inspect import iscoroutinefunction
from typing import Any, NamedTuple

from . import clocks, sensors
from .call import Call
from .clocks import CPU, GIL, QUEUE, WALL


class Passage(NamedTuple):
    """When something was pickled at one end, and unpickled at the other, on the monotonic clock in ns."""

    dump_begun: int
    dump_ended: int
    load_begun: int
    load_ended: int


class Taken(NamedTuple):
    """What one call took: who made it, from when to when, and where its time went, in ns.

    `busy_ns` is the time in which it was being worked on: all of it, but for a coroutine only its steps.
    """

    pid: int
    thread: int
    begun: int
    ended: int
    busy_ns: int
    cpu_ns: int
    queue_ns: int
    gil_ns: int
    arrived: Passage | None
    """How the call came; None where it was not sent, or came together with the one before."""
    memory: tuple[int, int] | None
    """Of a worker that ends with its call: the bytes of its PSS, and those that are its own alone."""


class Stamped(Call):
    """A call that returns `Measured`."""

    __slots__ = ("arrived", "is_async", "weigh")

    def __init__(
        self, function: Callable[..., Any], kwargs: dict[str, Any], item: str | None, weigh: bool = False
    ) -> None:
        super().__init__(function, kwargs, item)
        self.is_async = iscoroutinefunction(function)
        self.weigh = weigh
        self.arrived: Passage | None = None
        if item is None:
            self.plain = self._plain

    def _plain(self) -> Any:
        return self(0)

    def __call__(self, item: int) -> Any:
        kwargs = self.kwargs if self.item is None else {**self.kwargs, self.item: item}
        if self.is_async:
            return _driven(self.function(**kwargs))
        arrived, self.arrived = self.arrived, None
        function, read = self.function, clocks.read
        before = read()
        value = function(**kwargs)
        after = read()
        busy_ns = after[WALL] - before[WALL]
        spent = after[CPU] - before[CPU], after[QUEUE] - before[QUEUE], after[GIL] - before[GIL]
        memory = sensors.memory(os.getpid()) if self.weigh else None
        who = os.getpid(), threading.get_ident()
        return Measured(value, Taken(*who, before[WALL], after[WALL], busy_ns, *spent, arrived, memory))

    def __reduce__(self) -> tuple[Any, ...]:
        begun = _Begun()
        return _arrived, (begun, self.function, self.kwargs, self.item, self.weigh, _Ended(begun))


class Measured:
    """A result, with what its call took."""

    __slots__ = ("returned", "taken", "value")

    def __init__(self, value: Any, taken: Taken, returned: Passage | None = None) -> None:
        self.value = value
        self.taken = taken
        self.returned = returned
        """How the result came back; None where it was not sent."""

    def __reduce__(self) -> tuple[Any, ...]:
        begun = _Begun()
        return _returned, (begun, self.value, _Ended(begun), tuple(self.taken))


class _Begun:
    """Is pickled first: it is then, and loading has begun when it is loaded."""

    def __reduce__(self) -> tuple[Any, ...]:
        self.at = time.monotonic_ns()
        return time.monotonic_ns, ()


class _Ended:
    """Is pickled last."""

    def __init__(self, begun: _Begun) -> None:
        self.begun = begun

    def __reduce__(self) -> tuple[Any, ...]:
        return _dumped, (self.begun.at, time.monotonic_ns())


def _dumped(begun: int, ended: int) -> tuple[int, int, int]:
    return begun, ended, time.monotonic_ns()


def _arrived(
    load_begun: int,
    function: Callable[..., Any],
    kwargs: dict[str, Any],
    item: str | None,
    weigh: bool,
    rest: tuple[int, int, int],
) -> Stamped:
    call = Stamped(function, kwargs, item, weigh)
    call.arrived = Passage(rest[0], rest[1], load_begun, rest[2])
    return call


def _returned(load_begun: int, value: Any, rest: tuple[int, int, int], taken: tuple[Any, ...]) -> Measured:
    return Measured(value, Taken(*taken), Passage(rest[0], rest[1], load_begun, rest[2]))


@types.coroutine
def _driven(coroutine: Coroutine[Any, Any, Any]) -> Generator[Any, Any, Measured]:
    """Run a coroutine with stamps around each of its steps, and return `Measured`."""
    read = clocks.read
    begun = busy_ns = cpu_ns = queue_ns = gil_ns = 0
    sent: Any = None
    thrown: BaseException | None = None
    while True:
        before = read()
        begun = begun or before[WALL]
        finished = False
        try:
            yielded = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
        except StopIteration as stop:
            finished, yielded = True, stop.value
        after = read()
        busy_ns += after[WALL] - before[WALL]
        cpu_ns += after[CPU] - before[CPU]
        queue_ns += after[QUEUE] - before[QUEUE]
        gil_ns += after[GIL] - before[GIL]
        if finished:
            spent = busy_ns, cpu_ns, queue_ns, gil_ns
            taken = Taken(os.getpid(), threading.get_ident(), begun, after[WALL], *spent, None, None)
            return Measured(yielded, taken)
        sent, thrown = None, None
        try:
            sent = yield yielded
        except BaseException as error:  # a cancellation too is the coroutine's own to handle
            thrown = error
