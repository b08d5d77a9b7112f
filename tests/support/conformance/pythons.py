"""Other interpreters, as far as this machine has them."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

import pytest

from .runners import PATIENCE_S
from .ways import PYTHONS


@cache
def find_python(version: str) -> str | None:
    """Return an interpreter that really is `version`: those of version managers may be stand-ins that refuse."""
    name = f"python{version}"
    script = (
        "import sys, sysconfig; print(*sys.version_info[:2], int(sysconfig.get_config_var('Py_GIL_DISABLED') or 0))"
    )
    major, _, minor = version.removesuffix("t").partition(".")
    expected = [major, minor, str(int(version.endswith("t")))]
    managed = sorted((Path.home() / ".pyenv" / "versions").glob(f"*/bin/{name}"))
    for candidate in [*(Path(entry) / name for entry in os.get_exec_path()), *managed]:
        if not candidate.is_file():
            continue
        done = subprocess.run([candidate, "-c", script], capture_output=True, text=True, timeout=PATIENCE_S)
        if done.returncode == 0 and done.stdout.split() == expected:
            return str(candidate)
    return None


def prefix_of(python: str) -> str:
    return subprocess.check_output([python, "-c", "import sys; print(sys.prefix)"], text=True).strip()


def own(python: str, package: str) -> bool:
    """Return whether an interpreter has a package of its own."""
    script = f"import sys; from importlib.util import find_spec; sys.exit(not find_spec({package!r}))"
    return subprocess.run([python, "-c", script]).returncode == 0


each_python = pytest.mark.parametrize(("python", "version"), [(name, name) for name in PYTHONS], indirect=["python"])
