"""Who has switched the GIL back on, in an interpreter that runs without: an extension module that needs it."""

from __future__ import annotations

import sys
from typing import Any

UNKNOWN = "unknown"
"""For a module that was imported before anybody watched, or by a loader of its own."""

_suspect: str | None = None


def enabled() -> bool:
    """Return whether this interpreter runs with its global lock; an import may have switched it on."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def enabled_by() -> str | None:
    """Return the module that switched it on; None where it is off, or was asked for, or the interpreter has it."""
    asked_for = getattr(sys.flags, "gil", None) == 1  # PYTHON_GIL or -X gil
    if not enabled() or asked_for or "free-threading" not in sys.version:
        return None
    return _suspect or UNKNOWN


def watch() -> None:
    """From now on, take note of what each import of an extension module does to the lock."""
    from importlib.machinery import ExtensionFileLoader

    create = ExtensionFileLoader.create_module

    def create_module(loader: ExtensionFileLoader, spec: Any) -> Any:
        global _suspect
        if enabled():
            return create(loader, spec)
        _suspect = None  # the lock is on for the time of an import, too: another thread may have looked just then
        try:
            return create(loader, spec)
        finally:
            if enabled():
                _suspect = spec.name

    ExtensionFileLoader.create_module = create_module  # type: ignore[assignment,method-assign]
