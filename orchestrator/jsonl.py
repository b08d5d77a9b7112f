"""Plain data as lines of JSON."""

from __future__ import annotations

from collections.abc import Iterable

import orjson


def dumps(value: object) -> bytes:
    """Return plain data as one line of JSON; text that is not Unicode (lone surrogates) is escaped."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(_unicode(value))


def lines(values: Iterable[object]) -> str:
    """Return plain data as JSON, each on a line of its own."""
    return "".join(dumps(value).decode() + "\n" for value in values)


def _unicode(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_unicode(key): _unicode(each) for key, each in value.items()}
    return [_unicode(each) for each in value] if isinstance(value, list | tuple) else value
