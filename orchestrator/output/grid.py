"""Laying out tables and text: on as wide a page as there is, or as cells for others to lay out."""

from __future__ import annotations

import io
from collections.abc import Callable, Collection, Sequence
from typing import Any

from rich.console import Console
from rich.table import Table

UNBOUNDED = 10_000
"""Columns of a page on which any table fits."""


def printed(written: io.StringIO) -> str:
    """Return what was printed on a page, without the blanks that end its lines."""
    return "".join(line.rstrip() + "\n" for line in written.getvalue().splitlines())


def text_console(width: int, colour: bool) -> tuple[Console, io.StringIO]:
    """Return a console that takes text as it is, and where its text is then found."""
    written = io.StringIO()
    console = Console(
        file=written,
        width=width,
        force_terminal=colour,
        no_color=not colour,
        highlight=False,
        markup=False,
        emoji=False,
    )
    return console, written


def cells(shown: Table) -> dict[str, Any]:
    """Return the headers of a table, which of them stand at the right, and its rows, all as text."""
    return {
        "headers": [str(column.header) for column in shown.columns],
        "right": [column.justify == "right" for column in shown.columns],
        "rows": [list(map(str, row)) for row in zip(*(column.cells for column in shown.columns), strict=True)],
    }


def fitting(out: Console, build: Callable[[Collection[str]], Table], spare: Sequence[str]) -> Table:
    """Return a table that is no wider than the page, built without as many of the `spare` columns as that takes."""
    for count in range(len(spare)):
        table = build(spare[:count])
        if out.measure(table, options=out.options.update(width=UNBOUNDED)).maximum <= out.width:
            return table
    return build(spare)
