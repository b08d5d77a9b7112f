"""Drawing grids and lines for a terminal, with rich."""

from __future__ import annotations

import io
from dataclasses import replace
from typing import Literal

from rich.cells import cell_len, set_cell_size
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
            force_jupyter=False,  # there, rich would display the text instead of writing it
        )

    def line(self, text: str = "", style: str = "") -> None:
        """Draw a line of one style, wrapped at the width."""
        self._console.print(Text(text, style=style))

    def styled(self, line: Line) -> None:
        """Draw a line of several styles."""
        self._console.print(Text.assemble(*line))

    def part(self, part: Line | Grid) -> None:
        """Draw a line of several styles, or a table."""
        if isinstance(part, Grid):
            self.grid(part)
        else:
            self.styled(part)

    def gap(self) -> None:
        """Draw a blank line, unless the last one is blank."""
        if not self._written.getvalue().endswith("\n\n"):
            self.line()

    def one_line(self, text: str, style: str = "", *, ellipsis: str = "...") -> None:
        """Draw text on one line, cut where it is longer than that."""
        text, width = " ".join(text.split()), self._console.width
        if cell_len(text) > width:
            text = set_cell_size(text, width - len(ellipsis)).rstrip() + ellipsis
        self.line(text, style)

    def grid(self, grid: Grid) -> None:
        """Draw a table, without as many of its spare columns as it takes to fit the width.

        If that is not enough, the columns that don't fit follow in a table below, so that no cell is cut.
        """
        for count in range(len(grid.spare) + 1):
            narrow = grid.without(grid.spare[:count])
            if self._fits(narrow):
                break
        parts = [narrow] if grid.wraps or grid.wrapped else self._parts(narrow)
        for part in parts:
            self._console.print(_table(part))

    def _fits(self, grid: Grid) -> bool:
        options = self._console.options.update(width=UNBOUNDED)
        return self._console.measure(_table(grid), options=options).maximum <= self._console.width

    def _parts(self, grid: Grid) -> list[Grid]:
        """Return tables that fit, each with the first column and some of the others, in their order."""
        parts: list[Grid] = []
        label, *others = grid.headers
        while others:
            count = len(others)
            while count > 1 and not self._fits(grid.only([label, *others[:count]])):
                count -= 1
            parts.append(replace(grid.only([label, *others[:count]]), title="" if parts else grid.title))
            others = others[count:]
        return parts or [grid]

    def text(self) -> str:
        """Return all that was drawn, without blanks at the ends of lines."""
        return "".join(line.rstrip() + "\n" for line in self._written.getvalue().splitlines())


def _table(grid: Grid) -> Table:
    table = Table(title=grid.title or None, title_justify="left", box=None, pad_edge=False, header_style="bold")
    for header, right in zip(grid.headers, grid.aligned_right, strict=True):
        justify: Literal["left", "right"] = "right" if right else "left"
        is_wrapped = grid.wraps or header in grid.wrapped
        table.add_column(Text(header), justify=justify, no_wrap=not is_wrapped, overflow="fold")
    for place, row in enumerate(grid.rows):
        own = grid.row_styles[place] if grid.row_styles else ""
        styles = [own if header in grid.marked else "" for header in grid.headers]
        styles[-1] = styles[-1] or grid.styles.get(row[-1], "")
        table.add_row(*(Text(cell, style=style) for cell, style in zip(row, styles, strict=True)))
    return table
