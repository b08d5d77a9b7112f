"""Which callables can be measured: beside functions there are methods, objects, classes and commands."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from . import names
from .error_text import named
from .problem import Problem

if TYPE_CHECKING:
    import inspect


def is_method(owner: Any, path: str, function: Any) -> bool:
    """Return whether a function found in `owner` is a method that still needs an object."""
    if not isinstance(owner, type):
        return False
    import inspect

    is_static = isinstance(inspect.getattr_static(owner, path.rpartition(".")[2]), staticmethod)
    return inspect.isroutine(function) and not is_static and getattr(function, "__self__", None) is None


def bindable(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method as if bound to an object: only for its signature, and never called."""
    return types.MethodType(function, object())


def signature(function: Callable[..., Any]) -> inspect.Signature:
    """Return the signature of a call; raises TypeError or ValueError where there is none.

    That of a singledispatchmethod would have a `self` that calls don't take: it is of the function before it is bound.
    """
    import inspect

    if method := _dispatching(function):
        return inspect.signature(method.func.__get__(object(), object))
    return inspect.signature(function)


def _dispatching(function: Any) -> functools.singledispatchmethod[Any] | None:
    """Return the descriptor that a function chosen by the type of its first argument came from, None for others."""
    owner = getattr(getattr(function, "register", None), "__self__", None)
    return owner if isinstance(owner, functools.singledispatchmethod) else None


def _dispatcher(function: Any) -> str | None:
    """Return what chooses the code of a function by its first positional argument, None where nothing does."""
    if hasattr(function, "registry") and hasattr(function, "dispatch"):
        return "singledispatch"
    return "singledispatchmethod" if _dispatching(function) else None


MARKERS = (("typer", "OptionInfo"), ("typer", "ArgumentInfo"), ("fastapi", "Depends"), ("fastapi", "Param"))
"""Classes of defaults that a framework replaces by values; a plain call would get the marker itself."""


def is_required(parameter: Any) -> bool:
    """Return whether a plain call must give a parameter: it has no default, or only a marker for a framework."""
    if parameter.default is parameter.empty:
        return parameter.kind not in (parameter.VAR_POSITIONAL, parameter.VAR_KEYWORD)
    bases = {(base.__module__.partition(".")[0], base.__name__) for base in type(parameter.default).__mro__}
    return not bases.isdisjoint(MARKERS)


def is_async(function: Any) -> bool:
    """Return whether a call returns a coroutine by declaration."""
    import inspect

    return inspect.iscoroutinefunction(function)


def refusal(reference: str, owner: Any, function: Any, has_setup: bool, has_args: bool = False) -> Problem | None:
    """Return why a callable is probably a mistake or takes no named arguments, and what to name; None if it is fine."""
    import inspect

    if inspect.isclass(function):
        return _of_class(reference, function)
    name = names.parse(reference)
    if is_method(owner, name.function, function) and not has_setup:
        return _of_method(name, owner)
    if isinstance(inspect.unwrap(function) if inspect.isroutine(function) else function, type):
        return None
    if (by := _dispatcher(function)) and not has_args:
        what = f"{reference} chooses its code by the first positional argument ({by}), and calls pass names"
        return Problem("is_singledispatch", what, "give its arguments by position")
    kind = {cls.__module__.partition(".")[0] for cls in type(function).__mro__}
    if "click" in kind and getattr(function, "callback", None):
        what = f"{reference} is a click command, which reads the command line"
        return Problem("is_command", what, f"name its function: {reference}.callback", (f"{name.function}.callback",))
    if kind & {"click", "typer"}:
        what = f"{reference} is a command line program ({type(function).__name__})"
        return Problem("is_command", what, "name one of the functions that it calls")
    if not inspect.isroutine(function) and is_async(getattr(type(function), "__call__", None)):  # noqa: B004
        what = f"{reference} is an object with an async __call__, which is not seen as a coroutine function"
        remedy = f"name the method: {reference}.__call__"
        return Problem("is_async_object", what, remedy, (f"{name.function}.__call__",))
    return None


def _of_class(reference: str, cls: type) -> Problem:
    import inspect

    what = f"{reference} is a class: calling it only makes an object"
    methods = [key for key, value in vars(cls).items() if inspect.isfunction(value) and not key.startswith("_")]
    if not methods:
        return Problem("is_class", what, "name a function that does some work with it")
    name = names.parse(reference)
    method = name._replace(function=f"{name.function}.{methods[0]}")
    parameters = list(signature(bindable(getattr(cls, methods[0]))).parameters.values())
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    required = [each.name for each in named if each.default is each.empty]
    factory = _of_method(method, cls).arguments[0]
    remedy = f"name a function that does some work with it, such as {method} with setup {factory}"
    return Problem("is_class", what, remedy, (method.function, factory, *required))


def _of_method(name: names.Name, owner: type) -> Problem:
    """Return the refusal of a method without an object, with the factory that would give one."""
    import inspect

    what = f"{name} is a method, and needs an object of {owner.__qualname__}"
    path = name.function.rpartition(".")[0]
    try:
        inspect.signature(owner).bind()
    except TypeError:
        remedy = f"write `def make(): return {path}(...)`, and give it as setup: {name.source}:make"
        return Problem("is_method", what, remedy, (f"{name.source}:make",))
    except ValueError:
        pass
    factory = f"{name.source}:{path}"
    return Problem("is_method", what, f"give what makes one as setup: {factory}", (factory,))


def not_picklable(function: Any, error: Exception) -> Problem:
    """Return why a callable can't be sent to a worker, and how it could."""
    import inspect

    code, what = "not_picklable", named(error)
    path = getattr(function, "__qualname__", "")
    wrapped = not isinstance(function, functools.partial) and "<locals>" in path and not path.endswith("<lambda>")
    if wrapped:
        remedy = (
            f"if a decorator made it, put @functools.wraps on what it returns ({path}); else define it at top level"
        )
    elif inspect.ismethod(function):
        owner = type(function.__self__).__name__
        remedy = f"an object of {owner} can't be pickled: write a function, and make the object in an `initializer`"
    elif not inspect.isroutine(function) and not isinstance(function, functools.partial):
        remedy = f"an object of {type(function).__name__} can't be pickled: name a function defined with `def`"
    else:
        remedy = "name a function defined with `def` at the top level of its module, not a lambda or a local function"
    return Problem(code, what, remedy)
