"""Files: many small ones and few large ones, written, synchronised and read, by plain calls and by async libraries.

They lie in a temporary directory of the runner. What is read comes from the page cache, and what is written without
`sync` ends there: what is compared is the calls, and the disk only with `sync`.
"""

from __future__ import annotations

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path

from .extra import missing

directory: Path  # every worker gets it from its initializer


def unavailable() -> tuple[str, str] | None:
    """Say why aiofiles can't be had here."""
    return missing("aiofiles")


@contextmanager
def place() -> Iterator[Path]:
    """Make a directory for the files of a runner: `setup`."""
    with tempfile.TemporaryDirectory(prefix="files-") as made:
        yield Path(made)


def take(given: Path) -> None:
    """Take the directory, in a worker: `initializer`."""
    global directory
    directory = given


def in_place(path: str, flags: int) -> int:
    """Open a file to write it over, as an `opener`: the first batch makes the files, the others find them there.

    ext4 sends a file that was cut to nothing to the disk when it is closed. Nor are files deleted and made anew: it
    looks ever longer for an inode, since it does not take those that were freed in the last minutes.
    """
    return os.open(path, flags & ~os.O_TRUNC, 0o666)


@cache
def content(size: int) -> bytes:
    """Return the content of a file of `size` bytes."""
    return b"x" * size


def write_and_read(item: int, count: int, size: int, sync: bool) -> int:
    """Write `count` files of `size` bytes (with fsync if `sync`), and return the number of bytes read back."""
    found = 0
    for number in range(count):
        path = directory / f"{item}-{number}"
        with open(path, "wb", opener=in_place) as file:
            file.write(content(size))
            if sync:
                file.flush()
                os.fsync(file.fileno())
        found += len(path.read_bytes())
    return found


async def with_anyio(item: int, count: int, size: int, sync: bool) -> int:
    """Do the same with anyio, which runs every file operation in a thread."""
    import anyio
    import anyio.to_thread

    found = 0
    for number in range(count):
        path = anyio.Path(directory / f"{item}-{number}")
        async with await anyio.open_file(path, "wb", opener=in_place) as file:
            await file.write(content(size))
            if sync:
                await file.flush()
                await anyio.to_thread.run_sync(os.fsync, file.wrapped.fileno())
        found += len(await path.read_bytes())
    return found


async def with_aiofiles(item: int, count: int, size: int, sync: bool) -> int:
    """Do the same with aiofiles, which also uses threads."""
    import asyncio

    import aiofiles

    found = 0
    for number in range(count):
        path = directory / f"{item}-{number}"
        async with aiofiles.open(path, "wb", opener=in_place) as file:
            await file.write(content(size))
            if sync:
                await file.flush()
                await asyncio.to_thread(os.fsync, file.fileno())
        async with aiofiles.open(path, "rb") as file:
            found += len(await file.read())
    return found
