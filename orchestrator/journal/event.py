"""What all events have in common."""

from __future__ import annotations

from typing import Any, ClassVar

from pydantic import BaseModel, ConfigDict

SCHEMA = 1
"""Raised when a reader of older logs would misread a newer one; new events and fields do not raise it."""

COMMON = ("schema", "run_id", "seq", "ts", "crc32")
"""The fields that the journal adds to every event."""


class Event(BaseModel):
    """One line of the log."""

    model_config = ConfigDict(extra="forbid", frozen=True, defer_build=True)
    derived: ClassVar[bool] = False

    event: str

    def fields(self) -> dict[str, Any]:
        """Return the fields in the order of the log: its own first, then the columns."""
        return {**self.__dict__, **(self.__pydantic_extra__ or {})}


class AboutPoint(Event):
    """An event about a point; the point's other columns are extra fields."""

    model_config = ConfigDict(extra="allow", frozen=True, defer_build=True)

    point: str
    point_id: str
    tasks: int


class AboutVariant(AboutPoint):
    """An event about a variant at a point; the other columns of both are extra fields."""

    variant: str
    variant_id: str
    model: str
    workers: int | None
    python: str | None
