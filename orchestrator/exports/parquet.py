"""Tables for pandas, polars and DuckDB, in typed columns: a file each, and none of a table without rows."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from ..journal import dumps
from ..results import Results
from ..tables import Row, cell, tables, types


def render(results: Results) -> dict[str, bytes]:
    """Return the files; lists stay lists, and what else has no type of its own is JSON as text."""
    with tempfile.TemporaryDirectory(prefix="orchestrator-parquet-") as directory, duckdb.connect() as connection:
        return {
            f"{name}.parquet": _file(connection, Path(directory), name, rows)
            for name, rows in tables(results).items()
            if rows
        }


def _file(connection: duckdb.DuckDBPyConnection, directory: Path, name: str, rows: Sequence[Row]) -> bytes:
    columns = types(name, rows)
    plain = [{column: cell(row.get(column), kind) for column, kind in columns.items()} for row in rows]
    lines, file = directory / f"{name}.json", directory / f"{name}.parquet"
    lines.write_bytes(b"".join(dumps(row) + b"\n" for row in plain))
    told = {_quoted(column): kind for column, kind in columns.items()}
    connection.execute(
        f"COPY (SELECT * FROM read_json({_text(lines)}, format='newline_delimited', columns={_struct(told)})) "
        f"TO {_text(file)} (FORMAT parquet, COMPRESSION zstd)"
    )
    return file.read_bytes()


def _struct(told: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {_text(kind)}" for name, kind in told.items()) + "}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def _text(value: object) -> str:
    return "'" + str(value).replace("'", "''") + "'"
