"""The identity of an interpreter: the sources, packages and version that results depend on."""

from __future__ import annotations

import hashlib
import os
import re
import sys
from collections.abc import Iterator

from . import gil

_NAME_OR_VERSION = re.compile(r"^(Name|Version):[ \t]*(.*?)[ \t]*$", re.MULTILINE)


def identity() -> dict[str, str]:
    """Return each part as a hash or a short text; sources are those of the imported modules."""
    return {"sources": _hash(_sources()), "packages": _hash(_packages()), "interpreter": _interpreter()}


def _interpreter() -> str:
    return f"{sys.executable} {sys.version}{'' if gil.enabled() else ' without a GIL'}"


def _sources() -> Iterator[str]:
    """Yield name and hash of every imported module outside the standard library, packages and the runner."""
    import sysconfig

    paths = sysconfig.get_paths()
    foreign = tuple({os.path.realpath(paths[key]) + os.sep for key in ("stdlib", "platstdlib", "purelib", "platlib")})
    ours = os.path.dirname(os.path.realpath(__file__)) + os.sep
    for name, module in sorted(sys.modules.copy().items()):
        file = getattr(module, "__file__", None)
        if not isinstance(file, str) or not os.path.isfile(file):
            continue
        file = os.path.realpath(file)
        if file.startswith((*foreign, ours)) or "site-packages" in file.split(os.sep):
            continue
        with open(file, "rb") as source:
            yield f"{name} {hashlib.sha256(source.read()).hexdigest()}"


def _packages() -> list[str]:
    """Return the name and version of every package; parsing all of their metadata would take a fifth of a second."""
    from importlib import metadata

    found = set()
    for each in metadata.distributions():
        headers, _, _ = (each.read_text("METADATA") or each.read_text("PKG-INFO") or "").partition("\n\n")
        first = dict(reversed(_NAME_OR_VERSION.findall(headers)))
        found.add(f"{first.get('Name')} {first.get('Version')}")
    return sorted(found)


def _hash(parts: Iterator[str] | list[str]) -> str:
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogateescape")).hexdigest()[:16]
