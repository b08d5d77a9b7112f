"""Executors and pools that a function takes its threads or processes from, and that all its calls share."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterator
from types import CodeType
from typing import Any

SIZES = ("_max_workers", "_processes")  # of an executor, and of a pool of multiprocessing


def smallest(function: Any) -> dict[str, Any] | None:
    """Return the executor with the fewest workers that a function loads, None where none is seen.

    `name` is as the code has it, and `workers` its number of `kind`: thread or process.
    """
    found = {name: about for name, value in _loaded(function) if (about := _executor(value))}
    if not found:
        return None
    name = min(found, key=lambda each: found[each][0])
    workers, kind = found[name]
    return {"name": name, "workers": workers, "kind": kind}


def _executor(value: Any) -> tuple[int, str] | None:
    """Return the number of an executor's workers, and what they are; None for another value."""
    bases = (("concurrent.futures", "Executor"), ("multiprocessing.pool", "Pool"))
    known = tuple(getattr(sys.modules[module], name) for module, name in bases if module in sys.modules)
    if not issubclass(type(value), known):  # isinstance would ask a proxy for its class
        return None
    size = next((getattr(value, size) for size in SIZES if hasattr(value, size)), None)
    if not isinstance(size, int):
        return None
    has_threads = any(cls.__name__.startswith("ThreadPool") for cls in type(value).__mro__)
    return size, "thread" if has_threads else "process"


def _loaded(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield the values that a function's code can load, each by its name: variables, and attributes of those."""
    function = inspect.unwrap(getattr(function, "func", function))
    if not inspect.isroutine(function):
        function = getattr(function, "__call__", None)  # noqa: B004  # of an object
    plain = getattr(function, "__func__", function)
    if not inspect.isfunction(plain):  # but of C
        return
    code = plain.__code__
    names = _names(code)
    values = _variables(plain, names)
    if (owner := getattr(function, "__self__", None)) is not None and code.co_varnames:
        values[code.co_varnames[0]] = owner
    for name, value in values.items():
        yield name, value
        held = _attributes(value)
        yield from ((f"{name}.{each}", held[each]) for each in names if each in held)


def _attributes(value: Any) -> dict[str, Any]:
    try:
        return dict(vars(value))
    except Exception:  # there are none, or a proxy has nothing to stand for now
        return {}


def _variables(function: Any, names: set[str]) -> dict[str, Any]:
    """Return the globals, the variables of enclosing functions and the defaults that a function uses."""
    known = inspect.getclosurevars(function).nonlocals
    defaults = {
        each.name: each.default
        for each in inspect.signature(function).parameters.values()
        if each.default is not each.empty
    }
    return {**{name: function.__globals__[name] for name in names if name in function.__globals__}, **known, **defaults}


def _names(code: CodeType) -> set[str]:
    """Return the names of globals and attributes in a function's code, and in that of functions inside of it."""
    inner = (each for each in code.co_consts if isinstance(each, CodeType))
    return {*code.co_names, *(name for each in inner for name in _names(each))}
