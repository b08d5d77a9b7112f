"""Where the code of a spec lies in the worktree of a commit: what the entries of `models` override to run it there."""

from __future__ import annotations

import ast
import os
from collections.abc import Iterable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..runner import names
from ..runner.names import Name
from ..runner.problem import Problem
from ..spec.plan import Plan, runner_request
from ..spec.problem import SpecProblem
from .worktrees import Tree

CALLED = ("call", "async_call")

MOVED = (*CALLED, "initializer", "async_initializer")
"""The fields of an entry that can name another file than the spec does."""

SOURCES = ("", "src")
"""The directories, below the working directory, in which modules are looked for."""


@dataclass(frozen=True)
class Placed:
    """What an entry of `models` overrides to run the code of a worktree."""

    overrides: dict[str, Any] = field(default_factory=dict)
    """Empty where the code is not in the repository."""
    lacks: tuple[str, ...] = ()
    """The files and modules that the worktree does not have, such as "no module prices"."""


def placed(plan: Plan, tree: Tree, top: Path) -> list[Placed]:
    """Return for each entry of `models` how it runs the code of a worktree.

    `top` is the top of the user's checkout, from which the names of the spec are seen. Raises SpecProblem for modules
    in several directories, of which an entry can name one only.
    """
    return [_placed(plan, place, tree, top) for place in range(len(plan.experiment.models))]


def _placed(plan: Plan, place: int, tree: Tree, top: Path) -> Placed:
    entry = plan.experiment.models[place]
    directories = [tree.here / source for source in SOURCES]
    if entry.path is not None:
        inside = _inside(entry.path, tree, top)
        if inside is None:
            return Placed()
        directories = [inside]
    found: set[Path] = set()
    lacking: list[str] = []
    moved: dict[str, str] = {}
    for name in _called(plan, place):
        if name.is_file:
            file = _inside(name.source, tree, top)
            if file is None:
                return Placed()
            lacking += [] if file.is_file() else [f"no file {file.relative_to(tree.top)}"]
            found.add(directories[0])
            moved = _moved(plan, place, tree, top)
        elif (directory := next((each for each in directories if _holds(each, name.source)), None)) is not None:
            found.add(directory)
        else:
            lacking.append(f"no module {name.source.partition('.')[0]}")
    if len(found) > 1:
        shown = " and ".join(sorted(str(each.relative_to(tree.top)) for each in found))
        problem = Problem("modules_apart", f"its modules are in {shown}", "give each its own entry, with a `path:`")
        raise SpecProblem(("models", place), problem)
    overrides = {"path": str(found.pop()), **moved} if found else {}
    return Placed(overrides, tuple(dict.fromkeys(lacking)))


def _called(plan: Plan, place: int) -> list[Name]:
    """Return the functions that an entry calls at all points, each once."""
    found: dict[str, Name] = {}
    for workload in _workloads(plan, place):
        found |= {workload[each]: names.parse(workload[each]) for each in CALLED if workload.get(each)}
    return list(found.values())


def _workloads(plan: Plan, place: int) -> Iterator[dict[str, Any]]:
    for variant in plan.variants:
        if variant.entry == place:
            yield from (runner_request(point, variant)["workload"] for point in plan.points)


def _moved(plan: Plan, place: int, tree: Tree, top: Path) -> dict[str, str]:
    """Return the fields of an entry that name files, each with the file of the worktree.

    An override of `call` also replaces `async_call`, so that is stated too.
    """
    moved: dict[str, str] = {}
    for workload in _workloads(plan, place):
        for each in MOVED:
            text = workload.get(each)
            if text is None:
                continue
            name = names.parse(text)
            file = _inside(name.source, tree, top) if name.is_file else None
            there = text if file is None else f"{file}:{name.function}"
            if moved.setdefault(each, there) != there:
                what = f"{each} names several files, and each version can only have one"
                raise SpecProblem(("matrix", f"workload.{each}"), Problem("files_vary", what, "name modules"))
    return moved


def _inside(path: str, tree: Tree, top: Path) -> Path | None:
    """Return the place in a worktree of a path that is seen from the working directory; None outside the checkout."""
    absolute = Path(os.path.normpath(Path.cwd() / Path(path).expanduser()))
    with suppress(ValueError):
        return tree.top / absolute.relative_to(top)
    return None


def _holds(directory: Path, module: str) -> bool:
    top = directory / module.partition(".")[0]
    return top.is_dir() or top.with_name(f"{top.name}.py").is_file()


def defined_at(plan: Plan, label: str, tree: Tree, top: Path) -> tuple[str, int] | None:
    """Return the file, below the top of the repository, and the line of what a variant calls; None if it is unknown."""
    variant = next(each for each in plan.variants if each.label == label)
    for name in _called(plan, variant.entry):
        for file in _files(name, tree, top):
            with suppress(OSError, SyntaxError, ValueError):
                if (line := _line(file.read_bytes(), name.function)) is not None:
                    return str(file.relative_to(tree.top)), line
    return None


def _files(name: Name, tree: Tree, top: Path) -> Iterator[Path]:
    if name.is_file:
        file = _inside(name.source, tree, top)
        yield from () if file is None else (file,)
        return
    below = name.source.replace(".", "/")
    for source in SOURCES:
        yield tree.here / source / f"{below}.py"
        yield tree.here / source / below / "__init__.py"


def _line(source: bytes, path: str) -> int | None:
    """Return the line at which a function is defined, None if it is not defined in this file."""
    body: Iterable[ast.stmt] = ast.parse(source).body
    line = None
    for part in path.split("."):
        kinds = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)
        found = [each for each in body if isinstance(each, kinds) and each.name == part]
        if not found:
            return None
        body, line = found[-1].body, found[-1].lineno
    return line
