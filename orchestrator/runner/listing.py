"""The functions of a module that can be asked about."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Any

from . import callables, imports


def functions(source: str) -> list[dict[str, Any]]:
    """Return each function of a module or a file: its path, signature, required arguments, and the factory it needs.

    What a module has imported from others is left out. Raises `imports.Failed`.
    """
    module = imports.load(source)
    return [about for path, owner, found in _candidates(module) if (about := _about(source, path, owner, found))]


def _candidates(module: Any) -> Iterator[tuple[str, Any, Any]]:
    """Yield path, owner and object of all that a module defines and that can be called."""
    for name, found in vars(module).items():
        if name.startswith("_") or not callable(found):
            continue
        if inspect.isclass(found):
            if found.__module__ == module.__name__:
                methods = [key for key in vars(found) if not key.startswith("_")]
                yield from ((f"{name}.{key}", found, getattr(found, key)) for key in methods)
        elif getattr(inspect.unwrap(found), "__module__", module.__name__) == module.__name__ or not (
            inspect.isroutine(found)
        ):
            yield name, module, found


def _about(source: str, path: str, owner: Any, found: Any) -> dict[str, Any] | None:
    if not callable(found) or inspect.isclass(found):
        return None
    refused = callables.refusal(f"{source}:{path}", owner, found, has_setup=True)
    if refused:
        if not refused.arguments:
            return None
        path = refused.arguments[0]
        found = getattr(found, path.rpartition(".")[2])
    if inspect.isgeneratorfunction(found) or inspect.isasyncgenfunction(found):
        return None
    needs_object = callables.is_method(owner, path, found)
    try:
        signature = callables.signature(callables.bindable(found) if needs_object else found)
    except (TypeError, ValueError):
        return None
    parameters = list(signature.parameters.values())
    if any(each.kind is each.POSITIONAL_ONLY and each.default is each.empty for each in parameters):
        return None
    named = [each for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]
    required = [each.name for each in named if callables.is_required(each)]
    setup = None
    if needs_object:
        without = callables.refusal(f"{source}:{path}", owner, found, has_setup=False)
        setup = without.arguments[0] if without else None
    return {
        "function": path,
        "signature": str(signature),
        "is_async": callables.is_async(found),
        "required": required,
        "setup": setup,
    }
