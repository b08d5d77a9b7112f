"""The journal's contract: what is written, what a reader accepts, and what it refuses."""

from __future__ import annotations

import fcntl
import json
import os
import zlib
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator import files
from orchestrator.errors import UNWRITABLE, BadInput, JournalDamaged, Unwritable
from orchestrator.journal import write
from orchestrator.journal.event import Event
from orchestrator.journal.raw_events import BlockDiscarded
from orchestrator.journal.read import EVENTS_FILE, Records, find
from orchestrator.journal.write import Journal, create, new_run_id


def event(number: int, reason: str = "because", **columns: Any) -> Event:
    return BlockDiscarded(point="f() x 1", point_id="p", tasks=1, block=number, reason=reason, **columns)


def written(directory: Path, events: list[Event]) -> Path:
    with create(directory, "x", new_run_id(), "name: x\n") as book:
        for each in events:
            book.write(each)
        book.sync()
        return book.directory / EVENTS_FILE


@pytest.fixture
def file(tmp_path: Path) -> Path:
    return written(tmp_path, [event(number) for number in range(6)])


def opened(file: Path) -> Iterator[Journal]:
    descriptor = os.open(file, os.O_WRONLY | os.O_APPEND | os.O_CREAT)
    yield Journal(file.parent, "run", descriptor)
    os.close(descriptor)


def test_a_line_is_json_with_the_common_fields_first_and_its_checksum_last(file: Path) -> None:
    fields = json.loads(file.read_bytes().splitlines()[2])
    assert list(fields)[:5] == ["event", "schema", "run_id", "seq", "ts"]
    assert list(fields)[-1] == "crc32"
    assert fields["seq"] == 2


def test_the_checksum_is_of_the_line_without_it(file: Path) -> None:
    line = file.read_bytes().splitlines()[0]
    body, _, _ = line.partition(b',"crc32"')
    assert json.loads(line)["crc32"] == f"{zlib.crc32(body + b'}'):08x}"


def test_records_are_numbered_from_zero_without_gaps(file: Path) -> None:
    assert [record["seq"] for record in Records(file)] == list(range(6))


def test_a_record_is_one_write(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = next(opened(tmp_path / "f"))
    lines: list[bytes] = []

    def write(descriptor: int, data: bytes) -> int:
        lines.append(data)
        return len(data)

    monkeypatch.setattr(os, "write", write)
    book.write(event(0))
    assert len(lines) == 1
    assert lines[0].endswith(b"}\n")


def test_a_short_write_is_completed(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    real = os.write
    monkeypatch.setattr(os, "write", lambda descriptor, data: real(descriptor, data[:7]))
    file = written(tmp_path, [event(0), event(1)])
    assert len(list(Records(file))) == 2


def test_after_a_failed_write_nothing_more_is_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = next(opened(tmp_path / "f"))
    book.write(event(0))
    before = (tmp_path / "f").read_bytes()

    def full(descriptor: int, data: bytes) -> int:
        raise OSError(28, "No space left on device")

    with monkeypatch.context() as patch:
        patch.setattr(os, "write", full)
        with pytest.raises(Unwritable, match="No space left on device") as failed:
            book.write(event(1))
    assert failed.value.status == UNWRITABLE
    with pytest.raises(Unwritable):
        book.write(event(2))
    assert (tmp_path / "f").read_bytes() == before


def test_a_full_device_is_reported_and_ends_the_writing() -> None:
    descriptor = os.open("/dev/full", os.O_WRONLY)
    try:
        with pytest.raises(Unwritable, match=r"No space left on device; make room .*; orchestrator report /dev shows"):
            Journal(Path("/dev"), "run", descriptor).write(event(0))
    finally:
        os.close(descriptor)


def test_a_failed_sync_is_not_tried_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    book = next(opened(tmp_path / "f"))
    calls: list[int] = []

    def fails(descriptor: int) -> None:
        calls.append(descriptor)
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fdatasync", fails)
    with pytest.raises(Unwritable, match="Input/output error"):
        book.sync()
    with pytest.raises(Unwritable):
        book.write(event(0))
    assert len(calls) == 1


def test_a_tail_torn_at_any_byte_is_recognised(file: Path) -> None:
    content = file.read_bytes()
    lines = content.splitlines(keepends=True)
    start = len(content) - sum(map(len, lines[-3:]))
    for end in range(start, len(content)):
        file.write_bytes(content[:end])
        whole = sum(1 for line in content[:end].splitlines(keepends=True) if line.endswith(b"}\n"))
        records = Records(file)
        assert len(list(records)) == whole
        boundary = sum(map(len, lines[:whole]))
        assert records.torn_at == (None if end == boundary else boundary)


def test_a_flipped_bit_before_the_last_record_is_refused_and_the_file_left_alone(file: Path) -> None:
    content = file.read_bytes()
    last = len(content) - len(content.splitlines(keepends=True)[-1])
    for place in range(last):
        flipped = bytearray(content)
        flipped[place] ^= 1 << (place % 8)
        file.write_bytes(flipped)
        with pytest.raises(JournalDamaged, match=r"byte \d+"):
            list(Records(file))
        assert file.read_bytes() == flipped


def test_a_flipped_bit_in_the_last_record_makes_a_torn_tail(file: Path) -> None:
    content = bytearray(file.read_bytes())
    content[-30] ^= 4
    file.write_bytes(content)
    records = Records(file)
    assert len(list(records)) == 5
    assert records.torn_at is not None


@pytest.mark.parametrize("order", [[0, 2, 1, 3, 4, 5], [0, 2, 3, 4, 5], [0, 1, 1, 2, 3, 4, 5]])
def test_a_record_in_the_wrong_place_is_refused(file: Path, order: list[int]) -> None:
    lines = file.read_bytes().splitlines(keepends=True)
    file.write_bytes(b"".join(lines[number] for number in order))
    with pytest.raises(JournalDamaged, match=r"holds record \d where \d belongs"):
        list(Records(file))


def test_a_journal_of_another_schema_is_refused_with_advice(file: Path) -> None:
    line = file.read_bytes().splitlines()[0].partition(b',"crc32"')[0].replace(b'"schema":1', b'"schema":9') + b"}"
    file.write_bytes(line[:-1] + b',"crc32":"%08x"}\n' % zlib.crc32(line))
    with pytest.raises(JournalDamaged, match=r"schema 9, this program reads 1; read it with the version that wrote it"):
        list(Records(file))


def test_an_empty_journal_is_refused(tmp_path: Path) -> None:
    (tmp_path / "f").touch()
    with pytest.raises(JournalDamaged, match="holds no record"):
        list(Records(tmp_path / "f"))


def test_broken_text_is_stored_escaped(tmp_path: Path) -> None:
    file = written(tmp_path, [event(0, reason="a\udc80b")])
    assert next(iter(Records(file)))["reason"] == "a\\udc80b"


def test_columns_follow_the_fields_of_the_event(tmp_path: Path) -> None:
    file = written(tmp_path, [event(0, model="threads", kwargs_n=[1, 2])])
    record = next(iter(Records(file)))
    assert list(record)[-3:] == ["model", "kwargs_n", "crc32"]
    assert record["kwargs_n"] == [1, 2]


def test_the_journal_is_locked_and_not_inherited(tmp_path: Path) -> None:
    with create(tmp_path, "x", "run", "") as book:
        ours = [int(link.name) for link in Path("/proc/self/fd").iterdir() if points_to(link, book.directory)]
        assert [os.get_inheritable(descriptor) for descriptor in ours] == [False]
        with (book.directory / EVENTS_FILE).open() as second, pytest.raises(BlockingIOError):
            fcntl.flock(second, fcntl.LOCK_EX | fcntl.LOCK_NB)


def points_to(link: Path, directory: Path) -> bool:
    try:
        return link.readlink() == directory / EVENTS_FILE
    except FileNotFoundError:
        return False


def test_the_spec_is_laid_beside_and_latest_points_at_the_newest(tmp_path: Path) -> None:
    for run in ("a", "b"):
        with create(tmp_path, "x", run, f"name: {run}\n"):
            pass
    assert (tmp_path / "x" / "latest").readlink() == Path("b")
    assert (tmp_path / "x" / "latest" / "spec.yaml").read_text() == "name: b\n"


def test_a_place_that_can_not_be_written_is_reported_with_a_remedy(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with (
        pytest.raises(Unwritable, match="choose another directory with --runs"),
        create(tmp_path / "file", "x", "run", ""),
    ):
        pass


def test_a_failed_replacement_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "f"
    file.write_text("old")

    def fails(descriptor: int) -> None:
        raise OSError(5, "Input/output error")

    monkeypatch.setattr(os, "fsync", fails)
    with pytest.raises(OSError, match="Input/output error"):
        files.replace_file(file, b"new")
    assert file.read_text() == "old"
    assert list(tmp_path.iterdir()) == [file]


def test_a_run_is_found_by_its_file_its_directory_or_its_experiment(file: Path) -> None:
    found = find(file.parent.parent)
    assert find(file) == find(file.parent) == file
    assert found.resolve() == file


def test_a_run_that_is_not_there_is_reported(tmp_path: Path) -> None:
    with pytest.raises(BadInput, match=r"holds no events\.jsonl; name a run directory"):
        find(tmp_path)


def test_a_run_that_is_misspelt_is_reported_with_what_was_meant(file: Path) -> None:
    misspelt = file.parent.with_name(f"{file.parent.name}x")
    with pytest.raises(BadInput) as refused:
        find(misspelt)
    assert (refused.value.what, refused.value.remedy) == (f"{misspelt} is not there", f"did you mean {file.parent}?")


def test_run_ids_sort_by_time_and_are_safe_as_names(monkeypatch: pytest.MonkeyPatch) -> None:
    times = [
        datetime(2026, 1, 31, 23, 59, 59, tzinfo=UTC),
        datetime(2026, 2, 1, tzinfo=UTC),
        datetime(2026, 2, 1, 0, 0, 7, tzinfo=UTC),
        datetime(2026, 10, 1, tzinfo=UTC),
        datetime(2027, 1, 1, tzinfo=UTC),
    ]
    now = iter(times)
    monkeypatch.setattr(write, "datetime", SimpleNamespace(now=lambda _: next(now)))
    ids = [new_run_id() for _ in times]
    assert ids == sorted(ids)
    assert all(run.replace("-", "").isalnum() for run in ids)


scalars = st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False)
texts = st.text(st.characters(exclude_categories=["Cs"]))


@given(st.lists(st.dictionaries(st.from_regex(r"kwargs_[a-z]{1,5}", fullmatch=True), scalars | texts)))
@settings(max_examples=50)
def test_what_is_written_reads_back_equal(
    tmp_path_factory: pytest.TempPathFactory, columns: list[dict[str, Any]]
) -> None:
    events = [event(0), *(event(number, **each) for number, each in enumerate(columns))]
    file = written(tmp_path_factory.mktemp("runs"), events)
    kept = [{k: v for k, v in record.items() if k not in ("schema", "run_id", "seq", "ts", "crc32")}
            for record in Records(file)]  # fmt: skip
    assert kept == [each.fields() for each in events]
