"""Other work on the machine, as neighbours make it: processes that come and go on the cores."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

_CODE = """
import random, select, sys, time
dice = random.Random(int(sys.argv[1]))
while not select.select([0], [], [], dice.uniform(0, 0.02))[0]:  # until the other end is closed, however that came
    end = time.perf_counter() + dice.uniform(0.001, 0.2)
    while time.perf_counter() < end:
        pass
"""


@contextmanager
def load(processes: int) -> Iterator[None]:
    """Keep so many processes busy, nine tenths of their time, in bursts of up to 0.2 s; they end when we do."""
    with ExitStack() as stack:
        for seed in range(processes):
            command = [sys.executable, "-I", "-S", "-c", _CODE, str(seed)]
            process = stack.enter_context(subprocess.Popen(command, stdin=subprocess.PIPE))
            stack.callback(process.kill)
        yield
