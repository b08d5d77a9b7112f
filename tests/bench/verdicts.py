"""`make bench ARGS=verdicts`: how long a verdict takes, from the return key to the prompt, with the page written.

Each question goes to the real command line in a process of its own. Its time is printed beside the goal, beside the
floor, and for pairs and five models beside the time that pyperf and hyperfine take. Nothing is asserted.

The floor is the least time in which trials could decide: 4 blocks, or 8 where the answer is a tie, of one trial of each
variant that was not dropped before the decision. The journal of the run has the time of a trial.
"""

from __future__ import annotations

import argparse
import dataclasses
import json
import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import datetime
from fnmatch import fnmatch
from pathlib import Path
from statistics import median
from typing import Any

import yaml

from orchestrator.errors import BROKEN, BUSY, OK, UNDECIDED
from orchestrator.interpreters.find import resolve
from orchestrator.machine import host
from orchestrator.units import count, day, listed, ratio, significant, utc_now
from tests.support.paths import ROOT
from tests.verify.figures import replace

from .questions import QUESTIONS, Ask, Question

RECORDS = ROOT / "docs/figures/verdicts.jsonl"
METHOD = ROOT / "docs/method.md"
BLOCKS_TO_WIN, BLOCKS_TO_TIE = 4, 8
OURS = "orchestrator"
PEERS = ("pyperf", "hyperfine")

Event = Mapping[str, Any]


@dataclass(frozen=True)
class Record:
    """One command of one question."""

    question: str
    workload: str
    tool: str
    elapsed_s: float
    answer: str
    """How it ended; empty for other tools."""
    floor_s: float | None
    load_1m: float | None
    """The load of the machine before; None where it was not kept."""
    sitting: str
    """When the measurements that it belongs to were begun."""
    commit: str
    machine: str
    decided_s: float | None = None
    """When the last verdict was known; expectations of the spec may need further blocks."""


def main(words: Sequence[str]) -> None:
    """Ask the questions that are named, or all, and print the table."""
    asked = _arguments(words)
    sitting: list[Record] = []
    try:
        for record in () if asked.table else _measured(asked):
            sitting.append(record)
            if asked.update:
                with RECORDS.open("a") as out:
                    out.write(json.dumps(asdict(record)) + "\n")
    finally:
        kept = asked.update or asked.table
        records = _read() if kept else sitting
        if records:
            print(shown := table(records), end="")
            if kept:
                METHOD.write_text(replace(METHOD.read_text(), "verdicts", shown))


def _read() -> list[Record]:
    return [Record(**json.loads(line)) for line in RECORDS.read_text().splitlines()] if RECORDS.exists() else []


def _arguments(words: Sequence[str]) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="make bench ARGS='verdicts ...'", description="How long a verdict takes.")
    parser.add_argument(
        "questions", nargs="*", metavar="QUESTION", help=f"all if none is named: {', '.join(QUESTIONS)}"
    )
    parser.add_argument("--runs", type=int, default=5, help="of each of the four workloads of a pair (default 5)")
    parser.add_argument("--peer-runs", type=int, default=1, help="the same for pyperf and hyperfine (default 1)")
    parser.add_argument("--max-time", metavar="TIME", help="of each run, to try a question; not with --update")
    parser.add_argument("--update", action="store_true", help=f"keep the records; renew the table in {METHOD.name}")
    parser.add_argument("--table", action="store_true", help=f"measure nothing; renew the table in {METHOD.name}")
    asked = parser.parse_args(words)
    if asked.update and asked.max_time:
        parser.error("--max-time changes the question, so --update can't keep the time")
    for pattern in asked.questions:
        if not any(fnmatch(name, pattern) for name in QUESTIONS):
            parser.error(f"no question {pattern}; there are {', '.join(QUESTIONS)}")
    patterns = asked.questions or ["*"]
    asked.questions = [name for name in QUESTIONS if any(fnmatch(name, pattern) for pattern in patterns)]
    return asked


def _measured(asked: argparse.Namespace) -> Iterator[Record]:
    """Yield the records of all questions; a pair is asked in turn with the other pairs."""
    sitting = _sitting()
    order = list(_order(_possible(asked.questions), asked.runs))
    hyperfine = shutil.which("hyperfine")
    if not hyperfine and any("hyperfine" in ask.peers for _, _, ask in order):
        _progress("hyperfine is missing: its column stays empty")
    for turn, name, ask in order:
        yield _ours(sitting, name, ask, asked.max_time)
        for tool, measure in ask.peers.items():
            if turn < asked.peer_runs and (tool != "hyperfine" or hyperfine):
                yield _peer(sitting, name, ask, tool, measure)


def _sitting() -> dict[str, Any]:
    """Return the fields that the records of one sitting share."""
    git = ["git", "describe", "--always", "--dirty", "--exclude=*"]
    commit = subprocess.run(git, cwd=ROOT, capture_output=True, text=True, check=False).stdout.strip()
    sample = host.sample()
    machine = f"{sample['cpu_model']}, {sample['effective_cores']} cores, Python {platform.python_version()}"
    return {"sitting": utc_now(), "commit": commit, "machine": machine}


def _possible(names: Sequence[str]) -> list[str]:
    """Return the questions whose interpreter is here; print those that are skipped."""
    missing = {name: python for name in names if (python := QUESTIONS[name].python) and not resolve(python)}
    for name, python in missing.items():
        _progress(f"{name}: skipped, because Python {python} is missing")
    return [name for name in names if name not in missing]


def _order(names: Sequence[str], runs: int) -> Iterator[tuple[int, str, Ask]]:
    """Yield the turn, the question and the command, in the order in which they are asked."""
    repeated = [name for name in names if QUESTIONS[name].repeated]
    for name in names:
        if name not in repeated:
            yield 0, name, QUESTIONS[name].asks[0]
    for turn in range(runs):
        for asks in zip(*(QUESTIONS[name].asks for name in repeated), strict=True):
            yield from ((turn, name, ask) for name, ask in zip(repeated, asks, strict=True))


def _ours(sitting: Mapping[str, Any], name: str, ask: Ask, max_time: str | None) -> Record:
    """Ask this project, again after 5 s while another run holds the machine."""
    load_1m = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="verdicts-") as directory:
        words, waiting = _words(ask, Path(directory), max_time), False
        while True:
            begun = time.perf_counter()
            done = subprocess.run(words, cwd=ROOT, env=_env(), capture_output=True, text=True, check=False)
            elapsed_s = time.perf_counter() - begun
            if done.returncode != BUSY:
                break
            if not waiting:
                _progress(f"{name}: waiting for another run on this machine to end")
            waiting = True
            time.sleep(5)
        journals = list(Path(directory).glob("runs/*/latest/events.jsonl"))
        events = [json.loads(line) for file in journals for line in file.read_text().splitlines()]
    ended = answer(events)
    if done.returncode not in (OK, BROKEN, UNDECIDED):
        said = done.stderr.strip().splitlines() or [""]
        ended = f"status {done.returncode}: {said[-1]}"
    record = Record(name, ask.workload, OURS, round(elapsed_s, 2), ended, floor_s(events), load_1m, **sitting)
    return _shown(dataclasses.replace(record, decided_s=decided_s(events)))


def _words(ask: Ask, directory: Path, max_time: str | None) -> list[str]:
    words = [str(Path(sys.executable).with_name("orchestrator")), *ask.words]
    if ask.spec is not None:
        spec = directory / "spec.yaml"
        spec.write_text(yaml.safe_dump(dict(ask.spec)))
        words.append(str(spec))
    if max_time:
        words += [f"measure.max_time={max_time}"] if ask.words[0] == "run" else ["--max-time", max_time]
    return [*words, "--runs", str(directory / "runs")]


def _env() -> dict[str, str]:
    """Return the environment without defaults for this program's options."""
    return {name: value for name, value in os.environ.items() if not name.startswith("ORCHESTRATOR_")}


def _peer(sitting: Mapping[str, Any], name: str, ask: Ask, tool: str, measure: Callable[[Path], object]) -> Record:
    load_1m = os.getloadavg()[0]
    with tempfile.TemporaryDirectory(prefix="verdicts-") as directory:
        begun = time.perf_counter()
        measure(Path(directory))
        elapsed_s = time.perf_counter() - begun
    return _shown(Record(name, ask.workload, tool, round(elapsed_s, 2), "", None, load_1m, **sitting))


def _shown(record: Record) -> Record:
    floor = f"floor {record.floor_s:.2f} s" if record.floor_s else ""
    decided = f"verdict {record.decided_s:.1f} s" if record.decided_s else ""
    asked = f"{record.question} {record.workload}".strip()
    _progress(f"{asked:22}{record.tool:14}{record.elapsed_s:7.1f} s  {floor:16}{decided:17}{record.answer}")
    return record


def _progress(line: str) -> None:
    print(line.rstrip(), file=sys.stderr, flush=True)


def floor_s(events: Iterable[Event]) -> float | None:
    """Return the floor of a run from its events, summed over its points; None without a verdict."""
    trials: dict[tuple[str, str], list[int]] = {}
    left: dict[tuple[str, str], int] = {}
    total_ns, verdicts = 0.0, 0
    for event in events:
        if event["event"] == "trial.finished":
            trials.setdefault((event["point_id"], event["variant"]), []).append(event["wall_ns"] * event["repeats"])
        elif event["event"] == "variant.dropped":
            left[event["point_id"], event["variant"]] = event["blocks"]
        elif event["event"] == "verdict.reached":
            verdicts += 1
            blocks = BLOCKS_TO_TIE if event["verdict"] == "tie" else BLOCKS_TO_WIN
            for (point, variant), walls in trials.items():
                if point == event["point_id"] and left.get((point, variant), event["blocks"]) >= event["blocks"]:
                    total_ns += blocks * median(walls)
    return round(total_ns / 1e9, 4) if verdicts else None


def decided_s(events: Iterable[Event]) -> float | None:
    """Return how long after its start a run knew its last verdict; None if a point stayed undecided.

    A win is known when the last rival is dropped, a tie at the last look.
    """
    begun, looked, dropped = "", dict[str, str](), dict[str, str]()
    known: list[str | None] = []
    for event in events:
        if event["event"] == "run.started":
            begun = event["ts"]
        elif event["event"] in ("look.taken", "variant.dropped"):
            (looked if event["event"] == "look.taken" else dropped)[event["point_id"]] = event["ts"]
        elif event["event"] == "verdict.reached":
            when = {"win": dropped, "tie": looked}.get(event["verdict"], {})
            known.append(when.get(event["point_id"]))
    if not known or None in known:
        return None
    last = max(ts for ts in known if ts)
    return round((datetime.fromisoformat(last) - datetime.fromisoformat(begun)).total_seconds(), 2)


def answer(events: Sequence[Event]) -> str:
    """Return how a run ended, from its events."""
    verdicts = [event for event in events if event["event"] == "verdict.reached"]
    located = [event for event in events if event["event"] == "crossover.located"]
    if located:
        return _located(located)
    if len(verdicts) == 1:
        return _verdict(verdicts[0])
    return f"{sum(event['verdict'] != 'undecided' for event in verdicts)} of {len(verdicts)} decided"


def _located(events: Iterable[Event]) -> str:
    """Return between which sizes processes begin to be faster than a plain loop."""
    own = [event for event in events if {event["from_variant"], event["to_variant"]} == {"sequential", "processes"}]
    if not own:
        return "processes and sequential: not located"
    event = own[0]
    width = f"{event['low']:,} to {event['high']:,}, a factor of {event['high'] / event['low']:.3g}"
    return width if event["decision"] == "found" else f"{event['decision']}: {width}"


def _verdict(event: Event) -> str:
    if event["verdict"] == "win":
        found = ratio(event["ratio"], event["ratio_low"], event["ratio_high"])
        return f"{event['recommended']}, {found} times as fast as {event['runner_up']}"
    if event["verdict"] == "tie":
        return f"tie: {listed(event['winners'])}"
    return f"undecided after {count(event['blocks'], 'block')}"


def table(records: Sequence[Record]) -> str:
    """Return the Markdown table: a row for each question, from the last sitting that it was asked in."""
    names = ("question", "ended as", "time", "of it until the verdict", "goal", "floor", "time/floor", *PEERS)
    rows = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    shown: list[Record] = []
    for name, question in QUESTIONS.items():
        own = [record for record in records if record.question == name]
        last = [record for record in own if record.sitting == max(each.sitting for each in own)]
        if any(record.tool == OURS for record in last):
            rows.append(_row(question, last))
            shown += last
    days = sorted({day(record.sitting) for record in shown})
    machines = sorted({f"{record.machine}, commit {record.commit}" for record in shown})
    return "\n".join([*rows, "", f"{listed(days)}; {'; '.join(machines)}.", ""])


def _row(question: Question, records: Sequence[Record]) -> str:
    own = [record for record in records if record.tool == OURS]
    taken_s = median(record.elapsed_s for record in own)
    floors = [record.floor_s for record in own if record.floor_s]
    decided = [record.decided_s for record in own if record.decided_s]
    cells = [
        question.text,
        _ended(own),
        f"{taken_s:.1f} s" + (f", median of {len(own)}" if question.repeated else ""),
        f"{median(decided):.1f} s" if decided else "",
        f"{significant(question.goal_s)} s" + (f", {question.goal}" if question.goal else ""),
        f"{significant(median(floors))} s" if floors else "",
        significant(taken_s / median(floors)) if floors else "",
        *(_beside(taken_s, [each.elapsed_s for each in records if each.tool == tool]) for tool in PEERS),
    ]
    return f"| {' | '.join(cells)} |"


def _ended(own: Sequence[Record]) -> str:
    """Return the only answer, or of repeated questions how often each came, without its ratio."""
    if len(own) == 1:
        return own[0].answer
    counts = Counter(re.split("[,:]| after", record.answer)[0] for record in own)
    return ", ".join(f"{ended} {times} of {len(own)}" for ended, times in counts.most_common())


def _beside(taken_s: float, times_s: Sequence[float]) -> str:
    """Return the median time of another tool, and how many times ours it is."""
    return f"{median(times_s):.1f} s ({median(times_s) / taken_s:.1f} times)" if times_s else ""
