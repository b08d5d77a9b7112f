"""The packages of extras: imported only where used, and reported where missing."""

from __future__ import annotations

from importlib.util import find_spec

from .errors import BadInput

_NAMES = {"vl_convert": "vl-convert-python"}  # what pip calls a module, where it is not the same
_EXTRAS = {"distributed": "cluster", "duckdb": "report", "jinja2": "report", "uv": "pythons", "vl_convert": "report"}


def missing(*modules: str) -> list[str]:
    """Return which of these modules are not installed, by the names that pip knows."""
    return [_NAMES.get(module, module) for module in modules if find_spec(module) is None]


def need(what: str, *modules: str) -> None:
    """Raise BadInput when one of these modules, which `what` needs, is not installed."""
    if absent := missing(*modules):
        raise BadInput(f"{what} needs {' and '.join(absent)}", remedy=installing(*modules))


def installing(*modules: str) -> str:
    """Return the command that installs the extras with these modules."""
    return f"pip install 'orchestrator[{','.join(sorted({_EXTRAS[module] for module in modules}))}]'"
