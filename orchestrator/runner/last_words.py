"""The exception or crash that a process wrote to stderr before it ended, with the line of the user's code."""

from __future__ import annotations

import os
import re
from collections.abc import Iterator, Sequence

from .error_text import message

BEGIN = "Traceback (most recent call last):"

CRASH = "Fatal Python error: "

SIGNALLED = re.compile(r"Segmentation fault|Aborted|Bus error|Illegal instruction|Floating[- ]point exception")
"""What faulthandler calls the signals that it reports."""

PLACE = re.compile(r'\s+File "(?P<file>[^"]+)", line (?P<line>\d+)')

EXCEPTION = re.compile(r"[^\W\d][\w.]*(:|$)")

MIXED = re.compile(r"([A-Z]\w{3,})\1|\w+: : ")
"""The exception of two processes that write it at the same time, piece by piece."""

TWICE = re.compile(r"(?P<kind>[A-Z]\w{3,}?)(?P=kind)?: (?:: )?(?P<message>.+?)(?P=message)?(?:: )?")
"""The parts of such an exception, each there once or twice."""

WARNING = re.compile(r"(.*:\d+: )?[A-Z]\w*Warning: ")

MOST = 300  # characters

LEAST_REPEATED = 4  # characters: fewer may be a line of dashes

SHORTAGE = "calls open more files or sockets than they close"
"""Why a process can open no more, which the system says as error 24."""

CLOSE = "close them in the function, such as by a `with` statement"

NOT_THEIRS = ("<", "/lib/python3", "site-packages", "orchestrator_runner")


def last_words(output: str, here: str | None = None) -> str:
    """Return the last exception of a process's output and its place, or else its last line; "" for no output.

    The place is relative to `here`, the working directory unless given.
    """
    lines = output.replace("\r", "").splitlines()
    if crash := _crash(lines, here or os.getcwd()):
        return crash
    found = ""
    begun = [number for number, line in enumerate(lines) if line.rstrip().endswith(BEGIN)]
    for first, end in zip(begun, [*begun[1:], len(lines)]):
        found = _exception(lines[first:end], here or os.getcwd()) or found
    if not found:
        found = _once(last_line(output))
    return found if len(found) <= MOST else found[: MOST - 3] + "..."


def last_line(output: str) -> str:
    """Return the last line of an output that may say why its process ended: a warning of Python is no cause."""
    lines = (line.strip() for line in reversed(output.replace("\r", "").splitlines()))
    return next((line for line in lines if line.strip(" \t~^") and not WARNING.match(line)), "")


def _once(line: str) -> str:
    """Return a line that several workers have written without an end of line as one of them wrote it."""
    period = (line + line).find(line, 1) if line else 0
    return line[:period] if period >= LEAST_REPEATED else line


def _unmixed(line: str) -> str:
    """Return the line of an exception as one process has written it."""
    found = TWICE.fullmatch(line[: 4 * MOST]) if MIXED.match(line) else None
    return f"{found['kind']}: {found['message']}" if found else line


def _crash(lines: list[str], here: str) -> str:
    """Return what faulthandler wrote of a crash, and its place; "" if there was none.

    Workers that crash at the same time write into each other's lines.
    """
    begun = next((number for number, line in enumerate(lines) if line.startswith(CRASH)), None)
    if begun is None:
        return ""
    found = SIGNALLED.search("\n".join(lines[begun:]))
    what, at = found[0] if found else lines[begun].rpartition(CRASH)[2], next(_places(lines[begun:], here), "")
    return f"{what} ({at})" if at else what


def place(traceback: str) -> str:
    """Return the last line of the user's code in a traceback, as `file:line`; "" if there is none."""
    return next(reversed([*_places(traceback.splitlines())]), "")


def innermost(stack: str) -> str:
    """Return the first line of the user's code in a stack of faulthandler, where the most recent call comes first."""
    return next(_places(stack.splitlines()), "")


def waiting(stacks: str) -> str:
    """Return the innermost line of the user's code that a process is in, "" if none is.

    `stacks` are those that faulthandler wrote on a signal, of one process after the other; threads that did not get the
    signal are not looked at.
    """
    own = (stack.partition("\nThread ")[0] for stack in stacks.split("Current thread ")[1:])
    return next(filter(None, map(innermost, own)), "")


def still_at(stacks: str) -> str:
    """Return where processes that wrote such stacks still are, in any of their threads; "" for no line of the user's.

    A thread that got the signal comes before the others: it makes the calls, or waits for those that do.
    """
    return waiting(stacks) or innermost(stacks)


def shortage(error: str, output: str) -> str:
    """Return why an error is that of a process that can open no more, with the line in its output; "" for others."""
    if "[Errno 24]" not in error:
        return ""
    at = place(output)
    return f"{SHORTAGE} ({at})" if at else SHORTAGE


def of_cause(error: BaseException) -> str:
    """Return the last words of the exception at the bottom of a chain, as a pool writes them that has found it."""
    while error.__cause__ is not None:
        error = error.__cause__
    return last_words(message(error).strip().strip("'\"").strip())


def _places(lines: Sequence[str], here: str | None = None) -> Iterator[str]:
    """Yield `file:line` of each frame of the user's code, in the order of the lines."""
    frames = filter(None, map(PLACE.match, lines))
    yield from filter(None, (_placed(frame, here or os.getcwd()) for frame in frames))


def _placed(frame: re.Match[str], here: str) -> str:
    """Return `file:line` of a frame of the user's code, "" for another."""
    is_theirs = not any(part in frame["file"] for part in NOT_THEIRS)
    return f"{relative(frame['file'], here)}:{frame['line']}" if is_theirs else ""


def _exception(lines: list[str], here: str) -> str:
    """Return the exception at the end of one traceback, "" if its end is not there."""
    prefix = lines[0].index(BEGIN)  # some pools indent the tracebacks of their workers
    lines = [line[prefix:] for line in lines]
    at = ""
    for number, line in enumerate(lines[1:], start=1):
        if frame := PLACE.match(line):
            at = _placed(frame, here) or at
        if line and not line[0].isspace() and EXCEPTION.match(line):
            kind, _, message = _unmixed(line).partition(":")
            # a message of several lines may begin with an empty one
            more = message.strip() or _paragraph(lines[number + 1 :])
            text = f"{kind}: {more}" if more else kind
            return f"{text} ({at})" if at else text
    return ""


def _paragraph(lines: list[str]) -> str:
    words: list[str] = []
    for line in lines:
        if line.strip():
            words.append(line.strip())
        elif words:
            break
    return " ".join(words)


def relative(file: str, here: str) -> str:
    """Return a path relative to the directory `here`, where it is below that."""
    return file.removeprefix(here.rstrip("/") + "/")
