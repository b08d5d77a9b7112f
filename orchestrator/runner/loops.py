"""The event loops that a model may need: running one, naming the running one, timing its turns, and its lag."""

from __future__ import annotations

import sys
import time
from collections.abc import Awaitable, Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import Any


def run(loop: str, function: Callable[..., Awaitable[Any]], *arguments: Any) -> Any:
    """Return the result of a coroutine function in a new event loop: `asyncio`, `uvloop` or `trio`."""
    import anyio

    backend = "trio" if loop == "trio" else "asyncio"
    return anyio.run(
        function, *arguments, backend=backend, backend_options={"use_uvloop": True} if loop == "uvloop" else {}
    )


def name() -> str | None:
    """Return the class of the running event loop, or None."""
    if _is_trio():
        return "trio"
    loop = running()
    return f"{type(loop).__module__}.{type(loop).__qualname__}" if loop else None


def _is_trio() -> bool:
    if "trio" not in sys.modules:
        return False
    from trio import lowlevel

    try:
        lowlevel.current_trio_token()
    except RuntimeError:
        return False
    return True


def running() -> Any:
    """Return asyncio's running loop, or None."""
    if "asyncio" not in sys.modules:
        return None
    import asyncio

    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None


@contextmanager
def watched(turns_ns: list[int], selects: list[tuple[int, int]]) -> Iterator[None]:
    """Append the time of each turn of the running event loop, in ns, and when it waits for events between turns.

    During a turn the loop handles no event. Appends nothing without a loop, nor with uvloop, which hides them; of trio,
    turns only.
    """
    if _is_trio():
        with _watched_trio(turns_ns):
            yield
        return
    selector = getattr(running(), "_selector", None)
    if selector is None:
        yield
        return
    select: Callable[[float | None], Any] = selector.select
    left_ns = time.monotonic_ns()

    def timed_select(timeout: float | None = None) -> Any:
        nonlocal left_ns
        begun_ns = time.monotonic_ns()
        turns_ns.append(begun_ns - left_ns)
        events = select(timeout)
        left_ns = time.monotonic_ns()
        selects.append((begun_ns, left_ns))
        return events

    selector.select = timed_select
    try:
        yield
    finally:
        turns_ns.append(time.monotonic_ns() - left_ns)
        del selector.select


@contextmanager
def _watched_trio(turns_ns: list[int]) -> Iterator[None]:
    from trio import abc, lowlevel

    class Turns(abc.Instrument):
        left_ns = time.monotonic_ns()

        def before_io_wait(self, timeout: float) -> None:
            turns_ns.append(time.monotonic_ns() - self.left_ns)

        def after_io_wait(self, timeout: float) -> None:
            self.left_ns = time.monotonic_ns()

    turns = Turns()
    lowlevel.add_instrument(turns)
    try:
        yield
    finally:
        lowlevel.remove_instrument(turns)
        turns_ns.append(time.monotonic_ns() - turns.left_ns)


def lag(turns_ns: Sequence[int], wall_ns: int) -> dict[str, int | None]:
    """Return the lag of an event that comes at a random moment of the trial, and the longest turn.

    An event that comes within a turn waits for its end: longer than x with the probability
    sum(max(0, turn - x)) / wall.
    """
    if not turns_ns:
        return {"loop_lag_p50_ns": None, "loop_lag_p99_ns": None, "loop_longest_ns": None}
    longest = max(turns_ns)

    def quantile(share: float) -> int:
        low, high = 0, longest
        while high - low > 1000:
            middle = (low + high) // 2
            if sum(turn - middle for turn in turns_ns if turn > middle) > (1 - share) * wall_ns:
                low = middle
            else:
                high = middle
        return 0 if low == 0 else high

    return {"loop_lag_p50_ns": quantile(0.5), "loop_lag_p99_ns": quantile(0.99), "loop_longest_ns": longest}
