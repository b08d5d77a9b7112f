"""Asks pyperf and hyperfine, with their defaults, whether two pieces of code differ."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.support.paths import ROOT


@dataclass(frozen=True)
class Code:
    """A statement that is timed, and the import that it needs."""

    setup: str
    statement: str


@dataclass(frozen=True)
class Compared:
    """What pyperf says of results: whether `compare_to` calls the first and the second different, and all means."""

    differ: bool
    means: list[float]


def command(words: Sequence[str], environ: Mapping[str, str] | None = None) -> str:
    """Run a command in the repository and return its output; raises RuntimeError where it fails."""
    env = {**os.environ, "PYTHONPATH": str(ROOT), **(environ or {})}
    done = subprocess.run(words, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)}: status {done.returncode}: {done.stderr or done.stdout}")
    return done.stdout


def pyperf(sides: Sequence[Code], directory: Path) -> tuple[bool, float]:
    """Return whether `compare_to` calls two sides different, and the ratio of the second to the first."""
    files = [directory / f"{place}.json" for place in range(len(sides))]
    for code, file in zip(sides, files, strict=True):
        pyperf_once(code, file)
    found = pyperf_compared(files)
    return found.differ, found.means[1] / found.means[0]


def pyperf_compared(files: Sequence[Path]) -> Compared:
    """Return what `compare_to` says of the first two files, and the means of all."""
    printed = command([sys.executable, "-m", "pyperf", "compare_to", *map(str, files[:2])])
    return Compared(re.search(r"\b(faster|slower)\b", printed) is not None, [_pyperf_mean(file) for file in files])


def pyperf_once(code: Code, file: Path) -> None:
    """Time one piece of code and write the result to a file, which is replaced."""
    file.unlink(missing_ok=True)
    timed = ["-s", code.setup, code.statement]
    command([sys.executable, "-m", "pyperf", "timeit", "-q", "--name", "loop", "-o", str(file), *timed])


def _pyperf_mean(file: Path) -> float:
    runs = json.loads(file.read_text())["benchmarks"][0]["runs"]
    values = [value for one in runs for value in one.get("values", ())]
    return float(sum(values) / len(values))


def hyperfine(sides: Sequence[Code], directory: Path) -> tuple[bool, float]:
    """Return whether one of two commands "ran faster" by more than the error, and the ratio of the second to the first.

    Each command starts an interpreter, so the code should be long.
    """
    commands = [f"{sys.executable} -c '{code.setup}; {code.statement}'" for code in sides]
    file = directory / "hyperfine.json"
    command(["hyperfine", "--style", "none", "--export-json", str(file), *commands])
    a, b = json.loads(file.read_text())["results"]
    ratio = b["mean"] / a["mean"]
    slower, faster = (b, a) if ratio > 1 else (a, b)
    # as it prints them: the ratio of the means, and the errors of both propagated
    times = slower["mean"] / faster["mean"]
    error = times * ((slower["stddev"] / slower["mean"]) ** 2 + (faster["stddev"] / faster["mean"]) ** 2) ** 0.5
    return times - error > 1, ratio
