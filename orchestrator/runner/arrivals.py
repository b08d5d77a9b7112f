"""One window of an open loop: calls begin at intended times, whether or not earlier ones have ended.

Latency counts from the *intended* start, so a dispatcher or a loop that is late is charged for it (coordinated
omission). All times are CLOCK_MONOTONIC in ns, which processes of one machine share.
"""

from __future__ import annotations

import asyncio
import threading
import time
from array import array
from collections.abc import Callable, Sequence
from concurrent import futures
from functools import partial
from inspect import iscoroutinefunction
from typing import TYPE_CHECKING, Any, NamedTuple

from . import loops
from .call import Call
from .error_text import named
from .registry import Submit

if TYPE_CHECKING:
    from .registry import Future

CANCEL_S = 1.0  # how long calls that have begun, and cancelled coroutines, may take to end after the drain

OUTCOMES = ("running", "ended", "failed", "cancelled")
"""What becomes of a call; a window holds an index of these for each. The first is that of a call without news."""

_RUNNING, _ENDED, _FAILED, _CANCELLED = range(len(OUTCOMES))

_NEVER = -1  # in the place of a time: there is none


class Window(NamedTuple):
    """A window: its start, the end of the drain, and its calls in the order of their arrival.

    The calls are arrays, as a window may have a million: `started_ns` and `ended_ns` are negative where there is none.
    """

    begun_ns: int
    drained_ns: int
    offsets_ns: Sequence[int]
    submitted_ns: Sequence[int]
    started_ns: Sequence[int]
    ended_ns: Sequence[int]
    outcomes: bytearray
    """The index in `OUTCOMES` for each call."""
    errors: dict[int, str]
    """By the place of the call."""

    def count(self, outcome: str) -> int:
        """Return the number of calls with an outcome."""
        return self.outcomes.count(OUTCOMES.index(outcome))


Keep = Callable[[int, Any], None]
"""Takes the place of a call that ended, and its result."""


async def run(
    submit: Submit,
    call: Call,
    items: Sequence[Any],
    offsets_ns: Sequence[int],
    drain_ns: int,
    keep: Keep | None = None,
) -> Window:
    """Start one call for each offset, wait at most `drain_ns` after the last, and cancel what is left.

    Calls that have begun by then have `CANCEL_S` to end. The calls get the items in turn. Where a call is left
    `running`, leaving `open` of the model may wait for it forever: the runner has to be killed. Results are dropped by
    their worker, unless `keep` takes them.
    """
    window = _Window(submit, _clocked(call, keeps=keep is not None), items, offsets_ns, keep)
    await (_in_loop if loops.running() else _without_loop)(window, drain_ns)
    return window.closed()


async def _without_loop(window: _Window, drain_ns: int) -> None:
    """Dispatch from this thread, which has nothing else to do."""
    done = threading.Event()
    window.when_done = done.set
    window.dispatch(window.begin)
    if not done.wait(drain_ns / 1e9):
        window.cancel()
        done.wait(CANCEL_S)


async def _in_loop(window: _Window, drain_ns: int) -> None:
    """Dispatch from a thread that wakes up the loop, as the socket of an acceptor does.

    A timer of the loop would be up to 1 ms late, because epoll counts milliseconds.
    """
    loop = asyncio.get_running_loop()
    done, dispatched = asyncio.Event(), asyncio.Event()
    window.when_done = lambda: _soon(loop, done.set)
    gone = threading.Event()

    def dispatch() -> None:
        window.dispatch(lambda place: _soon(loop, window.begin, place), gone)
        _soon(loop, dispatched.set)

    dispatcher = threading.Thread(target=dispatch)
    dispatcher.start()
    try:
        await dispatched.wait()
        if not await _within(done, drain_ns / 1e9):
            window.cancel()
            await _within(done, CANCEL_S)
    finally:
        gone.set()
        dispatcher.join()


def _soon(loop: asyncio.AbstractEventLoop, function: Callable[..., Any], *arguments: Any) -> None:
    """Call a function in the loop, if it is still open."""
    if not loop.is_closed():
        loop.call_soon_threadsafe(function, *arguments)


async def _within(event: asyncio.Event, timeout_s: float) -> bool:
    try:
        await asyncio.wait_for(event.wait(), timeout_s)
    except asyncio.TimeoutError:  # another class in Python 3.10
        return False
    return True


class _Window:
    """The state of a window: what was submitted, and what has come back.

    A future is dropped as soon as its call is over, since it takes 100 times as much memory as the call's times.
    """

    def __init__(
        self,
        submit: Submit,
        function: Callable[[Any], Any],
        items: Sequence[Any],
        offsets_ns: Sequence[int],
        keep: Keep | None,
    ) -> None:
        self._submit, self._function, self._items = submit, function, items
        self._offsets_ns = array("q", offsets_ns)
        self._keep = keep
        count = len(offsets_ns)
        self._submitted_ns = array("q", [0]) * count
        self._started_ns = array("q", [_NEVER]) * count
        self._ended_ns = array("q", [_NEVER]) * count
        self._outcomes = bytearray(count)
        self._errors: dict[int, str] = {}
        self._pending: dict[int, Future] = {}
        self._left = count
        self._is_closed = False
        self._lock = threading.Lock()
        self.when_done: Callable[[], Any] = lambda: None
        self.begun_ns = 0

    def dispatch(self, begin: Callable[[int], Any], gone: threading.Event | None = None) -> None:
        """Call `begin` with the place of each call at its time; ends early once `gone` is set."""
        self.begun_ns = time.monotonic_ns()
        for place, offset_ns in enumerate(self._offsets_ns):
            left_ns = self.begun_ns + offset_ns - time.monotonic_ns()
            if left_ns > 0:
                time.sleep(left_ns / 1e9)
            if gone and gone.is_set():
                return
            begin(place)
        if not self._offsets_ns:
            self.when_done()

    def begin(self, place: int) -> None:
        self._submitted_ns[place] = time.monotonic_ns()
        future: Future
        try:
            future = self._submit(self._function, self._items[place % len(self._items)])
        except Exception as error:  # an executor that has lost a worker takes no other call
            future = futures.Future()
            future.set_exception(error)
        self._pending[place] = future
        future.add_done_callback(partial(self._end, place))

    def _end(self, place: int, future: Future) -> None:
        # in the thread of a worker, or in the loop
        outcome, started_ns, ended_ns, error, value = _result(future)
        with self._lock:
            self._pending.pop(place, None)
            if self._is_closed:
                return
            self._outcomes[place] = outcome
            self._started_ns[place], self._ended_ns[place] = started_ns, ended_ns
            if error is not None:
                self._errors[place] = error
            if self._keep and outcome == _ENDED:
                self._keep(place, value)
            self._left -= 1
            is_last = self._left == 0
        if is_last:
            self.when_done()

    def cancel(self) -> None:
        """Cancel what has not ended, the latest first, so that no worker takes another call meanwhile."""
        with self._lock:
            left = sorted(self._pending.items(), reverse=True)
        for _, future in left:
            future.cancel()

    def closed(self) -> Window:
        """Return the window; calls that end later do not change it."""
        with self._lock:
            self._is_closed = True
        times = self._offsets_ns, self._submitted_ns, self._started_ns, self._ended_ns
        return Window(self.begun_ns, time.monotonic_ns(), *times, self._outcomes, self._errors)


def _result(future: Future) -> tuple[int, int, int, str | None, Any]:
    """Return outcome, start, end, error and result of a call that is over."""
    if future.cancelled():
        return _CANCELLED, _NEVER, _NEVER, None, None
    lost = future.exception()
    if lost is not None:
        return _FAILED, _NEVER, _NEVER, f"{type(lost).__name__}: {lost}", None
    started_ns, ended_ns, error, value = future.result()
    return (_FAILED if error else _ENDED), started_ns, ended_ns, error, value


Times = tuple[int, int, "str | None", Any]


def _said(error: BaseException) -> str:
    """Return an exception as text, with the line of the user's code that it came from."""
    from .imports import brief, place_of  # not at the top: most windows have no failure

    place = brief(place_of(error))
    return f"{named(error)}{f' ({place})' if place else ''}"


class _Clocked:
    """A call that returns when it started and ended, its exception as text, and its result if it `keeps` that."""

    def __init__(self, call: Call, keeps: bool) -> None:
        self.call, self.keeps = call, keeps

    def __call__(self, item: Any) -> Times:
        error = value = None
        started_ns = time.monotonic_ns()
        try:
            value = self.call(item)
            if not self.keeps:
                value = None
        except BaseException as raised:  # SystemExit too: it must not end the worker
            error = _said(raised)
        return started_ns, time.monotonic_ns(), error, value


class _ClockedCoroutine(_Clocked):
    async def __call__(self, item: Any) -> Times:  # type: ignore[override]  # it is awaited
        error = value = None
        started_ns = time.monotonic_ns()
        try:
            value = await self.call(item)
            if not self.keeps:
                value = None
        except asyncio.CancelledError:
            raise
        except BaseException as raised:
            error = _said(raised)
        return started_ns, time.monotonic_ns(), error, value


def _clocked(call: Call, *, keeps: bool) -> _Clocked:
    return (_ClockedCoroutine if iscoroutinefunction(call.function) else _Clocked)(call, keeps)
