"""Compression in C code that releases the GIL."""

from __future__ import annotations

import bz2
import sys
import zlib
from typing import Any

from .extra import missing
from .generated import text

LEVELS = {"zlib": 6, "bz2": 9, "zstd": 12}
"""The default levels, except for zstd: its default of 3 is too fast for a comparison on the same text."""

ZSTD = "compression.zstd" if sys.version_info >= (3, 14) else "backports.zstd"


def unavailable() -> tuple[str, str] | None:
    """Say why zstd can't be had here: before Python 3.14 it is in a package."""
    return missing(ZSTD)


def compress(codec: str, size: int) -> int:
    """Return the length of `size` bytes of text compressed by `codec` (zlib, bz2 or zstd)."""
    return len(packed(codec, text(size)))


def packed(codec: str, data: bytes) -> bytes:
    """Return compressed data."""
    compressed: bytes = _module(codec).compress(data, LEVELS[codec])
    return compressed


def unpacked(codec: str, data: bytes) -> bytes:
    """Return the decompressed data."""
    original: bytes = _module(codec).decompress(data)
    return original


def _module(codec: str) -> Any:
    import importlib

    return {"zlib": zlib, "bz2": bz2}.get(codec) or importlib.import_module({"zstd": ZSTD}[codec])
