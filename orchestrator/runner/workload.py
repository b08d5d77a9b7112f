"""Find the functions of a workload, and check before anything is measured that a variant can run them."""

from __future__ import annotations

import importlib
import os
import sys
from collections.abc import Callable
from typing import Any

from . import registry
from .call import FIRST, Call
from .problem import Problem

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


def find(reference: str, field: str, *, needs_callable: bool = True) -> Any:
    """Return what `module:function` names; raises Unusable, also when the import fails."""
    module_name, _, path = reference.partition(":")
    try:
        found: Any = importlib.import_module(module_name)
    except ModuleNotFoundError as error:
        if error.name is None or not (module_name + ".").startswith(error.name + "."):
            raise _import_failed(module_name, field, error) from error
        remedy = f"run from the directory that holds it, or set `path`; looked in {', '.join(sys.path[1:4])}, ..."
        raise Unusable(field, "module_missing", f"no module named {error.name!r}", remedy) from error
    except BaseException as error:
        raise _import_failed(module_name, field, error) from error
    for name in path.split("."):
        if not hasattr(found, name):
            what = f"{module_name} has no function {path!r}"
            raise Unusable(field, "function_missing", what, _nearest(found, name))
        found = getattr(found, name)
    if needs_callable and not callable(found):
        what = f"{reference} is a {type(found).__name__}, not a function"
        raise Unusable(field, "not_callable", what, "name a callable")
    return found


def _import_failed(module_name: str, field: str, error: BaseException) -> Unusable:
    what = f"importing {module_name} failed: {type(error).__name__}: {error}"
    remedy = f"make `python -c 'import {module_name}'` work under {sys.executable}"
    return Unusable(field, "import_failed", what, remedy)


def _nearest(module: Any, name: str) -> str:
    import difflib

    near = difflib.get_close_matches(name, [key for key in vars(module) if not key.startswith("_")], 1)
    return f"did you mean {near[0]!r}?" if near else "check the name"


def form_for(model: registry.Model, workload: dict[str, Any]) -> str:
    """Return the first form of the workload that `model` can run, `call` or `async_call`; raises Unusable."""
    field = next((form for form in model.FORMS if workload.get(form)), None)
    if field is None:
        given = "async_call" if workload.get("async_call") else "call"
        name = vars(model)["__name__"].rpartition(".")[2]
        what = f"{name} can't run {workload.get(given)}"
        raise Unusable(given, "form_missing", what, f"give `{model.FORMS[-1]}` too")
    return field


def call_for(model: registry.Model, workload: dict[str, Any]) -> Call:
    """Return the call that `model` makes for `workload`."""
    return call_of(workload, form_for(model, workload))


def call_of(workload: dict[str, Any], field: str) -> Call:
    """Return the call of one form of `workload`."""
    item = workload.get("item") or (FIRST if workload.get("items") else None)
    args = tuple(workload.get("args") or ())
    return Call(find(workload[field], field), workload.get("kwargs") or {}, item, args)


def initializer_for(model: registry.Model, workload: dict[str, Any]) -> Callable[[Any], Any] | None:
    """Return the hook that every worker runs before its first call; coroutines prefer `async_initializer`."""
    own = "async_initializer" if form_for(model, workload) == "async_call" else "initializer"
    field = own if workload.get(own) else "initializer"
    return find(workload[field], field) if workload.get(field) else None


def probe(model_name: str, options: dict[str, Any], workload: dict[str, Any]) -> None:
    """Raise Unusable unless the model is available here and could call the workload.

    Of the workload only its `unavailable` is called.
    """
    if workload.get("unavailable"):
        _check_workload(workload["unavailable"])
    _check_model(model_name, options)
    model = registry.load(model_name)
    call, field = call_for(model, workload), form_for(model, workload)
    _check_kind(workload[field], field)
    _check_form(call, field, workload[field], model_name)
    _check_arguments(call, workload[field])
    pickler = model.needs(options).pickler
    if pickler:
        _check_pickle(call, field, workload[field], model_name, pickler)
    for hook in HOOKS:
        if ":" in (workload.get(hook) or ""):
            find(workload[hook], hook)


def _check_workload(reference: str) -> None:
    """Call the workload's `unavailable`, which reports what is missing here, such as a package or a program."""
    function = find(reference, "unavailable")
    try:
        missing: Any = function()
    except Exception as error:
        what = f"{reference} failed: {type(error).__name__}: {error}"
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
        raise Unusable(field, "is_generator", what, "wrap it in a function")
    if is_async and "async_call" not in registry.load(model_name).FORMS:
        what = f"{name} is a coroutine function, which {model_name} can't run"
        raise Unusable(field, "is_coroutine", what, "give a plain `call`")
    if field == "async_call" and not is_async:
        remedy = "make it `async def`, or leave async_call out"
        raise Unusable(field, "not_coroutine", f"{name} is not a coroutine function", remedy)


def _check_kind(reference: str, field: str) -> None:
    """Refuse callables that are hardly meant: a class, or a method without its object."""
    import inspect

    module_name, _, path = reference.partition(":")
    owner_path, _, name = path.rpartition(".")
    function = find(reference, field)
    if inspect.isclass(function):
        what = f"{reference} is a class: calling it only makes an object"
        raise Unusable(field, "is_class", what, "name a function that does some work with it")
    owner: Any = sys.modules[module_name]
    for part in owner_path.split(".") if owner_path else ():
        owner = getattr(owner, part)
    if inspect.isclass(owner):
        is_static = isinstance(inspect.getattr_static(owner, name), staticmethod)
        if inspect.isroutine(function) and not is_static and getattr(function, "__self__", None) is None:
            what = f"{reference} is a method, and needs an object of {owner_path}"
            raise Unusable(field, "is_method", what, "name a function that makes one and calls it")


def _check_arguments(call: Call, name: str) -> None:
    import inspect

    try:
        signature = inspect.signature(call.function)
    except (TypeError, ValueError):
        return  # a builtin without a signature
    args, given = call.arguments(0)
    try:
        signature.bind(*args, **given)
    except TypeError as error:
        parameters = [p for p in signature.parameters.values() if p.kind not in (p.VAR_POSITIONAL, p.VAR_KEYWORD)]
        required = [p for p in parameters if p.default is p.empty][len(args) :]
        missing = tuple(str(p) for p in required if p.name not in given)
        if any(p.kind is p.POSITIONAL_ONLY for p in required):
            code, remedy = "positional_only", "positional-only arguments can't be passed by name: give them by position"
        elif missing:
            code, remedy = "arguments_missing", f"correct kwargs: give {', '.join(missing)}"
        else:
            code, remedy = "arguments_wrong", "correct kwargs"
        given_as = "arguments" if args else "kwargs"
        what = f"{name}{signature} does not take these {given_as}: {error}"
        raise Unusable("kwargs", code, what, remedy, missing) from error


def _check_pickle(call: Call, field: str, name: str, model_name: str, pickler: str) -> None:
    import pickle

    try:
        pickle.loads(importlib.import_module(pickler).dumps(call))
    except Exception as error:
        what = f"{name} can't be sent to a worker of {model_name}: {type(error).__name__}: {error}"
        remedy = "name a function defined with `def` at the top level of its module, not a lambda or a local function"
        raise Unusable(field, "not_picklable", what, remedy) from error
