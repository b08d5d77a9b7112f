"""The identity of machine and interpreters: what results depend on beside the spec."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping

from ..machine import host


def of_host() -> str:
    """Return a hash of this machine: it changes with the host, the CPU model and the usable cores."""
    sample = host.sample()
    parts = (sample["hostname"], sample["cpu_model"], sample["cores"], sample["affinity"], sample["quota_cores"])
    return _hash(parts)


def of_interpreters(identities: Iterable[Mapping[str, str]]) -> dict[str, str]:
    """Return the identities of all interpreters as one: each part, or a hash where they differ."""
    found: dict[str, set[str]] = {}
    for each in identities:
        for name, value in each.items():
            found.setdefault(name, set()).add(value)
    return {name: next(iter(values)) if len(values) == 1 else _hash(sorted(values)) for name, values in found.items()}


def differences(ours: Mapping[str, str], theirs: Mapping[str, str]) -> list[str]:
    """Return the names of the parts that differ, ours first."""
    return [name for name in {**ours, **theirs} if ours.get(name) != theirs.get(name)]


def _hash(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()[:16]
