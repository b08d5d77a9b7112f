"""The functions that the runners of these tests run: standard library only, for every Python from 3.10 on.

Runners import this module as `workloads`. Calls leave marks in the working directory, which is the test's own.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

TOKEN = 42
RESET_NS = 100_000_000
START_NS = 100_000_000
MEET_S = 60.0

_local = threading.local()


def mark(name: str, *words: object) -> None:
    """Append one line to a file, atomically."""
    with Path(name).open("a", encoding="utf-8") as file:
        file.write(" ".join(map(str, words)) + "\n")


def marks(name: str) -> list[str]:
    """Return the lines that were left in a file."""
    path = Path(name)
    return path.read_text(encoding="utf-8").splitlines() if path.exists() else []


# hooks


def see(results: list[Any], initargs: Any) -> dict[str, Any]:
    return {"results": json.dumps(results)}


def see_all(results: list[int], initargs: Any) -> dict[str, Any]:
    return {"sum": sum(results), "token": initargs}


def see_what_json_has_not(results: list[Any], initargs: Any) -> dict[str, Any]:
    return {"share": float("nan")}


def see_too_large(results: list[Any], initargs: Any) -> dict[str, Any]:
    return {"count": 2**80}


def see_no_dict(results: list[Any], initargs: Any) -> Any:
    return results


def see_runner(results: list[Any], initargs: Any) -> dict[str, Any]:
    """Return what a runner has imported, and where an interpreter would import from."""
    from importlib.util import find_spec

    found = {name: find_spec(name) for name in ("anyio", "numpy", "orjson", "pydantic", "pytest", "structlog")}
    return {
        "results": json.dumps(results),
        "modules": json.dumps(sorted(sys.modules)),
        "prefix": sys.prefix,
        "path": json.dumps(sys.path),
        "found": json.dumps({name: spec.origin for name, spec in found.items() if spec}),
    }


@contextmanager
def resource() -> Iterator[int]:
    mark("setup", "entered")
    try:
        yield TOKEN
    finally:
        mark("setup", "left")


def begin(initargs: Any) -> None:
    _local.begun = True
    time.sleep(START_NS / 1e9)
    mark("begun", os.getpid(), threading.get_native_id(), initargs)


def fail_to_begin(initargs: Any) -> None:
    raise ValueError("this worker can't begin")


def reset(initargs: Any) -> None:
    begun_ns = time.monotonic_ns()
    time.sleep(RESET_NS / 1e9)
    mark("calls", "reset", time.monotonic_ns() - begun_ns)


def end_idle_threads(initargs: Any) -> None:
    """Let anyio end every thread that idles, as it does after ten seconds."""
    from anyio._backends import _asyncio

    _asyncio.WorkerThread.MAX_IDLE_TIME = 0
    _local.begun = True


# calls


def square(i: int) -> int:
    return i * i


def power(base: int = 5, exponent: int = 2) -> int:
    return int(base**exponent)


async def power_async(base: int = 5, exponent: int = 2) -> int:
    return power(base, exponent)


def uneven(i: int) -> int:
    time.sleep(0 if i % 3 else 0.01)
    return i * i


async def uneven_async(i: int) -> int:
    import anyio

    await anyio.sleep(0 if i % 3 else 0.01)
    return i * i


def equal_dict(i: int) -> dict[str, Any]:
    """Return an equal value every time; its parts may be shared with those of other results."""
    return {"name": "equal", "again": "equal", "item": i}


def identical(item: Any) -> str:
    return repr(item)


def process_id() -> int:
    return os.getpid()


def fail(i: int) -> int:
    if i == 1:
        raise ValueError("item 1 is bad")
    return i


async def fail_async(i: int) -> int:
    return fail(i)


def leave() -> None:
    raise SystemExit(7)


async def leave_async() -> None:
    leave()


def run_out() -> None:
    raise MemoryError


class Unruly(BaseException):
    """An exception that `except Exception` does not catch."""


def be_unruly() -> None:
    raise Unruly("not to be caught")


async def be_unruly_async() -> None:
    be_unruly()


def be_cancelled() -> None:
    from asyncio import CancelledError

    raise CancelledError("by itself")


async def be_cancelled_async() -> None:
    be_cancelled()


def fail_first(i: int) -> None:
    if i == 0:
        raise ValueError("item 0 is bad")
    mark("calls", i)
    time.sleep(0.02)


async def fail_first_async(i: int) -> None:
    import anyio

    if i == 0:
        raise ValueError("item 0 is bad")
    mark("calls", i)
    await anyio.sleep(0.02)


def interval() -> tuple[int, int]:
    begun_ns = time.monotonic_ns()
    time.sleep(0.003)
    return begun_ns, time.monotonic_ns()


async def interval_async() -> tuple[int, int]:
    import anyio

    begun_ns = time.monotonic_ns()
    await anyio.sleep(0.003)
    return begun_ns, time.monotonic_ns()


def allowed_cores() -> list[int]:
    return sorted(os.sched_getaffinity(0))


def worker_id() -> tuple[int, int]:
    return os.getpid(), threading.get_native_id()


def meet(others: int, i: int) -> tuple[int, int]:
    """Return the worker once `others` calls are in flight at once; fails when they never are."""
    mark("met", i)
    until_s = time.monotonic() + MEET_S
    while len(marks("met")) < others:
        if time.monotonic() > until_s:
            raise TimeoutError(f"only {len(marks('met'))} calls in flight")
        time.sleep(0.005)
    return worker_id()


async def meet_async(others: int, i: int) -> tuple[int, int]:
    import anyio

    mark("met", i)
    with anyio.fail_after(MEET_S):
        while len(marks("met")) < others:
            await anyio.sleep(0.005)
    return worker_id()


def switch_interval() -> float:
    return sys.getswitchinterval()


def count(i: int) -> int:
    mark("calls", "call", i)
    return i


def mark_call() -> None:
    mark("calls", os.getpid(), threading.get_native_id())


def begun() -> bool:
    """Return whether the initializer has run in the thread of this call."""
    return getattr(_local, "begun", False)


def hang() -> None:
    mark("hanging", os.getpid())
    time.sleep(600)


async def hang_async() -> None:
    import anyio

    mark("hanging", os.getpid())
    await anyio.sleep(600)


def die() -> None:
    os._exit(3)


def chatter(i: int) -> int:
    """Write to all that could be taken for the answers."""
    print('{"event": "trial", "wall_ns": 1}', flush=True)
    print("complaint", file=sys.stderr, flush=True)
    sys.stdout.buffer.write(b"\xff\x00 no text\n")
    sys.stdout.flush()
    os.write(1, b"straight\n")
    os.write(2, b"straight too\n")
    subprocess.run([sys.executable, "-S", "-c", "print('from a child')"], check=True)
    return i * i


def shout() -> None:
    os.write(1, b"A" * 1_000_000 + b"the end\n")


def read_stdin() -> tuple[str, int]:
    return sys.stdin.read(), len(os.read(0, 1))


def unpicklable() -> Callable[[], int]:
    return lambda: 1


class Unreadable:
    """What can be sent, but not read."""

    def __reduce__(self) -> tuple[Any, ...]:
        return refuse, ()


def refuse() -> None:
    raise ValueError("not to be read")


def unreadable() -> Unreadable:
    return Unreadable()


class Unsendable(Exception):
    def __reduce__(self) -> tuple[Any, ...]:
        raise TypeError("not to be sent")


def fail_unsendably() -> None:
    raise Unsendable


def nap() -> None:
    time.sleep(0.01)


def block() -> None:
    """Wait in C code, which knows nothing of greenlets."""
    import ctypes

    ctypes.CDLL(None).usleep(20_000)


def doze() -> None:
    time.sleep(0.1)


async def doze_async() -> None:
    import anyio

    await anyio.sleep(0.1)


BURN_NS = 20_000_000


def burn() -> None:
    """Use the CPU for `BURN_NS` of CPU time."""
    until_ns = time.thread_time_ns() + BURN_NS
    while time.thread_time_ns() < until_ns:
        pass


JOBS: list[int] = []


def give_jobs(initargs: Any) -> None:
    JOBS[:] = range(4)


def take_job() -> None:
    """Take one of the jobs, of which there are as many as calls in a batch."""
    JOBS.pop()
    time.sleep(0.001)


def burn_elsewhere() -> None:
    """Let another process use the CPU."""
    script = f"import time\nwhile time.process_time_ns() < {BURN_NS}: pass"
    subprocess.run([sys.executable, "-S", "-E", "-c", script], check=True)


SWOLLEN = 50_000_000


def swell() -> int:
    """Take much memory, and give it back."""
    return len(b"x" * SWOLLEN)


def send_half() -> bytes:
    """Begin an answer that is larger than a pipe, and be gone before it is all sent."""
    threading.Timer(0.2, os._exit, (5,)).start()
    time.sleep(0.1)
    return b"x" * 500_000_000


def hashed() -> tuple[int, str | None]:
    return hash("spam"), os.environ.get("PYTHONHASHSEED")


# what can't be run

no_name = lambda: 1  # noqa: E731  # the kind of function that is refused


def _make_local() -> Callable[[], int]:
    def local() -> int:
        return 1

    return local


local = _make_local()
number = 7


def generate() -> Iterator[int]:
    yield 1


def later(results: Sequence[Any]) -> bool:
    """Refuse all results."""
    return False


# waits for locks and executors

_lock = threading.Lock()


def hold() -> None:
    """Wait with the lock that all calls want."""
    with _lock:
        time.sleep(0.02)


async def wait_in_thread() -> None:
    """Wait in a thread of the loop's default executor, which gets two of them."""
    import asyncio
    from concurrent.futures import ThreadPoolExecutor

    loop = asyncio.get_running_loop()
    if not isinstance(getattr(loop, "_default_executor", None), ThreadPoolExecutor):
        loop.set_default_executor(ThreadPoolExecutor(2, "asyncio"))
    await asyncio.to_thread(time.sleep, 0.02)


async def wait_in_threads() -> None:
    """Wait in four threads of the default executor, which has two, from tasks of its own."""
    import asyncio

    await asyncio.gather(*[wait_in_thread() for _ in range(4)])


async def wait_in_bare_threads() -> None:
    """Do the same without code of its own in the tasks."""
    import asyncio

    await wait_in_thread()
    await asyncio.gather(*[asyncio.to_thread(time.sleep, 0.02) for _ in range(8)])


async def wait_for_token() -> None:
    """Wait for one of two tokens, in a thread."""
    import anyio.to_thread

    if not hasattr(_local, "limiter"):
        _local.limiter = anyio.CapacityLimiter(2)
    await anyio.to_thread.run_sync(time.sleep, 0.02, limiter=_local.limiter)


async def wait_for_semaphore() -> None:
    """Wait with a semaphore that lets two calls through."""
    import asyncio

    if not hasattr(_local, "semaphore"):
        _local.semaphore = asyncio.BoundedSemaphore(2)
    async with _local.semaphore:
        await asyncio.sleep(0.02)


async def wait_for_lock() -> None:
    """Wait with a lock that lets one call through."""
    import asyncio

    if not hasattr(_local, "lock"):
        _local.lock = asyncio.Lock()
    async with _local.lock:
        await asyncio.sleep(0.02)
