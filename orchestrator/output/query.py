"""SQL over all runs: their journals as views, read through tables that are kept beside them.

The journals are the only truth. What is kept of a run, in its directory below `.tables`, is named for the size and the
time of its journal and the versions of this program's figures: it is made again when one of them changes, and may be
deleted at any time. A query only reads, and only below the directory of the runs; where that is read-only, also
temporary tables.
"""

from __future__ import annotations

import os
import re
import secrets
import shutil
import signal
import tempfile
import time
import zlib
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import duckdb
from rich.console import Console
from rich.progress import track

from ..analysis.results import Results, fold
from ..analysis.stats import STATS_VERSION
from ..errors import BadInput, JournalDamaged, Unwritable
from ..journal import read
from ..journal.catalog import EVENTS
from ..machine.host import effective_cores
from ..supervisor.reaper_process import end_with_parent
from .columns import NAMES, declared
from .export import parquet

KEPT = ".tables"

VERSION = 1  # goes up when the same journal would give other tables, though the fields of its events are the same

FIELDS = zlib.crc32(repr([(name, *kind.model_fields) for name, kind in EVENTS.items()]).encode())
"""What events have, in short: tables without a new field are made again."""

STALE_S = 600  # after so long, what was kept of an earlier state of a journal is read by no query any more

MEMORY_MB = 600  # what the database may use; this program itself comes on top of it

FEW = 8  # so many runs are read in this process: starting others would take longer

AT_ONCE = 10_000  # rows that are held at a time


@dataclass(frozen=True)
class Answer:
    """The columns of a query's result, and its rows, as they come."""

    columns: Sequence[str]
    rows: Iterator[tuple[Any, ...]]


@contextmanager
def opened(
    runs: Path, names: Sequence[str], damaged: list[JournalDamaged], experiment: str | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Yield a database with the views `names` of all runs below `runs`, or of one experiment.

    It can read files below that directory and below a temporary one, which holds the tables of runs that can't be
    written to. Outdated tables are rebuilt first. Runs that are
    damaged are left out, and added to `damaged`. Raises BadInput when there is no directory, Unwritable when what is
    kept can't be written anywhere.
    """
    root = Path(os.path.realpath(runs))  # `Path.resolve` raises where links form a loop, until Python 3.12
    # made only where it is needed: a program that is killed can't clear it away
    scratch = Path(tempfile.gettempdir()) / f"orchestrator-query-{secrets.token_hex(8)}"
    of = read.experiments(root) if experiment is None else [root / experiment]
    try:
        directories = list(_kept(of, scratch, damaged))
        with duckdb.connect(config={"memory_limit": f"{MEMORY_MB}MB", "temp_directory": ""}) as connection:
            try:
                for name in names:
                    files = [str(file) for each in directories if (file := each / f"{name}.parquet").is_file()]
                    connection.execute(f"CREATE VIEW {name} AS {_view(name, files)}")
            except duckdb.Error as error:
                raise _wrong(error) from error
            connection.execute("SET allowed_directories = $1", [[str(root), str(scratch)]])
            connection.execute("SET enable_external_access = false")
            connection.execute("SET lock_configuration = true")
            yield connection
    finally:
        shutil.rmtree(scratch, ignore_errors=True)


@contextmanager
def asked(runs: Path, sql: str, damaged: list[JournalDamaged]) -> Iterator[Answer]:
    """Yield the answer to one SELECT; raises BadInput when it is anything else, or wrong, and as `opened` does."""
    _check(sql)
    named = [name for name in NAMES if re.search(rf"\b{name}\b", sql, re.IGNORECASE)]
    with opened(runs, named or NAMES, damaged) as connection:
        try:
            cursor = connection.execute(sql)
            yield Answer([column[0] for column in cursor.description or ()], _rows(cursor))
        except (duckdb.Error, OverflowError, ValueError) as error:  # the latter of values that Python has none for
            raise _wrong(error) from error
        except MemoryError as error:
            raise BadInput("the answer is too large for the memory", where="SQL", remedy="ask for less") from error
        except RuntimeError as error:
            if "interrupted" in str(error):  # DuckDB's message for Ctrl-C
                raise KeyboardInterrupt from error
            raise


def _rows(cursor: duckdb.DuckDBPyConnection) -> Iterator[tuple[Any, ...]]:
    while rows := cursor.fetchmany(AT_ONCE):
        yield from rows


def _check(sql: str) -> None:
    try:
        statements = duckdb.extract_statements(sql)
    except (duckdb.Error, TypeError) as error:  # the latter where it is no UTF-8
        raise _wrong(error) from error
    if len(statements) != 1:
        raise BadInput(f"{len(statements)} statements", where="SQL", remedy="ask with one SELECT")
    if statements[0].type != duckdb.StatementType.SELECT:  # EXPLAIN ANALYZE would do what it explains
        what = f"{statements[0].type.name} is no SELECT, and queries only read"
        raise BadInput(what, where="SQL", remedy="ask with one SELECT")


def _wrong(error: Exception) -> BadInput:
    what = " ".join(str(error).split("\n\nLINE")[0].split())
    if f"/{KEPT}/" in what:  # after a power cut, say
        return BadInput(what, remedy=f"delete that {KEPT}, which is made again from the journal")
    return BadInput(what, where="SQL", remedy=f"correct it; the views are {', '.join(NAMES)}")


def _view(name: str, files: Sequence[str]) -> str:
    """Return what a view selects: what the log declares has a column, also where no run has a value."""
    columns = ", ".join(f'NULL::{kind} AS "{column}"' for column, kind in declared(name).items())
    nothing = f"SELECT {columns} WHERE false"
    if not files:
        return nothing
    listed = ", ".join(map(parquet.literal, files))
    return f"{nothing} UNION ALL BY NAME SELECT * FROM read_parquet([{listed}], union_by_name = true)"


# --- what is kept of each run


def _kept(experiments: Sequence[Path], scratch: Path, damaged: list[JournalDamaged]) -> Iterator[Path]:
    """Yield the directory that holds the tables of each run, making those that are missing."""
    runs = [run for experiment in experiments for run in reversed(read.newest_first(experiment))]
    wanted = {run: key for run in runs if (key := _key(run))}
    made = dict(_make({run: key for run, key in wanted.items() if not (run / KEPT / key).is_dir()}, scratch))
    for run, key in wanted.items():
        found = made.get(run, run / KEPT / key)
        if isinstance(found, JournalDamaged):
            damaged.append(found)
        else:
            yield found


def _key(run: Path) -> str | None:
    """Return what the tables of a run depend on; None where there is nothing yet."""
    try:
        about = (run / read.EVENTS_FILE).stat()
    except OSError:
        return None
    return f"{about.st_size:x}-{about.st_mtime_ns:x}-{STATS_VERSION}.{VERSION}.{FIELDS:x}" if about.st_size else None


Made = Path | JournalDamaged


def _make(missing: Mapping[Path, str], scratch: Path) -> Iterator[tuple[Path, Made]]:
    """Yield each run and where its tables now are, or why its journal can't be read; a bar shows how far that is."""
    if len(missing) <= FEW:
        yield from ((run, _made(run, key, scratch)) for run, key in missing.items())
        return
    console = Console(stderr=True)
    begin = partial(_begin_worker, os.getpid())
    with ProcessPoolExecutor(effective_cores(), mp_context=get_context("spawn"), initializer=begin) as pool:
        jobs = {pool.submit(_made, run, key, scratch): run for run, key in missing.items()}
        done = as_completed(jobs)
        hidden = not console.is_terminal
        try:
            for job in track(done, "reading journals", len(jobs), console=console, transient=True, disable=hidden):
                yield jobs[job], job.result()
        finally:
            pool.shutdown(cancel_futures=True)  # the rest is not needed any more


def _begin_worker(program: int) -> None:
    """Leave a Ctrl-C to the program itself, and never outlive it."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    end_with_parent(program)


def _made(run: Path, key: str, scratch: Path) -> Made:
    try:
        results = fold(read.Records(run / read.EVENTS_FILE))
    except JournalDamaged as error:
        return error
    try:
        return _stored(results, run / KEPT, key)
    except (OSError, duckdb.IOException):  # a read-only archive: keep the tables for this query alone
        try:
            return _stored(results, scratch / run.parent.name / run.name, key)
        except (OSError, duckdb.IOException) as error:
            raise Unwritable(f"cannot write to {scratch}: {error}", remedy="make room there") from error


def _stored(results: Results, place: Path, key: str) -> Path:
    place.mkdir(parents=True, exist_ok=True)
    temporary = place / f"{secrets.token_hex(4)}.part"
    try:
        temporary.mkdir()
        parquet.write(results, temporary)
        try:
            temporary.rename(place / key)
        except OSError:
            if not (place / key).is_dir():  # else another query was faster
                raise
    finally:
        shutil.rmtree(temporary, ignore_errors=True)
    _clear(place, key)
    return place / key


def _clear(place: Path, key: str) -> None:
    """Delete what was kept of earlier states of a journal, which no query reads any more."""
    for entry in os.scandir(place):
        with suppress(OSError):
            if entry.name != key and time.time() - entry.stat().st_mtime > STALE_S:
                shutil.rmtree(entry.path, ignore_errors=True)
