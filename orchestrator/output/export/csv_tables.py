"""Tables that a spreadsheet opens, a row each, with the columns of the log."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

from ...analysis.results import Results
from ..columns import Row, tables

_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(results: Results) -> dict[str, bytes]:
    """Return the files: UTF-8, a header line, times in ns as whole numbers, empty where there is no value."""
    return {f"{name}.csv": _table(rows) for name, rows in tables(results).items()}


def _table(rows: Sequence[Row]) -> bytes:
    columns = dict.fromkeys(name for row in rows for name in row)
    out = io.StringIO()
    writer = csv.writer(out)  # lines end in CR LF, as RFC 4180 has it
    writer.writerow(columns)
    writer.writerows([[cell(row.get(name)) for name in columns] for row in rows])
    return out.getvalue().encode("utf-8", "backslashreplace")


def cell(value: object) -> object:
    """Return what a cell holds of a value: lists in one, truths as words, and no formula."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return cell("; ".join(map(str, value)))
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"  # a spreadsheet would take it for a formula
    return value
