"""Functions that no module has: a generated module reads one from a file beside it, as it was in another process.

The program that asks writes both files, see `orchestrator.api.by_value`. Workers import the generated module as they
import any other, so the function is sent to them by name.
"""

from __future__ import annotations

import functools
import pickle
import sys
import types
from typing import Any

SUFFIX = ".pickle"


def load(file: str, module: str, name: str, version: tuple[int, int], path: tuple[str, ...]) -> Any:
    """Return the function for the module `module`, which is called `name` there; raises ImportError.

    `version` is the version of Python that has written the function, and `path` what its import path had beside that of
    any program.
    """
    if sys.version_info[:2] != version:
        here = ".".join(map(str, sys.version_info[:2]))
        raise ImportError(f"{name} was sent by value from Python {version[0]}.{version[1]}, which {here} can't read")
    sys.path.extend(entry for entry in path if entry not in sys.path)
    with open(file[: -len(".py")] + SUFFIX, "rb") as stream:
        function, defined = pickle.load(stream)
    for qualified, value in defined.items():
        setattr(sys.modules["__main__"], qualified, value)  # so that its arguments and results can be pickled by name
    _give_name(function, module, name)
    return function


def _give_name(function: Any, module: str, name: str) -> None:
    """Let a function be found in the generated module, by which it is then pickled."""
    bare = name
    while isinstance(function, functools.partial):
        function, bare = function.func, f"_{name}"
    if not _is_named(function):
        try:
            function.__module__, function.__qualname__ = module, bare
        except (AttributeError, TypeError):  # a builtin, say, which can be pickled as it is
            return
        setattr(sys.modules[module], bare, function)


def _is_named(function: Any) -> bool:
    """Return whether a function can be found by its name in a module that has been imported."""
    found: Any = sys.modules.get(getattr(function, "__module__", None) or "")
    for part in getattr(function, "__qualname__", "<").split("."):
        found = getattr(found, part, None)
    return found is function and not isinstance(function, types.MethodType)
