"""The files workload: what is written is there, synchronised if asked for, and gone in the end."""

from __future__ import annotations

import errno
import os
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import Executor, ProcessPoolExecutor, ThreadPoolExecutor
from functools import partial
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import anyio
import pytest

from experiments import files

FORMS = [files.write_and_read, files.with_anyio, files.with_aiofiles]


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The workload's directory, which this process has taken."""
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with files.place() as given:
        files.take(given)
        yield given


def run(form: Callable[..., Any], *arguments: Any) -> Any:
    return form(*arguments) if form is files.write_and_read else anyio.run(form, *arguments)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("sync", [False, True])
def test_every_form_writes_the_same_files_and_reads_all_of_them(
    place: Path, form: Callable[..., Any], sync: bool
) -> None:
    assert run(form, 7, 3, 5_000, sync) == 3 * 5_000
    assert {path.name: path.read_bytes() for path in place.iterdir()} == {
        f"7-{number}": files.content(5_000) for number in range(3)
    }


@pytest.mark.parametrize("form", FORMS)
def test_only_files_to_be_synchronised_are_and_when_they_are_complete(
    place: Path, monkeypatch: pytest.MonkeyPatch, form: Callable[..., Any]
) -> None:
    sizes: list[int] = []
    monkeypatch.setattr(os, "fsync", lambda descriptor: sizes.append(os.fstat(descriptor).st_size))
    run(form, 0, 2, 5_000, False)
    assert sizes == []
    run(form, 1, 2, 5_000, True)
    assert sizes == [5_000, 5_000]


@pytest.mark.parametrize("pool", [ThreadPoolExecutor, partial(ProcessPoolExecutor, mp_context=get_context("spawn"))])
def test_workers_write_into_one_directory(place: Path, pool: Callable[..., Executor]) -> None:
    with pool(2, initializer=files.take, initargs=(place,)) as workers:
        tasks = [workers.submit(files.write_and_read, item, 2, 100, False) for item in range(4)]
        assert [task.result() for task in tasks] == [200] * 4
    assert len(list(place.iterdir())) == 8


@pytest.mark.parametrize("form", FORMS)
def test_a_file_that_is_there_is_written_over_and_never_cut(place: Path, form: Callable[..., Any]) -> None:
    (place / "0-0").write_bytes(b"y" * 150)
    made = (place / "0-0").stat().st_ino
    run(form, 0, 1, 100, False)
    assert (place / "0-0").read_bytes() == b"x" * 100 + b"y" * 50
    assert (place / "0-0").stat().st_ino == made


def test_nothing_is_left_of_the_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    with files.place() as given:
        files.take(given)
        files.write_and_read(0, 3, 100, False)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [100, 1_000_000])
def test_a_full_disk_is_an_error(place: Path, form: Callable[..., Any], size: int) -> None:
    (place / "0-0").symlink_to("/dev/full")
    with pytest.raises(OSError) as raised:
        run(form, 0, 1, size, False)
    assert raised.value.errno == errno.ENOSPC


def test_a_missing_aiofiles_is_named_with_the_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    assert files.unavailable() is None
    monkeypatch.setitem(sys.modules, "aiofiles", None)
    reason, remedy = files.unavailable() or ("", "")
    assert "aiofiles" in reason
    assert remedy.endswith("-m pip install -e '.[workloads]'")
