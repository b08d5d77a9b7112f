"""`python -m tests.verify.sampler`: waits for the GIL in accounts, beside what py-spy sees from outside.

py-spy reads the frames of the threads, which of them has the GIL, and whether the system lets them run. A thread that
is in a call, is not running and has not the GIL waits for it: the functions never wait for anything else. The table
goes to docs/method.md.
"""

from __future__ import annotations

import argparse
import json
import shutil
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

from orchestrator.supervisor.environment import RunnerEnvironment, runner_environment

from . import figures, sampled
from .accounts import METHOD, Control, opened

POINTS = 0.10
SAMPLING_S, CALLS = 6.0, 16


def main() -> int:
    """Print the table, and put it into the documentation."""
    parser = argparse.ArgumentParser(prog="python -m tests.verify.sampler", description=__doc__)
    parser.add_argument("--smoke", action="store_true", help="one second for each function, and no documentation")
    smoke = parser.parse_args().smoke
    py_spy = shutil.which("py-spy") or shutil.which("py-spy", path=str(Path(sys.executable).parent))
    if py_spy is None:
        print("py-spy is missing; install it: pip install py-spy", file=sys.stderr)
        return 1
    text = "\n".join(_rows(py_spy, 1.0 if smoke else SAMPLING_S)) + "\n"
    print(text)
    if not smoke:
        METHOD.write_text(figures.replace(METHOD.read_text(), "sampler", text))
    return 0


def _rows(py_spy: str, within_s: float) -> Iterator[str]:
    yield "| function | account: waits for the GIL | py-spy: waits for it | has it | runs without it | samples |"
    yield "|---|---|---|---|---|---|"
    with runner_environment() as runner_env:
        for function, count in sampled.COUNTS.items():
            yield _row(runner_env, py_spy, function.__name__, count, within_s)
    version = subprocess.run([py_spy, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    yield f"\n{date.today().isoformat()}, {version}, Python {sys.version.split()[0]}, two threads."


def _row(runner_env: RunnerEnvironment, py_spy: str, name: str, count: int, within_s: float) -> str:
    control = Control(name, "threads", f"sampled:{name}", {"n": count}, {}, CALLS)
    with opened(runner_env, control) as runner_group:
        first, second = (runner_group.ask("runner", {"op": "account", "repeats": 2}, 60) for _ in range(2))
        seen: Counter[str] = Counter()
        ended = threading.Event()
        pid = runner_group.runners["runner"].pid
        sampler = threading.Thread(target=_sample, args=(py_spy, pid, name, seen, ended))
        runner_group.ask("runner", {"op": "arm", "repeats": 1}, 60)
        sampler.start()
        until_s = time.monotonic() + within_s
        try:
            while time.monotonic() < until_s:
                runner_group.ask("runner", 0, 60)
        finally:
            ended.set()
            sampler.join()
    total = seen.total()
    account = (first["gil_share"] + second["gil_share"]) / 2
    waits, has, runs = (seen[state] / max(1, total) for state in ("waits", "has", "runs"))
    mark = "" if total and abs(account - waits) <= POINTS else " (!)"
    print(name, f"{account:.3f} {waits:.3f} {has:.3f} {runs:.3f} {total}", flush=True)
    return f"| {name} | {account:.1%} | {waits:.1%}{mark} | {has:.1%} | {runs:.1%} | {total} |"


def _sample(py_spy: str, pid: int, function: str, seen: Counter[str], ended: threading.Event) -> None:
    """Count what the threads in calls of a function do, until the end."""
    command = [py_spy, "dump", "--json", "--nonblocking", "--pid", str(pid)]
    while not ended.is_set():
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode == 0:  # else the frames changed while they were read
            seen.update(_state(thread) for thread in json.loads(done.stdout) if _is_in(thread, function))


def _is_in(thread: dict[str, Any], function: str) -> bool:
    return any(frame["name"] == function and "sampled" in frame["filename"] for frame in thread["frames"])


def _state(thread: dict[str, Any]) -> str:
    if thread["owns_gil"]:
        return "has"
    return "runs" if thread["active"] else "waits"


if __name__ == "__main__":
    sys.exit(main())
