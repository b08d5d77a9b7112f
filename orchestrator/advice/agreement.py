"""Whether calls under a model give the results of a plain loop."""

from __future__ import annotations

import time
from collections.abc import Mapping
from contextlib import suppress
from typing import Any, Protocol

from ..supervisor.process import RunnerFailed
from .known_failures import one_line

CALLS_NS, FEWEST_CALLS = 400e6, 2
"""How many calls are compared: as many as take `CALLS_NS` in a plain loop, at least `FEWEST_CALLS`."""

REPEATING_S = 0.2
"""Calls in threads are repeated for so long: two of them get in each other's way by chance."""

CONFIRMATIONS = 6
"""How many batches confirm that results repeat, for the model and for a plain loop."""

LEAST_REPEATS, MORE_REPEATS = 5, 5
"""How many repeated results are no chance; in threads, `MORE_REPEATS` more for each that a plain loop repeats."""

ANEW = (
    ": each process begins anew, as forked copies of a counter or of a seeded generator do; seed each call, or number"
    " them in the caller"
)

ALONE = "a plain loop"
"""The runner with which results are compared."""


class Runners(Protocol):
    """The runners of a try-out, by name."""

    def ask(self, name: str, op: str, **arguments: Any) -> dict[str, Any]:
        """Return the answer of a runner; raises RunnerFailed."""

    def open(self, name: str) -> None:
        """Let a runner start its workers; raises RunnerFailed."""

    def start_one(self, name: str, model: str) -> None:
        """Start a further runner of a model, with a single worker."""


class Differ(Exception):
    """The results of a model are not those of a plain loop; the text says how."""


class Agreement:
    """The results of a plain loop, and whether those of models agree with them."""

    def __init__(self, runners: Runners, calls: int, file: str, *, threads_model: str, is_same: bool) -> None:
        """Begin with nothing expected; a batch has `calls`, and `file` holds results whose digests differ.

        The calls of `threads_model` are made again and again. `is_same`: results are to be those of a plain loop;
        they are not where two calls give different ones.
        """
        self._runners = runners
        self._calls = calls
        self._file = file
        self._threads_model = threads_model
        self._is_same = is_same
        self._expected: str | None = None
        """The digest of the results of a plain loop, None where there is nothing to compare with."""
        self._is_saved = False
        """Whether the results themselves are in the file: they may be large, and most digests are equal."""
        self._are_distinct = False
        """Whether a plain loop gives another result at each call, as one of calls that count or draw numbers does."""
        self.incomparable: str | None = None
        """Why results can't be checked, None unless a plain loop has given others in another batch."""

    def expect(self) -> None:
        """Keep the results of a plain loop, unless it fails."""
        with suppress(RunnerFailed):
            self._runners.open(ALONE)
            tried = self._runners.ask(ALONE, "try", calls=self._calls)
            self._are_distinct = tried["repeated"] is not None and not _count(tried)
            if self._is_same:
                self._expected = tried["digest"]

    def check(self, model: str) -> None:
        """Let a model make calls at once, again and again in threads; raises RunnerFailed and Differ."""
        until = time.monotonic() + (REPEATING_S if model == self._threads_model else 0.0)
        are_distinct = self._are_distinct
        while True:
            tried = self._runners.ask(model, "try", calls=self._calls)
            is_other = self._expected is not None and tried["digest"] not in (None, self._expected)
            if is_other and not self._compare(model):
                return
            if are_distinct and _count(tried):
                self._confirm_repeats(model)
                are_distinct = False  # by chance: this model is not checked again
            if time.monotonic() >= until:
                return

    def _confirm_repeats(self, model: str) -> None:
        """Raise Differ where many of a model's results repeat, and next to none of those of a plain loop.

        Such calls count, or draw numbers from one generator: in threads they lose counts, and each process begins
        anew. Processes get ahead of each other, so results are looked for in all batches. Small random numbers repeat
        by chance, as often in a plain loop: in threads, of those fewer than one in a hundred passes. Processes show
        that they begin anew.
        """
        again = self._runners.ask(model, "try", calls=self._calls, batches=CONFIRMATIONS)
        if _count(again) < LEAST_REPEATS:
            return
        try:
            alone = _count(self._runners.ask(ALONE, "try", calls=self._calls, batches=CONFIRMATIONS))
        except RunnerFailed:
            return
        if model == self._threads_model and _count(again) < LEAST_REPEATS + MORE_REPEATS * alone:
            return
        if model != self._threads_model and not self._begins_anew(model):
            return  # such as calls that return the time
        differ = (
            f"those of a plain loop {'mostly' if alone else 'all'} differ{'' if model == self._threads_model else ANEW}"
        )
        raise Differ(f"results that repeat ({again['repeated'][1]}), while {differ}")

    def _begins_anew(self, model: str) -> bool:
        """Return whether two fresh pools of one worker give the same results."""
        given = set()
        for name in (f"{model} (one)", f"{model} (other)"):
            try:
                self._runners.start_one(name, model)
                self._runners.open(name)
                self._runners.ask(name, "warm")
                given.add(self._runners.ask(name, "try", calls=self._calls)["digest"])
            except RunnerFailed:
                return False
        return len(given) == 1 and None not in given

    def _compare(self, model: str) -> bool:
        """Return whether results are only pickled differently; raises Differ where a plain loop repeats its own.

        A runner ends when it finds that results differ.
        """
        if not self._save():
            return False
        try:
            self._runners.ask(model, "compare", path=self._file, other=ALONE)
        except RunnerFailed as error:
            if error.cause != "result":
                raise
            if self._repeats_itself():
                raise Differ(f"wrong results ({one_line(error.parts['message'])})") from error
            return False
        return True

    def _save(self) -> bool:
        """Return whether the results of a plain loop are in the file; later there is nothing to compare with if not."""
        try:
            if not self._is_saved:
                self._runners.ask(ALONE, "save", path=self._file)
                self._is_saved = True
        except RunnerFailed:
            self._expected = None
        return self._is_saved

    def _repeats_itself(self) -> bool:
        """Return whether a plain loop still gives the same results, unlike one of calls that return the time."""
        try:
            self._runners.ask(ALONE, "try", calls=self._calls)
            self._runners.ask(ALONE, "compare", path=self._file, other=ALONE)
        except RunnerFailed as error:
            self._expected = None
            if error.cause == "result":
                self.incomparable = "two batches of a plain loop gave results that are not equal"
        return self._expected is not None


def _count(tried: Mapping[str, Any]) -> int:
    """Return how many results were repeated, 0 where that is unknown."""
    return tried["repeated"][0] if tried["repeated"] else 0
