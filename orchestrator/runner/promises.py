"""Results whose work is not done yet: iterators, coroutines, futures, lazy objects, functions to call."""

from __future__ import annotations

import functools
import itertools
import time
import types
from collections.abc import AsyncIterator, Awaitable, Iterator
from typing import Any

from .problem import Problem

LOOKED_AT = 8  # of the elements of a result

HELD = {
    "coroutine": "a coroutine, which nothing has awaited yet",
    "generator": "a generator, which nothing has read yet",
}


def promise(name: str, result: Any, arguments: tuple[str, ...] = (), is_async: bool = False) -> Problem | None:
    """Return the problem of a result whose work is not done yet, with the remedy; None if it is a value.

    `is_async`: the function is an `async def`, and this is what awaiting it gave.
    """
    if type(result) not in (tuple, list, dict):
        return _promise(name, result, arguments, is_async)
    held = result.values() if isinstance(result, dict) else result
    for each in itertools.islice(held, LOOKED_AT):
        if problem := _promise(name, each, arguments, is_async):
            kind = _kind(each)
            what = HELD.get(type(each).__name__) or f"{with_article(each)}, {kind[1] if kind else ''}"
            what = f"{name} returns a {type(result).__name__} that holds {what}"
            return Problem(problem.code, what, "name a function of your own that finishes it before it returns")
    return None


def with_article(value: Any) -> str:
    """Return the name of a value's class, with its article."""
    name = type(value).__name__
    return f"{'an' if name[0] in 'aeiouAEIOU' else 'a'} {name}"


def _promise(name: str, result: Any, arguments: tuple[str, ...], is_async: bool) -> Problem | None:
    if isinstance(result, types.CoroutineType):
        result.close()
        what = f"{name} returns a coroutine, {'which nothing has awaited yet' if is_async else 'but is no `async def`'}"
        return Problem("returns_coroutine", what, reading(name, arguments, "await {}", "async def", is_async))
    if isinstance(result, types.GeneratorType):
        what = f"{name} returns a generator: calling it runs nothing"
        return Problem("returns_generator", what, reading(name, arguments, "list({})", "def", is_async))
    if type(result).__module__ == "contextlib" and type(result).__name__.endswith("GeneratorContextManager"):
        what = f"{name} returns a context manager that nothing has entered yet"
        own = _call(name, arguments, is_async)
        return Problem("returns_manager", what, f"name a function of your own with `with {own} as value: return value`")
    kind = _kind(result)
    if kind is None:
        return None
    what = f"{name} returns {with_article(result)}, {kind[1]}"
    return Problem(kind[0], what, reading(name, arguments, kind[2], kind[3], is_async))


LAZY = {
    "LazyFrame": "{}.collect()",
    "DuckDBPyRelation": "{}.fetchall()",
    "django.QuerySet": "list({})",
    "peewee.BaseModelSelect": "list({})",
    "pyspark.DataFrame": "{}.collect()",
    "pyspark.RDD": "{}.collect()",
    "sqlalchemy.Query": "{}.all()",
}
"""The expression that has the work done, by class, with its package where the name alone says little."""


def _lazily(result: Any) -> str | None:
    """Return the expression that has the work of a lazy object done, also where its class inherits a known one."""
    for cls in type(result).__mro__:
        known = LAZY.get(cls.__name__) or LAZY.get(f"{cls.__module__.partition('.')[0]}.{cls.__name__}")
        if known is not None:
            return None if getattr(result, "_result_cache", None) is not None else known  # Django's has been read
    return None


def _kind(result: Any) -> tuple[str, str, str, str] | None:
    """Return the code of a promise, what it is, and the expression that has the work done, in which kind of function.

    Other packages are known by names: none is imported for it.
    """
    cls = type(result)
    package = cls.__module__.partition(".")[0]
    lazy = "which has computed nothing yet"
    if package in ("dask", "xarray", "dask_expr") and hasattr(cls, "__dask_graph__"):
        return ("returns_lazy", lazy, "{}.compute()", "def") if result.__dask_graph__() is not None else None
    if expression := _lazily(result):
        return "returns_lazy", lazy, expression, "def"
    if _is_thunk(result):
        return "returns_function", "which nothing has called yet", "{}()", "def"
    if cls.__name__ == "Future" and package in ("concurrent", "distributed"):
        return "returns_lazy", "whose work goes on after the call", "{}.result()", "def"
    if isinstance(result, AsyncIterator):
        return "returns_iterator", "which nothing has read yet", "[each async for each in {}]", "async def"
    if isinstance(result, Awaitable):
        return "returns_lazy", "which nothing has awaited yet", "await {}", "async def"
    if isinstance(result, Iterator) and package not in ("io", "_io", "tempfile"):  # an open file is a value
        return "returns_iterator", "an iterator that nothing has read yet", "list({})", "def"
    return None


def _is_thunk(result: Any) -> bool:
    """Return whether a result is a function that the call has made, and that only waits for being called."""
    import inspect

    is_made = isinstance(result, types.FunctionType) and "<locals>" in result.__qualname__
    if not (is_made or isinstance(result, functools.partial)):
        return False
    try:
        parameters = inspect.signature(result).parameters.values()
    except (TypeError, ValueError):
        return False
    unneeded = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return all(each.default is not each.empty or each.kind in unneeded for each in parameters)


READ_NS, MOST_READ, TIMES_CALL = 20_000_000, 100, 10


def deferred(name: str, result: Any, call_ns: int, arguments: tuple[str, ...]) -> Problem | None:
    """Return why a call has left its work to the one that reads its result; None if it has not.

    So do querysets. Only a class with an `__iter__` in Python can: some elements are read from it, and timed.
    """
    if not isinstance(getattr(type(result), "__iter__", None), types.FunctionType):
        return None
    begun_ns, read_ns = time.perf_counter_ns(), 0
    try:
        for number, _ in enumerate(result, start=1):
            read_ns = time.perf_counter_ns() - begun_ns
            if number == MOST_READ or read_ns > READ_NS:
                break
        read_ns = time.perf_counter_ns() - begun_ns
    except Exception:
        return None
    if read_ns < max(50_000, TIMES_CALL * call_ns):
        return None
    what = f"{name} returns {with_article(result)} that computes when it is read: a call took {call_ns / 1e3:.3g} us, "
    what += f"reading its result {read_ns / 1e3:.3g} us"
    return Problem("returns_lazy", what, reading(name, arguments, "list({})"))


def reading(name: str, arguments: tuple[str, ...], expression: str, define: str = "def", is_async: bool = False) -> str:
    """Return the remedy: a function of the user's own that gets the work done."""
    define, given = "async def" if is_async else define, ", ".join(arguments)
    call = _call(name, arguments, is_async)
    body = expression.replace("({})", "{}" if is_async else "({})").format(call)
    return f"name a function of your own that does it, such as `{define} done({given}): return {body}`"


def _call(name: str, arguments: tuple[str, ...], is_async: bool) -> str:
    call = f"{name.partition(':')[2] or name}({', '.join(arguments)})"
    return f"(await {call})" if is_async else call
