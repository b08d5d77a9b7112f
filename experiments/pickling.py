"""Ways to send a payload to another process and back.

The other process stands for one worker. It changes the first byte, which shows that the payload was there.
"""

from __future__ import annotations

import functools
import pickle
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from multiprocessing.shared_memory import SharedMemory

CHANGE = 0xFF
"""What the first byte is changed by."""

other: Connection  # to the other process; every worker gets it from its initializer


@contextmanager
def other_process() -> Iterator[Connection]:
    """Start the other process, and yield the connection to it."""
    context = get_context("spawn")  # which starts the one tracker of shared memory that both then have
    near, far = context.Pipe()
    process = context.Process(target=answer, args=(far,), daemon=True)
    process.start()
    far.close()
    try:
        yield near
    finally:
        near.close()
        process.join()
        process.close()


def take(connection: Connection) -> None:
    """Take the connection, in a worker."""
    global other
    other = connection


def by_pickle(size: int) -> tuple[int, int, int]:
    """Send `size` bytes inside a pickle and back; return the size, the first and the last byte."""
    other.send("pickle")
    other.send(payload(size))
    return summary(other.recv())


def by_buffers(size: int) -> tuple[int, int, int]:
    """Send it beside a pickle, out of band (protocol 5), and return the same."""
    other.send("buffers")
    send_with_buffers(other, payload(size))
    return summary(receive_with_buffers(other))


def by_shared_memory(size: int) -> tuple[int, int, int]:
    """Put it into shared memory, send its name, and return the same."""
    block = SharedMemory(create=True, size=size)
    try:
        other.send("shared_memory")
        other.send(block.name)
        assert block.buf is not None  # until it is closed
        block.buf[:size] = payload(size)
        other.send("filled")
        other.recv()
        return size, block.buf[0], block.buf[size - 1]
    finally:
        block.close()


@functools.cache
def payload(size: int) -> bytearray:
    """Return `size` bytes, all 1: copying them takes as long as copying others."""
    return bytearray(b"\x01") * size


def summary(back: bytearray) -> tuple[int, int, int]:
    """Return the size, the first and the last byte of a payload."""
    return len(back), back[0], back[-1]


def send_with_buffers(connection: Connection, sent: bytearray) -> None:
    """Send a pickle without the payload, then the payload as it lies in memory."""
    buffers: list[pickle.PickleBuffer] = []
    head = pickle.dumps(pickle.PickleBuffer(sent), protocol=5, buffer_callback=buffers.append)
    connection.send((head, [buffer.raw().nbytes for buffer in buffers]))
    for buffer in buffers:
        connection.send_bytes(buffer)


def receive_with_buffers(connection: Connection) -> bytearray:
    """Return the received object; its data are in the receive buffer, without a copy."""
    head, sizes = connection.recv()
    buffers = [bytearray(size) for size in sizes]
    for buffer in buffers:
        connection.recv_bytes_into(buffer)
    received: bytearray = pickle.loads(head, buffers=buffers)
    return received


def answer(connection: Connection) -> None:
    """Send everything back in the way it came, until the connection ends: the other process."""
    try:
        while True:
            way = connection.recv()
            if way == "pickle":
                taken = connection.recv()
                taken[0] ^= CHANGE
                connection.send(taken)
            elif way == "buffers":
                taken = receive_with_buffers(connection)
                taken[0] ^= CHANGE
                send_with_buffers(connection, taken)
            else:
                _answer_in_place(connection)
    except (EOFError, ConnectionError):
        return


def _answer_in_place(connection: Connection) -> None:
    block = SharedMemory(connection.recv())
    # Both have it now, so its name can go, before anything is in it: it ends with the two, also when they are killed.
    block.unlink()
    connection.recv()
    assert block.buf is not None  # until it is closed
    block.buf[0] ^= CHANGE
    connection.send("changed")
    block.close()
