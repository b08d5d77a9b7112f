"""The identity of a function that no module has: a hash of its code, and of all that it refers to.

It is the same for the same source, wherever and in which process that was defined: file names and line numbers, which
change with every execution of a cell, are no part of it.
"""

from __future__ import annotations

import functools
import hashlib
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any

from ..runner import references

PLAIN = (type(None), bool, int, float, complex, str, type(Ellipsis))

LENGTH = 12  # hexadecimal digits


def code_hash(value: Any) -> str:
    """Return the hash of a value; of a function with its defaults, its closure and the globals that its code names."""
    return _Walk().hash_of(value)[:LENGTH]


def has_finder(module: str) -> bool:
    """Return whether another interpreter could find a module: not `__main__`, nor one that was made in this process."""
    top = module.partition(".")[0]
    return top != "__main__" and any(_finds(finder, top) for finder in sys.meta_path)


def _finds(finder: Any, module: str) -> bool:
    try:
        return finder.find_spec(module, None) is not None
    except Exception:  # one that this program does not know
        return False


def is_importable(value: Any) -> bool:
    """Return whether a function or a class can be found by its name in a module that others can import."""
    module, path = getattr(value, "__module__", None), getattr(value, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str) or not has_finder(module):
        return False
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    return found is value


class _Walk:
    """Hashes values, each object once, so that those which refer to themselves have an end."""

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._kept: list[Any] = []  # an id is unique only as long as its object lives

    def hash_of(self, value: Any) -> str:
        return hashlib.sha256("\0".join(self._parts(value)).encode("utf-8", "surrogatepass")).hexdigest()

    def _parts(self, value: Any) -> Iterator[str]:
        if isinstance(value, bytes | bytearray):
            yield from (type(value).__name__, hashlib.sha256(value).hexdigest())
            return
        if isinstance(value, PLAIN):
            yield from (type(value).__name__, repr(value))
            return
        if id(value) in self._places:
            yield f"again {self._places[id(value)]}"
            return
        self._places[id(value)] = len(self._places)
        self._kept.append(value)
        yield type(value).__qualname__
        describe = next((how for kinds, how in _KINDS if isinstance(value, kinds)), _Walk._object)
        yield from describe(self, value)

    def _function(self, value: types.FunctionType) -> Iterator[str]:
        if is_importable(value):
            yield f"{value.__module__}:{value.__qualname__}"
            return
        yield self.hash_of(value.__code__)
        for kind, name, found in references.of(value):
            yield from (kind, name, self.hash_of(found))

    def _code(self, value: types.CodeType) -> Iterator[str]:
        yield value.co_code.hex()
        yield repr((value.co_argcount, value.co_posonlyargcount, value.co_kwonlyargcount, value.co_flags))
        yield repr((value.co_names, value.co_varnames, value.co_freevars, value.co_cellvars))
        yield from map(self.hash_of, value.co_consts)

    def _method(self, value: types.MethodType) -> Iterator[str]:
        yield from (self.hash_of(value.__func__), self.hash_of(value.__self__))

    def _partial(self, value: functools.partial[Any]) -> Iterator[str]:
        yield from (self.hash_of(value.func), self.hash_of(value.args), self.hash_of(value.keywords))

    def _module(self, value: types.ModuleType) -> Iterator[str]:
        yield value.__name__

    def _class(self, value: type) -> Iterator[str]:
        yield f"{value.__module__}:{value.__qualname__}"
        if is_importable(value):
            return
        yield from map(self.hash_of, value.__bases__)
        own = {name: found for name, found in vars(value).items() if name not in _OF_EVERY_CLASS}
        yield self.hash_of(own)

    def _sequence(self, value: Any) -> Iterator[str]:
        yield from map(self.hash_of, value)

    def _mapping(self, value: dict[Any, Any]) -> Iterator[str]:
        for key, found in value.items():
            yield from (self.hash_of(key), self.hash_of(found))

    def _set(self, value: Any) -> Iterator[str]:
        yield from sorted(_Walk().hash_of(each) for each in value)

    def _wrapper(self, value: Any) -> Iterator[str]:
        yield self.hash_of(getattr(value, "__func__", None) or getattr(value, "fget", None))

    def _object(self, value: Any) -> Iterator[str]:
        """Describe any other object by how it would be pickled, without pickling it."""
        wrapped = getattr(value, "__wrapped__", None)
        if wrapped is not None:
            yield self.hash_of(wrapped)
            return
        try:
            reduced = value.__reduce_ex__(4)
        except Exception:  # it can't be pickled, which is reported where it is sent
            return
        if isinstance(reduced, str):
            yield reduced
            return
        for part in reduced:
            yield self.hash_of(list(part) if isinstance(part, Iterator) else part)


_OF_EVERY_CLASS = ("__dict__", "__weakref__", "__doc__", "__module__", "__firstlineno__", "__static_attributes__")

_KINDS: list[tuple[Any, Callable[[_Walk, Any], Iterator[str]]]] = [
    (types.FunctionType, _Walk._function),
    (types.CodeType, _Walk._code),
    (types.MethodType, _Walk._method),
    (functools.partial, _Walk._partial),
    (types.ModuleType, _Walk._module),
    (type, _Walk._class),
    ((list, tuple), _Walk._sequence),
    (dict, _Walk._mapping),
    ((set, frozenset), _Walk._set),
    ((staticmethod, classmethod, property), _Walk._wrapper),
]
