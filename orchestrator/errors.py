"""The errors that end the program, each with its exit status: what went wrong, where, and the remedy."""

from __future__ import annotations

from collections.abc import Iterator

OK = 0
BROKEN = 1
BAD_INPUT = 2
FAILED = 3
UNDECIDED = 4
DAMAGED = 65
BUG = 70
UNWRITABLE = 74
BUSY = 75

PRECEDENCE = (UNWRITABLE, BUG, BUSY, DAMAGED, BAD_INPUT, FAILED, BROKEN, UNDECIDED)
"""Which status is returned when several apply; a signal's 128+N comes before all of them."""


class Failure(Exception):
    """An end of the program that the user can act on; its text is `where: what; remedy`, on a line for each problem."""

    status = BUG

    def __init__(self, what: str, *, where: str = "", remedy: str = "") -> None:
        super().__init__(what)
        self.what = what
        self.where = where
        self.remedy = remedy

    def __str__(self) -> str:
        located = f"{self.where}: {self.what}" if self.where else self.what
        return f"{located}; {self.remedy}" if self.remedy else located

    def _render_traceback_(self) -> list[str]:
        """Return what IPython shows: a traceback would only show this program."""
        return [f"{type(self).__name__}: {self}"]


class BadInput(Failure):
    """The spec, the command line or what it names is wrong."""

    status = BAD_INPUT


class WorkloadFailed(Failure):
    """The user's function failed when it was tried; nothing has been written."""

    status = FAILED


class Busy(Failure):
    """Another run holds the machine."""

    status = BUSY


class JournalDamaged(Failure):
    """A journal holds what no run can have written there; the file is left as it is."""

    status = DAMAGED


class Unwritable(Failure):
    """A record, a table or the output could not be written."""

    status = UNWRITABLE


def first_of(group: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return the error in a task group to report: the first `Failure`, else the first of all."""
    leaves = list(_leaves(group))
    return next((error for error in leaves if isinstance(error, Failure)), leaves[0])


def _leaves(error: BaseException) -> Iterator[BaseException]:
    if isinstance(error, BaseExceptionGroup):
        for each in error.exceptions:
            yield from _leaves(each)
    else:
        yield error


def worst(statuses: list[int]) -> int:
    """Return the status to exit with when each of `statuses` applies; 0 when none does."""
    return next((status for status in PRECEDENCE if status in statuses), OK)
