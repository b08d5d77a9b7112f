"""Files for pyperf: one for each variant of a point, which `pyperf compare_to a.json b.json` loads and compares.

A run of pyperf's is one process with its values: a block. Files that do not hold equally many values are significantly
different for pyperf, whatever the values are, so only the blocks that all variants of a point ran are in. Only a
variant far behind has fewer values, those of the rounds that it ran.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any

import orjson

from ...analysis.contest import Block, Contest
from ...analysis.results import Results
from ...spec.plan import canonical
from ...text import printable
from . import file_names

_LARGEST = 2**63 - 1  # of the whole numbers that JSON is written with here

Events = Mapping[tuple[str, int, str], Mapping[str, Any]]
"""Events about a variant in a block, by the id of the point, the block and the label."""


def render(results: Results) -> dict[str, bytes]:
    """Return a file for each variant of each point, named by its label; times in seconds per batch, dates in UTC."""
    points = [contest.point for contest in results.contests]
    directories = file_names.of_points(points)
    ready, warmed = _by_place(results, "runner.ready"), _by_place(results, "runner.warmed")
    ends = {(event["point_id"], event["block"]): event for event in results.records("block.finished")}
    context: Mapping[str, Any] = next(iter(results.records("context.sampled")), {})
    run = {
        "experiment": results.started.experiment,
        "run_id": results.run_id,
        "hostname": context.get("hostname"),
        "cpu_model_name": context.get("cpu_model"),
        "cpu_count": context.get("cores"),
    }
    files = {}
    for contest in results.contests:
        labels, blocks = _shared(contest)
        files_of = file_names.of_variants(contest.variants.values())
        for label in labels if blocks else ():
            places = [(contest.point.id, block.number, label) for block in blocks]
            runs = [
                _run(block, label, ends[place[:2]], ready[place], warmed.get(place))
                for block, place in zip(blocks, places, strict=True)
            ]
            variant = _metadata(contest, label, [ready[place] for place in places])
            suite = {"version": "1.0", "metadata": _plain({**variant, **run}), "benchmarks": [{"runs": runs}]}
            directory = f"{directories[contest.point.id]}/" if len(points) > 1 else ""
            files[f"pyperf/{directory}{files_of[label]}.json"] = orjson.dumps(suite)
    return files


def _by_place(results: Results, name: str) -> Events:
    return {(event["point_id"], event["block"], event["variant"]): event for event in results.records(name)}


def _shared(contest: Contest) -> tuple[Sequence[str], Sequence[Block]]:
    """Return the variants that have been measured, and the blocks that count in which each has its trials."""
    ran = {label for block in contest.counting for label in block.walls}
    labels = [label for label in contest.variants if label in ran - contest.excluded]
    return labels, [block for block in contest.counting if _is_whole(block, labels)]


def _is_whole(block: Block, labels: Sequence[str]) -> bool:
    """Return whether every variant has trials in a block; one far behind has only those of the first rounds."""
    walls = [block.walls.get(label, ()) for label in labels]
    return all(each and min(each) > 0 for each in walls)


def _run(
    block: Block, label: str, end: Mapping[str, Any], ready: Mapping[str, Any], warmed: Mapping[str, Any] | None
) -> dict[str, Any]:
    about = {
        "date": _begun(end),
        "block": block.number,
        "startup_ns": block.startups.get(label),
        "steal_share": block.steal_share,
        "hash_seed": ready["hash_seed"],
    }
    run = {"metadata": _plain(about), "values": [wall_ns / 1e9 for wall_ns in block.walls[label]]}
    if warmed and warmed["batches"]:  # not in every block; only the first and the last batch
        kept = [warmed["first_ns"], warmed["last_ns"]][: warmed["batches"]]
        run["warmups"] = [[1, wall_ns / 1e9] for wall_ns in kept]
    return run


def _begun(end: Mapping[str, Any]) -> str | None:
    try:
        ended = datetime.fromisoformat(end["ts"])
    except ValueError:
        return None
    begun = ended - timedelta(microseconds=end["elapsed_ns"] / 1000)
    return begun.replace(tzinfo=None).isoformat(" ", "microseconds")  # pyperf's dates have no zone


def _metadata(contest: Contest, label: str, runners: Sequence[Mapping[str, Any]]) -> Mapping[str, object]:
    """Return what holds for all runs of a file: pyperf refuses runs that differ in most of it."""
    variant = contest.variants[label]
    gil = _same(runners, "gil")
    return {
        **contest.point.columns,
        **variant.columns,
        "variant": label,
        "name": contest.point.label,
        "unit": "second",
        "loops": contest.repeats.get(label, 1),
        "python_version": _same(runners, "runner_python"),
        "python_executable": _same(runners, "executable"),
        "gil": None if gil is None else "on" if gil else "off",
    }


def _same(events: Sequence[Mapping[str, Any]], field: str) -> Any:
    values = {event[field] for event in events}
    return values.pop() if len(values) == 1 else None


def _plain(metadata: Mapping[str, object]) -> dict[str, str | int | float]:
    """Return the metadata that pyperf loads: numbers and texts of one line, nothing that is null or empty."""
    found: dict[str, str | int | float] = {}
    for name, value in metadata.items():
        if isinstance(value, float):
            if math.isfinite(value):
                found[name] = value
        elif isinstance(value, int) and not isinstance(value, bool) and abs(value) <= _LARGEST:
            found[name] = value
        elif value is not None:
            text = printable(" ".join((value if isinstance(value, str) else canonical(value)).split()))
            if text:
                found[name] = text
    return found
