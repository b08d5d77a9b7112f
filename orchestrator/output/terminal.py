"""Drawing grids and lines for a terminal, with rich."""

from __future__ import annotations

import io
from typing import Literal

from rich.console import Console
from rich.table import Table
from rich.text import Text

from .grid import Grid, Line

UNBOUNDED = 10_000  # a width in which any table fits


class Screen:
    """Text for a terminal, as it is drawn."""

    def __init__(self, width: int, colour: bool) -> None:
        self._written = io.StringIO()
        self._console = Console(
            file=self._written,
            width=width,
            force_terminal=colour,
            no_color=not colour,
            highlight=False,
            markup=False,
            emoji=False,
        )

    def line(self, text: str = "", style: str = "") -> None:
        """Draw a line of one style, wrapped at the width."""
        self._console.print(Text(text, style=style))

    def styled(self, line: Line) -> None:
        """Draw a line of several styles."""
        self._console.print(Text.assemble(*line))

    def grid(self, grid: Grid) -> None:
        """Draw a table, without as many of its spare columns as it takes to fit the width."""
        for count in range(len(grid.spare) + 1):
            table = _table(grid.without(grid.spare[:count]))
            options = self._console.options.update(width=UNBOUNDED)
            if self._console.measure(table, options=options).maximum <= self._console.width:
                break
        self._console.print(table)

    def text(self) -> str:
        """Return all that was drawn, without blanks at the ends of lines."""
        return "".join(line.rstrip() + "\n" for line in self._written.getvalue().splitlines())


def _table(grid: Grid) -> Table:
    table = Table(title=grid.title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for header, right in zip(grid.headers, grid.aligned_right, strict=True):
        justify: Literal["left", "right"] = "right" if right else "left"
        table.add_column(Text(header), justify=justify, no_wrap=not grid.wraps, overflow="fold")
    for row in grid.rows:
        table.add_row(*map(Text, row[:-1]), Text(row[-1], style=grid.styles.get(row[-1], "")))
    return table
