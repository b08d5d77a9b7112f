"""Packages that some workloads need beyond those of the orchestrator: the extra `workloads`."""

from __future__ import annotations

import importlib
import sys

REMEDY = f"{sys.executable} -m pip install -e '.[workloads]'"


def missing(*names: str) -> str | None:
    """Return why modules can't be imported here and the remedy, or None if they all can."""
    for name in names:
        try:
            importlib.import_module(name)
        except ImportError as error:
            told = (
                f"no module {name}" if isinstance(error, ModuleNotFoundError) else f"{name} can't be imported: {error}"
            )
            return f"{told}; install the extra: {REMEDY}"
    return None
