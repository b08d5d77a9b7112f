"""Shell completion of specs, runs, experiments and fixed choices; it opens no file, to be fast.

Names that a shell has to quote are left out: bash then uses its own completion, which quotes them.
"""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterable

from ..files import SPECS

_PLAIN = re.compile(r"[\w./@%+,~-]+")


def specs(incomplete: str) -> list[str]:
    """Return the YAML files that complete CONFIG, up to one directory further down."""
    near = _near(incomplete)
    below = [(path + "/", entry) for path, entry in near if entry.is_dir() and not entry.name.startswith(".")]
    found = [path for path, entry in near if entry.name.endswith(SPECS)]
    found += [path for base, entry in below for path, file in _entries(base, entry.path) if file.name.endswith(SPECS)]
    return _offered(found, incomplete)


def runs(incomplete: str) -> list[str]:
    """Return what completes RUN: the runs of every experiment, also as `latest`, and journals."""
    found: list[str] = []
    for path, entry in [*_near(incomplete), *_experiments()]:
        if entry.name.endswith(".jsonl") or _is_run(entry.path):
            found.append(path)
        elif entry.is_dir():
            found += [each for each, run in _entries(path + "/", entry.path) if _is_run(run.path)]
    return _offered(found, incomplete)


def experiments(incomplete: str) -> list[str]:
    """Return the names of the experiments that have runs."""
    return _offered((entry.name for path, entry in _experiments() if _is_run(path + "/latest")), incomplete)


def one_of(*names: str) -> Callable[[str], list[str]]:
    """Return a completion that offers these names."""
    return lambda incomplete: _offered(names, incomplete)


def _experiments() -> list[tuple[str, os.DirEntry[str]]]:
    root = os.environ.get("ORCHESTRATOR_RUNS") or "runs"
    return _entries(root.rstrip("/") + "/", root)


def _near(incomplete: str) -> list[tuple[str, os.DirEntry[str]]]:
    """Return the entries that complete the last part of a path, each with the path as typed."""
    base, _, name = incomplete.rpartition("/")
    base += "/" if base or incomplete.startswith("/") else ""
    directory = os.path.expanduser(base)  # noqa: PTH111  # Path raises for a user that is unknown
    return [(path, entry) for path, entry in _entries(base, directory) if entry.name.startswith(name)]


def _entries(base: str, directory: str) -> list[tuple[str, os.DirEntry[str]]]:
    """Return the entries of a directory, each with its path below `base`; none when it can't be read."""
    try:
        with os.scandir(directory or ".") as found:
            return sorted(((base + entry.name, entry) for entry in found), key=lambda each: each[0])
    except OSError:
        return []


def _is_run(directory: str) -> bool:
    return os.path.isfile(os.path.join(directory, "events.jsonl"))  # noqa: PTH113, PTH118  # pathlib is slower


def _offered(names: Iterable[str], incomplete: str) -> list[str]:
    return [name for name in dict.fromkeys(names) if name.startswith(incomplete) and _PLAIN.fullmatch(name)]
