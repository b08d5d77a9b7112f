"""The shipped workloads that put libraries and shared state to work."""

from __future__ import annotations

import csv
import hashlib
import math
import os
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, ThreadPoolExecutor
from multiprocessing import get_context
from multiprocessing.shared_memory import SharedMemory
from multiprocessing.synchronize import Barrier
from pathlib import Path
from typing import Any

import anyio
import numpy as np
import pytest
from PIL import Image

from experiments import (
    arrays,
    compress,
    cpu,
    extra,
    generated,
    hashing,
    images,
    mixed,
    parsing,
    pickling,
    shared_state,
    subprocesses,
)
from tests.support.paths import ROOT

MEMORY = Path("/dev/shm")


# --- what is generated, and what is missing


def test_generated_text_is_as_long_as_asked_for_and_shrinks() -> None:
    for size in (0, 1, 10_000):
        assert len(generated.text(size)) == size
    assert len(compress.packed("zlib", generated.text(10_000))) < 6_000


def test_what_is_generated_is_the_same_in_another_process() -> None:
    program = (
        "from experiments.generated import *; import hashlib; print(hashlib.md5(text(999) + noise(9)).hexdigest())"
    )
    there = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert there.stdout.strip() == hashlib.md5(generated.text(999) + generated.noise(9)).hexdigest()


@pytest.mark.parametrize("workload", [arrays, compress, images, parsing])
def test_a_workload_that_can_run_says_nothing(workload: Any) -> None:
    assert workload.unavailable() is None


@pytest.mark.parametrize(
    ("workload", "module"),
    [(arrays, "threadpoolctl"), (compress, compress.ZSTD), (images, "PIL"), (parsing, "orjson")],
)
def test_a_workload_that_lacks_a_package_names_the_extra(
    monkeypatch: pytest.MonkeyPatch, workload: Any, module: str
) -> None:
    monkeypatch.setitem(sys.modules, module, None)
    reason, remedy = workload.unavailable()
    assert module in reason
    assert remedy.endswith("-m pip install -e '.[workloads]'")


def test_what_can_be_imported_is_not_missing() -> None:
    assert extra.missing("json", "csv") is None


# --- what is computed


def test_the_digest_is_that_of_the_bytes() -> None:
    expected = subprocess.run(["sha256sum"], input=generated.noise(5_000), capture_output=True, check=True).stdout
    assert hashing.sha256(5_000) == expected.split()[0].decode()


@pytest.mark.parametrize("codec", ["zlib", "bz2", "zstd"])
def test_what_a_codec_packs_it_unpacks(codec: str) -> None:
    text = generated.text(50_000)
    packed = compress.packed(codec, text)
    assert compress.unpacked(codec, packed) == text
    assert compress.compress(codec, 50_000) == len(packed) < 30_000


def test_codecs_are_those_they_are_called() -> None:
    starts = {codec: compress.packed(codec, b"text")[:4] for codec in ("zlib", "bz2", "zstd")}
    assert (starts["zlib"][:1], starts["bz2"][:3], starts["zstd"]) == (b"\x78", b"BZh", b"\x28\xb5\x2f\xfd")


@pytest.mark.parametrize("parser", ["json", "orjson", "regex", "csv"])
def test_a_parser_finds_the_orders_that_were_written(parser: str) -> None:
    rows = [tuple(order.values()) for order in generated.orders(50)]
    found = [tuple(order.values()) if isinstance(order, dict) else tuple(order) for order in parsing.parsed(parser, 50)]
    assert found == rows
    assert parsing.parse(parser, 50) == 50
    assert [row[0] for row in rows] == [str(number) for number in range(50)]


def test_the_csv_is_one_that_needs_no_quotes() -> None:
    assert list(csv.reader(parsing.written("csv", 3).split("\n"))) == [
        list(order.values()) for order in generated.orders(3)
    ]


@pytest.fixture
def blas_threads() -> Iterator[None]:
    """Let BLAS have as many threads after the test as before."""
    from threadpoolctl import threadpool_limits  # type: ignore[import-untyped]

    with threadpool_limits():
        yield


def test_arrays_are_computed_as_in_pure_python(blas_threads: None) -> None:
    arrays.fix_blas_threads(None)
    numbers = [float(number) for number in arrays.random_numbers(16)]
    square = [numbers[row * 4 : row * 4 + 4] for row in range(4)]
    trace = sum(square[i][k] * square[k][i] for i in range(4) for k in range(4))
    assert arrays.compute("matmul", 16)[0] == pytest.approx(trace, abs=2e-6)
    assert arrays.compute("sort", 16)[0] == pytest.approx(sorted(numbers)[8], abs=2e-6)
    assert arrays.compute("ufunc", 16)[0] == pytest.approx(math.log(sum(map(math.exp, numbers))), abs=2e-6)
    with pytest.raises(ValueError, match="none of"):
        arrays.compute("inverse", 16)


@pytest.mark.parametrize("threads", [1, 2])
def test_the_threads_of_blas_are_those_they_were_fixed_to(blas_threads: None, threads: int) -> None:
    arrays.fix_blas_threads(None, threads)
    results = [arrays.compute("matmul", 100), (0.0, 1)]
    assert arrays.observe(results, None) == {"blas_threads": threads}


def test_a_picture_is_made_half_as_large_and_looks_the_same() -> None:
    assert images.resize(400) == (200, 150)
    whole, half = images.picture(400), images.shrunk(images.picture(400))
    assert np.asarray(half).mean() == pytest.approx(np.asarray(whole).mean(), abs=1)
    assert np.asarray(half).std() > 20


def test_a_jpeg_is_the_picture_that_was_encoded() -> None:
    import io

    written = images.jpeg(images.picture(400))
    assert images.encode(400) == len(written)
    with Image.open(io.BytesIO(written)) as read:
        assert (read.format, read.size) == ("JPEG", (400, 300))
        difference = np.asarray(read).astype(int) - np.asarray(images.picture(400)).astype(int)
    assert abs(difference).mean() < 3


# --- commands, and tasks that wait and compute


@pytest.mark.parametrize("backend", ["asyncio", "trio"])
@pytest.mark.parametrize(("command", "status"), [(["true"], 0), (["sh", "-c", "echo done; exit 3"], 3)])
def test_both_forms_of_running_a_command_return_its_status(
    capfd: pytest.CaptureFixture[str], backend: str, command: list[str], status: int
) -> None:
    assert subprocesses.run(command) == anyio.run(subprocesses.run_async, command, backend=backend) == status
    assert capfd.readouterr() == ("", "")


@pytest.mark.parametrize("io_share", [0, 0.25, 1])
def test_both_forms_of_a_mixed_task_compute_the_same(monkeypatch: pytest.MonkeyPatch, io_share: float) -> None:
    monkeypatch.setattr(mixed, "TURNS", 100)
    computed = cpu.nested_loop(1, round(100 * (1 - io_share)))
    assert mixed.work(io_share) == anyio.run(mixed.work_async, io_share) == computed


def test_a_mixed_task_waits_for_its_share(monkeypatch: pytest.MonkeyPatch) -> None:
    waits: list[float] = []
    monkeypatch.setattr("experiments.io.wait", waits.append)
    mixed.work(0.75)
    mixed.work(0)
    assert waits == [0.0075, 0]
    assert [mixed.turns(share) for share in (0, 0.75, 1)] == [mixed.TURNS, mixed.TURNS // 4, 0]


# --- payloads


WAYS = (pickling.by_pickle, pickling.by_buffers, pickling.by_shared_memory)


@pytest.fixture(scope="module")
def other_process() -> Iterator[None]:
    """Start the other process, for all tests of this file."""
    with pickling.other_process() as connection:
        pickling.take(connection)
        yield


@pytest.mark.parametrize("size", [1, 1_024, 300_000])
@pytest.mark.parametrize("way", WAYS)
def test_a_payload_comes_back_changed_by_the_other_process(
    other_process: None, way: Callable[[int], object], size: int
) -> None:
    assert way(size) == way(size) == (size, 254, 254 if size == 1 else 1)
    assert pickling.payload(size) == b"\x01" * size


def test_a_payload_beside_a_pickle_is_not_in_it(other_process: None, monkeypatch: pytest.MonkeyPatch) -> None:
    heads: list[Any] = []
    monkeypatch.setattr(pickling, "other", Recording(pickling.other, heads))
    assert pickling.by_buffers(50_000) == (50_000, 254, 1)
    head, sizes = heads[1]
    assert len(head) < 100
    assert sizes == [50_000]


class Recording:
    """A connection that keeps what is sent as an object."""

    def __init__(self, connection: Any, sent: list[Any]) -> None:
        self._connection = connection
        self._sent = sent

    def send(self, thing: Any) -> None:
        """Keep it, and send it."""
        self._sent.append(thing)
        self._connection.send(thing)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._connection, name)


@pytest.fixture
def blocks(monkeypatch: pytest.MonkeyPatch) -> list[SharedMemory]:
    """Collect the shared memory that is made in this process."""
    made: list[SharedMemory] = []

    def make(*args: Any, **more: Any) -> SharedMemory:
        made.append(SharedMemory(*args, **more))
        return made[-1]

    for module in (pickling, shared_state):
        monkeypatch.setattr(module, "SharedMemory", make)
    return made


def test_shared_memory_has_lost_its_name_when_the_payload_is_back(
    other_process: None, blocks: list[SharedMemory]
) -> None:
    pickling.by_shared_memory(1_000)
    assert len(blocks) == 1
    assert not (MEMORY / blocks[0].name).exists()


def test_shared_memory_has_lost_its_name_before_anything_comes_back(
    other_process: None, blocks: list[SharedMemory], monkeypatch: pytest.MonkeyPatch
) -> None:
    class Cut(Exception):
        """The run is cut off."""

    class Cutting(Recording):
        def recv(self) -> Any:
            self._connection.recv()
            raise Cut

    monkeypatch.setattr(pickling, "other", Cutting(pickling.other, []))
    with pytest.raises(Cut):
        pickling.by_shared_memory(1_000)
    assert not (MEMORY / blocks[0].name).exists()


def test_the_other_process_ends_with_its_context() -> None:
    from multiprocessing import active_children

    before = set(active_children())
    with pickling.other_process():
        assert len(set(active_children()) - before) == 1
    assert not set(active_children()) - before


ENDLESS = """
from multiprocessing import active_children
from multiprocessing.shared_memory import SharedMemory
from experiments import pickling, shared_state

def make(*args, **more):
    block = SharedMemory(*args, **more)
    print(block.name, flush=True)
    return block

if __name__ == "__main__":
    pickling.SharedMemory = shared_state.SharedMemory = make
    with pickling.other_process() as connection, shared_state.state():
        print(*(child.pid for child in active_children()), flush=True)
        pickling.take(connection)
        while True:
            pickling.by_shared_memory(1_000_000)
"""


def test_a_killed_process_leaves_no_shared_memory(tmp_path: Path) -> None:
    (tmp_path / "endless.py").write_text(ENDLESS)
    environment = os.environ | {"PYTHONPATH": str(ROOT)}
    program = [sys.executable, str(tmp_path / "endless.py")]
    process = subprocess.Popen(program, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment)
    assert process.stdout is not None
    with process.stdout:
        name = process.stdout.readline().strip()
        others = [int(pid) for pid in process.stdout.readline().split()]
        names = [name, *(process.stdout.readline().strip() for _ in range(3))]
        assert len(others) == 2
        assert (MEMORY / name).exists()
        for pid in (process.pid, *others):
            os.kill(pid, signal.SIGKILL)
        process.wait()
        names += process.stdout.read().split()  # until the tracker of shared memory, which outlives them, has ended
    assert not [name for name in names if (MEMORY / name).exists()]


# --- shared state


OF_THREADS = (shared_state.by_lock, shared_state.by_rlock, shared_state.by_queue)
OF_PROCESSES = (
    shared_state.by_value,
    shared_state.by_array,
    shared_state.by_shared_memory,
    shared_state.by_pipe,
    shared_state.by_manager,
)


@pytest.fixture(scope="module")
def state() -> Iterator[shared_state.Shared]:
    """Make shared counts, for all tests of this file."""
    with shared_state.state() as made:
        yield made


@pytest.mark.parametrize("count", [*OF_THREADS, *OF_PROCESSES])
def test_a_count_is_exact_under_threads(state: shared_state.Shared, count: Callable[[int], int]) -> None:
    interval = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    try:
        shared_state.take(state)
        shared_state.reset(state)
        with ThreadPoolExecutor(4) as pool:
            assert list(pool.map(count, [200] * 4)) == [200] * 4
        assert shared_state.observe(None, state) == {"count": 800}
    finally:
        sys.setswitchinterval(interval)


@pytest.fixture(scope="module")
def workers() -> Iterator[tuple[shared_state.Shared, ProcessPoolExecutor]]:
    """Start two processes that share counts, as strangers: nothing is inherited."""
    context = get_context("spawn")
    barrier = context.Barrier(2)
    with shared_state.state() as state:
        with ProcessPoolExecutor(2, context, initializer=begin, initargs=(state, barrier)) as pool:
            list(pool.map(shared_state.by_value, [0] * 2))
            yield state, pool


def begin(state: shared_state.Shared, barrier: Barrier) -> None:
    """Take the counts, and wait until the other worker has them as well."""
    shared_state.take(state)
    barrier.wait(60)


@pytest.mark.parametrize("count", OF_PROCESSES)
def test_a_count_is_exact_under_processes(
    workers: tuple[shared_state.Shared, ProcessPoolExecutor], count: Callable[[int], int]
) -> None:
    state, pool = workers
    shared_state.reset(state)
    assert list(pool.map(count, [300] * 4)) == [300] * 4
    assert shared_state.observe(None, state) == {"count": 1200}


def test_resetting_sets_every_count_to_zero(state: shared_state.Shared) -> None:
    shared_state.take(state)
    shared_state.reset(state)
    for number, count in enumerate((*OF_THREADS, *OF_PROCESSES), 1):
        assert count(10) == 10
        assert shared_state.observe(None, state) == shared_state.observe(None, state) == {"count": 10 * number}
    shared_state.reset(state)
    assert shared_state.observe(None, state) == {"count": 0}


def test_the_shared_memory_of_the_counts_goes_with_their_context(blocks: list[SharedMemory]) -> None:
    with shared_state.state():
        assert (MEMORY / blocks[0].name).exists()
    assert not (MEMORY / blocks[0].name).exists()


def test_the_shared_memory_of_the_counts_has_lost_its_name_when_the_first_batch_begins(
    blocks: list[SharedMemory],
) -> None:
    with shared_state.state() as state:
        shared_state.reset(state)
        assert not (MEMORY / blocks[0].name).exists()
        shared_state.reset(state)
