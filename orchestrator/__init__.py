"""Say which concurrency model runs a Python function best, and by how much.

The names are imported when they are first used: this package is also imported by programs that need none of them.
"""

from __future__ import annotations

TYPE_CHECKING = False  # importing `typing` would take longer than everything else here
if TYPE_CHECKING:
    from .api.claims import Broken as Broken
    from .api.claims import Undecided as Undecided
    from .api.public import advise as advise
    from .api.public import advise_async as advise_async
    from .api.public import compare as compare
    from .api.public import compare_async as compare_async
    from .api.public import load as load
    from .api.public import load_async as load_async
    from .api.public import run as run
    from .api.public import run_async as run_async
    from .api.result import Point as Point
    from .api.result import Ratio as Ratio
    from .api.result import Result as Result
    from .errors import BadInput as BadInput
    from .errors import Busy as Busy
    from .errors import Failure as Failure
    from .errors import WorkloadFailed as WorkloadFailed

_PLACES = {
    **dict.fromkeys(("advise", "advise_async", "compare", "compare_async", "run", "run_async"), "api.public"),
    **dict.fromkeys(("load", "load_async"), "api.public"),
    **dict.fromkeys(("Point", "Ratio", "Result"), "api.result"),
    **dict.fromkeys(("Broken", "Undecided"), "api.claims"),
    **dict.fromkeys(("BadInput", "Busy", "Failure", "WorkloadFailed"), "errors"),
}
__all__ = sorted(_PLACES)


if not TYPE_CHECKING:  # to a type checker, other names do not exist

    def __getattr__(name: str) -> object:
        if name not in _PLACES:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib import import_module

        globals()[name] = found = getattr(import_module(f"{__name__}.{_PLACES[name]}"), name)
        return found


def load_ipython_extension(ipython: object) -> None:
    """Add `%advise` and `%%compare` to a notebook, as `%load_ext orchestrator` asks for."""
    from .notebook import register

    register(ipython)


def __dir__() -> list[str]:
    return [*globals(), *__all__]
