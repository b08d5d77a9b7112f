"""What every host of a cluster gets of a workload that is named by its file."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

from orchestrator.cluster.bundle import pack
from orchestrator.spec.load import loads


def packed(here: Path, call: str) -> set[str]:
    experiment, _ = loads(f"name: x\nworkload: {{call: '{call}'}}\nmodels: [sequential]\n", "spec")
    names = zipfile.ZipFile(io.BytesIO(pack(experiment, here))).namelist()
    return {name for name in names if name.startswith("work/") and name != "work/"}


def test_a_lone_file_goes_along_without_its_neighbours(tmp_path: Path) -> None:
    (tmp_path / "lib").mkdir()
    for name in ("my-script.py", "other.py"):
        (tmp_path / "lib" / name).write_text("def f(): return 1\n")
    assert packed(tmp_path, "lib/my-script.py:f") == {"work/lib/my-script.py"}


def test_a_file_of_a_package_goes_along_with_the_package(tmp_path: Path) -> None:
    (tmp_path / "src/app").mkdir(parents=True)
    for name in ("__init__.py", "core.py"):
        (tmp_path / "src/app" / name).touch()
    assert packed(tmp_path, "src/app/core.py:f") == {"work/src/app/__init__.py", "work/src/app/core.py"}
    assert packed(tmp_path, "app.core:f") == {"work/src/app/__init__.py", "work/src/app/core.py"}
