"""Plain data as lines of JSON."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import orjson


def dumps(value: object) -> bytes:
    """Return plain data as one line of JSON; text that is not Unicode (lone surrogates) is escaped."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(_unicode(value))


def unique_names(names: Iterable[str], folded: Callable[[str], str] = str) -> list[str]:
    """Return a key for each name: one that is the same as an earlier one when `folded` is numbered."""
    found: list[str] = []
    for name in names:
        key, number = name, 2
        while folded(key) in map(folded, found):
            key, number = f"{name}_{number}", number + 1
        found.append(key)
    return found


def lines(values: Iterable[object]) -> str:
    """Return plain data as JSON, each on a line of its own."""
    return "".join(dumps(value).decode() + "\n" for value in values)


def _unicode(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_unicode(key): _unicode(each) for key, each in value.items()}
    return [_unicode(each) for each in value] if isinstance(value, list | tuple) else value
