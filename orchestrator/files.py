"""Atomic file writes, suggestions for mistyped paths, and the user's cache directory."""

from __future__ import annotations

import os
from pathlib import Path

SPECS = (".yaml", ".yml")  # how the names of specs end


def replace_file(file: Path, content: bytes) -> None:
    """Replace `file` whole: a reader finds the old content or the new, also after a power cut."""
    temporary = file.with_name(f".{file.name}.{os.urandom(4).hex()}")
    try:
        with temporary.open("xb") as out:
            out.write(content)
            out.flush()
            os.fsync(out.fileno())
        temporary.replace(file)
    finally:
        temporary.unlink(missing_ok=True)
    sync_directory(file.parent)


def closest_match(missing: Path) -> str | None:
    """Return the name beside a file that is not there that is most like its own; None where none is."""
    import difflib  # here, as completion of commands loads this module

    try:
        names = sorted(entry.name for entry in missing.parent.iterdir())[:1000]
    except OSError:
        return None
    near = [name for name in names if missing.name and Path(name).stem == missing.name]
    near = near or difflib.get_close_matches(missing.name, names, 1)
    return near[0] if near else None


def sync_directory(directory: Path) -> None:
    """Return when the names in a directory are on the disk."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def cache_directory(otherwise: Path | None = None) -> Path:
    """Return the user's cache directory of this program, which need not exist; below `otherwise` if HOME is unset."""
    # the XDG base directory specification ignores relative paths
    given = Path(os.environ.get("XDG_CACHE_HOME", ""))
    home = os.environ.get("HOME") or otherwise or Path("~").expanduser()
    return (given if given.is_absolute() else Path(home) / ".cache") / "orchestrator"
