"""`run` of one spec: measure it, and print its results."""

from __future__ import annotations

import shlex
import sys
from dataclasses import dataclass, field
from pathlib import Path

from ..api.measuring import Setting, measure
from ..api.plans import load_plan
from .outcome import print_outcome
from .output import say


@dataclass(frozen=True, kw_only=True)
class Asked(Setting):
    """What the command line of `run` says beside the specs."""

    overrides: list[str]
    quiet: bool
    shown: str
    """The format of the results."""
    details: bool
    options: list[str] = field(default_factory=list)
    """The options as given, but for those about what is resumed."""


def measure_one(config: Path, asked: Asked) -> None:
    """Measure one spec, and print its results; raises NonzeroExit and what `measure` raises."""
    plan, source = load_plan(config, asked.overrides, asked.cluster)
    outcome, page = measure(plan, source, asked, expected=on_terminal)
    if outcome.status or not asked.quiet:
        print_outcome(outcome, asked.shown, to_resume([config], asked), details=asked.details, page=page)


def to_resume(configs: list[Path], asked: Asked) -> str:
    """Return the command that resumes what was interrupted."""
    return shlex.join(["orchestrator", "run", *map(str, configs), *asked.overrides, *asked.options, "--resume"])


def on_terminal(text: str) -> None:
    """Say something that is of interest on a terminal only."""
    if sys.stderr.isatty():
        say(text)
