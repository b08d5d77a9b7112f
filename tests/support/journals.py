"""Journals made by hand, and recorded ones."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

from orchestrator.analysis.results import DERIVED, fold
from orchestrator.journal.event import SCHEMA
from orchestrator.journal.write import _render
from tests.support.paths import GOLDEN

RECORDED = sorted((GOLDEN / "journals").glob("*.jsonl.gz"))


def recorded(file: Path) -> list[dict[str, Any]]:
    """Return the records of a journal, compressed or not."""
    content = file.read_bytes()
    text = gzip.decompress(content) if file.suffix == ".gz" else content
    return [json.loads(line) for line in text.splitlines()]


def journal_bytes(records: list[dict[str, Any]]) -> bytes:
    """Return records as the lines of a journal, each with the checksum of what it holds now."""
    bare = ({key: value for key, value in record.items() if key != "crc32"} for record in records)
    return b"".join(_render(None, "", record) for record in bare)


def derived_again(file: Path) -> bytes:
    """Return a recorded journal with its derived events computed again from its raw ones."""
    records = recorded(file)
    last = max(place for place, record in enumerate(records) if record["event"] not in DERIVED)
    raw, end = records[: last + 1], records[-1]
    common = {key: end[key] for key in ("run_id", "ts")}
    derived = [{**event.fields(), "schema": SCHEMA, **common} for event in fold(records).derived] + [end]
    numbered = [{**record, "seq": len(raw) + place} for place, record in enumerate(derived)]
    return journal_bytes([*raw, *(_ordered(record) for record in numbered)])


def _ordered(record: dict[str, Any]) -> dict[str, Any]:
    first = ("event", "schema", "run_id", "seq", "ts")
    return {key: record[key] for key in first} | record


def journaled(runs: Path, number: int, records: list[dict[str, Any]], experiment: str = "x") -> Path:
    """Write records as the journal of a run, the `number`th of its experiment, and return its directory."""
    run = runs / experiment / f"202611{number:02d}T031500000Z-5a5a5a"
    run.mkdir(parents=True)
    dated = ({**record, "run_id": run.name, "ts": f"2026-11-{number:02d}T03:15:00.000000Z"} for record in records)
    (run / "events.jsonl").write_bytes(journal_bytes(list(dated)))
    return run
