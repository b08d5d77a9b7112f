"""`python -m tests.verify.sampler`: waits for the GIL in accounts, beside what py-spy sees from outside.

py-spy reads the frames of the threads, which of them has the GIL, and whether the system lets them run. A worker that
is not running and has not the GIL waits for it: the functions never wait for anything else. One that is said to run
without it, in a function that never releases it, has just been woken to take it. The table goes to docs/method.md.
"""

from __future__ import annotations

import argparse
import json
import os
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
SAMPLING_S, CALLS = 10.0, 16
PAUSE_S = 0.1  # between two looks, each of which is a process of its own that takes a core


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
    yield (
        "| function | account: waits for the GIL | for a core | py-spy: waits for it | runs without it | has it "
        "| apart by | samples |"
    )
    yield "|---|---|---|---|---|---|---|---|"
    with runner_environment() as runner_env:
        for function, count in sampled.COUNTS.items():
            yield _row(runner_env, py_spy, function.__name__, count, within_s)
    version = subprocess.run([py_spy, "--version"], capture_output=True, text=True, check=True).stdout.strip()
    load = f"load {os.getloadavg()[1]:.1f} (mean of 5 min, this check included)"
    yield f"\n{date.today().isoformat()}, {version}, Python {sys.version.split()[0]}, {os.cpu_count()} cores, {load}."


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
    gil, queue = ((first[share] + second[share]) / 2 for share in ("gil_share", "run_queue_share"))
    waits, has, runs = (seen[state] / max(1, total) for state in ("waits", "has", "runs"))
    apart = abs(gil - waits - (0.0 if name in sampled.RELEASING else runs))
    mark = "" if total and apart <= POINTS else " (!)"
    cells = (name, f"{gil:.1%}", f"{queue:.1%}", f"{waits:.1%}", f"{runs:.1%}", f"{has:.1%}")
    print(*cells, total, flush=True)
    return f"| {' | '.join(cells)} | {apart * 100:.1f}{mark} | {total} |"


def _sample(py_spy: str, pid: int, function: str, seen: Counter[str], ended: threading.Event) -> None:
    """Count what the workers do while any of them is in a call of a function, until the end.

    Between two calls a worker waits for the GIL, too.
    """
    command = [py_spy, "dump", "--json", "--nonblocking", "--pid", str(pid)]
    workers: set[int] = set()
    while not ended.is_set():
        time.sleep(PAUSE_S)
        done = subprocess.run(command, capture_output=True, text=True)
        if done.returncode:  # the frames changed while they were read
            continue
        threads = json.loads(done.stdout)
        inside = {thread["thread_id"] for thread in threads if _is_in(thread, function)}
        workers |= inside
        seen.update(_state(thread) for thread in threads if inside and thread["thread_id"] in workers)


def _is_in(thread: dict[str, Any], function: str) -> bool:
    return any(frame["name"] == function and "sampled" in frame["filename"] for frame in thread["frames"])


def _state(thread: dict[str, Any]) -> str:
    if thread["owns_gil"]:
        return "has"
    return "runs" if thread["active"] else "waits"


if __name__ == "__main__":
    sys.exit(main())
