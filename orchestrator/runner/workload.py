"""Find the functions of a workload, and check before anything is measured that a variant can run them."""

from __future__ import annotations

import functools
import importlib
import os
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from . import callables, imports, names, registry
from .call import FIRST, Call
from .error_text import named
from .problem import Problem
from .promises import reading, with_article

HOOKS = ("setup", "initializer", "async_initializer", "reset", "observe", "check")


class Unusable(Exception):
    """A workload that can't run as the spec says: the field of the spec, and the problem."""

    def __init__(self, field: str, code: str, what: str, remedy: str, arguments: tuple[str, ...] = ()) -> None:
        super().__init__(f"{what}; {remedy}")
        self.field = field
        self.problem = Problem(code, what, remedy, arguments)

    def fields(self) -> dict[str, Any]:
        """Return field and problem as fields for JSON."""
        return {"field": self.field, **self.problem.fields()}


def find(reference: str, field: str) -> Callable[..., Any]:
    """Return the function that a name stands for (see `names`); raises Unusable, also when the import fails."""
    return function_of(reference, field)[1]  # type: ignore[no-any-return]  # callable; its signature is unknown


def function_of(reference: str, field: str) -> tuple[Any, Any]:
    """Return what holds the function, a module or a class, and the function; raises Unusable."""
    owner, found = holder_and_value(reference, field)
    if not callable(found):
        what = f"{reference} is {with_article(found)}, not a function"
        raise Unusable(field, "not_callable", what, "name a callable")
    return owner, found


def holder_and_value(reference: str, field: str) -> tuple[Any, Any]:
    """Return what holds the value that a name stands for, a module or a class, and the value; raises Unusable."""
    name = names.parse(reference)
    try:
        module = imports.load(name.source)
    except imports.Failed as failed:
        raise Unusable(field, *failed.problem) from failed
    owner: Any = None
    found: Any = module
    walked = ""
    for part in name.function.split("."):
        if not hasattr(found, part):
            what = f"{name.source} has no function {name.function!r}"
            near = tuple(walked + each for each in _nearest(found, part))
            remedy = f"did you mean {near[0]!r}?" if near else "check the name"
            raise Unusable(field, "function_missing", what, remedy, near)
        owner, found, walked = found, getattr(found, part), f"{walked}{part}."
    return owner, found


def _nearest(holder: Any, missing: str) -> list[str]:
    import difflib

    known = [key for key in dir(holder) if not key.startswith("_") and callable(getattr(holder, key, None))]
    return difflib.get_close_matches(missing, known, 1)


@contextmanager
def entered(reference: str | None) -> Iterator[Any]:
    """Yield what `setup` makes: from a context manager, a generator function, or a function that returns it."""
    import inspect

    if reference is None:
        yield None
        return
    factory = find(reference, "setup")
    made = (contextmanager(factory) if inspect.isgeneratorfunction(factory) else factory)()
    if hasattr(type(made), "__enter__") and hasattr(type(made), "__exit__"):
        with made as initargs:
            yield initargs
    else:
        yield made


def form_for(model: registry.Model, workload: dict[str, Any]) -> str:
    """Return the first form of the workload that `model` can run, `call` or `async_call`; raises Unusable."""
    field = next((form for form in model.FORMS if workload.get(form)), None)
    if field is None:
        given = "async_call" if workload.get("async_call") else "call"
        name = vars(model)["__name__"].rpartition(".")[2]
        what = f"{name} runs plain functions, so it can't run {workload.get(given)}"
        raise Unusable(given, "form_missing", what, f"give `{model.FORMS[-1]}` too")
    return field


def call_for(model: registry.Model, workload: dict[str, Any]) -> Call:
    """Return the call that `model` makes for `workload`; that of a method is still to be `bound`."""
    field = form_for(model, workload)
    item = workload.get("item") or (FIRST if workload.get("items") else None)
    args, kwargs = tuple(workload.get("args") or ()), workload.get("kwargs") or {}
    return Call(*_without_partials(find(workload[field], field), kwargs, item, args))


def _without_partials(
    function: Callable[..., Any], kwargs: dict[str, Any], item: str | int | None, args: tuple[Any, ...]
) -> tuple[Callable[..., Any], dict[str, Any], str | int | None, tuple[Any, ...]]:
    """Return a call with the arguments of a partial as its own, so that those which calls change are copied, too."""
    while type(function) is functools.partial and not (function.args and item == FIRST):
        args, kwargs = (*function.args, *args), {**function.keywords, **kwargs}
        function = function.func
    return function, kwargs, item, args


def bound(call: Call, reference: str, field: str, instance: Any) -> Call:
    """Return the call with its method bound to the object that `setup` made; other calls unchanged."""
    owner, function = function_of(reference, field)
    path = names.parse(reference).function
    if not callables.is_method(owner, path, function):
        return call
    if not isinstance(instance, owner):
        what = f"setup made a {type(instance).__name__}, and {reference} needs an object of {owner.__qualname__}"
        raise Unusable("setup", "setup_wrong", what, "return or yield the object")
    return Call(getattr(instance, path.rpartition(".")[2]), call.kwargs, call.item, call.args)


def initializer_for(model: registry.Model, workload: dict[str, Any]) -> Callable[[Any], Any] | None:
    """Return the hook that every worker runs before its first call; coroutines prefer `async_initializer`."""
    own = "async_initializer" if form_for(model, workload) == "async_call" else "initializer"
    field = own if workload.get(own) else "initializer"
    return find(workload[field], field) if workload.get(field) else None


def probe(model_name: str, options: dict[str, Any], workload: dict[str, Any], instance: Any = None) -> None:
    """Raise Unusable unless the model is available here and could call the workload.

    Of the workload only its `unavailable` is called. `instance` is what its `setup` made, if that was entered.
    """
    if workload.get("unavailable"):
        _check_workload(workload["unavailable"])
    _check_model(model_name, options)
    model = registry.load(model_name)
    call, field = call_for(model, workload), form_for(model, workload)
    owner, function = function_of(workload[field], field)
    has_args = bool(call.args) or call.item == FIRST
    refused = callables.refusal(workload[field], owner, function, bool(workload.get("setup")), has_args)
    if refused:
        raise Unusable(field, *refused)
    is_method = callables.is_method(owner, names.parse(workload[field]).function, function)
    _check_form(call, field, workload[field], model_name)
    checked = Call(callables.bindable(function), call.kwargs, call.item, call.args) if is_method else call
    _check_arguments(checked, workload[field])
    pickler = model.needs(options).pickler
    if pickler and not (is_method and instance is None):
        _check_pickle(bound(call, workload[field], field, instance), field, workload[field], model_name, pickler)
    for hook in HOOKS:
        if ":" in (workload.get(hook) or ""):
            find(workload[hook], hook)


def _check_workload(reference: str) -> None:
    """Call the workload's `unavailable`, which reports what is missing here, such as a package or a program."""
    function = find(reference, "unavailable")
    try:
        missing: Any = function()
    except Exception as error:
        what = f"{reference} failed: {named(error)}"
        remedy = "return None, or why the workload can't run here"
        raise Unusable("unavailable", "hook_failed", what, remedy) from error
    if missing:
        is_pair = isinstance(missing, (tuple, list)) and len(missing) == 2
        what, remedy = missing if is_pair else (missing, "install it, or leave this out")
        raise Unusable("unavailable", "workload_unavailable", str(what), str(remedy))


def _check_model(name: str, options: dict[str, Any]) -> None:
    """Check that this interpreter has what a model needs."""
    problem = registry.unavailable(name, options)
    if problem:
        raise Unusable("model", *problem)
    if registry.load(name).needs(options).loop is None:
        return
    if sys.flags.dev_mode or os.environ.get("PYTHONASYNCIODEBUG"):
        what = "asyncio's debug mode is on: its checks would be part of every time"
        raise Unusable("model", "debug_mode", what, "unset PYTHONASYNCIODEBUG and PYTHONDEVMODE")
    try:
        import anyio  # noqa: F401  # the import itself is the check
    except ImportError as error:
        remedy = f"install it: {sys.executable} -m pip install anyio"
        raise Unusable("model", "package_missing", f"anyio can't be imported: {error}", remedy) from error


def _check_form(call: Call, field: str, name: str, model_name: str) -> None:
    """Refuse a generator function, and a coroutine function where the model needs a plain one, or the reverse."""
    import inspect

    is_async = inspect.iscoroutinefunction(call.function)
    if inspect.isgeneratorfunction(call.function) or inspect.isasyncgenfunction(call.function):
        what = f"{name} is a generator function: calling it runs nothing"
        is_plain = inspect.isgeneratorfunction(call.function)
        expression, define = ("list({})", "def") if is_plain else ("[each async for each in {}]", "async def")
        raise Unusable(field, "is_generator", what, reading(name, tuple(call.kwargs), expression, define))
    if is_async and "async_call" not in registry.load(model_name).FORMS:
        what = f"{name} is a coroutine function, which {model_name} can't run"
        raise Unusable(field, "is_coroutine", what, "give a plain `call`")
    if field == "async_call" and not is_async:
        remedy = "make it `async def`, or leave async_call out"
        raise Unusable(field, "not_coroutine", f"{name} is not a coroutine function", remedy)


def _check_arguments(call: Call, name: str) -> None:
    try:
        signature = callables.signature(call.function)
    except (TypeError, ValueError):
        return  # a builtin without a signature
    args, given = call.arguments(0)
    try:
        taking = signature.bind(*args, **given).arguments
        if unset := [p for p in signature.parameters.values() if callables.is_required(p) and p.name not in taking]:
            raise TypeError(f"missing a required argument: {unset[0].name!r} (its default is for a framework)")
    except TypeError as error:
        parameters = [p for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        parameters = [p.replace(default=p.empty) if callables.is_required(p) else p for p in parameters]
        required = [p for p in parameters[len(args) :] if p.default is p.empty]
        missing = tuple(str(p) for p in required if p.name not in given)
        takes_any = any(p.kind is p.VAR_KEYWORD for p in signature.parameters.values())
        unknown = [] if takes_any else [name for name in given if name not in signature.parameters]
        taken = tuple(str(p) for p in parameters if p in required or p.name in given)
        if any(p.kind is p.POSITIONAL_ONLY for p in required):
            code, remedy = "positional_only", "positional-only arguments can't be passed by name: give them by position"
            taken = tuple(p.name for p in parameters if p.kind is p.POSITIONAL_ONLY and p.name in given)
        elif missing:
            code, remedy = "arguments_missing", f"correct kwargs: give {', '.join(missing)}"
        else:
            code, remedy = "arguments_wrong", "correct kwargs"
        given_as = "arguments" if args else "kwargs"
        found = f"got an unexpected keyword argument {unknown[0]!r}" if unknown else error
        refusal = f" does not take these {given_as}" if args or given else ""
        what = f"{name}{signature}{refusal}: {found}"
        raise Unusable("kwargs", code, what, remedy, taken) from error


def _check_pickle(call: Call, field: str, name: str, model_name: str, pickler: str) -> None:
    import pickle

    try:
        pickle.loads(importlib.import_module(pickler).dumps(call))
    except Exception as error:
        problem = callables.not_picklable(call.function, error)
        what = f"{name} can't be sent to a worker of {model_name}: {problem.what}"
        raise Unusable(field, problem.code, what, problem.remedy) from error
