"""Measure how many cores there are, by spinning processes: a virtual machine may report too many."""

from __future__ import annotations

import select
import subprocess
import sys
import time
from contextlib import ExitStack

SPIN_S = 0.005  # long against the start of a spin; over ten times this, the result scatters as much
ROUNDS = 4
PATIENCE_S = 10.0
MOST = 64  # most processes at once: more would be a load of their own
_CODE = """
import os, sys, time
os.write(1, b"!")
while os.read(0, 1):
    turns, end = 0, time.perf_counter() + float(sys.argv[1])
    while time.perf_counter() < end:
        turns += 1
    os.write(1, turns.to_bytes(8, "big"))
"""


def spin_cores(processes: int) -> float | None:
    """Return the work of `processes` processes in parallel, as a multiple of the work of one alone.

    That is the number of cores that they had: fewer if hardware threads share a core, if other programs use the machine
    all the time, or if a quota bounds it. Placement is random, so the best of `ROUNDS` is compared with the best.
    None if the processes can't be started, or don't answer.
    """
    with ExitStack() as stack:
        try:
            spinners = [stack.enter_context(_Spinner()) for _ in range(min(processes, MOST))]
            for spinner in spinners:
                spinner.read(1)
            # each one is alone in turn: a core may be slower than another
            pairs = [(_turns([spinners[turn % len(spinners)]]), _turns(spinners)) for turn in range(ROUNDS)]
            alone, together = max(pair[0] for pair in pairs), max(pair[1] for pair in pairs)
            return round(together / max(1, alone), 2)
        except (OSError, TimeoutError):
            return None


class _Spinner:
    """A process that spins on request, and is killed at the end."""

    def __enter__(self) -> _Spinner:
        # no site-packages, no environment: it starts in some milliseconds
        command = [sys.executable, "-I", "-S", "-c", _CODE, str(SPIN_S)]
        self._process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0)
        return self

    def __exit__(self, *_: object) -> None:
        self._process.kill()
        with self._process:  # closes its pipes and reaps it
            pass

    def go(self) -> None:
        assert self._process.stdin
        self._process.stdin.write(b"g")

    def read(self, count: int) -> bytes:
        assert self._process.stdout
        data = b""
        deadline = time.monotonic() + PATIENCE_S
        poll = select.poll()  # select() takes no descriptor above 1023
        poll.register(self._process.stdout, select.POLLIN)
        while len(data) < count:
            left_s = max(0.0, deadline - time.monotonic())
            if not poll.poll(left_s * 1000):
                raise TimeoutError("a spinning process does not answer")
            more = self._process.stdout.read(count - len(data))
            if not more:
                raise OSError("a spinning process has ended")
            data += more
        return data


def _turns(spinners: list[_Spinner]) -> int:
    """Return the number of turns of all spinners together in the same `SPIN_S`."""
    for spinner in spinners:
        spinner.go()
    return sum(int.from_bytes(spinner.read(8), "big") for spinner in spinners)
