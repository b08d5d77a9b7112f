"""What came of the controls: one line for each run, and what the lines say together."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median

from .cases import CASES, Case


@dataclass(frozen=True)
class Record:
    """One run of one control."""

    case: str
    load: int
    at: str
    run_id: str
    verdict: str
    winners: list[str]
    ratio: float | None
    """How many times as fast the first variant is, with its interval."""
    low: float | None
    high: float | None
    blocks: int
    elapsed_s: float
    at_this_load: bool
    warnings: list[str]
    load_1m: float | None
    steal_share: float | None


def read(file: Path) -> list[Record]:
    """Return the records of a file; none where there is no file yet."""
    return [Record(**json.loads(line)) for line in file.read_text().splitlines()] if file.exists() else []


def append(file: Path, record: Record) -> None:
    """Add one record at the end of a file, which is made if absent."""
    file.parent.mkdir(parents=True, exist_ok=True)
    with file.open("a") as out:
        out.write(json.dumps(asdict(record), separators=(",", ":")) + "\n")


@dataclass(frozen=True)
class Summary:
    """What the runs of one control under one load say together; counts but for `truth` and the medians."""

    case: Case
    load: int
    truth: float | None
    runs: int
    right: int
    undecided: int
    false: int
    bounded: int
    covered: int
    qualified: int
    median_s: float
    longest_s: float
    median_ratio: float | None


def summaries(records: Sequence[Record]) -> list[Summary]:
    """Return a summary for each control and load that has runs, in the order of the controls."""
    loads = sorted({record.load for record in records})
    found = []
    for case in CASES.values():
        for load in loads:
            own = [record for record in records if (record.case, record.load) == (case.name, load)]
            if own:
                found.append(summary(case, load, own, truth(case, load, records)))
    return found


def truth(case: Case, load: int, records: Iterable[Record]) -> float | None:
    """Return the true ratio of a control: known, or known times what the models differ by with the same work."""
    if case.cross is None:
        return None if case.name in {other.cross for other in CASES.values()} else case.truth
    same = [r.ratio for r in records if (r.case, r.load) == (case.cross, load) and r.ratio is not None]
    return case.truth * median(same) if same and case.truth is not None else None


def summary(case: Case, load: int, records: Sequence[Record], true: float | None) -> Summary:
    """Return what the runs of one control under one load say together."""
    ratios = [record.ratio for record in records if record.ratio is not None]
    bounded = [record for record in records if record.low is not None and record.high is not None]
    within = [r for r in bounded if true is not None and r.low is not None and r.high is not None]
    return Summary(
        case=case,
        load=load,
        truth=true,
        runs=len(records),
        right=sum(is_right(case, record) for record in records),
        undecided=sum(record.verdict == "undecided" for record in records),
        false=sum(is_false(case, record) for record in records),
        bounded=len(within),
        covered=sum((r.low or 0) <= (true or 0) <= (r.high or math.inf) for r in within),
        qualified=sum(record.at_this_load for record in records),
        median_s=median(record.elapsed_s for record in records),
        longest_s=max(record.elapsed_s for record in records),
        median_ratio=median(ratios) if ratios else None,
    )


def is_right(case: Case, record: Record) -> bool:
    """Return whether a verdict says what is the case."""
    if case.kind == "same":
        return record.verdict == "tie"
    if case.kind == "apart" and case.truth is not None and case.truth > 1:
        # within the bounds of a tie, 3 %, a tie is as right as a win
        return record.winners == ["a"] if record.verdict == "win" else record.verdict == "tie" and case.truth <= 1.03
    return record.verdict != "undecided"


def is_false(case: Case, record: Record) -> bool:
    """Return whether a verdict says what is not the case."""
    if record.verdict == "undecided" or case.kind == "crossover" or case.truth is None:
        return False
    return not is_right(case, record) if case.kind == "same" or case.truth > 1 else False


def opposites(records: Sequence[Record]) -> int:
    """Return how many unqualified wins the less frequent winner has: 0 when no two of them contradict each other."""
    wins = [tuple(r.winners) for r in records if r.verdict == "win" and not r.at_this_load]
    counts = sorted(wins.count(winner) for winner in set(wins))
    return sum(counts[:-1])
