"""Reading a journal: find a run, check every record, and give the records as plain data.

A record is one line, and carries its number and the CRC-32 of its own line without the `crc32` field, always the last.
"""

from __future__ import annotations

import fcntl
import os
import re
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

import orjson

from ..errors import BadInput, JournalDamaged
from ..files import closest_match
from .event import SCHEMA

EVENTS_FILE = "events.jsonl"
SPEC_FILE = "spec.yaml"
LATEST = "latest"
RUN_ID = re.compile(r"[0-9]{8}T[0-9]{9}Z-[0-9a-f]{6}")

LARGEST_RECORD = 2**21
"""Bytes: failures, with their traceback and output, make the largest, and those are bounded."""

_FROM_A_COPY = "restore the file from a copy"

_TAIL = 2**15  # bytes: what a run with a few variants writes after its last block
_BLOCK_ENDS = (b'{"event":"block.finished"', b'{"event":"block.discarded"', b'{"event":"run.resumed"')

CRC_FIELD = b',"crc32":"'
_CRC_LENGTH = len(CRC_FIELD) + 8 + len(b'"}')


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

    The records between them are not checked.
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


def ending(directory: Path) -> list[dict[str, Any]]:
    """Return what a run wrote after its last block, oldest first: once it has ended, its derived events and its end.

    Only the end of the file is read. Records that are not whole are left out. Raises JournalDamaged when the file
    can't be read.
    """
    file = directory / EVENTS_FILE
    try:
        with file.open("rb") as stream:
            size, length = os.fstat(stream.fileno()).st_size, _TAIL
            while True:
                begin = max(0, size - length)
                stream.seek(begin)
                lines = stream.read(size - begin).splitlines(keepends=True)
                after = next((n for n in range(len(lines), 0, -1) if lines[n - 1].startswith(_BLOCK_ENDS)), None)
                if after is not None or begin == 0:
                    break
                length *= 4
    except OSError as error:
        raise JournalDamaged(f"cannot read {file}: {error.strerror}", remedy="name a run directory") from error
    found = [record for line in lines[after or 0 :] if (record := _record(line))]
    return [record for record in found if record.get("schema") == SCHEMA]


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
    if not line.endswith(b'%b%08x"}\n' % (CRC_FIELD, summed)):
        return None
    record: dict[str, Any] = orjson.loads(line)
    return record


def _hides_record(line: bytes) -> bool:
    """Return whether an invalid line contains a valid record: the line break before it was damaged."""
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
    if os.path.islink(run):  # noqa: PTH114
        raise BadInput(f"{run} is a symbolic link to nothing", remedy=remedy)
    meant = closest_match(run)
    raise BadInput(f"{run} is not there", remedy=f"did you mean {run.parent / meant}?" if meant else remedy)
