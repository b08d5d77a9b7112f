"""The text of exceptions, whatever their classes do: they are the user's, and their methods may fail."""

from __future__ import annotations


def message(error: BaseException) -> str:
    """Return the message of an exception; in its place, the exception that its `__str__` raises."""
    try:
        return str(error)
    except BaseException as inner:
        return f"(its message fails with {type(inner).__name__})"


def named(error: BaseException, text: str | None = None) -> str:
    """Return an exception as a traceback names it: its class, and its message if there is one, or another `text`."""
    text = message(error) if text is None else text
    return f"{type(error).__name__}: {text}" if text else type(error).__name__
