"""The preloaded shim: built once, tried before it is used, and left out where it can't be."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from orchestrator.supervisor import gil_shim as shim
from orchestrator.supervisor.gil_shim import SOURCE, Shims

GIL_PYTHONS = [sys.executable, *filter(None, map(shutil.which, ["python3.14"]))]
PYTHONS = [*GIL_PYTHONS, *filter(None, map(shutil.which, ["python3.13t"]))]

READ = """
import ctypes, threading, time
def read():
    clocks = (ctypes.c_uint64 * 5)()
    ctypes.PyDLL(None).orchestrator_read_clocks(clocks)
    return clocks[:]
def in_call(function):
    stamps = (ctypes.c_uint64 * 13)()
    ctypes.PyDLL(None).orchestrator_begin_call(stamps)
    function()
    ctypes.PyDLL(None).orchestrator_end_call(stamps)
def spin(seconds):
    end = time.thread_time() + seconds
    while time.thread_time() < end: pass
"""

pytestmark = pytest.mark.skipif(
    sys.platform != "linux" or not shutil.which("cc"), reason="the shim is built with cc, for Linux"
)


@pytest.fixture
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> str:
    target = tmp_path_factory.mktemp("shim") / "shim.so"
    warnings = ("-Wall", "-Wextra", "-Werror")
    subprocess.run(["cc", "-O2", *warnings, "-shared", "-fPIC", "-o", str(target), str(SOURCE)], check=True)
    return str(target)


def printed(built: str, code: str, python: str = sys.executable) -> str:
    """Return the output of a program that runs with the shim."""
    env = {**os.environ, "LD_PRELOAD": built}
    return subprocess.run([python, "-c", READ + code], env=env, check=True, capture_output=True, text=True).stdout


@pytest.mark.parametrize("python", GIL_PYTHONS)
def test_a_thread_waits_for_the_gil_as_long_as_another_has_it(built: str, python: str) -> None:
    code = """
read()
other = threading.Thread(target=spin, args=(0.1,))
other.start()
spin(0.1)
other.join()
wall, cpu, queue, gil, lock = read()
print(gil > 30_000_000)
"""
    assert printed(built, code, python) == "True\n"


def test_a_thread_that_waits_for_a_lock_does_not_wait_for_the_gil(built: str) -> None:
    code = """
read()
lock = threading.Lock()
lock.acquire()
threading.Timer(0.2, lock.release).start()
before = read()
lock.acquire()
after = read()
print(after[0] - before[0] > 150_000_000, after[3] - before[3] < 20_000_000)
"""
    assert printed(built, code) == "True True\n"


LOCKS = {
    "Lock": "lock = threading.Lock()",
    "RLock": "lock = threading.RLock()",
    "Condition": "lock = threading.Condition()",
    "Semaphore": "lock = threading.Semaphore()",
    "logging": "import logging; lock = logging.Handler(); lock.__class__.__enter__ = lambda s: s.acquire(); "
    "lock.__class__.__exit__ = lambda s, *_: s.release()",
    "multiprocessing": "import multiprocessing; lock = multiprocessing.Lock()",
}


@pytest.mark.parametrize("python", PYTHONS)
@pytest.mark.parametrize("made", LOCKS)
def test_a_call_that_waits_for_a_lock_waits_as_long_as_another_thread_holds_it(
    built: str, python: str, made: str
) -> None:
    code = f"""
{LOCKS[made]}
def has_waited_as_long():
    held, released_ns = threading.Event(), []
    def hold():
        with lock:
            held.set()
            time.sleep(0.1)
            released_ns.append(time.monotonic_ns())
    def take():
        with lock: pass
    holder = threading.Thread(target=hold)
    holder.start()
    held.wait()
    before_ns, begun_ns = read()[4], time.monotonic_ns()
    in_call(take)
    holder.join()
    return read()[4] - before_ns > 0.7 * (released_ns[0] - begun_ns)
# on a busy machine this thread may begin to wait long after the other took the lock
print(any(has_waited_as_long() for _ in range(5)))
"""
    assert printed(built, code, python) == "True\n"


@pytest.mark.parametrize("python", PYTHONS)
def test_a_wait_for_work_outside_of_calls_is_no_wait_for_a_lock(built: str, python: str) -> None:
    code = """
import queue
read()
work = queue.SimpleQueue()
threading.Timer(0.05, work.put, [1]).start()
in_call(int)
before = read()
work.get()
print(read()[4] - before[4])
"""
    assert printed(built, code, python) == "0\n"


def test_a_lock_that_is_taken_in_native_code_is_not_counted(built: str) -> None:
    code = """
libc = ctypes.CDLL(None)
semaphore = ctypes.create_string_buffer(64)
libc.sem_init(semaphore, 0, 0)
threading.Timer(0.05, libc.sem_post, [semaphore]).start()
in_call(lambda: libc.sem_wait(semaphore))
print(read()[4])
"""
    assert printed(built, code) == "0\n"


def test_a_condition_of_a_c_library_is_no_wait_for_the_gil(built: str) -> None:
    code = """
read()
libc = ctypes.PyDLL(None)
mutex, condition = ctypes.create_string_buffer(64), ctypes.create_string_buffer(64)
libc.pthread_mutex_lock(mutex)
until = time.time() + 0.1
when = (ctypes.c_long * 2)(int(until), int(until % 1 * 1e9))
before = read()
libc.pthread_cond_timedwait(condition, mutex, when)
after = read()
print(after[0] - before[0] > 90_000_000, after[3] - before[3])
"""
    assert printed(built, code) == "True 0\n"


HOLDS = """
def held_ns(function):
    keep = ctypes.PyDLL(None).orchestrator_keep_gil_holds
    spans = (ctypes.c_uint64 * 20_000)()
    read()
    time.sleep(0.001)  # takes the GIL, so it is known which one it is
    keep(spans, ctypes.c_uint64(10_000))
    caller = threading.Thread(target=in_call, args=(function,))
    caller.start()
    caller.join()
    count = keep(None, ctypes.c_uint64(0))
    return sum(spans[2 * place + 1] - spans[2 * place] for place in range(count))
"""


@pytest.mark.parametrize("python", GIL_PYTHONS)
def test_it_is_known_when_a_call_in_another_thread_has_the_gil(built: str, python: str) -> None:
    code = f"{HOLDS}print(held_ns(lambda: spin(0.1)) > 90_000_000, held_ns(lambda: time.sleep(0.1)) < 50_000_000)"
    assert printed(built, code, python) == "True True\n"


@pytest.mark.parametrize("python", GIL_PYTHONS)
def test_a_forked_child_knows_when_a_call_has_its_gil(built: str, python: str) -> None:
    code = f"""
import os
{HOLDS}
held_ns(lambda: spin(0.01))
if os.fork() == 0:
    os._exit(not (held_ns(lambda: spin(0.1)) > 90_000_000 and held_ns(lambda: time.sleep(0.1)) < 50_000_000))
print(os.wait()[1])
"""
    assert printed(built, code, python) == "0\n"


@pytest.mark.parametrize("python", GIL_PYTHONS)
def test_a_call_that_loses_its_core_to_the_thread_that_gets_the_gil_waits_for_the_gil(built: str, python: str) -> None:
    code = """
import os
os.sched_setaffinity(0, {min(os.sched_getaffinity(0))})
zero = os.open("/dev/zero", 0)
def give_away():
    end = time.monotonic() + 0.2
    while time.monotonic() < end: os.lseek(zero, 0, 0)
def system_queue_ns():
    with open("/proc/thread-self/schedstat") as file:
        return int(file.read().split()[1])
def counts_as_gil():
    other = threading.Thread(target=in_call, args=(lambda: spin(0.15),))
    other.start()
    before, system_before = read(), system_queue_ns()
    in_call(give_away)
    after, system_after = read(), system_queue_ns()
    other.join()
    moved = system_after - system_before - (after[2] - before[2])
    return 10_000_000 < moved < after[3] - before[3]
# the system may also run the other one later, when this one waits already
print(any(counts_as_gil() for _ in range(5)))
"""
    assert printed(built, code, python) == "True\n"


def test_a_thread_that_ends_leaves_no_descriptor(built: str) -> None:
    code = """
import os
for _ in range(50):
    thread = threading.Thread(target=read)
    thread.start()
    thread.join()
print(len(os.listdir("/proc/self/fd")) < 10)
"""
    assert printed(built, code) == "True\n"


def test_a_forked_child_reads_its_own_clocks(built: str) -> None:
    code = """
import os
read()
held = set(os.listdir("/proc/self/fd"))
if os.fork() == 0:
    read()
    links = {os.readlink(f"/proc/self/fd/{name}") for name in os.listdir("/proc/self/fd") if name.isdigit()
             and os.path.exists(f"/proc/self/fd/{name}")}
    mine = [link for link in links if "schedstat" in link]
    os._exit(mine != [f"/proc/{os.getpid()}/task/{threading.get_native_id()}/schedstat"])
print(os.wait()[1])
"""
    assert printed(built, code) == "0\n"


def test_it_is_built_once_and_kept_among_the_caches(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = Shims(tmp_path).preload(sys.executable)
    assert first is not None
    assert Path(first).parent == cache / "orchestrator"
    monkeypatch.setattr(shim, "_compile", lambda target: "it is not to be compiled again")
    assert Shims(tmp_path).preload(sys.executable) == first
    assert list((cache / "orchestrator").iterdir()) == [Path(first)]


def test_without_a_cache_directory_it_is_built_for_the_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    found = Shims(tmp_path).preload(sys.executable)
    assert found is not None
    assert Path(found).parent == tmp_path


def test_without_a_compiler_there_is_none_and_the_reason_is_known(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    shims = Shims(tmp_path)
    assert shims.preload(sys.executable) is None
    assert shims.reason(sys.executable) == "there is no C compiler; install one as `cc`"


def test_a_compiler_that_is_no_program_is_named_as_the_reason(
    cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "cc").write_bytes(b"\0")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", str(tmp_path))
    shims = Shims(tmp_path)
    assert shims.preload(sys.executable) is None
    assert shims.reason(sys.executable) == "cc can't be run: Exec format error"


def test_a_compiler_that_fails_is_quoted(cache: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "cc").write_text("#!/bin/sh\necho 'no headers here' >&2\nexit 1\n")
    (tmp_path / "cc").chmod(0o755)
    monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
    shims = Shims(tmp_path)
    assert shims.preload(sys.executable) is None
    assert shims.reason(sys.executable) == "cc failed: no headers here"


def test_an_interpreter_that_refuses_it_runs_without(cache: Path, tmp_path: Path) -> None:
    python = tmp_path / "python"
    python.write_text(f'#!/bin/sh\nunset LD_PRELOAD\nexec {sys.executable} "$@"\n')
    python.chmod(0o755)
    shims = Shims(tmp_path)
    assert shims.preload(str(python)) is None
    assert shims.reason(str(python)) == f"the shim can't be preloaded into {python}"
    assert shims.preload(sys.executable) is not None
