"""The release of this program, and the commit that is checked out in a directory."""

from __future__ import annotations

import os
import subprocess
from importlib import metadata
from pathlib import Path

COMMIT_S = 2.0  # how long git may take to report the commit, in a large repository

_PACKAGE = Path(__file__).parent


def release() -> str:
    """Return the version of this program, such as 0.1.0; of a checkout with its commit, such as 0.1.0+g8188b77d4c2f."""
    version = package_version("orchestrator")
    checked_out = commit(_PACKAGE) if (_PACKAGE.parent / ".git").exists() else None
    return version if checked_out is None else f"{version}+g{checked_out.replace('-', '.')}"


def package_version(name: str) -> str:
    """Return the version of an installed package, or "not installed"."""
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "not installed"


def commit(directory: Path | None = None) -> str | None:
    """Return the commit that is checked out; None without a repository or git, or when git takes too long."""
    command = ("git", "describe", "--always", "--dirty", "--exclude=*", "--abbrev=12")
    environment = {**os.environ, "GIT_OPTIONAL_LOCKS": "0"}  # git must not write to the index
    try:
        found = subprocess.run(
            command, cwd=directory, capture_output=True, text=True, timeout=COMMIT_S, env=environment, check=False
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    return found.stdout.strip() or None
