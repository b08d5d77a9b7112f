"""The files that every host gets: this program's source, and the workload's modules in the working directory."""

from __future__ import annotations

import ast
import io
import re
import zipfile
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from typing import Any

from .. import units
from ..errors import BadInput
from ..runner import names
from ..spec.model import Experiment
from ..spec.values import REFERENCE

SOURCE, WORK = "source", "work"
"""Directories of the bundle: the first one is imported from, the second one is the working directory."""

LARGEST = 64 * 2**20  # in bytes; both sides hold a bundle in memory


def pack(experiment: Experiment, here: Path) -> bytes:
    """Return the bundle as a zip file; raises BadInput when it is too large."""
    own = Path(__file__).parent.parent
    files = {f"{SOURCE}/orchestrator/{file.relative_to(own)}": file for file in _files(own)}
    for file in _workload(experiment, here):
        files[f"{WORK}/{file.relative_to(here)}"] = file
    size = sum(file.stat().st_size for file in files.values())
    if size > LARGEST:
        what = f"the workload's files in {here} take {size / 1e6:.0f} MB, too much to send to the hosts"
        remedy = f"keep at most {units.size(LARGEST)} there, and the rest on storage that the hosts share"
        raise BadInput(what, remedy=remedy)
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as out:
        out.writestr(f"{WORK}/", b"")
        for name, file in sorted(files.items()):
            info = zipfile.ZipInfo(name)  # without the time of the file, so that equal files make equal bundles
            info.compress_type = zipfile.ZIP_DEFLATED
            out.writestr(info, file.read_bytes())
    return packed.getvalue()


def _workload(experiment: Experiment, here: Path) -> Iterator[Path]:
    """Yield the files in `here` that the spec needs: modules by name, their imports, and directories in `path`."""
    spec = experiment.model_dump(mode="json")
    named = _modules([spec["workload"], spec["models"], [v for k, v in spec["matrix"].items() if k.startswith("work")]])
    seen: set[str] = set()
    while named:
        name = named.pop()
        if name in seen:
            continue
        seen.add(name)
        if names.is_file(name):
            found = _around(here / name, here)
            yield from found
            named |= {other for file in found if file.suffix == ".py" for other in _imports(file)}
            continue
        root = here if (here / name).exists() or (here / f"{name}.py").exists() else here / "src"
        module, package = root / f"{name}.py", root / name
        found = [module] if module.is_file() else list(_files(package)) if package.is_dir() else []
        yield from found
        named |= {other for file in found if file.suffix == ".py" for other in _imports(file)}
    for entry in experiment.models:
        if entry.path is not None and not Path(entry.path).is_absolute() and (here / entry.path).is_dir():
            yield from _files(here / entry.path)


def _modules(value: Any) -> set[str]:
    """Return the files, and the top-level modules, of all functions that are named in plain data."""
    if isinstance(value, str):
        if not re.fullmatch(REFERENCE, value):
            return set()
        source = names.parse(value).source
        return {source if names.is_file(source) else source.partition(".")[0]}
    values: Iterable[Any] = value.values() if isinstance(value, Mapping) else value if isinstance(value, list) else ()
    return set().union(*map(_modules, values))


def _around(file: Path, here: Path) -> list[Path]:
    """Return a file below `here`, with its whole package if it is in one; nothing for a file elsewhere."""
    entry, module, _ = names.locate(str(file), str(here))
    root = Path(entry or here)
    if not root.is_relative_to(here) or not file.is_file():
        return []
    package = root / module.partition(".")[0]
    return list(_files(package)) if package.is_dir() and package in file.parents else [file]


def _imports(file: Path) -> Iterator[str]:
    """Yield the top-level modules that a file imports; nothing for invalid Python, which the host reports."""
    try:
        tree = ast.parse(file.read_bytes())
    except (SyntaxError, ValueError):
        return
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from (alias.name.partition(".")[0] for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module and not node.level:
            yield node.module.partition(".")[0]


def _files(directory: Path) -> Iterator[Path]:
    for entry in sorted(directory.iterdir()):
        if entry.name == "__pycache__" or entry.name.startswith("."):
            continue
        if entry.is_dir() and not (entry / "pyvenv.cfg").exists():
            yield from _files(entry)
        elif entry.is_file():
            yield entry
