"""Finding the workload's functions, and telling whether a variant can run them before anything is measured."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from . import registry
from .call import Call

HOOKS = ("setup", "initializer", "async_initializer", "reset", "observe", "check")


class Unusable(Exception):
    """A workload that can't run as the spec says: `field` of the spec, what is wrong, and the remedy."""

    def __init__(self, field: str, what: str, remedy: str) -> None:
        super().__init__(f"{what}; {remedy}")
        self.field = field
        self.what = what
        self.remedy = remedy


def find(reference: str, field: str) -> Callable[..., Any]:
    """Return what `module:function` names; raises `Unusable`, also when the import itself fails."""
    module_name, _, path = reference.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise _import_failed(module_name, field, error) from error
        raise Unusable(
            field,
            f"no module named {error.name!r}",
            f"run from the directory that holds it, or set `path`; looked in {', '.join(sys.path[1:4])}, ...",
        ) from error
    except BaseException as error:
        raise _import_failed(module_name, field, error) from error
    for name in path.split("."):
        if not hasattr(found, name):
            raise Unusable(field, f"{module_name} has no function {path!r}", _nearest(found, name))
        found = getattr(found, name)
    if not callable(found):
        raise Unusable(field, f"{reference} is a {type(found).__name__}, not a function", "name a callable")
    return found  # type: ignore[no-any-return]  # callable, as far as anyone can tell


def _import_failed(module_name: str, field: str, error: BaseException) -> Unusable:
    what = f"importing {module_name} failed: {type(error).__name__}: {error}"
    return Unusable(field, what, f"make `python -c 'import {module_name}'` work under {sys.executable}")


def _nearest(module: Any, name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [key for key in vars(module) if not key.startswith("_")], 1)
    return f"did you mean {near[0]!r}?" if near else "check the name"


def form_for(model: registry.Model, workload: dict[str, Any]) -> str:
    """Return the first of the forms that `model` can run and the user gave: `call` or `async_call`."""
    field = next((form for form in model.FORMS if workload.get(form)), None)
    if field is None:
        given = "async_call" if workload.get("async_call") else "call"
        name = vars(model)["__name__"].rpartition(".")[2]
        raise Unusable(given, f"{name} can't run {workload.get(given)}", f"give `{model.FORMS[-1]}` too")
    return field


def call_for(model: registry.Model, workload: dict[str, Any]) -> Call:
    """Return the call that `model` makes for `workload`."""
    field = form_for(model, workload)
    return Call(find(workload[field], field), workload.get("kwargs") or {}, workload.get("item"))


def initializer_for(model: registry.Model, workload: dict[str, Any]) -> Callable[[Any], Any] | None:
    """Return what is to run in every worker before its first call: coroutines have one of their own, if it is given."""
    own = "async_initializer" if form_for(model, workload) == "async_call" else "initializer"
    field = own if workload.get(own) else "initializer"
    return find(workload[field], field) if workload.get(field) else None


def probe(model_name: str, options: dict[str, Any], workload: dict[str, Any]) -> None:
    """Raise `Unusable` unless the model is available here and could call the workload.

    Nothing of the workload is called but `unavailable`.
    """
    import inspect

    model = registry.load(model_name)
    needs = model.needs(options)
    if workload.get("unavailable"):
        _check_machine(workload["unavailable"])
    reason = registry.unavailable(model_name, options)
    if reason:
        raise Unusable("model", f"{model_name} is unavailable: {reason.partition('; ')[0]}", reason.partition("; ")[2])
    if needs.loop and (sys.flags.dev_mode or os.environ.get("PYTHONASYNCIODEBUG")):
        remedy = "unset PYTHONASYNCIODEBUG and PYTHONDEVMODE"
        raise Unusable("model", "asyncio's debug mode is on: every task would be timed with its checks", remedy)
    if needs.loop:
        _check_anyio()
    call = call_for(model, workload)
    field = form_for(model, workload)
    name = workload[field]
    _check_kind(workload[field], field)
    is_async = inspect.iscoroutinefunction(call.function)
    if inspect.isgeneratorfunction(call.function) or inspect.isasyncgenfunction(call.function):
        raise Unusable(field, f"{name} is a generator function: calling it runs nothing", "wrap it in a function")
    if is_async and "async_call" not in model.FORMS:
        raise Unusable(field, f"{name} is a coroutine function, which {model_name} can't run", "give a plain `call`")
    if field == "async_call" and not is_async:
        raise Unusable(field, f"{name} is not a coroutine function", "make it `async def`, or leave async_call out")
    _check_arguments(call, name)
    if needs.pickler:
        _check_pickle(call, field, name, model_name, needs.pickler)
    for hook in HOOKS:
        if ":" in (workload.get(hook) or ""):
            find(workload[hook], hook)


def _check_machine(reference: str) -> None:
    """Ask the workload whether it lacks anything here, such as a package or a program."""
    try:
        reason = find(reference, "unavailable")()
    except Unusable:
        raise
    except Exception as error:
        what = f"{reference} failed: {type(error).__name__}: {error}"
        raise Unusable("unavailable", what, "make it return None, or why the workload can't run here") from error
    if reason:
        what, _, remedy = str(reason).partition("; ")
        raise Unusable("unavailable", what, remedy or "install it, or leave this out")


def _check_anyio() -> None:
    try:
        import anyio  # noqa: F401  # the import itself is the check
    except ImportError as error:
        remedy = f"install it: {sys.executable} -m pip install anyio"
        raise Unusable("model", f"anyio can't be imported: {error}", remedy) from error


def _check_kind(reference: str, field: str) -> None:
    """Refuse what can be called, but hardly is what the user means: a class, or a method without its object."""
    import inspect

    module_name, _, path = reference.partition(":")
    owner_path, _, name = path.rpartition(".")
    function = find(reference, field)
    if inspect.isclass(function):
        remedy = "name a function that does some work with it"
        raise Unusable(field, f"{reference} is a class: calling it only makes an object", remedy)
    owner: Any = sys.modules[module_name]
    for part in owner_path.split(".") if owner_path else ():
        owner = getattr(owner, part)
    if inspect.isclass(owner):
        is_static = isinstance(inspect.getattr_static(owner, name), staticmethod)
        if inspect.isroutine(function) and not is_static and getattr(function, "__self__", None) is None:
            remedy = "name a function that makes one and calls it"
            raise Unusable(field, f"{reference} is a method, and needs an object of {owner_path}", remedy)


def _check_arguments(call: Call, name: str) -> None:
    import inspect

    try:
        signature = inspect.signature(call.function)
    except (TypeError, ValueError):
        return  # a builtin that does not tell
    extra = {call.item: 0} if call.item else {}
    try:
        signature.bind(**call.kwargs, **extra)
    except TypeError as error:
        what = f"{name}{signature} does not take these kwargs: {error}"
        required = [
            p
            for p in signature.parameters.values()
            if p.default is p.empty and p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)
        ]
        if any(p.kind is p.POSITIONAL_ONLY for p in required):
            remedy = "what stands before / can't be named: name a function of your own that passes it on"
        else:
            missing = [str(p) for p in required if p.name not in {**call.kwargs, **extra}]
            remedy = f"mend kwargs: give {', '.join(missing)}" if missing else "mend kwargs"
        raise Unusable("kwargs", what, remedy) from error


def _check_pickle(call: Call, field: str, name: str, model_name: str, pickler: str) -> None:
    import pickle

    try:
        pickle.loads(importlib.import_module(pickler).dumps(call))
    except Exception as error:
        raise Unusable(
            field,
            f"{name} can't be sent to a worker of {model_name}: {type(error).__name__}: {error}",
            "name a function defined with `def` at the top level of its module, not a lambda or a local function",
        ) from error
