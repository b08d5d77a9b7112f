"""A flag that ends a run from any thread or signal handler."""

from __future__ import annotations

import os
from contextlib import suppress


class Interrupted(Exception):
    """The run is to end: `Interrupt.set` was called."""


class Interrupt:
    """A flag that wakes a thread which waits for a runner; any thread or signal handler may set it."""

    def __init__(self) -> None:
        self._reader, self._writer = os.pipe()
        os.set_blocking(self._writer, False)

    def fileno(self) -> int:
        """Return the descriptor that becomes readable once set."""
        return self._reader

    def set(self) -> None:
        """Wake the waiting thread, now and at every later wait."""
        with suppress(OSError):
            os.write(self._writer, b"!")

    def close(self) -> None:
        """Close the descriptors."""
        os.close(self._reader)
        os.close(self._writer)
