"""What others did on the machine while a block measured. Pure."""

from __future__ import annotations

from typing import Any

from ..journal.raw_events import ContextSampled
from ..machine import host


def surroundings(start: ContextSampled, end: ContextSampled, ours_ns: int) -> dict[str, Any]:
    """Return `free_cores`, `steal_share` and `pressure` between two samples; our trials used cores for `ours_ns`."""
    used = host.usage(vars(start), vars(end))
    found = {"free_cores": None, "steal_share": used.steal_share, "pressure": used.pressure}
    if used.busy_cores is None or used.stolen_cores is None:
        return {**found, "steal_share": None}
    others = max(0.0, used.busy_cores - ours_ns / used.elapsed_ns)
    return {**found, "free_cores": round(max(0.0, end.effective_cores - used.stolen_cores - others), 3)}
