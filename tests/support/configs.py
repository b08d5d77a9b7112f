"""The specs that the project ships: its own questions, and published results."""

from __future__ import annotations

from .paths import ROOT

OWN = sorted((ROOT / "configs").glob("*.yaml"))
PUBLISHED = sorted((ROOT / "configs/published").glob("*.yaml"))
SHIPPED = [*OWN, *PUBLISHED]
