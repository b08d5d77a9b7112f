"""A count that tasks share, in different ways: each must be exact, and has a cost.

Between threads: a dict under a lock, or a queue that the count is taken out of and put back into. Between processes:
shared memory with a lock, a dict of a manager, or a pipe.
"""

from __future__ import annotations

import queue
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.managers import DictProxy
from multiprocessing.shared_memory import SharedMemory
from multiprocessing.sharedctypes import Synchronized, SynchronizedArray
from multiprocessing.synchronize import Lock

counts = {"lock": 0, "rlock": 0}
lock = threading.Lock()
rlock = threading.RLock()
in_queue: queue.SimpleQueue[int] = queue.SimpleQueue()
in_queue.put(0)


@dataclass
class Shared:
    """The shared counts of processes, and one lock for the kinds without their own."""

    lock: Lock
    value: Synchronized[int]
    array: SynchronizedArray[int]
    manager: DictProxy[str, int]
    memory: SharedMemory
    receiver: Connection
    sender: Connection


shared: Shared  # every worker gets it from its initializer


@contextmanager
def state() -> Iterator[Shared]:
    """Yield a count of every kind that processes can share."""
    context = get_context("spawn")  # locks of the fork context don't travel to spawned workers
    receiver, sender = context.Pipe(duplex=False)
    memory = SharedMemory(create=True, size=8)
    try:
        with context.Manager() as manager, receiver, sender:
            value, array = context.Value("q", 0), context.Array("q", 1)
            sender.send(0)
            yield Shared(context.Lock(), value, array, manager.dict(count=0), memory, receiver, sender)
    finally:
        memory.close()
        _forget_name(memory)


def take(state: Shared) -> None:
    """Take the shared counts, in a worker."""
    global shared
    shared = state


def by_lock(times: int) -> int:
    """Count to `times` in a dict under a Lock, and return it."""
    for _ in range(times):
        with lock:
            counts["lock"] += 1
    return times


def by_rlock(times: int) -> int:
    """Do the same under an RLock."""
    for _ in range(times):
        with rlock:
            counts["rlock"] += 1
    return times


def by_queue(times: int) -> int:
    """Do it with a queue: only the thread that took the count out of it has it."""
    for _ in range(times):
        in_queue.put(in_queue.get() + 1)
    return times


def by_value(times: int) -> int:
    """Do it with a multiprocessing.Value under its lock."""
    for _ in range(times):
        with shared.value.get_lock():
            shared.value.value += 1
    return times


def by_array(times: int) -> int:
    """Do it with an element of a multiprocessing.Array under its lock."""
    for _ in range(times):
        with shared.array.get_lock():
            shared.array[0] += 1
    return times


def by_manager(times: int) -> int:
    """Do it with the dict of a manager process, with two requests for every count, under a lock."""
    for _ in range(times):
        with shared.lock:
            shared.manager["count"] += 1
    return times


def by_shared_memory(times: int) -> int:
    """Do it with eight bytes of shared memory, under a lock."""
    for _ in range(times):
        with shared.lock:
            _write(shared.memory, _read(shared.memory) + 1)
    return times


def by_pipe(times: int) -> int:
    """Do it with a pipe that holds the count as a message, under a lock."""
    for _ in range(times):
        with shared.lock:
            shared.sender.send(shared.receiver.recv() + 1)
    return times


def reset(state: Shared) -> None:
    """Set every count to 0, in the runner's process."""
    _forget_name(state.memory)  # all workers have begun, and have it; a killed run leaves nothing behind
    counts.update(lock=0, rlock=0)
    in_queue.get()
    in_queue.put(0)
    state.value.value = state.array[0] = state.manager["count"] = 0
    _write(state.memory, 0)
    state.receiver.recv()
    state.sender.send(0)


def observe(results: object, state: Shared) -> dict[str, int]:
    """Return the count in the runner's process after a batch: all kinds but one are still at 0."""
    in_pipe = state.receiver.recv()
    state.sender.send(in_pipe)
    queued = in_queue.get()
    in_queue.put(queued)
    near = sum(counts.values()) + queued
    far = state.value.value + state.array[0] + state.manager["count"] + _read(state.memory) + in_pipe
    return {"count": near + far}


def _forget_name(memory: SharedMemory) -> None:
    with suppress(FileNotFoundError):  # forgotten before
        memory.unlink()


def _read(memory: SharedMemory) -> int:
    assert memory.buf is not None  # until it is closed
    return int.from_bytes(memory.buf[:8], "little")


def _write(memory: SharedMemory, number: int) -> None:
    assert memory.buf is not None
    memory.buf[:8] = number.to_bytes(8, "little")
