"""Plain tables: headers, alignment and rows of text, which terminal, page and Markdown each draw in their own way."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field, replace


@dataclass(frozen=True)
class Grid:
    """A table as text."""

    headers: Sequence[str]
    rows: Sequence[Sequence[str]]
    right: Collection[str] = ()
    """The headers of right-aligned columns."""
    title: str = ""
    spare: Sequence[str] = ()
    """The headers of columns to leave out when the table is too wide, the first ones first."""
    wraps: bool = False
    """Whether long cells continue on the next line."""
    styles: Mapping[str, str] = field(default_factory=dict)
    """How a terminal marks the cells of the last column, by their text."""
    wrapped: Collection[str] = ()
    """The headers of columns whose long cells continue on the next line, if not all do."""
    row_styles: Sequence[str] = ()
    marked: Collection[str] = ()
    """How a terminal marks each row, and the headers of the columns in which it does."""

    @property
    def aligned_right(self) -> list[bool]:
        """Whether each column is right-aligned."""
        return [header in self.right for header in self.headers]

    def without(self, headers: Collection[str]) -> Grid:
        """Return the table without some of its columns."""
        return self.only([header for header in self.headers if header not in headers])

    def only(self, headers: Collection[str]) -> Grid:
        """Return the table with no other columns."""
        places = [place for place, header in enumerate(self.headers) if header in headers]
        kept = [self.headers[place] for place in places]
        return replace(self, headers=kept, rows=[[row[place] for place in places] for row in self.rows])


Line = Sequence[tuple[str, str]]  # one line of text in parts, each with the style that a terminal gives it


def plain(line: Line) -> str:
    """Return a line without its styles."""
    return "".join(text for text, _ in line)
