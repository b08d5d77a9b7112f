"""A small HTTP server: `GET /<bytes>/<microseconds>` returns a body of that size after that time.

It writes its port to stdout, and ends when its stdin is closed, so it can't outlive its parent.
Standard library only.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import sys
from functools import cache

LARGEST = 100_000_000
"""Bytes of a body at most."""

KEPT = b"HTTP/1.1 %d %s\r\nContent-Type: application/octet-stream\r\nContent-Length: %d\r\n\r\n"
CLOSED = KEPT.replace(b"\r\n\r\n", b"\r\nConnection: close\r\n\r\n")


@cache
def answer(size: int, close: bool) -> bytes:
    """Return the whole response with a body of `size` bytes."""
    return (CLOSED if close else KEPT) % (200, b"OK", size) + b"x" * size


def refusal() -> bytes:
    """Return the response to an unknown request."""
    text = b"ask for /<bytes>/<microseconds>\n"
    return CLOSED % (400, b"Bad Request", len(text)) + text


class Server(asyncio.Protocol):
    """One connection; a client sends one request after the other, without pipelining."""

    transport: asyncio.Transport

    def __init__(self) -> None:
        self._loop = asyncio.get_running_loop()
        self._received = b""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport for the responses."""
        assert isinstance(transport, asyncio.Transport)
        self.transport = transport

    def data_received(self, data: bytes) -> None:
        """Answer when a request is whole: a GET has no body, so that is where its headers end."""
        self._received += data
        while b"\r\n\r\n" in self._received:
            head, _, self._received = self._received.partition(b"\r\n\r\n")
            close = b"connection: close" in head.lower()
            try:
                method, path, _ = head.split(b" ", 2)
                size, wait_us = map(int, path[1:].split(b"/"))
                if method != b"GET" or not 0 <= size <= LARGEST or wait_us < 0:
                    raise ValueError(path)
            except ValueError:
                self._send(refusal(), close=True)
                return
            if wait_us:
                self._loop.call_later(wait_us / 1e6, self._send, answer(size, close), close)
            else:
                self._send(answer(size, close), close)

    def _send(self, response: bytes, close: bool) -> None:
        self.transport.write(response)
        if close:
            self.transport.close()


async def serve() -> None:
    """Serve on a free port of the loopback interface until stdin is closed."""
    loop = asyncio.get_running_loop()
    server = await loop.create_server(Server, "127.0.0.1", 0, backlog=1024)
    ended = asyncio.Event()
    loop.add_reader(sys.stdin.fileno(), ended.set)
    print(server.sockets[0].getsockname()[1], flush=True)
    os.close(sys.stdout.fileno())
    await ended.wait()


if __name__ == "__main__":
    with contextlib.suppress(KeyboardInterrupt):
        asyncio.run(serve())
