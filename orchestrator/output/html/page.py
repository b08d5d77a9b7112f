"""The report for people: one HTML page that is self-contained and opens offline."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from typing import Any

import orjson
from markupsafe import Markup

from ... import units
from ...analysis.contest import Contest
from ...analysis.results import Results
from ...journal.raw_events import ContextSampled, VariantUnavailable
from ...spec import document
from .. import lines, tables, warning_words
from ..formats import PAGE
from ..grid import Grid, Line, plain
from . import chart_specs, charts, templates, vega
from .charts import Chart

FEW = 4  # so many points stand open on the page; of more, the first does


def render(results: Results) -> dict[str, bytes]:
    """Return the page; every text in it is shown as it is, and nothing in it is loaded from elsewhere."""
    drawn = charts.charts(results)
    about = {
        "sweeps": [placed(chart) for chart in drawn if chart.point_id is None],
        "points": [_point(results, contest, drawn) for contest in results.contests if not contest.is_skipped],
        **_about(results),
    }
    return {PAGE: written("page.html.j2", drawn, about)}


def written(template: str, drawn: Sequence[Chart], about: Mapping[str, Any]) -> bytes:
    """Return a page that holds style, scripts and the data of its charts; `about` is what its template shows."""
    style, script = (templates.read(name) for name in ("page.css", "page.js"))
    library = vega.bundle()
    scripts = {"library": Markup(library), "script": Markup(script), "figures": Markup(_embedded(drawn))}
    return templates.filled(template, style, [library, script], {**scripts, **about})


def _about(results: Results) -> dict[str, Any]:
    started, finished = results.started, results.finished
    sampled = results.events(ContextSampled)
    return {
        "name": started.experiment,
        "description": results.plan.experiment.description or "",
        "findings": results.plan.experiment.findings,
        "run_id": results.run_id,
        "when": units.minute(results.started_at),
        "where": sampled[0].hostname if sampled else "an unknown machine",
        "unfinished": _unfinished(results),
        "outcome": finished.outcome.replace("_", " ") if finished else "unfinished",
        "spent": lines.spent(results),
        "version": started.versions["orchestrator"],
        "crossovers": [_part(part) for part in lines.crossovers(results)],
        "expectations": [
            {"outcome": event.outcome, "text": lines.claim(event, several_points=len(results.contests) > 1)}
            for event in results.expectations
        ],
        "unavailable": results.events(VariantUnavailable),
        "differences": results.differences,
        "machine": _machine(sampled),
        "versions": started.versions,
        "spec": document.dump(results.plan.experiment.resolved()),
        "command": shlex.join(started.command),
        "directory": started.cwd,
        "commit": started.commit,
        "run": f"runs/{started.experiment}/{results.run_id}",
    }


def _unfinished(results: Results) -> str:
    if results.finished is None:
        return "This run has not come to its end: it was cut off, or is still going. Here is how far it came."
    return f"This run was ended by {results.ended_by}. Here is how far it came." if results.ended_by else ""


def _point(results: Results, contest: Contest, drawn: Sequence[Chart]) -> dict[str, Any]:
    """Return what the page shows of one point."""
    identity = contest.point.id
    found = results.about(contest.point)
    shown = [contest.point.id for contest in results.contests if not contest.is_skipped]
    return {
        "id": identity,
        "label": contest.point.label,
        "open": len(shown) <= FEW or identity == shown[0],
        "verdict": found.verdict,
        "notes": warning_words.below(found),
        "compared": tables.compared(found),
        "accounts": tables.accounts(found.explained) if found.explained else tables.calls_time(found.served),
        "why": [plain(lines.explanation(event, results.started.command)) for event in found.explained],
        "scaling": [plain(lines.scaling(event)) for event in found.fitted],
        "observed": tables.observed(found.observed) if found.observed else None,
        "failures": [event for event in results.failures if event.point_id == identity],
        "figures": dict.fromkeys(chart_specs.KINDS)
        | {chart.kind: placed(chart) for chart in drawn if chart.point_id == identity},
    }


def placed(chart: Chart) -> dict[str, str]:
    """Return what a page says of a chart beside drawing it."""
    return {"name": chart.name, "title": chart.title, "text": chart.text}


def _part(part: Line | Grid) -> dict[str, Any]:
    return {"table": part, "text": ""} if isinstance(part, Grid) else {"table": None, "text": plain(part)}


_CONTEXT = (
    ("host", "hostname"),
    ("processor", "cpu_model"),
    ("cores", "cores"),
    ("effective cores", "effective_cores"),
    ("cores that ran at once", "spin_cores"),
    ("quota of cores", "quota_cores"),
    ("governor", "governor"),
)


def _machine(sampled: Sequence[ContextSampled]) -> list[tuple[str, str]]:
    """Return what is known of the machine and of what else ran on it, a name and a value each."""
    if not sampled:
        return []
    first = sampled[0]
    found = [(name, str(value)) for name, key in _CONTEXT if (value := getattr(first, key)) is not None]
    loads = [event.load_1m for event in sampled if event.load_1m is not None]
    if loads:
        found.append(("load over the run", f"{min(loads):.2f} to {max(loads):.2f}"))
    steals = [event.steal_ns for event in sampled if event.steal_ns is not None]
    if len(steals) > 1:
        found.append(("taken by the hypervisor", f"{units.duration(steals[-1] - steals[0])} of processor time"))
    return found


# --- the data of the charts


def _embedded(drawn: Sequence[Chart]) -> str:
    """Return what the page draws, as JSON that can stand inside a script: each kind of chart once, rows as columns."""
    data = {
        "theme": chart_specs.theme("currentColor", None),
        "kinds": {kind: chart_specs.template(kind) for kind in dict.fromkeys(chart.kind for chart in drawn)},
        "figures": {chart.name: _packed(chart) for chart in drawn},
    }
    text = orjson.dumps(data).decode()
    # within a string of JSON these may be written so, and then no text can end the script
    return text.replace("<", "\\u003c").replace("\u2028", "\\u2028").replace("\u2029", "\\u2029")


def _packed(chart: Chart) -> dict[str, Any]:
    names = dict.fromkeys(name for row in chart.rows for name in row)
    columns = {name: _column([row.get(name) for row in chart.rows]) for name in names}
    return {"kind": chart.kind, "height": chart.height, "count": len(chart.rows), "columns": columns}


def _column(values: Sequence[Any]) -> Any:
    """Return a column; of texts and truths, which are often the same, each one once and the places where they stand."""
    if not any(isinstance(value, str | bool) for value in values):
        return values
    distinct = {value: place for place, value in enumerate(dict.fromkeys(values))}
    of = [templates.shown(value) for value in distinct]
    return {"of": of} if len(of) == 1 else {"of": of, "at": [distinct[value] for value in values]}
