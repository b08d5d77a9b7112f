"""Which extension module has switched the GIL back on, in an interpreter that runs without it."""

from __future__ import annotations

import sys
from typing import Any

UNKNOWN = "unknown"  # stands for a module that was imported before `watch`, or by another loader

_suspect: str | None = None


def enabled() -> bool:
    """Return whether this interpreter runs with the GIL; an import may have switched it on."""
    return bool(getattr(sys, "_is_gil_enabled", lambda: True)())


def enabled_by() -> str | None:
    """Return the module that switched the GIL on; None where it is off, was requested, or is always on."""
    asked_for = getattr(sys.flags, "gil", None) == 1  # PYTHON_GIL or -X gil
    if not enabled() or asked_for or "free-threading" not in sys.version:
        return None
    return _suspect or UNKNOWN


def watch() -> None:
    """From now on, record which import of an extension module switches the GIL on."""
    from importlib.machinery import ExtensionFileLoader

    create = ExtensionFileLoader.create_module

    def create_module(loader: ExtensionFileLoader, spec: Any) -> Any:
        global _suspect
        if enabled():
            return create(loader, spec)
        _suspect = None  # the lock is also on during an import: another thread may have looked just then
        try:
            return create(loader, spec)
        finally:
            if enabled():
                _suspect = spec.name

    # mypy allows no assignment to a method
    ExtensionFileLoader.create_module = create_module  # type: ignore[assignment,method-assign]
