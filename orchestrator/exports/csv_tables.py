"""Tables that a spreadsheet opens: trials, blocks, variants and verdicts, a row each, with the columns of the log."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from statistics import median
from typing import Any

from ..results import Results

Row = Mapping[str, Any]
Counting = Mapping[tuple[str, int], Row]

_LEFT_OUT = {"event", "schema", "seq", "ts", "crc32"}
_FORMULA = ("=", "+", "-", "@", "\t", "\r")


def render(results: Results) -> dict[str, bytes]:
    """Return the files: UTF-8, a header line, times in ns as whole numbers, empty where there is no value."""
    counting = _counting(results)
    return {
        "trials.csv": _table(list(_trials(results, counting))),
        "blocks.csv": _table(list(_blocks(results, counting))),
        "variants.csv": _table([event for event in results.derived if event["event"] == "variant.compared"]),
        "verdicts.csv": _table([event for event in results.derived if event["event"] == "verdict.reached"]),
    }


def _trials(results: Results, counting: Counting) -> Iterator[Row]:
    """Yield every finished trial with what was observed of it; `counts` tells whether it enters the figures."""
    trial: dict[str, Any] | None = None
    for event in results.named("trial.finished", "trial.observed"):
        if event["event"] == "trial.finished":
            if trial:
                yield trial
            trial = {**event, "counts": (event["point_id"], event["block"]) in counting}
        elif trial:
            trial |= {key: value for key, value in event.items() if key.startswith("observed_")}
    if trial:
        yield trial


def _blocks(results: Results, counting: Counting) -> Iterator[Row]:
    """Yield a row for every variant of every block that was begun, with medians over its rounds."""
    trials: dict[tuple[str, int, str], list[Row]] = {}
    for event in results.named("trial.finished"):
        trials.setdefault((event["point_id"], event["block"], event["variant"]), []).append(event)
    for ready in results.named("runner.ready"):
        own = trials.get((ready["point_id"], ready["block"], ready["variant"]), [])
        about = {key: value for key, value in ready.items() if not key.startswith(("worker_", "hash_"))}
        finished = counting.get((ready["point_id"], ready["block"]), {})
        yield {
            **about,
            "counts": bool(finished),
            "rounds": len(own),
            "wall_ns": round(median(trial["wall_ns"] for trial in own)) if own else None,
            "cpu_ns": round(median(trial["cpu_ns"] for trial in own)) if own else None,
            "free_cores": finished.get("free_cores"),
            "steal_share": finished.get("steal_share"),
        }


def _counting(results: Results) -> Counting:
    """Return the blocks that the figures are made of, by point and number."""
    judged = {(contest.point.id, block.number) for contest in results.contests for block in contest.judged}
    finished = {(event["point_id"], event["block"]): event for event in results.named("block.finished")}
    return {place: event for place, event in finished.items() if place in judged}


def _table(rows: Sequence[Row]) -> bytes:
    columns = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in _LEFT_OUT]
    out = io.StringIO()
    writer = csv.writer(out)  # lines end in CR LF, as RFC 4180 has it
    writer.writerow(columns)
    writer.writerows([[_cell(row.get(name)) for name in columns] for row in rows])
    return out.getvalue().encode("utf-8", "backslashreplace")


def _cell(value: object) -> object:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return _cell("; ".join(map(str, value)))
    if isinstance(value, str) and value.startswith(_FORMULA):
        return f"'{value}"  # a spreadsheet would take it for a formula
    return value
