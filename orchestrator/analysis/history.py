"""The history of an experiment: the time of each variant in every run, divided by the reference loop's. Pure.

The speed of the machine cancels as far as it affects the loop equally, so runs of different days, commits and machines
are comparable. A change is relative to the previous run on the same machine.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import groupby
from statistics import median
from typing import Any

from .compare import LEVEL, Change, change_of
from .looks import ONE_LOOK_LEVEL
from .stats import fields, geometric, geometric_shift

Row = Mapping[str, Any]

_OF_A_RUN = ("run_id", "started", "commit", "hostname")
_OF_A_BLOCK = ("point", "point_id", "variant", "variant_id")
COLUMNS = (*_OF_A_RUN, *_OF_A_BLOCK)

SQL = f"""
    SELECT {", ".join(f"runs.{name}" for name in _OF_A_RUN)}, {", ".join(f"blocks.{name}" for name in _OF_A_BLOCK)},
        blocks.block, blocks.wall_ns, blocks.by_the_loop, blocks.reference_version
    FROM blocks JOIN runs USING (run_id)
    WHERE blocks.experiment = $1 AND blocks.counts AND blocks.wall_ns > 0
    ORDER BY runs.started, runs.run_id, blocks.point_id, blocks.variant_id, blocks.block
"""
"""The query for the rows of `history`: one for each variant in each block that counts, the oldest first."""


@dataclass(frozen=True)
class Entry:
    """One variant at one point in one run.

    `ratio` is the time of a batch divided by that of the reference loop; None where the loop was not timed. `change` is
    relative to the previous run on the same machine, which had `blocks_before`; None where there is none.
    """

    run_id: str
    started: str
    commit: str | None
    hostname: str | None
    point: str
    point_id: str
    variant: str
    variant_id: str
    blocks: int
    blocks_before: int | None
    wall_ns: int
    reference_version: int | None
    ratio: float | None
    ratio_low: float | None
    ratio_high: float | None
    change: Change | None

    def fields(self) -> dict[str, Any]:
        """Return the entry as plain data."""
        return asdict(self)


def history(rows: Iterable[Row], tolerance: float) -> list[Entry]:
    """Return the entries of the rows of `SQL`, in their order; a change within `tolerance` is "same".

    The intervals of all changes hold together: each is at `LEVEL` divided by their number.
    """
    groups = [list(own) for _, own in groupby(rows, key=lambda row: [row[name] for name in COLUMNS])]
    before: dict[tuple[Any, ...], Sequence[Row]] = {}
    pairs = []
    for own in groups:
        series = tuple(own[0][name] for name in ("point_id", "variant_id", "hostname"))
        pairs.append((before.get(series), own))
        before[series] = own
    level = LEVEL / max(1, sum(earlier is not None for earlier, _ in pairs))
    return [_entry(earlier, own, level, tolerance) for earlier, own in pairs]


def _entry(before: Sequence[Row] | None, own: Sequence[Row], level: float, tolerance: float) -> Entry:
    logs = _relative(own)
    return Entry(
        **{name: own[0][name] for name in COLUMNS},
        blocks=len(own),
        blocks_before=len(before) if before else None,
        wall_ns=round(median(row["wall_ns"] for row in own)),
        reference_version=own[0]["reference_version"],
        **fields("ratio", geometric(logs, ONE_LOOK_LEVEL) if logs else None),
        change=_change(before, own, level, tolerance) if before else None,
    )


def _relative(own: Sequence[Row]) -> list[float]:
    found = [row["by_the_loop"] for row in own]
    return [] if None in found else [math.log(each) for each in found]


def _change(before: Sequence[Row], own: Sequence[Row], level: float, tolerance: float) -> Change:
    relative = _relative(before), _relative(own)
    one_loop = len({row["reference_version"] for row in (*before, *own)}) == 1 and all(relative)
    raw_before, raw_own = ([math.log(row["wall_ns"]) for row in rows] for rows in (before, own))
    ratio = geometric_shift(*relative, level) if one_loop else None
    return change_of(geometric_shift(raw_before, raw_own, level), ratio, tolerance)
