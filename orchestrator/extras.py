"""The packages of extras: imported only where used, and reported where missing."""

from __future__ import annotations

import sys
from importlib.util import find_spec

from .errors import BadInput

_NAMES = {"vl_convert": "vl-convert-python"}  # what pip calls a module, where it is not the same


def missing(*modules: str) -> list[str]:
    """Return which of these modules are not installed, by the names that pip knows."""
    return [_NAMES.get(module, module) for module in modules if find_spec(module) is None]


def need(what: str, *modules: str) -> None:
    """Raise BadInput when one of these modules, which `what` needs, is not installed."""
    if absent := missing(*modules):
        remedy = f"{sys.executable} -m pip install {' '.join(absent)}"
        raise BadInput(f"{what} needs {' and '.join(absent)}", remedy=remedy)
