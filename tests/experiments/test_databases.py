"""The database workloads: every row is counted, and servers that fail are named and leave nothing behind."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import anyio
import pytest

from experiments import database, serving
from tests.support.paths import ROOT

pytestmark = pytest.mark.slow


needs_postgres = pytest.mark.skipif(
    database.unavailable_postgres() is not None, reason=str(database.unavailable_postgres())
)
CALLS, WRITES = 12, 5


@pytest.fixture
def place(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A directory for temporary files that a server under another user gets through to."""
    with passable() as directory:
        monkeypatch.setattr("tempfile.tempdir", str(directory))
        yield directory


@contextmanager
def passable() -> Iterator[Path]:
    with tempfile.TemporaryDirectory(prefix="orchestrator-databases-") as directory:
        Path(directory).chmod(0o711)
        yield Path(directory)


@pytest.fixture(scope="module")
def cluster() -> Iterator[Path]:
    """Files of a server, made once: that takes two seconds."""
    with passable() as directory, pytest.MonkeyPatch.context() as patch:
        patch.setattr("tempfile.tempdir", str(directory))
        yield database._cluster()


@pytest.fixture
def prepared(place: Path, cluster: Path) -> Path:
    """A directory in which servers start fast."""
    subprocess.run(["cp", "-a", cluster, place], check=True)
    return place


@pytest.fixture
def served(prepared: Path) -> Iterator[database.Place]:
    with database.postgres() as found:
        yield found


def in_threads(
    given: database.Place, begin: Callable[[database.Place], None], call: Callable[..., tuple[int, int]]
) -> list[tuple[int, int]]:
    meeting = threading.Barrier(3)

    def close(_: object) -> None:
        meeting.wait(60)  # so that every thread closes its own
        database.of_thread.connection.close()

    with ThreadPoolExecutor(3, initializer=begin, initargs=(given,)) as pool:
        results = list(pool.map(lambda item: call(item, 2, WRITES), range(CALLS)))
        list(pool.map(close, range(3)))
    return results


def in_loop(given: database.Place, call: Callable[..., Any]) -> Sequence[tuple[int, int]]:
    results: dict[int, tuple[int, int]] = {}

    async def keep(item: int) -> None:
        results[item] = await call(item, 2, WRITES)

    async def main() -> None:
        async with database.in_loop(given), anyio.create_task_group() as group:
            for item in range(CALLS):
                group.start_soon(keep, item)

    anyio.run(main)
    return [results[item] for item in range(CALLS)]


EXPECTED = [(WRITES, sum(sum(range(owner, 20_000, 100)) for owner in (item, item + 1))) for item in range(CALLS)]
COUNTED = {"rows": CALLS * WRITES, "exact": True}


def test_every_row_that_threads_write_to_sqlite_is_counted(place: Path) -> None:
    with database.sqlite() as found:
        for _ in range(2):  # the second batch starts from an empty table, too
            database.empty_sqlite(found)
            results = in_threads(found, database.connect_sqlite, database.with_sqlite)
            assert results == EXPECTED
            assert database.count_sqlite(results, found) == COUNTED
    assert not list(place.iterdir())


@needs_postgres
@pytest.mark.parametrize("call", [database.with_psycopg, database.with_psycopg_async, database.with_asyncpg])
def test_every_row_that_is_written_to_postgres_is_counted(served: database.Place, call: Callable[..., Any]) -> None:
    for _ in range(2):
        database.empty_postgres(served)
        if call is database.with_psycopg:
            results = in_threads(served, database.connect_psycopg, call)
        else:
            results = list(in_loop(served, call))
        assert results == EXPECTED
        assert database.count_postgres(results, served) == COUNTED


@pytest.mark.parametrize(
    ("results", "rows", "distinct"), [([(5, 0)], 4, 4), ([(5, 0)], 6, 6), ([(5, 0)], 5, 4), ([], 1, 1)]
)
def test_rows_that_are_lost_or_twice_there_are_not_exact(
    results: list[tuple[int, int]], rows: int, distinct: int
) -> None:
    assert database.counted(results, rows, distinct) == {"rows": rows, "exact": False}


@needs_postgres
def test_a_server_leaves_nothing_but_the_cluster_that_others_copy(place: Path) -> None:
    with database.postgres() as found:
        port = int(found.name.rpartition(" ")[2])
        socket.create_connection(("127.0.0.1", port)).close()
    assert {path.name for path in place.iterdir()} == {"postgres-cluster", "postgres-cluster.lock"}
    with pytest.raises(ConnectionRefusedError):
        socket.create_connection(("127.0.0.1", port))


@needs_postgres
@pytest.mark.parametrize(
    "call",
    [
        database.with_psycopg,
        pytest.param(database.with_psycopg_async, marks=pytest.mark.long),  # it takes 20 s to notice
        database.with_asyncpg,
    ],
)
def test_a_server_that_dies_is_named(prepared: Path, call: Callable[..., Any]) -> None:
    with database.postgres() as found:
        port = found.name.rpartition(" ")[2]
        (data,) = prepared.glob("postgres-*/data")
        os.kill(int((data / "postmaster.pid").read_text().split()[0]), signal.SIGQUIT)
        with pytest.raises((RuntimeError, ExceptionGroup)) as raised:
            if call is database.with_psycopg:
                database.place = found
                database.of_thread.connection = database.observer
                while True:
                    call(0, 2, WRITES)
            in_loop(found, call)
        error = raised.value
        while isinstance(error, ExceptionGroup):
            error = error.exceptions[0]
        assert str(error).startswith(f"PostgreSQL on port {port}: "), error
        for hook in (database.empty_postgres, partial(database.count_postgres, []), database.connect_psycopg):
            with pytest.raises(RuntimeError, match=f"PostgreSQL on port {port}: (OperationalError|ConnectionTimeout)"):
                hook(found)


@needs_postgres
@pytest.mark.parametrize("call", [database.with_psycopg_async, database.with_asyncpg])
def test_the_connection_of_a_call_that_failed_is_closed_with_its_loop(
    served: database.Place, call: Callable[..., Any]
) -> None:
    async def main() -> Any:
        async with database.in_loop(served):
            with pytest.raises(RuntimeError, match=f"{served.name}: .*out of .*range"):
                await call(2**40, 0, 1)
            (connection,) = database.idle
            await call(0, 1, 1)
            assert database.idle == [connection]  # it is as good as before
            raise LookupError(connection)

    with pytest.raises(LookupError) as raised:
        anyio.run(main)
    (connection,) = raised.value.args
    assert connection.closed if call is database.with_psycopg_async else connection.is_closed()
    assert database.idle == []


@needs_postgres
@pytest.mark.parametrize("call", [database.with_psycopg_async, database.with_asyncpg])
def test_a_server_that_does_not_answer_is_named(call: Callable[..., Any], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "WAITING_S", 2)  # the least that psycopg waits
    with socket.socket() as silent:
        silent.bind(("127.0.0.1", 0))
        silent.listen()
        with pytest.raises(ExceptionGroup) as raised:
            in_loop(database.postgres_at(silent.getsockname()[1]), call)
    assert {str(error).partition(" on port")[0] for error in raised.value.exceptions} == {"PostgreSQL"}
    assert all("Timeout" in str(error) for error in raised.value.exceptions)


@needs_postgres
def test_postgres_takes_another_port_where_one_is_in_use(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, taken_port: int
) -> None:
    free = serving.free_port()
    ports = iter([taken_port, free])
    monkeypatch.setattr(serving, "free_port", lambda: next(ports))
    with database.postgres() as found:
        assert found.name == f"PostgreSQL on port {free}"


@needs_postgres
def test_postgres_that_finds_no_port_is_reported_with_the_last_one(
    prepared: Path, monkeypatch: pytest.MonkeyPatch, taken_port: int
) -> None:
    monkeypatch.setattr(serving, "free_port", lambda: taken_port)
    with pytest.raises(RuntimeError, match=f"PostgreSQL did not start on port {taken_port}: .*Address already in use"):
        with database.postgres():
            pass


def test_a_missing_server_is_named_with_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "postgres_program", lambda name: None)
    assert database.unavailable_postgres() == (
        "PostgreSQL is not installed",
        "install it (Debian: apt install postgresql)",
    )


def test_a_missing_driver_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(database, "postgres_program", lambda name: "initdb")
    monkeypatch.setattr(database, "DRIVERS", ("psycopg", "no_such_driver"))
    assert database.unavailable_postgres() == (
        "no module no_such_driver",
        f"install the extra: {sys.executable} -m pip install -e '.[workloads]'",
    )


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Callable[[str], Path]]:
    """Mount file systems of a given size."""
    mounted: list[Path] = []

    def mount(size: str) -> Path:
        directory = Path(tempfile.mkdtemp(prefix="orchestrator-disk-"))
        done = subprocess.run(
            ["mount", "-t", "tmpfs", "-o", f"size={size},mode=1777", "tmpfs", str(directory)],
            capture_output=True,
            check=False,
        )
        if done.returncode:
            directory.rmdir()
            pytest.skip("a file system can't be mounted here")
        mounted.append(directory)
        return directory

    yield mount
    for directory in mounted:
        subprocess.run(["umount", str(directory)], check=True)
        directory.rmdir()


@pytest.mark.parametrize(
    ("kind", "size", "message"),
    [
        ("sqlite", "2m", "SQLite: OperationalError: database or disk is full"),
        pytest.param("postgres", "64m", ": DiskFull: could not extend file", marks=[needs_postgres, pytest.mark.long]),
    ],
)
def test_a_full_disk_is_a_failed_trial_and_leaves_nothing(
    kind: str, size: str, message: str, small_disk: Callable[[str], Path], tmp_path: Path
) -> None:
    disk = small_disk(size)
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    config = (ROOT / "configs" / f"{kind}.yaml").read_text()
    (tmp_path / "full.yaml").write_text(config.replace(f"name: {kind}\n", "name: full\n"))
    overrides = ["models=[sequential]", "expect=[]", "measure={blocks: 1, rounds: 2}", "tasks=2"]
    overrides += ["baseline=sequential", "matrix={}", "kwargs.writes=1_000_000"]
    command = [sys.executable, "-m", "orchestrator", "run", "full.yaml", *overrides]
    env = {**os.environ, "TMPDIR": str(disk)}
    done = subprocess.run(command, cwd=tmp_path, env=env, capture_output=True, text=True, check=False, timeout=150)
    lines = (tmp_path / "runs/full/latest/events.jsonl").read_text().splitlines()
    failed = [event for event in map(json.loads, lines) if event["event"] == "trial.failed"]
    assert failed, done.stderr
    assert message in failed[0]["error"]
    assert done.returncode == 3
    assert list(disk.iterdir()) == []


def test_a_config_without_its_server_is_refused_with_the_remedy(tmp_path: Path) -> None:
    (tmp_path / "experiments").symlink_to(ROOT / "experiments")
    shutil.copy(ROOT / "configs/postgres.yaml", tmp_path)
    (tmp_path / "lacking.py").write_text(
        "from experiments import database\n"
        "def unavailable():\n"
        "    database.postgres_program = lambda name: None\n"
        "    return database.unavailable_postgres()\n"
    )
    command = [sys.executable, "-m", "orchestrator", "run", "postgres.yaml", "workload.unavailable=lacking:unavailable"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60)
    assert done.returncode == 2
    assert "PostgreSQL is not installed; install it (Debian: apt install postgresql)" in done.stderr
    assert list(tmp_path.glob("runs/postgres/*")) == []
