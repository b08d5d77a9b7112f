"""Digests in C code that releases the GIL for more than 2,047 bytes."""

from __future__ import annotations

import hashlib

from .generated import noise


def sha256(size: int) -> str:
    """Return the SHA-256 of `size` bytes."""
    return hashlib.sha256(noise(size)).hexdigest()
