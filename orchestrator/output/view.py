"""How a text format is drawn: where it ends up, and how much of it is wanted."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class View:
    """The screen that a text is for, and where the run it shows can be found again."""

    width: int = 100
    colour: bool = False
    details: bool = False
    """Whether everything is wanted below the answer: all figures, causes and notes."""
    is_ascii: bool = False
    """Whether bars and intervals are drawn with ASCII characters alone."""
    run: str | None = None
    """The run as an argument of `report`; None where the text does not say."""
    is_code: bool = False
    """Whether the run is shown in Python, where what is worth a try is a call, and not a command."""
    page: str | None = None
    """Where the page of the run is; None where the text does not say."""
