"""What makes the time of a call meaningless: a result that is only a promise, a source that ended, a kept answer.

Each is found at the first calls, in the worker that makes them; all but a kept answer before anything is measured.
"""

from __future__ import annotations

import functools
import io
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from types import FrameType
from typing import Any

from . import references
from .call import Call
from .callables import is_method
from .error_text import message
from .problem import Problem
from .promises import promise
from .registry import WrongResults


class Unsound(WrongResults):
    """A call whose time would say nothing; the text is for people."""


def refuse_change(name: str, argument: str) -> None:
    """Raise Unsound for a call that changes an argument where calls arrive one by one: none gets a copy then."""
    what = f"{name} changes its argument {argument}, and calls that arrive at a rate get no copies of it"
    raise Unsound(f"{what}; name a function of your own that makes a copy first")


def first_call(call: Call, item: Any, name: str) -> Callable[[], Any]:
    """Return a call of one item, to be made in a worker, that returns a `FirstCall` as a dictionary.

    It raises Unsound where its time would say nothing.
    """
    import inspect  # not at the top: the workers need not load it

    from . import arguments, imports, leftovers, standard_input  # noqa: F401  # not in the time of the call

    made = _awaited if inspect.iscoroutinefunction(call.function) else _called
    return functools.partial(made, call, item, name)


def _called(call: Call, item: Any, name: str) -> dict[str, Any]:
    first = FirstCall(call, item, name)
    with first.watching():
        result = call.function(*first.given.args, **first.given.kwargs)
    return first.end(result)


async def _awaited(call: Call, item: Any, name: str) -> dict[str, Any]:
    first = FirstCall(call, item, name)
    with first.watching():
        result = await call.function(*first.given.args, **first.given.kwargs)
    return first.end(result)


class FirstCall:
    """What the first call in a worker shows: its time, whether it imported modules, and what it changed and started."""

    def __init__(self, call: Call, item: Any, name: str) -> None:
        from . import arguments

        self.given = arguments.Given(call, item)
        """The arguments to make the call with."""
        self._call, self._name = call, name
        self._started = started()

    @contextmanager
    def watching(self) -> Iterator[None]:
        """Raise Unsound where the call in the `with` block reads standard input, or where a thread of it has failed."""
        from . import imports, leftovers, standard_input

        found: list[Problem] = []

        def note(frame: FrameType) -> None:
            place = imports.brief(imports.their_line(frame))
            found.append(standard_input.problem(self._name, place, standard_input.is_debugger(frame)))

        leftovers.watch_threads()
        try:
            with standard_input.noted(note):
                modules = len(sys.modules)  # this program's own are there by now
                begun_ns = time.perf_counter_ns()
                yield
                self._wall_ns = time.perf_counter_ns() - begun_ns
                self._imported = len(sys.modules) > modules
        finally:
            if problem := next(iter(found), None) or leftovers.vanished(self._name):
                raise Unsound(f"{problem.what}; {problem.remedy}")

    def end(self, result: Any) -> dict[str, Any]:
        """Return the facts, when the call has returned; raises Unsound.

        `wall_ns`; `imported`: whether modules were; `started`: how many processes; `changed`: an argument, or None.
        """
        import inspect  # not before the time is known

        from . import arguments

        begun = started() - self._started
        is_async = inspect.iscoroutinefunction(self._call.function)
        if problem := promise(self._name, result, arguments.names(self._call), is_async):
            raise Unsound(f"{problem.what}; {problem.remedy}")
        return {"wall_ns": self._wall_ns, "imported": self._imported, "started": begun, "changed": self.given.changed()}


ENDS = ("StopIteration", "StopAsyncIteration", "Empty", "QueueEmpty")
"""Exceptions of a source that has no more to give: an iterator, a queue."""

ENDED = "its source ended"

DRAINED = re.compile(r"'?pop( from (an )?empty|item\(\): dictionary is empty)")
"""The message of a list, deque, set or dict that has no more to give: of an IndexError or a KeyError."""


QUEUES = {
    *(("queue", "Queue"), ("_queue", "SimpleQueue"), ("asyncio.queues", "Queue")),
    *(("multiprocessing.queues", "Queue"), ("multiprocessing.queues", "SimpleQueue")),
}


def ended(error: BaseException) -> BaseException | None:
    """Return the exception by which a source of a call said that it ended, else None.

    A coroutine and a generator turn a StopIteration into a RuntimeError.
    """
    cause = error.__cause__ or error.__context__
    if isinstance(error, RuntimeError) and "StopIteration" in message(error) and cause is not None:
        return ended(cause)
    module = type(error).__module__
    if type(error) in (IndexError, KeyError):
        return error if DRAINED.match(message(error)) else None
    is_known = isinstance(error, (StopIteration, StopAsyncIteration)) or module in ("queue", "_queue", "asyncio.queues")
    return error if is_known and type(error).__name__ in ENDS else None


def source(function: Any) -> str | None:
    """Return the name of an iterator or a queue that a function takes from, None if none is seen."""
    return _source(function)[0]


def queue_watch(function: Any) -> Callable[[], str]:
    """Return what gives the name of the queue that a function takes from by `get` while it is empty, else ""."""
    name, value = _source(function)
    if name is None or not _is_queue(value) or "get" not in references.names_in(function):
        return str

    def empty() -> str:
        with suppress(Exception):  # a closed one
            return name if value.empty() else ""
        return ""

    return empty


def _source(function: Any) -> tuple[str | None, Any]:
    return next((each for each in references.loaded(function) if _is_source(each[1])), (None, None))


def _is_source(value: Any) -> bool:
    cls = type(value)
    if issubclass(cls, io.IOBase):
        with suppress(Exception):  # a closed one
            return value is not sys.stdin and bool(value.readable())
        return False
    is_endless = cls.__module__ == "itertools" and cls.__name__ in ("count", "cycle", "repeat")
    is_cursor = hasattr(cls, "execute")  # of a database: each query begins anew
    return _is_queue(value) or (issubclass(cls, Iterator) and not is_endless and not is_cursor)


def _is_queue(value: Any) -> bool:
    """Return whether a value is a queue, or one of its kinds, such as a LifoQueue."""
    return any((cls.__module__, cls.__name__) in QUEUES for cls in type(value).__mro__)


def read_out(function: Any) -> str | None:
    """Return the name of a file that a function reads, and that is at its end; None if none is seen."""
    name, value = _source(function)
    if not isinstance(value, io.IOBase):
        return None
    try:
        at = value.tell()
        rest = value.read(1)
        value.seek(at)
    except Exception:  # a pipe, a file for writing, or a closed one
        return None
    return None if rest else name


def read_to_end(name: str, file: str) -> Problem:
    """Return the problem of a function that reads the global `file`, which is at its end."""
    what = f"{name} reads the file {file} of its module, and that is at its end: further calls read nothing"
    return Problem("source_ended", what, "let each call open the file, or begin with its `seek(0)`")


KEPT, LEAST_KEPT_NS, MOST_KEPT_NS = 100, 1_000_000, 100_000
"""A first call that takes so many times as long as later ones has kept its answer, if it takes at least the second
figure, and later ones at most the third."""

MAYBE = 5


def is_kept(first_ns: float, later_ns: float) -> bool:
    """Return whether later calls were so much shorter than the first one that they did next to nothing."""
    return first_ns > max(KEPT * later_ns, LEAST_KEPT_NS) and later_ns < MOST_KEPT_NS


def may_be_kept(first_ns: float, later_ns: float) -> bool:
    """Return whether it is worth a further call to find out: `later_ns` may include the dispatch of a call."""
    return first_ns > max(MAYBE * later_ns, LEAST_KEPT_NS)


def later_call(call: Call, item: Any, items: int) -> Callable[[], Any]:
    """Return a later call of one item, to be made in a worker, that returns its time and the caches that have answered.

    That is a dictionary of `wall_ns`, `kept_by` and `kept_below`.
    """
    import inspect

    return functools.partial(
        _later_awaited if inspect.iscoroutinefunction(call.function) else _later, call, item, items
    )


def _later(call: Call, item: Any, items: int) -> dict[str, Any]:
    from . import arguments

    given = arguments.Given(call, item, watches=False)
    begun_ns = time.perf_counter_ns()
    call.function(*given.args, **given.kwargs)
    return _about_later(call.function, items, time.perf_counter_ns() - begun_ns)


async def _later_awaited(call: Call, item: Any, items: int) -> dict[str, Any]:
    from . import arguments

    given = arguments.Given(call, item, watches=False)
    begun_ns = time.perf_counter_ns()
    await call.function(*given.args, **given.kwargs)
    return _about_later(call.function, items, time.perf_counter_ns() - begun_ns)


def _about_later(function: Any, items: int, wall_ns: int) -> dict[str, Any]:
    return {"wall_ns": wall_ns, "kept_by": kept_by(function, items), "kept_below": kept_below(function, items)}


def kept_by(function: Any, items: int) -> str | None:
    """Return what keeps the results of a function, where it answers a batch after the first from there; else None.

    A batch always has the same items, so with as many as the cache holds the function computes nothing again.
    """
    if type(function).__module__.startswith("joblib.memory"):
        return None if type(function).__name__.startswith("NotMemorized") else "joblib.Memory"
    return "functools.lru_cache" if _answers(function, items) else None


def has_cache(function: Any) -> bool:
    """Return whether a function has a cache of its own that `kept_by` knows."""
    return hasattr(function, "cache_info") or type(function).__module__.startswith("joblib.memory")


def kept_below(function: Any, items: int) -> str | None:
    """Return the `functools.lru_cache` of a function that `function` calls, if it has answered; None if not seen."""
    called = (name for name, value in references.loaded(function) if _answers(value, items))
    return next((f"functools.lru_cache of {name}" for name in called), None)


def _answers(function: Any, items: int) -> bool:
    info = getattr(function, "cache_info", None)
    try:
        found: Any = info() if info else None
        return bool(found and found.hits and (found.maxsize is None or found.maxsize >= items))
    except Exception:  # another function of that name
        return False


def kept(name: str, found: tuple[Any, Any], by: str, arguments: tuple[str, ...], items: int) -> Problem:
    """Return the problem of calls that are answered from a cache; `found` is what `name` stands for, and its holder."""
    answered = "a batch computes its items once, and later ones are" if items else "all calls but the first were"
    what = f"{name} keeps its results ({by}): {answered} answered from there"
    remedy = f"name {_computing(name.partition(':')[2] or name, found, by, arguments)}"
    vary = "" if items else "; to vary its arguments, give it `items`, such as range:0:100"
    return Problem("keeps_results", what, f"{remedy}{vary}", arguments)


def _computing(path: str, found: tuple[Any, Any], by: str, arguments: tuple[str, ...]) -> str:
    """Return a function, or a method, that calls the function behind a cache.

    Behind the cache of a method there is a plain function, which gets the object as its first argument.
    """
    import inspect

    owner, function = found
    if is_method(owner, path, function):  # `setup` makes its object
        given, own = ("self", *arguments), f"self.{path.rpartition('.')[2]}.__wrapped__"
        return f"a method that computes them, such as `def fresh({', '.join(given)}): return {own}({', '.join(given)})`"
    while isinstance(function, functools.partial):
        function, path = function.func, f"{path}.func"
    own = f"{path}.{'func' if by == 'joblib.Memory' else '__wrapped__'}"
    passed = (f"{path}.__self__", *arguments) if inspect.ismethod(function) else arguments
    define = f"def fresh({', '.join(arguments)})"
    return f"a function that computes them, such as `{define}: return {own}({', '.join(passed)})`"


def started() -> int:
    """Return how many processes this one has made by multiprocessing, which concurrent.futures and others use too."""
    counter = getattr(sys.modules.get("multiprocessing.process"), "_process_counter", None)
    made = re.fullmatch(r"count\((\d+)\)", repr(counter))  # the only way to read it that leaves it as it is
    return int(made[1]) - 1 if made else 0
