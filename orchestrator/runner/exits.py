"""Calls that would end the interpreter without a trace raise an exception instead, in requests before a run.

Those are probe, items, pilot and list; timed calls are not wrapped.

What was printed before is kept, since it often has the reason.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from typing import Any

HARMLESS = (0, signal.SIGCHLD, signal.SIGCONT, signal.SIGURG, signal.SIGWINCH)


class Ends(BaseException):
    """The workload ends the interpreter; the text is the function that it called for that."""


@contextmanager
def raised() -> Iterator[None]:
    """Let `os._exit`, `os.abort` and a signal to this process raise Ends in the `with` block, and crashes show where.

    Forked processes end as ever.
    """
    own = os.getpid()
    exit_, abort, kill, killpg, raise_signal = os._exit, os.abort, os.kill, os.killpg, signal.raise_signal

    def guarded(name: str, function: Callable[..., Any], ends: Callable[..., bool]) -> Callable[..., Any]:
        def call(*args: Any) -> Any:
            if os.getpid() == own and ends(*args):
                raise Ends(name)
            return function(*args)

        return call

    def is_deadly(number: int) -> bool:
        is_default = number == signal.SIGKILL or signal.getsignal(number) is signal.SIG_DFL
        return number not in HARMLESS and is_default

    import faulthandler  # not at the top: subinterpreters can't load it

    faulthandler.enable()
    patched: dict[Any, dict[str, Callable[..., Any]]] = {
        os: {
            "_exit": guarded("os._exit", exit_, lambda _: True),
            "abort": guarded("os.abort", abort, lambda: True),
            "kill": guarded("os.kill", kill, lambda pid, number: pid in (0, own, -os.getpgrp()) and is_deadly(number)),
            "killpg": guarded(
                "os.killpg", killpg, lambda group, number: group in (0, os.getpgrp()) and is_deadly(number)
            ),
        },
        signal: {"raise_signal": guarded("signal.raise_signal", raise_signal, is_deadly)},
    }
    before = {module: {name: getattr(module, name) for name in names} for module, names in patched.items()}
    try:
        for module, functions in patched.items():
            vars(module).update(functions)
        yield
    finally:
        for module, functions in before.items():
            vars(module).update(functions)


PRINTED = 100  # texts that are kept: a print writes two


@contextmanager
def printed() -> Iterator[list[str]]:
    """Yield a list of the last texts that are written to `sys.stdout` and `sys.stderr` in the `with` block."""
    texts: list[str] = []
    streams: list[Any] = list({id(stream): stream for stream in (sys.stdout, sys.stderr)}.values())

    def noting(write: Callable[[str], int]) -> Callable[[str], int]:
        def note(text: str) -> int:
            texts.append(text)
            del texts[:-PRINTED]
            return write(text)

        return note

    for stream in streams:
        with suppress(AttributeError):  # None, or one without attributes of its own
            stream.write = noting(stream.write)
    try:
        yield texts
    finally:
        for stream in streams:
            with suppress(AttributeError):
                del stream.write
