"""Files for what reads `hyperfine --export-json`: one for each point, in the format of hyperfine 1.x.

A time of hyperfine's is one run of a fresh process, and its scripts test as if all were independent: here that is the
median of a block, and not a trial. How the CPU time splits into user and system is not known, so both are left out.
"""

from __future__ import annotations

from statistics import mean, median, stdev
from typing import Any

import orjson

from ...analysis.contest import Contest
from ...analysis.results import Results
from ...spec.plan import canonical, columns
from ...text import printable
from . import file_names


def render(results: Results) -> dict[str, bytes]:
    """Return a file for each point that has blocks: a result for each variant, in seconds per batch."""
    points = file_names.of_points([contest.point for contest in results.contests])
    files = {}
    for contest in results.contests:
        found = [_result(contest, label, times) for label, times in _times(contest).items()]
        if found:
            content = orjson.dumps({"results": found}, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
            files[f"hyperfine/{points[contest.point.id]}.json"] = content
    return files


def _times(contest: Contest) -> dict[str, list[float]]:
    """Return the median of every block that counts, by variant; an excluded variant has none."""
    times = {
        label: [median(block.walls[label]) / 1e9 for block in contest.counting if block.walls.get(label)]
        for label in contest.variants
        if label not in contest.excluded
    }
    return {label: own for label, own in times.items() if own}


def _result(contest: Contest, label: str, times: list[float]) -> dict[str, Any]:
    about = columns(contest.point, contest.variants[label])
    parameters = {
        name: value
        for name, value in about.items()
        if value is not None and (name in ("tasks", "workers") or name.startswith("kwargs_"))
    }
    return {
        "command": printable(label),
        "mean": mean(times),
        "stddev": stdev(times) if len(times) > 1 else None,
        "median": median(times),
        "min": min(times),
        "max": max(times),
        "times": times,
        "exit_codes": [0] * len(times),  # a block in which anything fails does not count
        "parameters": {
            name: printable(value if isinstance(value, str) else canonical(value)) for name, value in parameters.items()
        },
    }
