"""Parsers in C code that creates Python objects and therefore holds the GIL."""

from __future__ import annotations

import csv
import functools
import json
import re
from collections.abc import Callable

from .extra import missing
from .generated import orders

LINE = re.compile(r"id=(\d+) customer=(\w+) amount=(\d+)")


def unavailable() -> tuple[str, str] | None:
    """Say why orjson can't be had here."""
    return missing("orjson")


def parse(parser: str, rows: int) -> int:
    """Return the number of orders that `parser` (json, orjson, regex or csv) finds in a text of `count`."""
    return len(parsed(parser, rows))


def parsed(parser: str, rows: int) -> list[dict[str, str]] | list[list[str]] | list[tuple[str, ...]]:
    """Return the orders as `parser` gives them: as dicts, lists or tuples."""
    return PARSERS[parser](written(parser, rows))


def _json(text: str) -> list[dict[str, str]]:
    found: list[dict[str, str]] = json.loads(text)
    return found


def _orjson(text: str) -> list[dict[str, str]]:
    import orjson

    found: list[dict[str, str]] = orjson.loads(text)
    return found


def _regex(text: str) -> list[tuple[str, ...]]:
    return LINE.findall(text)


def _csv(text: str) -> list[list[str]]:
    return list(csv.reader(text.splitlines()))


PARSERS: dict[str, Callable[[str], list[dict[str, str]] | list[list[str]] | list[tuple[str, ...]]]]
PARSERS = {"json": _json, "orjson": _orjson, "regex": _regex, "csv": _csv}


@functools.cache
def written(parser: str, rows: int) -> str:
    """Return the text of so many orders in the form that `parser` reads."""
    if parser == "csv":
        return "\n".join(",".join(order.values()) for order in orders(rows))
    if parser == "regex":
        return "\n".join(" ".join(f"{key}={value}" for key, value in order.items()) for order in orders(rows))
    return json.dumps(orders(rows))
