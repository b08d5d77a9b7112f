"""The journal: append-only JSON lines, the truth from which everything printed can be derived again.

One writer holds a lock on the file. A record is one `write`; a block counts once `block.finished` is synced to the
disk. Each record carries its number and the CRC-32 of its own line without the `crc32` field, which is always the last.
After a failed write or sync nothing more is written: a second try could report success for data that is lost.
"""

from __future__ import annotations

import fcntl
import os
import re
import secrets
import zlib
from collections.abc import Iterable, Iterator, Mapping, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

from ..errors import BadInput, Busy, JournalDamaged, Unwritable
from ..files import closest_match, replace_file, sync_directory
from ..jsonl import dumps
from ..units import utc_now
from .event import SCHEMA, Event

EVENTS_FILE = "events.jsonl"
SPEC_FILE = "spec.yaml"
LATEST = "latest"
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{9}Z-[0-9a-f]{6}")

LARGEST_RECORD = 2**21
"""Bytes: failures, with their traceback and output, make the largest, and those are bounded."""

_FROM_A_COPY = "restore the file from a copy"

_CRC = b',"crc32":"'
_CRC_LENGTH = len(_CRC) + 8 + len(b'"}')


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
        """Cut off what is no record, before anything is appended to it; raises Unwritable."""
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
        return Unwritable(self._failed, remedy="make room there, then run again")

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
    return line[:-1] + _CRC + b"%08x" % zlib.crc32(line) + b'"}\n'


def new_run_id() -> str:
    """Return a run id: sorts by time, safe as a file name."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{secrets.token_hex(3)}"


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
        raise Unwritable(
            f"cannot write {directory}: {error.strerror}", remedy="choose another directory with --runs"
        ) from error
    with _locked(descriptor, directory):
        _point_latest(directory)
        yield Journal(directory, run_id, descriptor)


@dataclass(frozen=True)
class Reopened:
    """The journal of a run that was cut off: its records to be read first, then to be gone on with."""

    records: Records
    _directory: Path
    _descriptor: int

    def repaired(self) -> tuple[Journal, int]:
        """Return the journal to write on, and how many bytes were cut off: what was left of a record.

        Only once the records have been read to the end, which tells whether it can have been left like this by a run
        that was cut off; raises Unwritable.
        """
        size = os.fstat(self._descriptor).st_size
        whole = size if self.records.torn_at is None else self.records.torn_at
        book = Journal(self._directory, self._directory.name, self._descriptor, self.records.count)
        book.cut(whole)
        _point_latest(self._directory)
        return book, size - whole


@contextmanager
def reopen(directory: Path) -> Iterator[Reopened]:
    """Open the journal of a run that was cut off, for this process alone; nothing is changed yet.

    Raises Unwritable, and Busy while another process writes it.
    """
    file = directory / EVENTS_FILE
    try:
        descriptor = os.open(file, _APPENDING)
    except OSError as error:
        raise Unwritable(f"cannot write {file}: {error.strerror}", remedy="start anew with --fresh") from error
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


def experiments(runs: Path) -> list[Path]:
    """Return the directories of all experiments below `runs`; raises BadInput when that can't be read."""
    try:
        return sorted(entry for entry in runs.iterdir() if entry.is_dir() and not entry.is_symlink())
    except OSError as error:
        what = f"cannot read {runs}: {error.strerror}"
        raise BadInput(what, where="--runs", remedy="name the directory that holds the runs") from error


def newest_first(experiment: Path) -> list[Path]:
    """Return the directories of the runs of an experiment; none where there is no such experiment."""
    try:
        found = [entry for entry in experiment.iterdir() if RUN_ID.fullmatch(entry.name) and not entry.is_symlink()]
    except OSError:
        return []
    return sorted((entry for entry in found if _is_there(entry / EVENTS_FILE)), reverse=True)


def _is_there(file: Path) -> bool:
    return os.path.isfile(file)  # noqa: PTH113  # is_file() raises where a directory may not be entered


def first_and_last(directory: Path) -> tuple[dict[str, Any], dict[str, Any]] | None:
    """Return the first and the last record of a run; None where no record is whole. Raises JournalDamaged.

    What lies between is not looked at.
    """
    file = directory / EVENTS_FILE
    try:
        with file.open("rb") as stream:
            first = _record(stream.readline())
            stream.seek(max(0, file.stat().st_size - LARGEST_RECORD))
            last = next((record for line in reversed(stream.readlines()) if (record := _record(line))), None)
    except OSError as error:
        raise JournalDamaged(f"cannot read {file}: {error.strerror}", remedy="name a run directory") from error
    if last is None:
        return None
    if first is None or first["event"] != "run.started":
        raise JournalDamaged("byte 0 is no record, but records follow it", where=str(file), remedy=_FROM_A_COPY)
    return first, last


def is_running(directory: Path) -> bool:
    """Return whether some process holds the journal of a run open to write."""
    try:
        descriptor = os.open(directory / EVENTS_FILE, os.O_RDONLY | os.O_CLOEXEC)
    except OSError:
        return False
    try:
        fcntl.flock(descriptor, fcntl.LOCK_SH | fcntl.LOCK_NB)
    except BlockingIOError:
        return True
    finally:
        os.close(descriptor)
    return False


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


class Records:
    """The records of a journal in order, as plain data: each loop over it reads the file anew, and keeps nothing.

    A loop raises JournalDamaged with the offset, and changes nothing. Bytes at the end that are no valid record are a
    torn tail, unless a valid record follows them. After a loop, `torn_at` says where that begins, and
    `count` how many records there are.
    """

    def __init__(self, file: Path) -> None:
        self.file = file
        self.count = 0
        self.torn_at: int | None = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        try:
            stream = self.file.open("rb")
        except OSError as error:
            what = f"cannot read {self.file}: {error.strerror}"
            raise JournalDamaged(what, remedy="name a run directory") from error
        with stream:
            yield from self._records(stream)

    def _records(self, lines: Iterable[bytes]) -> Iterator[dict[str, Any]]:
        count = offset = 0
        self.torn_at = None
        first: dict[str, Any] = {}
        for line in lines:
            record = _record(line)
            if record is None:
                self.torn_at = offset if self.torn_at is None else self.torn_at
                if _hides_record(line):
                    raise self._damaged(self.torn_at, "is no record, but records follow it")
            elif self.torn_at is not None:
                raise self._damaged(self.torn_at, "is no record, but records follow it")
            else:
                first = first or record
                if record.get("seq") != count:
                    raise self._damaged(offset, f"holds record {record.get('seq')} where {count} belongs")
                if record.get("schema") != SCHEMA:
                    raise JournalDamaged(
                        f"is of schema {record.get('schema')}, this program reads {SCHEMA}",
                        where=str(self.file),
                        remedy=f"read it with the version that wrote it{_version(first)}",
                    )
                count += 1
                yield record
            offset += len(line)
            if not line.endswith(b"\n"):
                break  # what is written meanwhile would be read as the next line
        if not count:
            raise self._damaged(0, "holds no record")
        self.count = count

    def _damaged(self, offset: int, what: str) -> JournalDamaged:
        return JournalDamaged(f"byte {offset} {what}", where=str(self.file), remedy=_FROM_A_COPY)


def _version(record: Mapping[str, Any]) -> str:
    """Return which version of this program wrote a journal, as the end of a sentence; empty where it does not say."""
    version = (record.get("versions") or {}).get("orchestrator")
    return f", orchestrator {version}" if isinstance(version, str) else ""


def _record(line: bytes) -> dict[str, Any] | None:
    summed = zlib.crc32(b"}", zlib.crc32(memoryview(line)[: -_CRC_LENGTH - 1]))  # as the line was without its sum
    if not line.endswith(b'%b%08x"}\n' % (_CRC, summed)):
        return None
    record: dict[str, Any] = orjson.loads(line)
    return record


def _hides_record(line: bytes) -> bool:
    """Return whether a valid record stands inside of what is none: the line break before it was damaged."""
    begins = [match.start() for match in re.finditer(re.escape(b'{"event":'), line)]
    return any(_record(line[begin:]) is not None for begin in begins if begin)


def find(run: Path) -> Path:
    """Return the journal that `run` means: a run directory, its experiment's (the latest), or the file itself.

    Raises BadInput where there is none.
    """
    for candidate in (run, run / EVENTS_FILE, run / LATEST / EVENTS_FILE):
        if _is_there(candidate):
            return candidate
    remedy = "name a run directory, such as runs/cpu/latest"
    if os.path.exists(run):  # noqa: PTH110  # which never raises
        raise BadInput(f"{run} holds no {EVENTS_FILE}", remedy=remedy)
    meant = closest_match(run)
    raise BadInput(f"{run} is not there", remedy=f"did you mean {run.parent / meant}?" if meant else remedy)
