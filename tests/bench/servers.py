"""How many requests a second the HTTP servers of the workloads answer, asked over bare sockets."""

from __future__ import annotations

import shutil
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from statistics import median

from experiments import http

REQUESTS, ROUNDS = 4_000, 5
WAYS = {"1 connection": (1, True), "16 connections": (16, True), "a connection for each": (1, False)}


def rates() -> Iterator[str]:
    """Return a line for each server and way to ask: requests a second, and the server's CPU time for one."""
    servers: dict[str, Callable[[], AbstractContextManager[http.Address]]] = {"http_server.py": http.server}
    if shutil.which("nginx"):
        servers["nginx"] = http.nginx
    for name, server in servers.items():
        with server() as address:
            for way, (connections, keep_alive) in WAYS.items():
                taken = [_ask(address, connections, keep_alive) for _ in range(ROUNDS)]
                rate, cpu_us = (median(part) for part in zip(*taken, strict=True))
                yield f"{name:16}{way:24}{rate:10,.0f}/s{cpu_us:8.1f} us of CPU each"


def _ask(address: http.Address, connections: int, keep_alive: bool) -> tuple[float, float]:
    """Return requests a second and the server's CPU time for one, in us."""
    port = int(address.url.rpartition(":")[2])
    head = b"GET /1000/0 HTTP/1.1\r\nHost: localhost\r\n" + (b"" if keep_alive else b"Connection: close\r\n") + b"\r\n"

    def kept() -> None:
        with socket.create_connection(("127.0.0.1", port)) as own:
            for _ in range(REQUESTS // connections):
                own.sendall(head)
                _receive(own)

    def fresh() -> None:
        for _ in range(REQUESTS // connections):
            with socket.create_connection(("127.0.0.1", port)) as own:
                own.sendall(head)
                _receive(own)

    before_ns, begun_ns = http.used_ns(address.pid), time.perf_counter_ns()
    threads = [threading.Thread(target=kept if keep_alive else fresh) for _ in range(connections)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    elapsed_ns = time.perf_counter_ns() - begun_ns
    return REQUESTS / elapsed_ns * 1e9, (http.used_ns(address.pid) - before_ns) / REQUESTS / 1e3


def _receive(connection: socket.socket) -> None:
    """Read a response with a body of 1,000 bytes."""
    received = b""
    while len(received.partition(b"\r\n\r\n")[2]) < 1000:
        received += connection.recv(65536)
