"""The program with little patience: it gives a source of items three seconds in place of thirty."""

from __future__ import annotations

from orchestrator.cli import main as cli
from orchestrator.interpreters import items

if __name__ == "__main__":
    items.TIMEOUT_S = 3.0
    cli.main()
