"""Diagnostics on stderr: coloured for a terminal, JSON lines when it is none."""

from __future__ import annotations

import sys
from collections.abc import MutableMapping
from contextlib import suppress
from typing import Any

import structlog

from .text import printable


class Stderr:
    """Writes what is rendered to stderr; where nobody reads it any more, the program goes on."""

    def msg(self, line: str) -> None:
        """Take a rendered line from structlog."""
        with suppress(OSError):
            sys.stderr.write(line + "\n")
            sys.stderr.flush()

    debug = info = warning = error = critical = msg


def diagnostics() -> Any:
    """Return the logger of this program's own messages."""
    terminal = sys.stderr.isatty()
    render: Any = structlog.dev.ConsoleRenderer(colors=True) if terminal else structlog.processors.JSONRenderer()
    return structlog.wrap_logger(
        Stderr(),
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            *([_clean] if terminal else []),
            _in_order,
            render,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(0),
    )


def _in_order(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    first = ("timestamp", "level", "event")
    return {name: fields[name] for name in first} | dict(fields)


def _clean(_: Any, __: str, fields: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    return {key: printable(value) if isinstance(value, str) else value for key, value in fields.items()}
