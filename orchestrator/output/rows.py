"""Rows of a query, as they come: a table for people, JSON lines or CSV for tools."""

from __future__ import annotations

import csv
import io
import itertools
import math
from collections.abc import Callable, Iterator, Sequence
from datetime import date, datetime, timedelta
from decimal import Decimal
from typing import Any

import orjson

from ..jsonl import dumps, unique_names
from ..text import printable
from .export.csv_tables import cell
from .grid import Grid
from .terminal import UNBOUNDED, Screen

MOST_ROWS = 1000  # the most rows of a table; for more, use --json

Rows = Iterator[tuple[Any, ...]]


def as_table(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield the rows as one text, as wide as its columns are."""
    shown = list(itertools.islice(rows, MOST_ROWS))
    numbers = [
        bool(shown) and all(isinstance(row[place], int | float | Decimal | None) for row in shown)
        for place in range(len(columns))
    ]
    headers = unique_names([printable(name) for name in columns])
    right = [header for header, is_number in zip(headers, numbers, strict=True) if is_number]
    screen = Screen(UNBOUNDED, False)
    screen.grid(Grid(headers, [[_seen(value) for value in row] for row in shown], right=right))
    if next(rows, None) is not None:
        screen.line(f"and more than these {MOST_ROWS:,} rows: add LIMIT, or read them with --csv or --json")
    yield screen.text()


def as_json(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield a line of JSON for each row; a column that bears the name of an earlier one is numbered."""
    names = unique_names(columns)
    for row in rows:
        yield dumps({key: _plain(value) for key, value in zip(names, row, strict=True)}).decode() + "\n"


def as_csv(columns: Sequence[str], rows: Rows) -> Iterator[str]:
    """Yield a header and a line of CSV for each row, as `export --to csv` writes them."""
    yield _line(columns)
    for row in rows:
        yield _line([cell(_plain(value)) for value in row])


FORMATS: dict[str, Callable[[Sequence[str], Rows], Iterator[str]]] = {"json": as_json, "csv": as_csv}


def _line(values: Sequence[Any]) -> str:
    out = io.StringIO()
    csv.writer(out).writerow(values)
    return out.getvalue()


def _seen(value: Any) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    plain = _plain(value)
    return "" if plain is None else printable(plain if isinstance(plain, str) else orjson.dumps(plain).decode())


def _plain(value: Any) -> Any:
    """Return a value of the database as JSON has it: times as text, whole numbers that JSON has none for as text."""
    if isinstance(value, Decimal):
        value = int(value) if value == value.to_integral_value() else float(value)
    if isinstance(value, bool) or value is None:
        return value
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**64 else str(value)
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, datetime | date):
        return value.isoformat()
    if isinstance(value, timedelta):
        return value.total_seconds()
    if isinstance(value, bytes):
        return value.decode("utf-8", "backslashreplace")
    if isinstance(value, dict):
        return {str(key): _plain(each) for key, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return str(value)
