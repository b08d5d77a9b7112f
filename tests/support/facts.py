"""What the pilot found of a function."""

from __future__ import annotations

from typing import Any

FACTS: dict[str, Any] = {
    "is_async": False,
    "refused": {},
    "wall_ns": 1_000_000,
    "first_ns": 1_000_000,
    "cpu_share": 1.0,
    "process_ns": 1_500_000,
    "unpicklable": None,
    "incomparable": None,
    "ready_ns": 100_000_000,
}
