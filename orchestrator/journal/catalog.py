"""Every event class by its name: those of the journal, and those that only commands print (suites, `compare`).

Raw events are facts, written as they come. Derived events can be computed again from the raw ones; they carry the
version of the statistics that made them. Common fields (`schema`, `run_id`, `seq`, `ts`, `crc32`) are added by the
journal. Every event about a point or a variant carries the parts of both as columns of their own (`model`, `workers`,
`kwargs_n`): a group-by needs no join.
"""

from __future__ import annotations

from . import capacity_events, derived_events, raw_events, suite_events, window_events
from .event import Event

EVENTS: dict[str, type[Event]] = {
    kind.model_fields["event"].default: kind
    for module in (raw_events, window_events, derived_events, capacity_events, suite_events)
    for kind in vars(module).values()
    if isinstance(kind, type) and issubclass(kind, Event) and kind.__module__ == module.__name__
}
"""Every event by its name."""
