"""Small wheels; also the build backend of a small project, which gets a copy of this file."""

from __future__ import annotations

import hashlib
import zipfile
from collections.abc import Mapping
from pathlib import Path


def write_wheel(directory: Path, name: str, files: Mapping[str, str]) -> str:
    """Write a wheel of version 1.0 with these files, and return its line in a lock."""
    info = f"{name}-1.0.dist-info"
    held = {
        **files,
        f"{info}/METADATA": f"Metadata-Version: 2.1\nName: {name}\nVersion: 1.0\n",
        f"{info}/WHEEL": "Wheel-Version: 1.0\nGenerator: tests\nRoot-Is-Purelib: true\nTag: py3-none-any\n",
    }
    held[f"{info}/RECORD"] = "".join(f"{file},,\n" for file in [*held, f"{info}/RECORD"])
    path = directory / f"{name}-1.0-py3-none-any.whl"
    with zipfile.ZipFile(path, "w") as wheel:
        for file, text in held.items():
            entry = zipfile.ZipInfo(file)
            entry.external_attr = 0o100755 << 16  # scripts stay executable
            wheel.writestr(entry, text)
    return f"{name}==1.0 \\\n    --hash=sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}\n"


def build_editable(directory: str, config: object = None, metadata: object = None) -> str:
    write_wheel(Path(directory), "project", {"project.pth": str(Path.cwd())})
    return "project-1.0-py3-none-any.whl"
