"""A script that uses the package, as a type checker sees it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = """
import orchestrator
from orchestrator import Broken, Failure, Result


def parse(path: str, depth: int = 2) -> int:
    return len(path) * depth


async def both() -> str:
    result = await orchestrator.compare_async(parse, args=["a.json"], models=["sequential", "threads"], max_time="10s")
    return result.verdict


def guarded() -> float:
    try:
        result: Result = orchestrator.advise(parse, "a.json", depth=3)
        result.expect(of="threads", min=1.5, where={"workers": 2}).save("a.html")
    except Failure as failure:
        raise SystemExit(failure.remedy) from failure
    except Broken as broken:
        print(broken.event.low)
    ratio = orchestrator.run("cpu.yaml", {"tasks": 8}).ratio
    return 0.0 if ratio is None or ratio.low is None else ratio.low + ratio
"""

WRONG = """
import orchestrator

orchestrator.compare(len, speed=1)
orchestrator.advice(len)
result: int = orchestrator.load("runs/cpu/latest")
"""


def checked(source: str, place: Path) -> str:
    (place / "script.py").write_text(source)
    (place / "mypy.ini").write_text("[mypy]\nstrict = true\n")
    command = [sys.executable, "-m", "mypy", "--cache-dir", str(place / "cache"), "script.py"]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode in (0, 1), done.stderr
    return done.stdout


@pytest.mark.long  # mypy reads the whole package first
def test_a_script_passes_the_strict_checks_of_mypy(tmp_path: Path) -> None:
    assert checked(SCRIPT, tmp_path) == "Success: no issues found in 1 source file\n"


@pytest.mark.long
def test_mistakes_in_a_script_are_found(tmp_path: Path) -> None:
    lines = checked(WRONG, tmp_path).splitlines()
    assert [line.partition(": error: ")[0] for line in lines if ": error: " in line] == [
        "script.py:4",
        "script.py:5",
        "script.py:6",
    ]
