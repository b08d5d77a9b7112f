"""Calls that return an exception in the place of a value: their time is that of a failure."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Any

from . import imports
from .problem import Problem
from .promises import with_article

LOOKED_AT = 1_000  # of the elements of a result

RAISE = "raise it, or give arguments with which calls succeed"


class ReturnedErrors:
    """Looks through the results of a pilot for exceptions, such as `asyncio.gather(return_exceptions=True)` gives."""

    def __init__(self, name: str) -> None:
        self._name = name
        self._calls = self._with_error = self._of_errors = 0
        self._error = self._what = ""

    def note(self, result: Any) -> None:
        """Look at the result of a call; only texts of it are kept."""
        self._calls += 1
        error = next(_errors(result), None)
        if error is None:
            return
        self._with_error += 1
        # an exception that was never raised may be the value that is meant
        self._of_errors += result is error and error.__traceback__ is not None
        if not self._error:
            self._error = imports.placed(error)
            is_held = result is not error
            self._what = f"{with_article(result)} that holds an exception" if is_held else "an exception"

    def found(self) -> dict[str, Any] | None:
        """Return in how many `calls`, of `all`, the result is an exception, or holds one; None if in none.

        `error` is the text of the first one, and `what` says whether the result is it, or holds it.
        """
        if not self._with_error:
            return None
        return {"calls": self._with_error, "all": self._calls, "what": self._what, "error": self._error}

    def problem(self) -> Problem | None:
        """Return the problem of calls that have all caught an exception and returned it."""
        if not self._calls or self._of_errors < self._calls:
            return None
        each = "the call" if self._calls == 1 else f"each of {self._calls} calls"
        what = f"{each} of {self._name} returned an exception ({self._error}): its time is that of the failure"
        return Problem("returns_exception", what, RAISE)


def _errors(result: Any, depth: int = 2) -> Iterator[BaseException]:
    """Yield the exceptions among the elements of a result, and among theirs."""
    if isinstance(result, BaseException):
        yield result
    elif depth and isinstance(result, (list, tuple, set, dict)):
        held = result.values() if isinstance(result, dict) else result
        for each in itertools.islice(held, LOOKED_AT):
            yield from _errors(each, depth - 1)
