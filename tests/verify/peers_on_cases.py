"""The same ten cases put to this project, to pyperf with a driver written by hand, and to a stopwatch written by hand.

Each tool is asked which way to call a function is fastest, and is taken at its word:

- this project: the verdict, or the recommendation of `advise`; a refusal is an answer;
- pyperf: the way with the shortest mean, if `compare_to` calls its difference to the next one significant;
- by hand: the shortest of three times, if it is more than 3 % below the next one.

An answer is right, or wrong; it is silent where there is none.
"""

from __future__ import annotations

import json
import os
import shlex
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from functools import partial
from importlib.util import find_spec
from pathlib import Path

from orchestrator import errors
from orchestrator.machine import lock
from tests.support.paths import ROOT

from .case_driver import CASES, COPIED, NEITHER, REFUSED, Case
from .configs import Ran, program
from .tools import command, pyperf_compared

RECORDS = ROOT / "docs/figures/peers_on_cases.jsonl"
DRIVER = "tests/verify/case_driver.py"
DIFFERENT = 0.03
WAIT_S = 3600.0
NOTHING = "nothing"
"""The answer of a tool that could not decide."""

TITLES = {"orchestrator": "this project", "pyperf": "pyperf and a driver", "hand": "by hand"}
WAYS = {
    "sequential": "loop",
    "event_loop": "loop",
    "threads": "threads",
    "thread_per_task": "threads",
    "joblib": "joblib",
}
"""The ways that models are; a plain function in an event loop is a loop. All other models are processes."""


@dataclass(frozen=True)
class Answer:
    """What a tool answered to a case, and how long that took."""

    case: str
    tool: str
    at: str
    said: str
    elapsed_s: float


def measure(names: Sequence[str] = tuple(CASES)) -> None:
    """Put cases to every tool and keep the answers."""
    with tempfile.TemporaryDirectory(prefix="peers-") as directory:
        for name in names:
            case = CASES[name]
            for tool, ask in TOOLS.items():
                if tool == "orchestrator" or _python(case):
                    _keep(_timed(name, tool, partial(ask, name, Path(directory))))


def _timed(case: str, tool: str, ask: Callable[[], str]) -> Answer:
    with lock.hold(WAIT_S):  # another run on the machine would disturb the tool
        at = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        begun = time.perf_counter()
        said = ask()
        return Answer(case, tool, at, said, round(time.perf_counter() - begun, 2))


def _keep(answer: Answer) -> None:
    with RECORDS.open("a") as out:
        out.write(json.dumps(asdict(answer)) + "\n")
    print(f"{answer.case:15}{answer.tool:14}{answer.said:10}{answer.elapsed_s:7.1f} s  {judged(answer)}", flush=True)


def judged(answer: Answer) -> str:
    """Return whether an answer is right, wrong or silent."""
    if answer.said in CASES[answer.case].right:
        return "right"
    return "silent" if answer.said in (NOTHING, NEITHER) else "wrong"


def _python(case: Case) -> str | None:
    return shutil.which(f"python{case.python}") if case.python else sys.executable


def _orchestrator(name: str, directory: Path) -> str:
    case = CASES[name]
    own_lock = {"ORCHESTRATOR_LOCK": str(directory / "lock")}  # the machine's is held for every tool
    return answered(case, program([*case.asked, "--runs", str(directory / "runs")], own_lock))


def answered(case: Case, ran: Ran) -> str:
    """Return the way that a run or advice calls the fastest, `copies`, `refused`, `neither` or `nothing`."""
    if ran.status == errors.BAD_INPUT:
        return REFUSED
    verdicts = ran.of("verdict.reached")
    if not verdicts:
        return NOTHING
    verdict = verdicts[0]
    if verdict["copied"]:
        return COPIED
    if case.asked[0] == "run" and verdict["verdict"] != "win":
        return NEITHER if verdict["verdict"] == "tie" else NOTHING
    best = verdict["recommended"]
    return WAYS.get(best.partition("(")[0], "processes") if best else NOTHING


def _pyperf(name: str, directory: Path) -> str:
    case = CASES[name]
    with _paths() as path:
        files = {way: directory / f"{name}-{way}.json" for way in case.ways}
        for way, file in files.items():
            words = [str(_python(case)), DRIVER, name, way, "-q", "--inherit-environ", "PYTHONPATH", "-o", str(file)]
            command(words, {"PYTHONPATH": path})
    means = dict(zip(files, pyperf_compared(list(files.values())).means, strict=True))
    best, second = sorted(means, key=lambda way: means[way])[:2]
    return best if pyperf_compared([files[best], files[second]]).differ else NEITHER


@contextmanager
def _paths() -> Iterator[str]:
    """Yield an import path with the repository and pyperf, and nothing else of this environment."""
    found = find_spec("pyperf")
    assert found is not None and found.origin is not None
    with tempfile.TemporaryDirectory(prefix="pyperf-") as directory:
        (Path(directory) / "pyperf").symlink_to(Path(found.origin).parent)
        yield os.pathsep.join((str(ROOT), directory))


def _hand(name: str, directory: Path) -> str:
    printed = command([str(_python(CASES[name])), "-m", "tests.verify.case_driver", name])
    times_s = {way: float(best_s) for way, best_s in (line.split() for line in printed.splitlines())}
    best, second = sorted(times_s, key=lambda way: times_s[way])[:2]
    return best if times_s[second] / times_s[best] > 1 + DIFFERENT else NEITHER


TOOLS: dict[str, Callable[[str, Path], str]] = {"orchestrator": _orchestrator, "pyperf": _pyperf, "hand": _hand}


def text() -> str:
    """Return the table of the last answers, and the commands of its cells."""
    lines = RECORDS.read_text().splitlines() if RECORDS.exists() else []
    return f"{table([Answer(**json.loads(line)) for line in lines])}\n{commands()}"


def table(answers: Sequence[Answer]) -> str:
    """Return the table: a row for each case, a column for each tool, and their sums."""
    last = {(answer.case, answer.tool): answer for answer in answers}
    rows = [f"| case | right | {' | '.join(TITLES[tool] for tool in TOOLS)} |", "|---|---|---|---|---|"]
    for name, case in CASES.items():
        cells = [_cell(last.get((name, tool))) for tool in TOOLS]
        rows.append(f"| `{name}`: {case.what} | {' or '.join(case.right)}: {case.why} | {' | '.join(cells)} |")
    sums = [_sum([answer for answer in last.values() if answer.tool == tool]) for tool in TOOLS]
    return "\n".join([*rows, f"| right, in all | | {' | '.join(sums)} |"]) + "\n"


def _cell(answer: Answer | None) -> str:
    if answer is None:
        return "not run"
    verdict = judged(answer)
    return f"{verdict if verdict == 'right' else f'**{verdict}**'}: {answer.said}, {answer.elapsed_s:.1f} s"


def _sum(answers: Sequence[Answer]) -> str:
    right = sum(judged(answer) == "right" for answer in answers)
    return f"{right} of {len(answers)}, {sum(answer.elapsed_s for answer in answers):.0f} s"


def commands() -> str:
    """Return the commands of all cells, as a block."""
    lines = ["```sh"]
    for name, case in CASES.items():
        python = f"python{case.python}"
        lines += [
            f"# {name}",
            shlex.join(("orchestrator", *case.asked)),
            *(f"{python} {DRIVER} {name} {way} -o {way}.json" for way in case.ways),
            f"{python} -m tests.verify.case_driver {name}",
        ]
    return "\n".join([*lines, "```", ""])
