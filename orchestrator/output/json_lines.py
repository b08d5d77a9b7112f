"""The derived events and the end of the run, one JSON object a line."""

from __future__ import annotations

from ..analysis.results import Results
from ..jsonl import lines

_JOURNAL_ONLY = ("seq", "ts", "crc32")


def render(results: Results, *, width: int, colour: bool) -> str:
    """Return the lines; what only the journal can know (when a line was stored) is left out."""
    events = list(results.derived)
    if results.finished:
        events.append({key: value for key, value in results.finished.items() if key not in _JOURNAL_ONLY})
    return lines(events)
