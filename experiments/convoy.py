"""Requests over a loopback socket, from an event loop that is alone in its process or beside a thread that computes.

The server echoes in a process of its own, so that only the loop waits for the GIL. It is an asyncio program too: an
answer that came at once would be there before the loop waits for it.
"""

from __future__ import annotations

import asyncio
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from . import loops

SIZE = 64
ECHO = f"""
import asyncio

async def answer(reader, writer):
    while data := await reader.read({SIZE}):
        writer.write(data)
    writer.close()

async def serve():
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    print(server.sockets[0].getsockname()[1], flush=True)
    await server.serve_forever()

asyncio.run(serve())
"""

port = 0  # of the server; a loop gets it from its initializer


@contextmanager
def server() -> Iterator[int]:
    """Yield the port of a server that echoes, as long as the runner lives."""
    command = [sys.executable, "-I", "-S", "-c", ECHO]
    with subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line:
                raise RuntimeError(f"the echo server did not start: it ended with status {process.wait()}")
            yield int(line)
        finally:
            process.kill()


def take(initargs: int) -> None:
    """Take the port of the server."""
    global port
    port = initargs


async def alone(requests: int) -> int:
    """Send so many requests, each after the answer to the one before, and return the number of bytes received."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    received = 0
    try:
        for _ in range(requests):
            writer.write(bytes(SIZE))
            received += len(await reader.readexactly(SIZE))
    finally:
        writer.close()
        await writer.wait_closed()
    return received


async def beside_a_spinning_thread(requests: int) -> int:
    """Do the same while a thread computes, which keeps the GIL for the switch interval of 5 ms."""
    with loops.beside_a_spinning_thread():
        return await alone(requests)
