"""The workload's call with time stamps: each result carries the times of its call.

Calls and results that cross a process are stamped as they are pickled and unpickled, by objects that read the clock
when the pickler reaches them: one before the contents, one after. So serialisation is timed with the model's own
pickler, where and as often as the model pickles, and nothing is pickled twice. Small calls and results have no
stamps, which would take longer than their pickling. A small result is sent back as a plain tuple, which a pickler takes
in a third of the time of an object.
"""

from __future__ import annotations

import os
import struct
import time
import types
from collections.abc import Callable, Coroutine, Generator, Sequence
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple

from ..call import Call
from . import clocks, sensors
from .clocks import AFTER, BEFORE, BUSY, CPU, GIL, LOCK, PROCESS, RUN_QUEUE, STAMPS, THREAD, WALL

if TYPE_CHECKING:
    from _typeshed import ReadableBuffer


class Passage(NamedTuple):
    """When a call or a result was pickled and unpickled, on the monotonic clock in ns."""

    dump_begun: int
    dump_ended: int
    load_begun: int
    load_ended: int


class Taken(NamedTuple):
    """The times of one call in ns, and its worker.

    `busy_ns` is the time in which it was executed: all of it, but for a coroutine only its steps.
    """

    pid: int
    thread: int
    begun: int
    ended: int
    busy_ns: int
    cpu_ns: int
    run_queue_ns: int
    gil_ns: int
    gil_before: int
    """The waits of its thread for the GIL before the call, from which the waits between calls follow."""
    arrived: Passage | None
    """The transfer of the call; None where it was not sent, is small, or came together with the one before."""
    returned: Passage | None
    """The transfer of its result; None where it was not sent, or is small."""
    memory: tuple[int, int] | None
    """The PSS and the private bytes of a worker that ends with its call."""
    lock_ns: int = 0


class Stamped(Call):
    """A call that returns its result with its times, as `received` takes it."""

    __slots__ = ("arrived", "crosses", "is_async", "is_small", "weigh")

    def __init__(
        self, call: Call, weigh: bool, is_small: bool, crosses: bool = False, is_async: bool | None = None
    ) -> None:
        """Stamp a call; `weigh`: also measure its worker's memory; `is_small`: do not stamp its pickle.

        `crosses`: its result goes to another process. `is_async` is known of a call that was sent: to find out takes
        longer than to unpickle it.
        """
        super().__init__(call.function, call.kwargs, call.item, call.args)
        self.is_small = is_small
        self.crosses = crosses
        self.is_async = iscoroutinefunction(call.function) if is_async is None else is_async
        self.weigh = weigh
        self.arrived: Passage | None = None
        if call.item is None:
            self.plain = self

    @property
    def one(self) -> Callable[[Any], Any]:
        return self

    def __call__(self, item: Any = 0) -> Any:
        arrived, self.arrived = self.arrived, None
        if type(item) is StampedItem:
            arrived, item = item.arrived or arrived, item.value
        args, kwargs = self.arguments(item)
        if self.is_async:
            return _driven(self.function(*args, **kwargs), self.crosses)
        function = self.function
        stamps = clocks.new_stamps()
        clocks.begin_call(stamps)
        value = function(*args, **kwargs)
        clocks.end_call(stamps)
        memory = sensors.memory(os.getpid()) if self.weigh else None
        return _result(value, stamps, self.crosses, arrived, memory)

    def __reduce__(self) -> tuple[Any, ...]:
        call = self.function, (self.args, self.kwargs), self.item, (self.weigh, self.is_async)
        return _passed, call if self.is_small else (_NOW, *call, _Ended())


class StampedResult:
    """A result with the times of its call; `taken` is computed on access, after the trial."""

    __slots__ = ("_memory", "_returned", "_stamps", "value")

    def __init__(
        self,
        value: Any,
        stamps: ReadableBuffer,
        memory: tuple[int, int] | None = None,
        returned: tuple[int, tuple[int, int, int]] | None = None,
    ) -> None:
        """Keep the `STAMPS` of the call, and behind them its passage if it was sent."""
        self.value = value
        self._stamps = stamps
        self._memory = memory
        self._returned = returned

    @property
    def taken(self) -> Taken:
        """The times of its call."""
        process, thread, busy_ns, *times = STAMPS.unpack_from(self._stamps)
        before, after = times[: AFTER - BEFORE], times[AFTER - BEFORE :]
        spent = [end - begin for begin, end in zip(before, after)]
        passage = memoryview(self._stamps).cast("B")[STAMPS.size :]
        return settled(
            Taken(
                process,
                thread,
                before[WALL],
                after[WALL],
                busy_ns,
                spent[CPU],
                spent[RUN_QUEUE],
                spent[GIL],
                before[GIL],
                Passage(*_PASSAGE.unpack(passage)) if passage else None,
                _passage(*self._returned) if self._returned else None,
                self._memory,
                spent[LOCK],
            )
        )

    def __reduce__(self) -> tuple[Any, ...]:
        return _passed, (_NOW, self.value, _Ended(), bytes(self._stamps), self._memory)


Returned = StampedResult | tuple[Any, "ReadableBuffer", "tuple[int, int] | None"]


def _result(
    value: Any,
    stamps: ReadableBuffer,
    crosses: bool,
    arrived: Passage | None = None,
    memory: tuple[int, int] | None = None,
) -> Returned:
    if crosses:
        stamps = bytes(stamps) + _PASSAGE.pack(*arrived) if arrived else bytes(stamps)
        if type(value) not in _SMALL:
            return StampedResult(value, stamps, memory)
    return value, stamps, memory


def received(result: Returned) -> StampedResult:
    """Return what a stamped call returned as an object, after the trial."""
    return result if isinstance(result, StampedResult) else StampedResult(*result)


class _Now:
    """Is pickled before the contents, and records when it is unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        return _passed, ()


class _Ended:
    """Is pickled after the contents: it records the begin and end of pickling, and when it is unpickled."""

    __slots__ = ("begun",)

    def __init__(self) -> None:
        self.begun = time.monotonic_ns()

    def __reduce__(self) -> tuple[Any, ...]:
        return _passed, (self.begun, time.monotonic_ns())


_NOW = _Now()
_PASSAGE = struct.Struct("4q")
_SMALL = frozenset({type(None), bool, int, float})


def _passed(*parts: Any) -> Any:
    """Return the object that the parts were pickled from, which their number identifies.

    One function for all, since its name is the most expensive part of a small pickle.
    """
    if not parts:
        return time.monotonic_ns()
    if len(parts) == 2:
        return *parts, time.monotonic_ns()
    if len(parts) == 4:
        return _stamped(*parts, is_small=True)
    if len(parts) == 5:
        load_begun, value, ended, stamps, memory = parts
        return StampedResult(value, stamps, memory, (load_begun, ended))
    load_begun, function, arguments, item, flags, ended = parts
    call = _stamped(function, arguments, item, flags, is_small=False)
    call.arrived = _passage(load_begun, ended)
    return call


def _stamped(
    function: Callable[..., Any],
    arguments: tuple[tuple[Any, ...], dict[str, Any]],
    item: str | int | None,
    flags: tuple[bool, bool],
    *,
    is_small: bool,
) -> Stamped:
    args, kwargs = arguments
    weigh, is_async = flags
    return Stamped(Call(function, kwargs, item, args), weigh, is_small, True, is_async)


class StampedItem:
    """An item whose transfer is stamped: it is pickled beside its call, which can't see it."""

    __slots__ = ("arrived", "value")

    def __init__(self, value: Any) -> None:
        self.value = value
        self.arrived: Passage | None = None

    def __reduce__(self) -> tuple[Any, ...]:
        return _arrived_item, (_NOW, self.value, _Ended())


def _arrived_item(load_begun: int, value: Any, ended: tuple[int, int, int]) -> StampedItem:
    item = StampedItem(value)
    item.arrived = _passage(load_begun, ended)
    return item


def settled(call: Taken) -> Taken:
    """Return the times of a call without what its clocks count twice, so that its parts are at most its time.

    They are read one after the other, and a thread can lose its core in between: CPU time is the most exact of them.
    """
    left_ns = call.busy_ns - call.cpu_ns
    if left_ns >= call.run_queue_ns + call.gil_ns + call.lock_ns:
        return call
    cpu_ns = min(call.cpu_ns, call.busy_ns)
    left_ns = call.busy_ns - cpu_ns
    gil_ns = min(call.gil_ns, left_ns)
    lock_ns = min(call.lock_ns, left_ns - gil_ns)
    run_queue_ns = min(call.run_queue_ns, left_ns - gil_ns - lock_ns)
    return call._replace(cpu_ns=cpu_ns, run_queue_ns=run_queue_ns, gil_ns=gil_ns, lock_ns=lock_ns)


def _passage(load_begun: int, ended: tuple[int, int, int]) -> Passage:
    dump_begun, dump_ended, load_ended = ended
    return Passage(dump_begun, dump_ended, load_begun, load_ended)


def packed(first: Sequence[int], ended_ns: int, busy_ns: int, spent: Sequence[int]) -> bytes:
    """Return the stamps of a call whose thread also ran other code meanwhile.

    `first` are those with which it began; `spent` is what the call itself used of each clock but the first.
    """
    before = first[BEFORE:AFTER]
    after = ended_ns, *(begun + ns for begun, ns in zip(before[1:], spent))
    return STAMPS.pack(first[PROCESS], first[THREAD], busy_ns, *before, *after)


@types.coroutine
def _driven(coroutine: Coroutine[Any, Any, Any], crosses: bool) -> Generator[Any, Any, Returned]:
    """Run a coroutine with stamps around each of its steps, and return its result with them."""
    begin, end, stamps = clocks.begin_call, clocks.end_call, clocks.new_stamps()
    first: tuple[int, ...] = ()
    busy_ns = cpu_ns = run_queue_ns = gil_ns = lock_ns = 0
    sent: Any = None
    thrown: BaseException | None = None
    while True:
        begin(stamps)
        finished = False
        try:
            yielded = coroutine.send(sent) if thrown is None else coroutine.throw(thrown)
        except StopIteration as stop:
            finished, yielded = True, stop.value
        end(stamps)
        if finished and not first:
            return _result(yielded, stamps, crosses)
        step = STAMPS.unpack(stamps)
        first = first or step
        before, after = step[BEFORE:AFTER], step[AFTER:]
        busy_ns += step[BUSY]
        cpu_ns += after[CPU] - before[CPU]
        run_queue_ns += after[RUN_QUEUE] - before[RUN_QUEUE]
        gil_ns += after[GIL] - before[GIL]
        lock_ns += after[LOCK] - before[LOCK]
        if finished:
            spent = cpu_ns, run_queue_ns, gil_ns, lock_ns
            return _result(yielded, packed(first, after[WALL], busy_ns, spent), crosses)
        sent, thrown = None, None
        try:
            sent = yield yielded
        except BaseException as error:  # the coroutine also handles its own cancellation
            thrown = error


CALLERS = (Stamped.__call__.__code__, _driven.__code__)
"""The code that calls the workload."""
