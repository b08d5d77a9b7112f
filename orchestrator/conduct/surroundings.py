"""What others did on the machine while a block measured. Pure."""

from __future__ import annotations

from typing import Any

from ..events.raw import ContextSampled


def surroundings(start: ContextSampled, end: ContextSampled, ours_ns: int) -> dict[str, Any]:
    """Return `free_cores`, `steal_share` and `pressure` between two samples; our trials used cores for `ours_ns`."""
    elapsed_ns = max(1, end.monotonic_ns - start.monotonic_ns)
    pressure = None
    if start.psi_cpu_some_us is not None and end.psi_cpu_some_us is not None:
        pressure = round(min(1.0, (end.psi_cpu_some_us - start.psi_cpu_some_us) * 1e3 / elapsed_ns), 4)
    if start.busy_ns is None or start.steal_ns is None or end.busy_ns is None or end.steal_ns is None:
        return {"free_cores": None, "steal_share": None, "pressure": pressure}
    stolen = (end.steal_ns - start.steal_ns) / elapsed_ns
    others = max(0.0, (end.busy_ns - start.busy_ns - ours_ns) / elapsed_ns)
    free = max(0.0, end.effective_cores - stolen - others)
    steal_share = round(stolen / max(1, len(end.affinity or [0])), 4)
    return {"free_cores": round(free, 3), "steal_share": steal_share, "pressure": pressure}
