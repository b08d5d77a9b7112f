"""What the code of a function refers to: defaults, variables of enclosing functions, globals, and its object.

Nothing here runs code of the user: no property, no `__getattr__`, no `__class__` of a proxy.
"""

from __future__ import annotations

import functools
import types
from collections.abc import Iterator
from typing import Any, NamedTuple

GLOBAL = ("LOAD_GLOBAL", "LOAD_NAME", "STORE_GLOBAL", "DELETE_GLOBAL")


class Reference(NamedTuple):
    """A `value` that a function refers to by a `name`; `kind` is default, variable (of a closure), global or self."""

    kind: str
    name: str
    value: Any


def of(function: types.FunctionType, owner: Any = None) -> Iterator[Reference]:
    """Yield what a function refers to; `owner` is the object that it is a method of."""
    code = function.__code__
    parameters, defaults = code.co_varnames[: code.co_argcount], function.__defaults__ or ()
    defaulted = parameters[len(parameters) - len(defaults) :]
    for name, value in (*zip(defaulted, defaults), *(function.__kwdefaults__ or {}).items()):
        yield Reference("default", name, value)
    for name, cell in zip(code.co_freevars, function.__closure__ or ()):
        try:
            yield Reference("variable", name, cell.cell_contents)
        except ValueError:  # it is assigned later, if ever
            continue
    for name in _global_names(code):
        if name in function.__globals__:
            yield Reference("global", name, function.__globals__[name])
    if owner is not None and code.co_varnames:
        yield Reference("self", code.co_varnames[0], owner)


def loaded(function: Any) -> Iterator[tuple[str, Any]]:
    """Yield what the code of a callable can load, by name: its references, and the attributes of them that it names."""
    found, owner = plain(function)
    if found is None:
        return
    names = names_in(function)
    for _, name, value in of(found, owner):
        yield name, value
        held = attributes(value)
        yield from ((f"{name}.{each}", held[each]) for each in names if each in held)


def names_in(function: Any) -> dict[str, None]:
    """Return the names of the globals and attributes in the code of a callable, each once; none for one in C."""
    found, _ = plain(function)
    return names_of(found.__code__) if found else {}


def names_of(code: types.CodeType) -> dict[str, None]:
    """Return the names of the globals and attributes in a code and those inside it, each once."""
    return dict.fromkeys(name for each in codes(code) for name in each.co_names)


def plain(function: Any) -> tuple[types.FunctionType | None, Any]:
    """Return the Python function behind partials, decorators and objects, and the object that it is a method of.

    The function is None where there is none, such as behind code in C, and the object is None for no method.
    """
    owner, seen = None, set[int]()
    while not isinstance(function, types.FunctionType) or "__wrapped__" in function.__dict__:
        if id(function) in seen:
            return None, None
        seen.add(id(function))
        called = getattr(type(function), "__call__", None)  # noqa: B004  # of its class
        if isinstance(function, functools.partial):
            function = function.func
        elif isinstance(function, types.MethodType):
            function, owner = function.__func__, function.__self__
        elif "__wrapped__" in (held := attributes(function)):
            function = held["__wrapped__"]
        elif isinstance(called, types.FunctionType):
            function, owner = called, function
        else:
            return None, None
    return function, owner


def attributes(value: Any) -> dict[str, Any]:
    """Return what a module, a class or an object holds by name; empty for a proxy, which would run code."""
    held = next((vars(cls)["__dict__"] for cls in type(value).__mro__ if "__dict__" in vars(cls)), None)
    if not isinstance(held, (types.GetSetDescriptorType, types.MemberDescriptorType)):
        return {}
    return dict(held.__get__(value) or {})


def codes(code: types.CodeType) -> Iterator[types.CodeType]:
    """Yield a code and those inside it."""
    yield code
    for inner in code.co_consts:
        if isinstance(inner, types.CodeType):
            yield from codes(inner)


def _global_names(code: types.CodeType) -> dict[str, None]:
    """Return the names of globals that a code and those inside it use, each once."""
    import dis  # not at the top: the workers need not load it

    instructions = (each for part in codes(code) for each in dis.get_instructions(part))
    return dict.fromkeys(str(each.argval) for each in instructions if each.opname in GLOBAL)
