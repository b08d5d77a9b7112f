"""Databases on temporary files: SQLite, and a PostgreSQL server for each runner.

A call is one transaction: it reads sums over some of the items that were there from the start, then writes rows. The
rows are counted after every trial, and must be exactly those that were written.
"""

from __future__ import annotations

import fcntl
import os
import shutil
import sqlite3
import subprocess
import tempfile
import threading
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import asynccontextmanager, closing, contextmanager, suppress
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from signal import SIGQUIT
from typing import IO, TYPE_CHECKING, Any

from . import serving
from .extra import missing

if TYPE_CHECKING:
    import psycopg

ITEMS, OWNERS = 20_000, 100
"""Number of rows to read, and of their owners."""

DRIVERS = ("psycopg", "asyncpg")

WAITING_S = 10
"""Time limit for a lock, and for a connection to the server."""

Results = Sequence[tuple[int, int]]


@dataclass(frozen=True)
class Place:
    """A database: its name in errors, and its connect function."""

    name: str
    target: str

    def failed(self, error: Exception) -> RuntimeError:
        """Return the exception for a database that is full, gone, or locked for too long."""
        said = str(error).strip()
        return RuntimeError(f"{self.name}: {type(error).__name__}" + (f": {said}" if said else ""))


@contextmanager
def named(given: Place, kind: type[Exception] | tuple[type[Exception], ...]) -> Iterator[None]:
    """Add the name of the database to errors of a kind."""
    try:
        yield
    except kind as error:
        raise given.failed(error) from error


place: Place
of_thread = threading.local()
"""The connection of each worker: connections can't be shared."""


def counted(results: Results, rows: int, distinct: int) -> dict[str, Any]:
    """Return the number of rows after a batch, and whether they are exactly the rows of its calls."""
    written = sum(count for count, _ in results)
    return {"rows": rows, "exact": rows == distinct == written}


# --- SQLite


@contextmanager
def sqlite() -> Iterator[Place]:
    """Make a database in a file, in WAL mode: readers and a writer don't wait for each other. `setup`."""
    with tempfile.TemporaryDirectory(prefix="sqlite-") as directory:
        found = Place("SQLite", f"{directory}/items.db")
        with closing(_sqlite_connection(found)) as connection:
            connection.execute("pragma journal_mode = wal")
            connection.execute("create table items (owner integer, price integer)")
            connection.execute("create table written (item integer, number integer)")
            connection.execute("begin")
            items = ((number % OWNERS, number) for number in range(ITEMS))
            connection.executemany("insert into items values (?, ?)", items)
            connection.execute("commit")
        yield found


def _sqlite_connection(found: Place) -> sqlite3.Connection:
    connection = sqlite3.connect(found.target, timeout=WAITING_S, isolation_level=None)
    connection.execute("pragma synchronous = normal")  # as is usual with WAL: synchronised at checkpoints
    return connection


def connect_sqlite(given: Place) -> None:
    """Give this worker a connection of its own: `initializer`."""
    global place
    place = given
    with named(given, sqlite3.Error):
        of_thread.connection = _sqlite_connection(given)


def with_sqlite(item: int, reads: int, writes: int) -> tuple[int, int]:
    """Return the number of rows that a transaction wrote, and the sum of the values that it read."""
    connection = of_thread.connection
    try:
        # take the write lock at once: two readers that both want to write later would deadlock
        connection.execute("begin immediate" if writes else "begin")
        total = 0
        for number in range(reads):
            asked = "select sum(price) from items where owner = ?"
            total += connection.execute(asked, ((item + number) % OWNERS,)).fetchone()[0]
        connection.executemany("insert into written values (?, ?)", ((item, number) for number in range(writes)))
        connection.execute("commit")
    except sqlite3.Error as error:
        with suppress(sqlite3.Error):
            connection.execute("rollback")
        raise place.failed(error) from error
    return writes, total


def empty_sqlite(given: Place) -> None:
    """Delete what was written: `reset`."""
    with named(given, sqlite3.Error), closing(_sqlite_connection(given)) as connection:
        connection.execute("delete from written")


def count_sqlite(results: Results, given: Place) -> dict[str, Any]:
    """Count the rows: `observe`."""
    with named(given, sqlite3.Error), closing(_sqlite_connection(given)) as connection:
        asked = "select count(*), (select count(*) from (select distinct item, number from written)) from written"
        return counted(results, *connection.execute(asked).fetchone())


# --- PostgreSQL: the server

SETTINGS = {
    "listen_addresses": "127.0.0.1",
    "unix_socket_directories": "",
    "shared_buffers": "16MB",
    "max_connections": "64",
    "fsync": "off",  # nothing is to survive: what is compared is the clients, not the disk
    "autovacuum": "off",  # nor another's work
    "max_logical_replication_workers": "0",
    "dynamic_shared_memory_type": "mmap",  # files of its own directory, which go with it
}

TABLES = (
    "create table items (owner integer, price integer)",
    f"insert into items select number % {OWNERS}, number from generate_series(0, {ITEMS - 1}) as number",
    "create index on items (owner)",
    "create table written (item integer, number integer)",
)

observer: psycopg.Connection[Any]
"""A connection of the runner itself, to empty and count."""


def postgres_program(name: str) -> str | None:
    """Return a program of the server's, which Debian keeps out of PATH; the newest version."""
    kept = sorted(Path("/usr/lib/postgresql").glob(f"*/bin/{name}"), key=lambda path: float(path.parts[4]))
    return shutil.which(name) or (str(kept[-1]) if kept else None)


def unavailable_postgres() -> tuple[str, str] | None:
    """Return what is missing: the server, or a driver."""
    if not postgres_program("initdb"):
        return "PostgreSQL is not installed", "install it (Debian: apt install postgresql)"
    return missing(*DRIVERS)


@contextmanager
def postgres() -> Iterator[Place]:
    """Run a PostgreSQL server on a free port, on temporary files, as long as the runner lives. `setup`."""
    import psycopg

    global observer
    with tempfile.TemporaryDirectory(prefix="postgres-") as directory:
        Path(directory).chmod(0o711)
        data = Path(directory) / "data"
        subprocess.run(["cp", "-a", _cluster(), data], check=True)
        with _serving(data) as found, psycopg.connect(found.target, autocommit=True) as observer:
            yield found


def _cluster() -> Path:
    """Return the files of a server that has the tables, made by the first runner of a run: that takes two seconds."""
    base = Path(tempfile.gettempdir())
    made = base / "postgres-cluster"
    with (base / "postgres-cluster.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not made.exists():
            fresh = Path(tempfile.mkdtemp(prefix="postgres-cluster-", dir=base))
            if user := _user():
                shutil.chown(fresh, user, user)
            options = ("--auth=trust", "--username=postgres", "--no-sync", "--no-locale", "--encoding=UTF8")
            _tool("initdb", "--pgdata", str(fresh), "--wal-segsize=1", *options)
            _tool("postgres", "--single", "-D", str(fresh), "postgres", said="".join(f"{line}\n" for line in TABLES))
            fresh.rename(made)
    return made


def _user() -> str | None:
    """Return the user to run as, or None for the current one: PostgreSQL refuses to run as root."""
    return "postgres" if os.geteuid() == 0 else None


def _tool(name: str, *arguments: str, said: str = "") -> None:
    """Run a program of the server; raises RuntimeError with its output if it fails."""
    command, user = [str(postgres_program(name)), *arguments], _user()
    done = subprocess.run(
        command, input=said, capture_output=True, text=True, check=False, user=user, group=user, cwd="/"
    )
    if done.returncode:
        raise RuntimeError(f"PostgreSQL's {name} failed: {_last_line(done.stderr)}")


@contextmanager
def _serving(data: Path) -> Iterator[Place]:
    """Run the server, from its files to its end."""
    user = _user()
    settings = [part for name, value in SETTINGS.items() for part in ("-c", f"{name}={value}")]

    def start(port: int, log: IO[bytes]) -> serving.Server:
        command = [str(postgres_program("postgres")), "-D", str(data), "-p", str(port), *settings]
        return subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=log, stderr=log, user=user, group=user, cwd="/"
        )

    with serving.serving("PostgreSQL", start, partial(_is_ready, data), data.parent / "log", _stop) as (port, _):
        yield postgres_at(port)


def postgres_at(port: int) -> Place:
    """Return the connection settings for the server on a port of this machine."""
    target = f"host=127.0.0.1 port={port} user=postgres dbname=postgres connect_timeout={WAITING_S}"
    return Place(f"PostgreSQL on port {port}", target)


def _is_ready(data: Path, process: serving.Server) -> bool:
    """Return whether the server accepts connections, by the last line of its status file."""
    with suppress(FileNotFoundError):
        lines = (data / "postmaster.pid").read_text().splitlines()
        return bool(lines) and lines[0] == str(process.pid) and lines[-1].strip() == "ready"
    return False


def _stop(process: serving.Server) -> None:
    """Stop the server at once: its data are not needed."""
    process.send_signal(SIGQUIT)
    try:
        process.wait(WAITING_S)
    except subprocess.TimeoutExpired:
        process.kill()


def _last_line(said: str) -> str:
    return said.strip().rpartition("\n")[2] or "no word"


def empty_postgres(given: Place) -> None:
    """Delete what was written: `reset`."""
    import psycopg

    with named(given, psycopg.Error):
        observer.execute("truncate written")


def count_postgres(results: Results, given: Place) -> dict[str, Any]:
    """Count the rows: `observe`."""
    import psycopg

    with named(given, psycopg.Error):
        found = observer.execute("select count(*), count(distinct (item, number)) from written").fetchone()
    assert found is not None  # counts are always one row
    return counted(results, *found)


# --- PostgreSQL: its clients

idle: list[Any] = []
"""Idle connections of a loop: as many as were in use at the same time at most."""


def connect_psycopg(given: Place) -> None:
    """Give this worker a connection of its own: `initializer`."""
    import psycopg

    global place
    place = given
    with named(given, psycopg.Error):
        of_thread.connection = psycopg.connect(given.target, autocommit=True)


def with_psycopg(item: int, reads: int, writes: int) -> tuple[int, int]:
    """Return the number of rows that a transaction wrote, and the sum of the values that it read."""
    import psycopg

    connection = of_thread.connection
    total = 0
    with named(place, psycopg.Error), connection.transaction(), connection.cursor() as cursor:
        for number in range(reads):
            cursor.execute("select sum(price) from items where owner = %s", ((item + number) % OWNERS,))
            total += cursor.fetchone()[0]
        if writes:
            cursor.executemany("insert into written values (%s, %s)", [(item, number) for number in range(writes)])
    return writes, total


@asynccontextmanager
async def in_loop(given: Place) -> AsyncIterator[None]:
    """Close the connections of a loop at its end: `async_initializer`."""
    global place
    place = given
    try:
        yield
    finally:
        while idle:
            await idle.pop().close()


async def with_psycopg_async(item: int, reads: int, writes: int) -> tuple[int, int]:
    """Do the same as a coroutine."""
    import psycopg

    total = 0
    with named(place, psycopg.Error):
        connection = idle.pop() if idle else await psycopg.AsyncConnection.connect(place.target, autocommit=True)
        try:
            async with connection.transaction(), connection.cursor() as cursor:
                for number in range(reads):
                    await cursor.execute("select sum(price) from items where owner = %s", ((item + number) % OWNERS,))
                    found = await cursor.fetchone()
                    assert found is not None  # sums are always one row
                    total += found[0]
                if writes:
                    rows = [(item, number) for number in range(writes)]
                    await cursor.executemany("insert into written values (%s, %s)", rows)
        finally:
            idle.append(connection)
    return writes, total


async def with_asyncpg(item: int, reads: int, writes: int) -> tuple[int, int]:
    """Do the same with asyncpg."""
    import asyncpg  # type: ignore[import-untyped]  # has no annotations

    total = 0
    with named(place, (asyncpg.PostgresError, asyncpg.InterfaceError, OSError)):
        connection = idle.pop() if idle else await _asyncpg_connection()
        try:
            async with connection.transaction():
                for number in range(reads):
                    asked = "select sum(price) from items where owner = $1"
                    total += await connection.fetchval(asked, (item + number) % OWNERS)
                if writes:
                    rows = [(item, number) for number in range(writes)]
                    await connection.executemany("insert into written values ($1, $2)", rows)
        finally:
            idle.append(connection)
    return writes, total


async def _asyncpg_connection() -> Any:
    import asyncpg

    options = dict(part.split("=") for part in place.target.split())
    return await asyncpg.connect(
        host=options["host"],
        port=int(options["port"]),
        user=options["user"],
        database=options["dbname"],
        timeout=WAITING_S,
    )
