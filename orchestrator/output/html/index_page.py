"""All experiments below a directory on one page: the latest verdicts, and how they have moved. It runs no script."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any
from urllib.parse import quote

from ... import units
from ...journal.overview import LATEST_RUNS, Overview, RunEnd, overviews
from ...journal.read import LATEST
from .. import brief
from ..formats import PAGE
from . import history_page, templates

FILE = "index.html"

MOST_POINTS = 4  # so many points of an experiment are shown; its page has all

WIDTH, HEIGHT = 96, 20

LEAST_RANGE = math.log(1.25)  # that a curve spans from bottom to top: noise of a few percent is to look flat

NOTE = (
    f"A curve shows how many times as fast the winner was as the next model, in up to {LATEST_RUNS} runs, the latest "
    "at the right. `orchestrator history NAME --html` writes the history of one experiment."
)


def render(runs: Path) -> bytes:
    """Return the page of the experiments below `runs`; raises BadInput when that can't be read."""
    found = overviews(runs)
    about = {
        "count": units.count(len(found), "experiment"),
        "directory": str(runs),
        "when": units.minute(units.utc_now()),
        "experiments": [_experiment(runs, each) for each in found],
        "note": NOTE,
    }
    return templates.filled("index.html.j2", templates.read("page.css"), [], about)


def _experiment(runs: Path, overview: Overview) -> dict[str, Any]:
    """Return what the page shows of one experiment: its latest run, and the newest verdicts."""
    latest = overview.ends[0]
    shown = next((end for end in overview.ends if end.verdicts), latest)
    finished = latest.finished
    kind, state = _state(overview, finished)
    stamp = _time(latest.run_id)
    return {
        "name": overview.name,
        "page": _page(runs, overview),
        "time": stamp,
        "when": units.minute(stamp),
        "kind": kind,
        "state": state,
        "points": [_point(overview, shown, verdict) for verdict in shown.verdicts[:MOST_POINTS]],
        "more": units.count(more, "point") if (more := len(shown.verdicts) - MOST_POINTS) > 0 else "",
        "expectations": brief.expectations(shown.expectations),
        "took": "-" if finished is None else units.duration(finished["elapsed_s"] * 1e9),
        "runs": overview.count,
        "history": _if_there(runs, overview.name, history_page.FILE),
    }


def _state(overview: Overview, finished: Mapping[str, Any] | None) -> tuple[str, str]:
    """Return a class and a few words on the latest run where there is more to say than its verdicts."""
    if finished is None:
        return "undecided", "running" if overview.is_running else "unfinished"
    kinds = {"expectation_broken": "broken", "workload_failed": "broken", "interrupted": "undecided", "error": "broken"}
    kind = kinds.get(finished["outcome"], "")
    return kind, finished["outcome"].replace("_", " ") if kind else ""


def _page(runs: Path, overview: Overview) -> str:
    """Return the address of the newest page of an experiment, empty without any."""
    for directory in (LATEST, *(end.run_id for end in overview.ends)):
        if found := _if_there(runs, overview.name, directory, PAGE):
            return found
    return ""


def _if_there(runs: Path, *parts: str) -> str:
    return quote("/".join(parts)) if runs.joinpath(*parts).is_file() else ""


def _point(overview: Overview, shown: RunEnd, verdict: Mapping[str, Any]) -> dict[str, Any]:
    ratios = [
        float(each["ratio"])
        for end in reversed(overview.ends)
        for each in end.verdicts
        if each["point_id"] == verdict["point_id"] and each["ratio"]
    ]
    return {
        "label": verdict["point"] if len(shown.verdicts) > 1 else "",
        "verdict": verdict["verdict"],
        "text": brief.verdict(verdict) if verdict["verdict"] != "undecided" else "",
        "trend": _trend(ratios) if len(ratios) > 1 else None,
    }


def _trend(ratios: Sequence[float]) -> dict[str, Any]:
    """Return a small curve of ratios, on a logarithmic scale."""
    low, high = math.log(min(ratios)), math.log(max(ratios))
    middle, half = (low + high) / 2, max(high - low, LEAST_RANGE) / 2
    places = [
        (
            round(WIDTH * place / (len(ratios) - 1), 1),
            round(HEIGHT * (0.5 - (math.log(ratio) - middle) / half / 2), 1),
        )
        for place, ratio in enumerate(ratios)
    ]
    shown = ", ".join(units.ratio(ratio) for ratio in ratios)
    x, y = places[-1]
    return {"line": " ".join(f"{x},{y}" for x, y in places), "x": x, "y": y, "text": f"the ratio run by run: {shown}"}


def _time(run_id: str) -> str:
    """Return when a run started, from its id."""
    day, clock = run_id[:8], run_id[9:15]
    return f"{day[:4]}-{day[4:6]}-{day[6:]}T{clock[:2]}:{clock[2:4]}:{clock[4:]}Z"
