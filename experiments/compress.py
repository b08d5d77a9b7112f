"""Compression, by C code that lets go of the GIL."""

from __future__ import annotations

import bz2
import sys
import zlib
from typing import Any

from .extra import missing
from .generated import text

LEVELS = {"zlib": 6, "bz2": 9, "zstd": 12}
"""The defaults, but for zstd, whose default of 3 is too quick to compare it with the others on the same text."""

ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


def unavailable() -> tuple[str, str] | None:
    """Say why zstd can't be had here: before Python 3.14 it is in a package."""
    return missing(ZSTD)


def compress(codec: str, size: int) -> int:
    """Return to how many bytes `codec`, which is zlib, bz2 or zstd, shrinks `size` bytes of text."""
    return len(packed(codec, text(size)))


def packed(codec: str, data: bytes) -> bytes:
    """Return compressed data."""
    compressed: bytes = _module(codec).compress(data, LEVELS[codec])
    return compressed


def unpacked(codec: str, data: bytes) -> bytes:
    """Return what was compressed."""
    original: bytes = _module(codec).decompress(data)
    return original


def _module(codec: str) -> Any:
    import importlib

    return {"zlib": zlib, "bz2": bz2}.get(codec) or importlib.import_module({"zstd": ZSTD}[codec])
