"""Tables for pandas, polars and DuckDB, in typed columns: a file each, and none of a table without rows."""

from __future__ import annotations

import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import duckdb

from ...analysis.results import Results
from ...jsonl import dumps, unique_names
from ..columns import Row, cell, tables, types


def render(results: Results) -> dict[str, bytes]:
    """Return the files; lists stay lists, and what else has no type of its own is JSON as text."""
    with tempfile.TemporaryDirectory(prefix="orchestrator-parquet-") as directory:
        return {file.name: file.read_bytes() for file in write(results, Path(directory))}


def write(results: Results, directory: Path) -> list[Path]:
    """Write the files into a directory and return their paths; raises OSError and duckdb.IOException."""
    with duckdb.connect() as connection:
        found = tables(results)
        return [_write(connection, directory, name, rows) for name, rows in found.items() if rows]


def _write(connection: duckdb.DuckDBPyConnection, directory: Path, name: str, rows: Sequence[Row]) -> Path:
    columns = types(name, rows)
    # for DuckDB `n` and `N` are one
    names = dict(zip(columns, unique_names(columns, str.casefold), strict=True))
    plain = [{names[column]: cell(row.get(column), kind) for column, kind in columns.items()} for row in rows]
    lines, file = directory / f"{name}.json", directory / f"{name}.parquet"
    lines.write_bytes(b"".join(dumps(row) + b"\n" for row in plain))
    quoted = {_quoted(names[column]): kind for column, kind in columns.items()}
    connection.execute(
        f"COPY (SELECT * FROM read_json({literal(lines)}, format='newline_delimited', columns={_struct(quoted)})) "
        f"TO {literal(file)} (FORMAT parquet, COMPRESSION zstd)"
    )
    lines.unlink()
    return file


def _struct(quoted: Mapping[str, str]) -> str:
    return "{" + ", ".join(f"{name}: {literal(kind)}" for name, kind in quoted.items()) + "}"


def _quoted(name: str) -> str:
    return '"' + name.replace('"', '""') + '"'


def literal(value: object) -> str:
    """Return a text as SQL has it."""
    return "'" + str(value).replace("'", "''") + "'"
