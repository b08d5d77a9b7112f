"""The tables of a run for pandas, polars and Arrow, with the types that the exports give their columns."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from importlib.util import find_spec
from typing import TYPE_CHECKING, Any

from ..errors import BadInput

if TYPE_CHECKING:
    import pandas
    import polars
    import pyarrow

    from ..analysis.results import Results


def to_pandas(results: Results, table: str) -> pandas.DataFrame:
    """Return a table; integer and boolean columns are nullable."""
    _need("pandas")
    import pandas

    columns, types = _columns(results, table)
    nullable = {"BIGINT": "Int64", "BOOLEAN": "boolean", "DOUBLE": "float64"}
    return pandas.DataFrame(
        {name: pandas.Series(cells, dtype=nullable.get(types[name], "object")) for name, cells in columns.items()}
    )


def to_polars(results: Results, table: str) -> polars.DataFrame:
    """Return a table."""
    _need("polars")
    import polars

    kinds: dict[str, Any] = {
        "BIGINT": polars.Int64,
        "BOOLEAN": polars.Boolean,
        "DOUBLE": polars.Float64,
        "VARCHAR": polars.String,
    }
    columns, types = _columns(results, table)
    return polars.DataFrame(columns, schema=_typed(types, kinds, polars.List))


def to_arrow(results: Results, table: str) -> pyarrow.Table:
    """Return a table."""
    _need("pyarrow")
    import pyarrow

    kinds: dict[str, Any] = {
        "BIGINT": pyarrow.int64(),
        "BOOLEAN": pyarrow.bool_(),
        "DOUBLE": pyarrow.float64(),
        "VARCHAR": pyarrow.string(),
    }
    columns, types = _columns(results, table)
    fields = _typed(types, kinds, pyarrow.list_)
    return pyarrow.table(columns, schema=pyarrow.schema(fields.items()))


def _typed(types: Mapping[str, str], kinds: Mapping[str, Any], list_of: Callable[[Any], Any]) -> dict[str, Any]:
    """Return a library's type of each column: `kinds` has it by SQL type, and `list_of` makes that of a list."""
    return {
        name: list_of(kinds[kind.removesuffix("[]")]) if kind.endswith("[]") else kinds[kind]
        for name, kind in types.items()
    }


def _columns(results: Results, table: str) -> tuple[dict[str, list[Any]], dict[str, str]]:
    """Return the columns of a table and the type of each, as SQL has it; raises BadInput."""
    from ..output.columns import NAMES, cell, tables, types

    if table not in NAMES:
        raise BadInput(f"no table {table!r}", where="table", remedy=f"name one of {', '.join(NAMES)}")
    rows = tables(results)[table]
    known = types(table, rows)
    return {name: [cell(row.get(name), kind) for row in rows] for name, kind in known.items()}, known


def _need(package: str) -> None:
    if find_spec(package) is None:
        raise BadInput(f"{package} is not installed", remedy=f"pip install {package}")
