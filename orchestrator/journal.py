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
from collections.abc import Iterator, MutableMapping
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import orjson
import structlog

from .errors import JournalDamaged, JournalUnwritable
from .events import SCHEMA, Event

EVENTS_FILE = "events.jsonl"
SPEC_FILE = "spec.yaml"
LATEST = "latest"

_CRC = b',"crc32":"'
_CRC_LENGTH = len(_CRC) + 8 + len(b'"}')


class Journal:
    """The open journal of one run."""

    def __init__(self, directory: Path, run_id: str, descriptor: int) -> None:
        self.directory = directory
        self.run_id = run_id
        self._descriptor = descriptor
        self._seq = 0
        self._failed: str | None = None
        self._log = structlog.wrap_logger(
            self,
            processors=[self._common, _render],
            wrapper_class=structlog.make_filtering_bound_logger(0),
            context_class=dict,
        )

    def write(self, event: Event) -> None:
        """Append one event; raises JournalUnwritable."""
        fields = event.fields()
        self._log.info(fields.pop("event"), **fields)

    def sync(self) -> None:
        """Return when everything written is on the disk; raises JournalUnwritable."""
        try:
            getattr(os, "fdatasync", os.fsync)(self._descriptor)  # macOS has only fsync
        except OSError as error:
            raise self._unwritable(error) from error

    def info(self, line: bytes) -> None:
        """Take a rendered line from structlog."""
        if self._failed:
            raise JournalUnwritable(self._failed)
        try:
            while line:
                line = line[os.write(self._descriptor, line) :]
        except OSError as error:
            raise self._unwritable(error) from error

    def _unwritable(self, error: OSError) -> JournalUnwritable:
        self._failed = f"cannot write {self.directory / EVENTS_FILE}: {error.strerror}"
        return JournalUnwritable(self._failed, remedy="make room there, then run again")

    def _common(self, _: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
        now = datetime.now(UTC).isoformat(timespec="microseconds").replace("+00:00", "Z")
        common = {
            "event": fields.pop("event"),
            "schema": SCHEMA,
            "run_id": self.run_id,
            "seq": self._seq,
            "ts": now,
        }
        self._seq += 1
        return {**common, **fields}


def _render(_: Any, __: str, fields: MutableMapping[str, Any]) -> bytes:
    line = dumps(dict(fields))
    return line[:-1] + _CRC + b"%08x" % zlib.crc32(line) + b'"}\n'


def dumps(value: object) -> bytes:
    """Return plain data as one line of JSON; text that is not Unicode (lone surrogates) is escaped."""
    try:
        return orjson.dumps(value)
    except orjson.JSONEncodeError:
        return orjson.dumps(_unicode(value))


def _unicode(value: object) -> object:
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode()
    if isinstance(value, dict):
        return {_unicode(key): _unicode(each) for key, each in value.items()}
    return [_unicode(each) for each in value] if isinstance(value, list | tuple) else value


def new_run_id() -> str:
    """Return a run id: sorts by time, safe as a file name."""
    now = datetime.now(UTC)
    return f"{now:%Y%m%dT%H%M%S}{now.microsecond // 1000:03d}Z-{secrets.token_hex(3)}"


@contextmanager
def create(runs: Path, experiment: str, run_id: str, spec: str) -> Iterator[Journal]:
    """Open the journal of a new run below `runs`, with the spec beside it and `latest` pointing at it.

    Raises JournalUnwritable when the directory can't be written.
    """
    directory = runs / experiment / run_id
    try:
        directory.mkdir(parents=True)
        replace_file(directory / SPEC_FILE, spec.encode())
        flags = os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC
        descriptor = os.open(directory / EVENTS_FILE, flags, 0o644)
    except OSError as error:
        raise JournalUnwritable(
            f"cannot write {directory}: {error.strerror}", remedy="choose another directory with --runs"
        ) from error
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
        _point_latest(directory)
        yield Journal(directory, run_id, descriptor)
    finally:
        os.close(descriptor)


def replace_file(file: Path, content: bytes) -> None:
    """Replace `file` whole: a reader finds the old content or the new, also after a power cut."""
    temporary = file.with_name(f".{file.name}.{secrets.token_hex(4)}")
    try:
        with temporary.open("xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    _sync_directory(file.parent)


def _point_latest(directory: Path) -> None:
    temporary = directory.parent / f".{LATEST}.{secrets.token_hex(4)}"
    try:
        temporary.symlink_to(directory.name)
        temporary.replace(directory.parent / LATEST)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise JournalUnwritable(
            f"cannot write {directory.parent / LATEST}: {error.strerror}", remedy="move it out of the way"
        ) from error
    _sync_directory(directory.parent)


def _sync_directory(directory: Path) -> None:
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


@dataclass(frozen=True)
class Records:
    """What a journal holds: its events in order, and where a torn tail begins (None: it ends cleanly)."""

    events: list[dict[str, Any]]
    torn_at: int | None


def read(file: Path) -> Records:
    """Return the events of a journal; raises JournalDamaged with the offset, and changes nothing.

    Bytes at the end that are no valid record are a torn tail, unless a valid record follows them.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise JournalDamaged(f"cannot read {file}: {error.strerror}", remedy="name a run directory") from error
    events: list[dict[str, Any]] = []
    torn_at: int | None = None
    offset = 0
    for line in content.splitlines(keepends=True):  # JSON escapes CR, so LF alone ends a valid line
        record = _record(line)
        if record is None:
            torn_at = offset if torn_at is None else torn_at
            if _hides_record(line):
                raise _damaged(file, torn_at, "is no record, but records follow it")
        elif torn_at is not None:
            raise _damaged(file, torn_at, "is no record, but records follow it")
        elif record.get("seq") != len(events):
            raise _damaged(file, offset, f"holds record {record.get('seq')} where {len(events)} belongs")
        elif record.get("schema") != SCHEMA:
            raise JournalDamaged(
                f"is of schema {record.get('schema')}, this program reads {SCHEMA}",
                where=str(file),
                remedy=f"read it with the version that wrote it{_writer(events or [record])}",
            )
        else:
            events.append(record)
        offset += len(line)
    if not events:
        raise _damaged(file, 0, "holds no record")
    return Records(events, torn_at)


def _writer(events: list[dict[str, Any]]) -> str:
    """Return which version of this program wrote a journal, as the end of a sentence; empty where it does not say."""
    version = (events[0].get("versions") or {}).get("orchestrator")
    return f", orchestrator {version}" if isinstance(version, str) else ""


def _damaged(file: Path, offset: int, what: str) -> JournalDamaged:
    return JournalDamaged(f"byte {offset} {what}", where=str(file), remedy="restore the file from a copy")


def _record(line: bytes) -> dict[str, Any] | None:
    body, crc = line[: -_CRC_LENGTH - 1] + b"}", line[-_CRC_LENGTH - 1 :]
    if crc != _CRC + b"%08x" % zlib.crc32(body) + b'"}\n':
        return None
    record: dict[str, Any] = orjson.loads(line)
    return record


def _hides_record(line: bytes) -> bool:
    """Return whether a valid record stands inside of what is none: the line break before it was damaged."""
    begins = [match.start() for match in re.finditer(re.escape(b'{"event":'), line)]
    return any(_record(line[begin:]) is not None for begin in begins if begin)


def find(run: Path) -> Path:
    """Return the journal that `run` means: a run directory, its experiment's directory (the latest), or the file."""
    for candidate in (run, run / EVENTS_FILE, run / LATEST / EVENTS_FILE):
        if candidate.is_file():
            return candidate
    raise JournalDamaged(f"{run} holds no {EVENTS_FILE}", remedy="name a run directory, such as runs/cpu/latest")
