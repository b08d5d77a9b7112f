"""Derived events of a synthetic run."""

from __future__ import annotations

from typing import Any

from tests.support.synthetic import Run


def compared(run: Run, variant: str) -> dict[str, Any]:
    events = [event for event in run.records() if event["event"] == "variant.compared"]
    return next(event for event in events if event["variant"] == variant)
