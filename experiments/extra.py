"""Packages that some workloads need beyond those of the orchestrator: the extra `workloads`."""

from __future__ import annotations

import importlib
import sys

REMEDY = f"{sys.executable} -m pip install -e '.[workloads]'"


def missing(*names: str) -> tuple[str, str] | None:
    """Return which module can't be imported here and how to install it, or None if all can."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            is_missing = isinstance(error, ModuleNotFoundError)
            what = f"no module {name}" if is_missing else f"{name} can't be imported: {error}"
            return what, f"install the extra: {REMEDY}"
    return None
