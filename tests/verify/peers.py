"""`make bench-peers`: the same two questions to this project and to the tools that people use, in turn on one machine.

The pairs are those of the controls: the same loop twice, and one with 5 % more turns. Each tool runs with its defaults,
and is taken at its word:

- pyperf: `compare_to` calls the difference significant;
- hyperfine: "ran 1.05 +- 0.03 times faster", the ratio less its +- being above 1 (its commands start an interpreter
  each, so the loop is 20 times as long, which leaves the start a tenth of the time);
- pytest-benchmark: it has no verdict, so that people compare medians: they differ by more than 3 %;
- this project: a win.

Then how long a contest of five models takes, against pyperf once for each.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from importlib import metadata
from pathlib import Path
from statistics import median

from orchestrator.machine import host
from tests.support.paths import ROOT

from .cases import CASES, FIVE, FIVE_TURNS, LOOP
from .figures import replace
from .measure import run, workplace
from .tools import Code, command, hyperfine, pyperf, pyperf_once

RECORDS = ROOT / "docs/figures/peers.jsonl"
METHOD = ROOT / "docs/method.md"
PAIRS = {"same": (100, 100), "plus5": (100, 105)}
DIFFERENT = 0.03
LONGER = 20
AT = "%Y-%m-%dT%H:%M:%SZ"


@dataclass(frozen=True)
class Answer:
    """What a tool said of a pair: whether the two differ, the ratio (b's time / a's), and how long it took."""

    tool: str
    pair: str
    at: str
    differ: bool
    ratio: float
    elapsed_s: float


def main() -> None:
    """Ask every tool about every pair in turn, so often; then make the table of docs/method.md."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=10, help="of each tool and pair (default 10)")
    parser.add_argument("--tools", type=lambda text: text.split(","), default=list(TOOLS), help=",".join(TOOLS))
    parser.add_argument("--table", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    if not asked.table:
        with workplace() as directory:
            for _ in range(asked.runs):
                for pair in PAIRS:
                    for tool in asked.tools:
                        _keep(_timed(tool, pair, Path(directory)))
            for tool in ("pyperf", "orchestrator"):
                if tool in asked.tools:
                    _keep(_five(tool, Path(directory)))
    shown = _table([Answer(**json.loads(line)) for line in RECORDS.read_text().splitlines()])
    METHOD.write_text(replace(METHOD.read_text(), "peers", shown))
    print(shown)


def _keep(answer: Answer) -> None:
    RECORDS.parent.mkdir(parents=True, exist_ok=True)
    with RECORDS.open("a") as out:
        out.write(json.dumps(asdict(answer)) + "\n")
    print(f"{answer.tool:17}{answer.pair:7}{answer.differ!s:7}{answer.ratio:6.3f}{answer.elapsed_s:7.1f} s", flush=True)


def _timed(tool: str, pair: str, directory: Path) -> Answer:
    begun = time.perf_counter()
    differ, ratio = TOOLS[tool](pair, directory)
    elapsed_s = round(time.perf_counter() - begun, 2)
    return Answer(tool, pair, datetime.now(UTC).strftime(AT), differ, round(ratio, 4), elapsed_s)


def _orchestrator(pair: str, directory: Path) -> tuple[bool, float]:
    found = run(CASES[pair], 0, directory)
    return found.verdict == "win", found.ratio or 1.0


def _pyperf(pair: str, directory: Path) -> tuple[bool, float]:
    return pyperf([_loop(outer) for outer in PAIRS[pair]], directory)


def _hyperfine(pair: str, directory: Path) -> tuple[bool, float]:
    return hyperfine([_loop(outer, LONGER) for outer in PAIRS[pair]], directory)


def _loop(outer: int, longer: int = 1) -> Code:
    return Code("from experiments.cpu import nested_loop", f"nested_loop({outer}, {LOOP['inner'] * longer})")


def _pytest_benchmark(pair: str, directory: Path) -> tuple[bool, float]:
    test, file = directory / "test_pair.py", directory / "pytest.json"
    lines = ["from experiments.cpu import nested_loop"]
    lines += [
        f"def test_{side}(benchmark): benchmark(nested_loop, {outer}, {LOOP['inner']})"
        for side, outer in zip("ab", PAIRS[pair], strict=True)
    ]
    test.write_text("\n".join(lines))
    pytest = [sys.executable, "-m", "pytest", "-q", "-c", os.devnull, "--rootdir", str(directory), str(test)]
    command([*pytest, f"--benchmark-json={file}"])
    a, b = (each["stats"]["median"] for each in json.loads(file.read_text())["benchmarks"])
    return abs(b / a - 1) > DIFFERENT, b / a


TOOLS: dict[str, Callable[[str, Path], tuple[bool, float]]] = {
    "orchestrator": _orchestrator,
    "pyperf": _pyperf,
    "hyperfine": _hyperfine,
    "pytest-benchmark": _pytest_benchmark,
}


def _five(tool: str, directory: Path) -> Answer:
    begun = time.perf_counter()
    differ = True
    if tool == "pyperf":
        five_by_pyperf(directory)
    else:
        differ = run(FIVE, 0, directory).verdict == "win"
    elapsed_s = round(time.perf_counter() - begun, 2)
    return Answer(tool, "five", datetime.now(UTC).strftime(AT), differ, 1.0, elapsed_s)


def five_by_pyperf(directory: Path) -> None:
    """Time the loops of the five models, once each."""
    for outer in FIVE_TURNS.values():
        pyperf_once(_loop(outer), directory / "five.json")


def _table(answers: Sequence[Answer]) -> str:
    """Return the Markdown table of docs/method.md with the date, the machine and the versions.

    It has the answers of the last day: those of before were by other versions, or on another machine.
    """
    last = max(answer.at for answer in answers)
    first = (datetime.fromisoformat(last) - timedelta(days=1)).strftime(AT)
    day, answers = last[:10], [answer for answer in answers if answer.at > first]
    names = ("", "the same loop twice: called different", "5 % more turns: called different", "time for a pair, median")
    rows = [f"| {' | '.join((*names, 'five models'))} |", "|---|---|---|---|---|"]
    for tool in TOOLS:
        pairs = {pair: [answer for answer in answers if (answer.tool, answer.pair) == (tool, pair)] for pair in PAIRS}
        if not all(pairs.values()):
            continue
        counts = [f"{sum(one.differ for one in own)} of {len(own)}" for own in pairs.values()]
        taken = median(answer.elapsed_s for own in pairs.values() for answer in own)
        five = [answer.elapsed_s for answer in answers if (answer.tool, answer.pair) == (tool, "five")]
        cells = [_version(tool), *counts, f"{taken:.1f} s", f"{median(five):.0f} s" if five else ""]
        rows.append(f"| {' | '.join(cells)} |")
    sample = host.sample()
    machine = f"{sample['cpu_model']}, {sample['effective_cores']} cores, Python {platform.python_version()}"
    return "\n".join([*rows, "", f"{day}, {machine}.", ""])


def _version(tool: str) -> str:
    if tool == "orchestrator":
        return "this project"
    if tool == "hyperfine":
        return subprocess.run([tool, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    return f"{tool} {metadata.version(tool)}"


if __name__ == "__main__":
    main()
