"""Writing a journal: append-only JSON lines, from which everything printed can be derived again.

One writer holds a lock on the file. A record is one `write`; a block counts once `block.finished` is synced to the
disk. After a failed write or sync nothing more is written: a second try could report success for data that is lost.
"""

from __future__ import annotations

import fcntl
import os
import secrets
import shlex
import zlib
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import structlog

from ..errors import Busy, Unwritable
from ..files import replace_file, sync_directory
from ..jsonl import dumps
from ..units import utc_now
from .event import SCHEMA, Event
from .read import CRC_FIELD, EVENTS_FILE, LATEST, SPEC_FILE, Records


class Journal:
    """The open journal of one run."""

    def __init__(self, directory: Path, run_id: str, descriptor: int, records: int = 0) -> None:
        self.directory = directory
        self.run_id = run_id
        self._descriptor = descriptor
        self._seq = records
        self._failed: str | None = None
        self._log = structlog.wrap_logger(
            self,
            processors=[self._common, _render],
            wrapper_class=structlog.make_filtering_bound_logger(0),
            context_class=dict,
        )

    def write(self, event: Event) -> None:
        """Append one event; raises Unwritable."""
        fields = event.fields()
        self._log.info(fields.pop("event"), **fields)

    def sync(self) -> None:
        """Return when everything written is on the disk; raises Unwritable."""
        try:
            getattr(os, "fdatasync", os.fsync)(self._descriptor)  # macOS has only fsync
        except OSError as error:
            raise self._unwritable(error) from error

    def cut(self, size: int) -> None:
        """Truncate the journal to `size` bytes, before anything is appended; raises Unwritable."""
        try:
            os.ftruncate(self._descriptor, size)
        except OSError as error:
            raise self._unwritable(error) from error
        self.sync()

    def info(self, line: bytes) -> None:
        """Take a rendered line from structlog."""
        if self._failed:
            raise Unwritable(self._failed)
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> Unwritable:
        self._failed = f"cannot write {self.directory / EVENTS_FILE}: {error.strerror}"
        shown = f"orchestrator report {shlex.quote(str(self.directory))} shows what was measured"
        return Unwritable(self._failed, remedy=f"make room there, then run the same command again; {shown}")

    def _common(self, _: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        common = {
            "event": fields.pop("event"),
            "schema": SCHEMA,
            "run_id": self.run_id,
            "seq": self._seq,
            "ts": utc_now("microseconds"),
        }
        self._seq += 1
        return {**common, **fields}


def _render(_: Any, __: str, fields: MutableMapping[str, Any]) -> bytes:
    line = dumps(dict(fields))
    return line[:-1] + CRC_FIELD + b"%08x" % zlib.crc32(line) + b'"}\n'


def new_run_id() -> str:
    """Return a run id: sorts by time, safe as a file name."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{secrets.token_hex(3)}"


ON_COMMAND_LINE = "choose another directory with --runs"
"""The remedy where no run can be written."""


def check_writable(runs: Path, remedy: str = ON_COMMAND_LINE) -> None:
    """Raise Unwritable if no run can be written below `runs`: before the machine is awaited, and not after it."""
    place = str(runs.absolute())
    while not os.path.lexists(place):  # as the others here, it never raises
        place = os.path.dirname(place)  # noqa: PTH120
    if not os.path.isdir(place):  # noqa: PTH112
        is_dead = os.path.islink(place) and not os.path.exists(place)  # noqa: PTH110, PTH114
        what = "it is a symbolic link to nothing" if is_dead else "it is not a directory"
        raise Unwritable(f"cannot write {place}: {what}", remedy=remedy)
    if not os.access(place, os.W_OK | os.X_OK):
        raise Unwritable(f"cannot write {place}: no permission, or a file system that is read-only", remedy=remedy)


@contextmanager
def create(runs: Path, experiment: str, run_id: str, spec: str) -> Iterator[Journal]:
    """Open the journal of a new run below `runs`, with the spec beside it and `latest` pointing at it.

    Raises Unwritable when the directory can't be written.
    """
    directory = runs / experiment / run_id
    try:
        directory.mkdir(parents=True)
        replace_file(directory / SPEC_FILE, spec.encode())
        descriptor = os.open(directory / EVENTS_FILE, _APPENDING | os.O_CREAT | os.O_EXCL, 0o644)
    except OSError as error:
        raise Unwritable(f"cannot write {directory}: {error.strerror}", remedy=ON_COMMAND_LINE) from error
    with _locked(descriptor, directory):
        _point_latest(directory)
        yield Journal(directory, run_id, descriptor)


@dataclass(frozen=True)
class Reopened:
    """The journal of an interrupted run, to be read first and then continued."""

    records: Records
    _directory: Path
    _descriptor: int

    def repaired(self) -> tuple[Journal, int]:
        """Return the journal to append to, and the number of bytes cut off its torn tail.

        Read the records to the end first: that checks the journal and finds its torn tail. Raises Unwritable.
        """
        size = os.fstat(self._descriptor).st_size
        whole = size if self.records.torn_at is None else self.records.torn_at
        book = Journal(self._directory, self._directory.name, self._descriptor, self.records.count)
        book.cut(whole)
        _point_latest(self._directory)
        return book, size - whole


@contextmanager
def reopen(directory: Path) -> Iterator[Reopened]:
    """Open and lock the journal of an interrupted run; nothing is changed yet.

    Raises Unwritable, and Busy while another process writes it.
    """
    file = directory / EVENTS_FILE
    try:
        descriptor = os.open(file, _APPENDING)
    except OSError as error:
        remedy = "start a new run (--fresh, fresh=True)"
        raise Unwritable(f"cannot write {file}: {error.strerror}", remedy=remedy) from error
    with _locked(descriptor, directory):
        yield Reopened(Records(file), directory, descriptor)


_APPENDING = os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC | os.O_NOFOLLOW


@contextmanager
def _locked(descriptor: int, directory: Path) -> Iterator[None]:
    """Hold the lock of an open journal, and close it at the end."""
    try:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise Busy(f"another process writes {directory / EVENTS_FILE}", remedy="wait for it to end") from error
        yield
    finally:
        os.close(descriptor)


def _point_latest(directory: Path) -> None:
    temporary = directory.parent / f".{LATEST}.{secrets.token_hex(4)}"
    try:
        temporary.symlink_to(directory.name)
        temporary.replace(directory.parent / LATEST)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise Unwritable(
            f"cannot write {directory.parent / LATEST}: {error.strerror}", remedy="move it out of the way"
        ) from error
    sync_directory(directory.parent)
