"""Lock the machine: one measuring run at a time, across directories and users.

The lock is an flock(2), which the system releases when its holder ends, however that happens: it can't be stale. The
file's content only names the holder.
"""

from __future__ import annotations

import fcntl
import json
import os
import stat
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from .. import units
from ..errors import BadInput, Busy
from ..log import logger
from ..text import printable

FILE = "orchestrator.lock"

RETRY_S = 0.5  # between two tries: waiting must not disturb the run that measures

WAIT = "wait for it with --wait 2h"  # the remedy on the command line

SetHolder = Callable[[str], None]


def where() -> Path:
    """Return the file to lock: that in `ORCHESTRATOR_LOCK`, else one that all users can lock.

    That is in /run/lock where possible, since /tmp may be private to a service.
    """
    if given := os.environ.get("ORCHESTRATOR_LOCK"):
        return Path(given)
    for directory in map(Path, ("/run/lock", "/var/lock")):
        with suppress(OSError):
            if directory.stat().st_mode & 0o1777 == 0o1777:
                return directory / FILE
    return Path("/tmp") / FILE  # the same for all users, whatever their TMPDIR


@contextmanager
def hold(wait_s: float = 0.0, remedy: str = WAIT, gives_up: Callable[[], bool] = lambda: False) -> Iterator[SetHolder]:
    """Hold this machine; yield a setter for the text that names the holder, which waiting runs print.

    Raises Busy, which names the holder and the `remedy`, when it is still held after `wait_s`, or when `gives_up`
    returns true before that, and BadInput when the file that `ORCHESTRATOR_LOCK` names can't be locked.
    """
    file = where()
    try:
        descriptor = _opened(file)
    except OSError as error:
        what = f"cannot lock {file}: {error.strerror}"
        raise BadInput(what, remedy="name another file in ORCHESTRATOR_LOCK") from error
    try:
        _acquire(descriptor, time.monotonic() + wait_s, remedy, gives_up)
        since = units.utc_now()

        def set_holder(run: str) -> None:
            about = {"pid": os.getpid(), "since": since, "run": run}
            with suppress(OSError):  # a full disk: the lock holds anyway
                os.ftruncate(descriptor, 0)
                os.pwrite(descriptor, json.dumps(about).encode() + b"\n", 0)

        set_holder("")
        yield set_holder
    finally:
        os.close(descriptor)


def _opened(file: Path) -> int:
    """Return the lock file, opened so that all users can lock and write it, whichever of them created it."""
    flags = os.O_RDWR | os.O_CLOEXEC | os.O_NOFOLLOW
    try:
        # not with O_CREAT: of another's file in a sticky directory the kernel refuses that (fs.protected_regular)
        descriptor = os.open(file, flags)
    except FileNotFoundError:
        with suppress(FileExistsError):
            descriptor = os.open(file, flags | os.O_CREAT | os.O_EXCL, 0o666)
            os.fchmod(descriptor, 0o666)
            return descriptor
        descriptor = os.open(file, flags)
    if not stat.S_ISREG(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise OSError(0, "not a regular file")
    return descriptor


def _acquire(descriptor: int, deadline: float, remedy: str, gives_up: Callable[[], bool]) -> None:
    is_waiting = False
    while True:
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        except BlockingIOError:
            left_s = deadline - time.monotonic()
            if left_s <= 0 or gives_up():
                raise Busy(_holder(descriptor), remedy=remedy) from None
            if not is_waiting:
                is_waiting = True
                logger().info(
                    "machine.awaited", note=f"{_holder(descriptor)}; waiting for {units.duration(left_s * 1e9)} at most"
                )
            time.sleep(min(RETRY_S, left_s))


def _holder(descriptor: int) -> str:
    """Return a sentence that names the holder; retries, as a new holder may not have written its name yet."""
    for _ in range(20):
        with suppress(ValueError, KeyError, TypeError, OSError):
            about = json.loads(os.pread(descriptor, 4096, 0))
            run = f", run {about['run']}" if about["run"] else ""
            return printable(f"another run holds this machine: pid {about['pid']}, since {about['since']}{run}")
        time.sleep(0.01)
    return "another run holds this machine"
