"""What makes the time of a call meaningless: a result that is only a promise, a changed argument, a source that ended.

Each is found at the first calls, in the worker that makes them, before anything is measured.
"""

from __future__ import annotations

import functools
import sys
import types
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from typing import Any

from .call import FIRST, Call
from .problem import Problem
from .registry import WrongResults

UNCHANGEABLE = (type(None), bool, int, float, complex, str, bytes)


class Unsound(WrongResults):
    """A call whose time would say nothing; the text is for people."""


def first_call(call: Call, item: Any, name: str) -> Callable[[], Any]:
    """Return a call of one item, to be made in a worker, that raises Unsound where its time would say nothing."""
    import inspect  # not at the top: the workers need not load it

    made = _awaited if inspect.iscoroutinefunction(call.function) else _called
    return functools.partial(made, call, item, name)


def _called(call: Call, item: Any, name: str) -> Any:
    before = Arguments(call, item)
    result = call(item)
    _check(name, before, result)
    return result


async def _awaited(call: Call, item: Any, name: str) -> Any:
    before = Arguments(call, item, is_async=True)
    result = await call(item)
    _check(name, before, result)
    return result


def _check(name: str, before: Arguments, result: Any) -> None:
    if problem := promise(name, result, before.names) or before.changed(name):
        raise Unsound(f"{problem.what}; {problem.remedy}")


def promise(name: str, result: Any, arguments: tuple[str, ...] = ()) -> Problem | None:
    """Return why a result holds no work that was done yet, and how to get it done; None if it is a value."""
    if isinstance(result, types.CoroutineType):
        result.close()
        what = f"{name} returns a coroutine, but is no `async def`"
        return Problem("returns_coroutine", what, reading(name, arguments, "await {}", "async def"))
    if isinstance(result, types.GeneratorType):
        what = f"{name} returns a generator: calling it runs nothing"
        return Problem("returns_generator", what, reading(name, arguments, "list({})"))
    kind = _kind(result)
    if kind is None:
        return None
    article = "an" if type(result).__name__[0] in "aeiouAEIOU" else "a"
    what = f"{name} returns {article} {type(result).__name__}, {kind[1]}"
    return Problem(kind[0], what, reading(name, arguments, kind[2], kind[3]))


def _kind(result: Any) -> tuple[str, str, str, str] | None:
    """Return the code of a promise, what it is, and the expression that has the work done, in which kind of function.

    Other packages are known by names: none is imported for it.
    """
    cls = type(result)
    package = cls.__module__.partition(".")[0]
    lazy = "which has computed nothing yet"
    if package in ("dask", "xarray", "dask_expr") and hasattr(cls, "__dask_graph__"):
        return ("returns_lazy", lazy, "{}.compute()", "def") if result.__dask_graph__() is not None else None
    if cls.__name__ == "LazyFrame":
        return "returns_lazy", lazy, "{}.collect()", "def"
    if cls.__name__ == "DuckDBPyRelation":
        return "returns_lazy", lazy, "{}.fetchall()", "def"
    if cls.__name__ == "Future" and package in ("concurrent", "distributed"):
        return "returns_lazy", "whose work goes on after the call", "{}.result()", "def"
    if isinstance(result, AsyncIterator):
        return "returns_iterator", "which nothing has read yet", "[each async for each in {}]", "async def"
    if isinstance(result, Awaitable):
        return "returns_lazy", "which nothing has awaited yet", "await {}", "async def"
    if isinstance(result, Iterator) and package not in ("io", "_io", "tempfile"):  # an open file is a value
        return "returns_iterator", "an iterator that nothing has read yet", "list({})", "def"
    return None


def reading(name: str, arguments: tuple[str, ...], expression: str, define: str = "def") -> str:
    """Return the remedy: a function of the user's own that gets the work done."""
    given = ", ".join(arguments)
    function = name.partition(":")[2] or name
    body = expression.format(f"{function}({given})")
    return f"name a function of your own that has it done, such as `{define} done({given}): return {body}`"


class Arguments:
    """The arguments of a call as they were before it."""

    def __init__(self, call: Call, item: Any = 0, is_async: bool = False) -> None:
        self._is_async = is_async
        args, kwargs = call.arguments(item)
        named: Mapping[str, Any] = {**dict(zip(_positional(call, len(args)), args)), **kwargs}
        self._values = {name: value for name, value in named.items() if not isinstance(value, UNCHANGEABLE)}
        self._digests = {name: _digest(value) for name, value in self._values.items()}
        self.names = tuple(named)

    def changed(self, name: str) -> Problem | None:
        """Return the problem if the call has changed an argument that it was given, else None."""
        for argument, value in self._values.items():
            if self._digests[argument] != _digest(value):
                return _changed(name, argument, self.names, self._is_async)
        return None


def _changed(name: str, argument: str, names: tuple[str, ...], is_async: bool) -> Problem:
    function = name.partition(":")[2] or name
    given = ", ".join(f"copy.deepcopy({each})" if each == argument else each for each in names)
    what = f"{name} changes its argument {argument}, so that later calls would get another one than the first"
    define, wait = ("async def", "await ") if is_async else ("def", "")
    body = f"`{define} fresh({', '.join(names)}): return {wait}{function}({given})`"
    return Problem("changes_argument", what, f"name a function that works on a copy, such as {body}", (argument,))


def _positional(call: Call, count: int) -> list[str]:
    """Return names for the first positional arguments."""
    if not count:
        return []
    import inspect

    try:
        parameters = list(inspect.signature(call.function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    known = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    others = ["item" if call.item == FIRST and place == 0 else f"argument{place + 1}" for place in range(count)]
    return [*known, *others[len(known) :]][:count]


def _digest(value: Any) -> str | None:
    from .results import digest

    return digest([value])


ENDS = ("StopIteration", "StopAsyncIteration", "Empty", "QueueEmpty")
"""Exceptions of a source that has no more to give: an iterator, a queue."""


QUEUES = (("queue", "Queue"), ("_queue", "Queue"), ("asyncio.queues", "Queue"), ("multiprocessing.queues", "Queue"))


def ended(error: BaseException) -> BaseException | None:
    """Return the exception by which a source of a call said that it ended, else None.

    A coroutine and a generator turn a StopIteration into a RuntimeError.
    """
    cause = error.__cause__ or error.__context__
    if isinstance(error, RuntimeError) and "StopIteration" in f"{error}" and cause is not None:
        return ended(cause)
    module = type(error).__module__
    is_known = isinstance(error, (StopIteration, StopAsyncIteration)) or module in ("queue", "_queue", "asyncio.queues")
    return error if is_known and type(error).__name__ in ENDS else None


def source(function: Any) -> str | None:
    """Return the name of a global iterator or queue that a function takes from, None if none is seen."""
    import inspect

    function = inspect.unwrap(getattr(function, "func", function))
    code, known = getattr(function, "__code__", None), getattr(function, "__globals__", {})
    for name in getattr(code, "co_names", ()):
        value = known.get(name)
        cls = type(value)
        is_endless = cls.__module__ == "itertools" and cls.__name__ in ("count", "cycle", "repeat")
        if (isinstance(value, Iterator) and not is_endless) or (cls.__module__, cls.__name__[-5:]) in QUEUES:
            return str(name)
    return None


def kept_by(function: Any, items: int) -> str | None:
    """Return what keeps the results of a function, where it answers a batch after the first from there; else None.

    A batch always has the same items, so with as many as the cache holds the function computes nothing again.
    """
    if type(function).__module__.startswith("joblib.memory"):
        return None if type(function).__name__.startswith("NotMemorized") else "joblib.Memory"
    info = getattr(function, "cache_info", None)
    try:
        found: Any = info() if info else None
        is_kept = found is not None and found.hits and (found.maxsize is None or found.maxsize >= items)
    except Exception:  # another function of that name
        return None
    return "functools.lru_cache" if is_kept else None


def kept(name: str, by: str, arguments: tuple[str, ...], items: int) -> Problem:
    """Return the problem of calls that are answered from a cache."""
    own, given = name.partition(":")[2] or name, ", ".join(arguments)
    inner = "func" if by == "joblib.Memory" else "__wrapped__"
    answered = "a batch computes its items once, and later ones are" if items else "all calls but the first were"
    what = f"{name} keeps its results ({by}): {answered} answered from there"
    remedy = f"name a function that computes them, such as `def fresh({given}): return {own}.{inner}({given})`"
    vary = "" if items else "; to vary its arguments, add --items, such as --items range:0:100"
    return Problem("keeps_results", what, f"{remedy}{vary}", arguments)


class Starts:
    """Counts the processes that a call starts by multiprocessing, which concurrent.futures and others use too."""

    def __init__(self) -> None:
        self.most = 0
        """The processes of the call that started most."""
        self._of_call = 0
        self._is_watching = False

    def begin(self) -> None:
        """Begin the next call; processes count from the first one on before which the module was loaded."""
        self._of_call = 0
        module: Any = sys.modules.get("multiprocessing.process")
        if module is None or self._is_watching:
            return
        self._is_watching = True
        start = module.BaseProcess.start

        def counted(process: Any) -> None:
            self._of_call += 1
            self.most = max(self.most, self._of_call)
            start(process)

        module.BaseProcess.start = counted
