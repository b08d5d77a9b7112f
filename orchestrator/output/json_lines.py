"""The derived events and the end of the run, one JSON object a line."""

from __future__ import annotations

from ..analysis.results import Results
from ..journal.event import SCHEMA
from ..jsonl import lines
from .view import View


def render(results: Results, view: View) -> str:
    """Return the lines, without the fields that only the journal has: when and where a line was stored."""
    events = [*results.derived, *([results.finished] if results.finished else [])]
    about = {"schema": SCHEMA, "run_id": results.run_id, "experiment": results.started.experiment}
    return lines({"event": event.event, **about, **event.fields()} for event in events)
