"""Checks of a journal: its bytes, and its records against the plan."""

from __future__ import annotations

import shlex
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from .. import units
from ..analysis.results import check_times, replay
from ..errors import JournalDamaged
from ..journal.read import Records
from ..spec.plan import REFERENCE, draw_rounds


@dataclass
class _Block:
    """The records of one block so far."""

    variants: list[str]
    trials: Counter[tuple[str, int]] = field(default_factory=Counter)
    positions: dict[tuple[str, int], int] = field(default_factory=dict)

    def in_first_round(self) -> set[str]:
        """Return the variants that took part in the first round only, as those far behind do; none if all did.

        A variant that has lost all its later trials looks like one of them.
        """
        later = {label for label, number in self.trials if number}
        return set(self.variants) - later if later else set()


class Audit:
    """The size of a journal, and its problems as text; raises JournalDamaged when no record can be read."""

    def __init__(self, records: Records) -> None:
        self.records = self.blocks = self.trials = 0
        self.problems: list[str] = []
        self.is_finished = False
        self._seed = 0
        self._rounds: dict[str, int] = {}
        self._open: dict[str, tuple[int, _Block]] = {}
        self._begun: set[tuple[str, int]] = set()
        self._read(records)
        self.torn_at = records.torn_at
        if self.is_finished and self.torn_at is not None:  # no run resumes it
            remedy = f"cut the file there: truncate -s {self.torn_at} {shlex.quote(str(records.file))}"
            self.problems.append(f"byte {self.torn_at} follows run.finished, the last record; {remedy}")
        if not self.problems:  # results can't be computed from incomplete blocks
            self.problems += [text for contest in replay(records).contests for text in contest.differences]

    def __str__(self) -> str:
        counts = units.count(self.records, "record"), units.count(self.blocks, "finished block")
        lines = [f"{', '.join(counts)} with {units.count(self.trials, 'trial')}", *self.problems]
        if self.torn_at is not None and not self.problems:
            lines.append(f"the record at byte {self.torn_at} is incomplete; resuming the run removes it")
        if not self.problems:
            lines.append("complete" if self.is_finished else "complete so far; the run is unfinished")
        return "\n".join(lines) + "\n"

    def _read(self, records: Records) -> None:
        """Check all records up to the first damaged one."""
        try:
            for record in records:
                self.records += 1
                check_times(record)
                self._look_at(record)
        except JournalDamaged as damage:
            if not self.records:
                raise
            self.problems.append(damage.what)

    def _look_at(self, record: Mapping[str, Any]) -> None:
        match record["event"]:
            case "run.started":
                self._seed = record["seed"]
            case "run.finished":
                self.is_finished = record["outcome"] != "interrupted"
            case "run.resumed":
                self.is_finished = False
            case "point.calibrated" | "rounds.chosen":
                self._rounds[record["point_id"]] = record["rounds"]
            case "block.started":
                self._begin(record)
            case "trial.finished" | "window.finished":
                self._count(record)
            case "block.finished":
                self._end(record)
            case "block.discarded":
                self._open.pop(record["point_id"], None)

    def _begin(self, record: Mapping[str, Any]) -> None:
        place = (record["point_id"], record["block"])
        if place in self._begun:
            self._wrong(record, "started twice")
        self._begun.add(place)
        self._open[record["point_id"]] = record["block"], _Block(record["variants"])

    def _count(self, record: Mapping[str, Any]) -> None:
        number, block = self._open.get(record["point_id"], (None, None))
        if block is None or number != record["block"]:
            self._wrong(record, "has a trial before its start or after its end")
            return
        trial = record["variant"], record["round"]
        block.trials[trial] += 1
        block.positions[trial] = record["position"]

    def _end(self, record: Mapping[str, Any]) -> None:
        number, block = self._open.pop(record["point_id"], (None, None))
        if block is None or number != record["block"]:
            self._wrong(record, "ended without a start")
            return
        self.blocks += 1
        self.trials += block.trials.total()
        rounds = self._rounds.get(record["point_id"], 0)
        in_first = block.in_first_round()
        planned = {(label, number) for label in block.variants for number in range(1 if label in in_first else rounds)}
        if missing := planned - block.trials.keys():
            self._wrong(record, f"lacks {len(missing)} of {len(planned)} trials, such as {_trial(min(missing))}")
        for trial, count in block.trials.items():
            if trial not in planned:
                self._wrong(record, f"has an unplanned trial: {_trial(trial)}")
            elif count > 1:
                self._wrong(record, f"has a trial {count} times: {_trial(trial)}")
        orders = [self._order(record, [*block.variants, *loop], rounds, in_first) for loop in ([], [REFERENCE])]
        if planned == block.trials.keys() and block.positions not in orders:
            self._wrong(record, "ran its trials in another order than its seed defines")

    def _order(
        self, record: Mapping[str, Any], contestants: list[str], rounds: int, in_first: set[str]
    ) -> dict[tuple[str, int], int]:
        """Return the place of each trial in its round; variants that are `in_first` take part in no other round."""
        found: dict[tuple[str, int], int] = {}
        orders = draw_rounds(self._seed, record["point_id"], record["block"], contestants, rounds)
        for number, order in enumerate(orders):
            present = [label for label in order if not (number and label in in_first)]
            found |= {(label, number): place for place, label in enumerate(present) if label != REFERENCE}
        return found

    def _wrong(self, record: Mapping[str, Any], what: str) -> None:
        self.problems.append(f"record {record['seq']}: block {record['block']} of {record['point']} {what}")


def _trial(trial: tuple[str, int]) -> str:
    return f"{trial[0]} in round {trial[1] + 1}"
