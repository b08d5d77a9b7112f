"""For workers that a library starts on demand: initializer, one call for each, failures."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import partial
from typing import TYPE_CHECKING, Any

from .bounded import TOGETHER_S

if TYPE_CHECKING:
    from ..registry import Initializer


_CHECK_S = 0.0005

_worker = threading.local()


class Wrapped:
    """A function and what happens around its calls, which subclasses define."""

    def __init__(self, function: Callable[..., Any]) -> None:
        self.function = function


class Beginning(Wrapped):
    """A function before which its worker runs the initializer, at the first call."""

    def __init__(self, function: Callable[..., Any], initializer: partial[Any]) -> None:
        super().__init__(function)
        self.initializer, self.arguments = initializer.func, initializer.args  # smaller to pickle with every call

    def __call__(self, *items: int) -> Any:
        if not hasattr(_worker, "has_begun"):
            self.initializer(*self.arguments)
            _worker.has_begun = True
        return self.function(*items)


class Carried(Wrapped):
    """A function that returns its exception as a `Failure`: some libraries lose the traceback."""

    def __call__(self, *items: Any) -> Any:
        try:
            return self.function(*items)
        except BaseException as error:
            return Failure(error)


class Escaping(Wrapped):
    """A function that returns as a `Failure` what is no `Exception`: raised, it would end the worker."""

    def __call__(self, *items: Any) -> Any:
        try:
            return self.function(*items)
        except Exception:
            raise
        except BaseException as error:
            return Failure(error)


class Failure:
    """The exception of a call, with its traceback."""

    def __init__(self, error: BaseException) -> None:
        self.error = error

    def __reduce__(self) -> tuple[Any, ...]:
        from multiprocessing.pool import ExceptionWithTraceback  # type: ignore[attr-defined]  # typeshed leaves it out

        return Failure, (ExceptionWithTraceback(self.error, self.error.__traceback__),)


def unwrapped(result: Any) -> Any:
    """Return the result of a `Carried` or `Escaping` call; raises its exception."""
    if type(result) is Failure:
        raise result.error
    return result


class Imported(Wrapped):
    """A stand-in for a function: unpickling it imports the function's module, and calling it does nothing."""

    def __call__(self) -> None:
        pass


def beginning(function: Callable[..., Any], initializer: Initializer) -> Callable[..., Any]:
    """Return the function, preceded by the initializer if there is one."""
    return Beginning(function, initializer) if initializer else function


class Together:
    """A function that a worker calls once all have arrived: one that waits can't take a second call."""

    def __init__(self, place: str, count: int, function: Callable[[], Any]) -> None:
        self.place = place
        self.count = count
        self.function = function

    def __call__(self, *_: int) -> Any:
        with open(os.path.join(self.place, f"{os.getpid()}-{threading.get_native_id()}"), "x"):
            pass
        deadline_s = time.monotonic() + TOGETHER_S
        while len(os.listdir(self.place)) < self.count:
            if time.monotonic() > deadline_s:
                raise TimeoutError(f"not all of {self.count} workers have started within {TOGETHER_S:g} s")
            time.sleep(_CHECK_S)
        return self.function()


@contextmanager
def meeting(count: int, function: Callable[[], Any]) -> Iterator[Together]:
    """Yield `function` for each of `count` workers to call at the same moment."""
    place = tempfile.mkdtemp(prefix="orchestrator-meeting-")
    try:
        yield Together(place, count, function)
    finally:
        shutil.rmtree(place, ignore_errors=True)
