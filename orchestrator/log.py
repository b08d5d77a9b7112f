"""Messages on stderr: sentences on a terminal, JSON lines when it is none; also in a file, where one is named.

A message has an event, and fields. `note` is a field that explains the event in words. `sentence` is not recorded:
where it is given, people read it in the place of the event and its fields.
"""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO

from .errors import BadInput
from .text import printable

PLAIN = "\x1b[0m"
COLOURS = {"info": "\x1b[2m", "warning": "\x1b[33m", "error": "\x1b[31m"}
"""How a terminal shows a message of each level: dim, yellow or red."""

_held: list[str] | None = None
"""Lines for stderr that wait for the end of the program, which decides whether they are worth printing."""

_file: TextIO | None = None

_as_library: ContextVar[bool] = ContextVar("as_library", default=False)


class _Sinks:
    """Takes what is rendered to stderr and to the file; where the reader is gone, the program continues."""

    def msg(self, lines: tuple[str, str]) -> None:
        """Take a rendered line from structlog, for people and for machines."""
        shown, logged = lines
        with suppress(OSError):
            if _file:
                _file.write(logged + "\n")
                _file.flush()
        if _held is not None:
            _held.append(shown)
            return
        with suppress(OSError):
            sys.stderr.write(shown + "\n")
            sys.stderr.flush()

    info = warning = error = msg


@contextmanager
def diverted(*, quiet: bool = False, file: Path | None = None) -> Iterator[None]:
    """Send messages to a file too, and where `quiet`, to stderr only if the block ends by an exception.

    Raises BadInput when the file can't be written.
    """
    global _held, _file
    try:
        _file = file.open("a", encoding="utf-8", errors="backslashreplace") if file else None
    except OSError as error:
        what = f"cannot write {file}: {error.strerror}"
        raise BadInput(what, where="--log-file", remedy="name another file") from error
    held = _held = [] if quiet else None
    try:
        yield
    except BaseException:
        with suppress(OSError):
            sys.stderr.write("".join(f"{line}\n" for line in held or ()))
            sys.stderr.flush()
        raise
    finally:
        if _file:
            with suppress(OSError):
                _file.close()
        _held = _file = None


@contextmanager
def as_library() -> Iterator[None]:
    """Send messages to the standard logger `orchestrator`, where the caller of a library looks for them."""
    token = _as_library.set(True)
    try:
        yield
    finally:
        _as_library.reset(token)


class _Library:
    """Takes what is logged, as the bound loggers of structlog do, for the standard logger."""

    def _log(self, level: int, event: str, fields: Mapping[str, Any]) -> None:
        import logging

        logging.getLogger("orchestrator").log(level, "%s", _for_people(event, fields))

    def info(self, event: str, **fields: Any) -> None:
        self._log(20, event, fields)

    def warning(self, event: str, **fields: Any) -> None:
        self._log(30, event, fields)

    def error(self, event: str, **fields: Any) -> None:
        self._log(40, event, fields)


def logger() -> Any:
    """Return the logger of this program's own messages."""
    if _as_library.get():
        return _Library()
    import structlog  # only here, as it loads rich: most commands have nothing to log

    return structlog.wrap_logger(
        _Sinks(),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            _in_order,
            _rendered,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )


def _in_order(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = ("timestamp", "level", "event")
    return {name: fields[name] for name in first} | dict(fields)


def _rendered(
    logger: Any, name: str, fields: MutableMapping[str, Any]
) -> tuple[tuple[tuple[str, str]], dict[str, Any]]:
    from structlog.processors import JSONRenderer

    logged = str(JSONRenderer()(logger, name, {key: value for key, value in fields.items() if key != "sentence"}))
    if not sys.stderr.isatty():
        return ((logged, logged),), {}
    people = {key: value for key, value in fields.items() if key not in ("timestamp", "level", "event")}
    shown = f"orchestrator: {_for_people(fields['event'], people)}"
    return ((f"{COLOURS[fields['level']]}{shown}{PLAIN}" if "NO_COLOR" not in os.environ else shown, logged),), {}


def _for_people(event: str, fields: Mapping[str, Any]) -> str:
    """Return a message as people read it: its sentence, or else its event, its note and its other fields."""
    if "sentence" in fields:
        return printable(str(fields["sentence"]))
    notes = [str(value) for name, value in fields.items() if name == "note"]
    parts = [f"{name}={value}" for name, value in fields.items() if name != "note"]
    return printable(f"{event}: {', '.join(notes + parts)}")
