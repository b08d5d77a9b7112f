"""Coroutines for event loops, alone or beside a thread that never releases the GIL."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import anyio.abc


@contextmanager
def alone() -> Iterator[None]:
    """Let the loop have its process to itself."""
    yield


@contextmanager
def beside_a_spinning_thread() -> Iterator[None]:
    """Run a thread that always computes, and releases the GIL only after the switch interval."""
    ended = threading.Event()

    def spin() -> None:
        while not ended.is_set():
            sum(range(1000))

    thread = threading.Thread(target=spin)
    thread.start()
    try:
        yield
    finally:
        ended.set()
        thread.join()


async def steps(count: int = 20) -> int:
    """Return `count` after as many turns through the loop."""
    from anyio.lowlevel import checkpoint

    for _ in range(count):
        await checkpoint()
    return count


async def echo(messages: int = 2, size: int = 1024) -> int:
    """Return the number of bytes echoed over a loopback socket by a server in the same loop."""
    import anyio

    async def serve(stream: anyio.abc.SocketStream) -> None:
        async with stream:
            for _ in range(messages):
                await stream.send(await _exactly(stream, size))

    listener = await anyio.create_tcp_listener(local_host="127.0.0.1")
    received = 0
    async with listener, anyio.create_task_group() as group:
        group.start_soon(listener.serve, serve)
        port = listener.extra(anyio.abc.SocketAttribute.local_port)
        async with await anyio.connect_tcp("127.0.0.1", port) as stream:
            for _ in range(messages):
                await stream.send(b"x" * size)
                received += len(await _exactly(stream, size))
        group.cancel_scope.cancel()
    return received


async def _exactly(stream: anyio.abc.SocketStream, size: int) -> bytes:
    parts = b""
    while len(parts) < size:
        parts += await stream.receive(size - len(parts))
    return parts
