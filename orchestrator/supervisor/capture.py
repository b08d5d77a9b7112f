"""Running a program that is no runner, such as `uv`, to its end."""

from __future__ import annotations

import os
import select
from collections.abc import Mapping, Sequence
from contextlib import ExitStack

from .environment import RunnerEnvironment
from .interrupt import Interrupt, Interrupted
from .process import PIPE_BYTES, open_pipe


def capture(
    runner_env: RunnerEnvironment, interrupt: Interrupt, command: Sequence[str], env: Mapping[str, str]
) -> tuple[int, str, str]:
    """Return the exit status of a program, its stdout and its stderr.

    No process of it is left afterwards, also when it was interrupted. Raises OSError, Interrupted and ReaperFailed.
    """
    try:
        with ExitStack() as theirs, ExitStack() as ours:
            empty = os.open(os.devnull, os.O_RDONLY | os.O_CLOEXEC)
            theirs.callback(os.close, empty)
            (output, out), (errors, err) = open_pipe(ours, theirs), open_pipe(ours, theirs)
            pid = runner_env.reaper.start(command, env, (empty, out, err), {})
            theirs.close()
            written = _read_all(interrupt, (output, errors))
        status = runner_env.reaper.status(pid, timeout_s=5)
    finally:
        runner_env.reaper.sweep()
    output_text, errors_text = (each.decode("utf-8", "replace") for each in written)
    return 1 if status is None else status, output_text, errors_text


def _read_all(interrupt: Interrupt, pipes: tuple[int, int]) -> tuple[bytes, bytes]:
    """Return all data of two pipes, read until both are closed; raises Interrupted."""
    written = dict.fromkeys(pipes, b"")
    poll = select.poll()
    for descriptor in (interrupt.fileno(), *pipes):
        poll.register(descriptor, select.POLLIN)
    left = set(pipes)
    while left:
        for descriptor, _ in poll.poll():
            if descriptor == interrupt.fileno():
                raise Interrupted
            data = os.read(descriptor, PIPE_BYTES)
            written[descriptor] += data
            if not data:
                poll.unregister(descriptor)
                left.remove(descriptor)
    return written[pipes[0]], written[pipes[1]]
