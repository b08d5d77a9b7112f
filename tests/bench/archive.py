"""How long a report of 100,000 trials takes, and a query over a thousand runs, and how much memory."""

from __future__ import annotations

import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from statistics import median
from typing import Any

from orchestrator.analysis.results import DERIVED, fold
from orchestrator.journal.event import SCHEMA
from orchestrator.journal.write import _render
from tests.support.synthetic import conducted

MODELS = {"sequential": 20, "threads": 19, "processes": 11, "event_loop": 20.2}
TIMES = 5
ACCOUNTS = 5
CALLS = 40
QUERY = "select variant, count(*) as n, median(wall_ns) as wall_ns from trials group by all order by all"
WATCH = """
import resource, subprocess, sys, time
begun = time.perf_counter()
subprocess.run(sys.argv[1:], stdout=subprocess.DEVNULL, check=True)
print(time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss)
"""
READ = "import sys, orjson; [orjson.loads(line) for line in open(sys.argv[1], 'rb')]"
"""The least work to read a journal."""


def reports() -> Iterator[str]:
    """Yield a line for each format of a report of 100 points and 100,000 trials, from process start to file."""
    with tempfile.TemporaryDirectory() as directory:
        levels = list(range(1, 11))
        matrix = {"tasks": levels, "kwargs.n": levels}
        run = _write(Path(directory), 0, _records(50, matrix))
        read = [sys.executable, "-c", READ, str(run / "events.jsonl")]
        made = {
            form: [sys.executable, "-m", "orchestrator", "report", str(run), "--format", form]
            for form in ("table", "html")
        }
        taken = _side_by_side({"read": read, **made})
        yield f"{'reading the lines':24}{taken['read'][0]:8.2f} s"
        for form in made:
            seconds, memory_mb = taken[form]
            ratio = seconds / taken["read"][0]
            yield f"report --format {form:8}{seconds:8.2f} s{memory_mb:8.0f} MB{ratio:8.1f} x reading"
        yield f"{'report.html':24}{(run / 'report.html').stat().st_size / 1e6:8.2f} MB"


def queries(count: int = 1000) -> Iterator[str]:
    """Yield how long a group-by over so many runs of 5,000 trials takes, cold and warm."""
    records = _records(50, {"kwargs.n": [1, 2, 3, 4, 5]})
    with tempfile.TemporaryDirectory() as directory:
        for number in range(count):
            _write(Path(directory), number, records)
        command = [sys.executable, "-m", "orchestrator", "query", QUERY, "--runs", directory]
        seconds, memory_mb = _run(command)
        yield f"{f'query, {count:,} runs, cold':24}{seconds:8.2f} s{memory_mb:8.0f} MB"
        taken = _side_by_side({"query": command, "help": [*command[:3], "--help"]})
        seconds, memory_mb = taken["query"]
        yield f"{'the same, warm':24}{seconds:8.2f} s{memory_mb:8.0f} MB{seconds / taken['help'][0]:8.1f} x --help"


def _records(blocks: int, matrix: Mapping[str, Any]) -> list[dict[str, Any]]:
    accounts = {model: {"gil": 0.3} for model in MODELS}
    measure = {"blocks": blocks, "max_time": "99h"}
    records = conducted(MODELS, matrix=matrix, measure=measure, accounts=accounts, noise=0.05).records()
    # as a run has them: a few accounts of each variant, and a timeline with the first of them
    kept = [each for each in records if each["event"] != "account.measured" or each["block"] < ACCOUNTS]
    timelines = [_timeline(each) for each in kept if each["event"] == "account.measured" and each["block"] == 0]
    raw = [*(each for each in kept if each["event"] not in DERIVED), *timelines]
    lines = [*raw, *(event.fields() for event in fold(raw).derived), records[-1]]
    return [{**each, "schema": SCHEMA, "seq": seq, "ts": "then"} for seq, each in enumerate(lines)]


def _timeline(account: dict[str, Any]) -> dict[str, Any]:
    begun = [number * 1_000_000 for number in range(CALLS)]
    about = ("schema", "run_id", "ts", "point", "point_id", "variant", "variant_id", "block", "wall_ns")
    return {
        **{"event": "timeline.recorded", **{name: account[name] for name in about}},
        **{"lane": [number % 2 for number in range(CALLS)], "begun_ns": begun},
        "ended_ns": [each + 900_000 for each in begun],
        **{"on_core_ns": [500_000] * CALLS, "gil_ns": [300_000] * CALLS, "run_queue_ns": [50_000] * CALLS},
        **{"blocked_ns": [50_000] * CALLS, "unpickled_ns": [None] * CALLS, "pickled_ns": [None] * CALLS},
    }


def _write(runs: Path, number: int, records: list[dict[str, Any]]) -> Path:
    run = runs / "x" / f"20261101T{number:09d}Z-5a5a5a"
    run.mkdir(parents=True)
    (run / "events.jsonl").write_bytes(b"".join(_render(None, "", {**each, "run_id": run.name}) for each in records))
    return run


def _side_by_side(commands: Mapping[str, list[str]]) -> dict[str, tuple[float, float]]:
    """Return the medians of the seconds and megabytes of each command, run in turns."""
    taken = [{name: _run(command) for name, command in commands.items()} for _ in range(TIMES)]
    return {
        name: (median(each[name][0] for each in taken), median(each[name][1] for each in taken)) for name in commands
    }


def _run(command: list[str]) -> tuple[float, float]:
    """Return seconds and megabytes, as a small process sees them: what its parent holds counts as a child's own."""
    done = subprocess.run([sys.executable, "-c", WATCH, *command], capture_output=True, text=True, check=True)
    seconds, kilobytes = map(float, done.stdout.split())
    return seconds, kilobytes / 1024
