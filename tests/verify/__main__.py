"""`make verify-statistics`: run the controls in turn, add what came of them to the records, and make the figures anew.

make verify-statistics ARGS="--minutes 60"             # as many runs as fit
make verify-statistics ARGS="--runs 3 --cases same,plus5 --loads 0"
make verify-statistics ARGS=--figures                  # the table and the plot from the records alone
make verify-statistics ARGS=--smoke                    # CI: whether the machinery works, whatever the machine
"""

from __future__ import annotations

import argparse
import itertools
import sys
import time
from pathlib import Path

from tests.support.paths import ROOT

from . import figures, records
from .cases import CASES
from .load import load
from .measure import run, workplace

RECORDS = ROOT / "docs/figures/verification.jsonl"
PLOT = ROOT / "docs/figures/verification.svg"
METHOD = ROOT / "docs/method.md"
SMOKE_CASES = ("same", "same_processes", "plus5", "crossover")
SMOKE = ("measure.blocks=6", "measure.rounds=4")
"""Few and short blocks: enough for every step, and no rate is looked at."""


def main() -> int:
    """Run what the command line asks for; 0 unless a run failed."""
    asked = _arguments()
    if asked.smoke:
        return _smoke()
    if not asked.figures:
        _measure(asked)
    found = records.read(RECORDS)
    METHOD.write_text(figures.replace(METHOD.read_text(), "verification", _text(found)))
    figures.plot(found, PLOT)
    print(_text(found))
    return 0


def _text(found: list[records.Record]) -> str:
    return f"{figures.table(found)}\n{figures.crossover(found)}"


def _arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--minutes", type=float, default=float("inf"), help="stop after so long")
    parser.add_argument("--runs", type=int, default=10, help="of each control under each load (default 10)")
    parser.add_argument("--cases", type=lambda text: text.split(","), default=list(CASES), help=",".join(CASES))
    parser.add_argument("--loads", type=lambda text: [int(part) for part in text.split(",")], default=[0, 4])
    parser.add_argument("--figures", action="store_true", help="measure nothing")
    parser.add_argument("--smoke", action="store_true", help="one short run of some controls, kept nowhere")
    return parser.parse_args()


def _measure(asked: argparse.Namespace) -> None:
    """Run every control under every load, in turn, so that whatever ends it early leaves them balanced."""
    end = time.monotonic() + asked.minutes * 60
    with workplace() as directory:
        for number, processes in itertools.product(range(asked.runs), asked.loads):
            with load(processes):
                for name in asked.cases:
                    if time.monotonic() >= end:
                        return
                    found = run(CASES[name], processes, Path(directory))
                    records.append(RECORDS, found)
                    bounds = f"{found.ratio or 0:.3f} [{found.low or 0:.3f}, {found.high or 0:.3f}]"
                    print(
                        f"{number + 1:3} {name:15} load {processes}  {found.verdict:9} {bounds} "
                        f"{found.blocks:2} blocks {found.elapsed_s:5.1f} s  {' '.join(found.warnings)}",
                        flush=True,
                    )


def _smoke() -> int:
    """Run controls of each kind once, shortly, with a load, and make figures of it: rates are not looked at."""
    with workplace() as directory, load(1):
        found = [run(case, 1, Path(directory), SMOKE) for case in map(CASES.__getitem__, SMOKE_CASES)]
        plot = Path(directory) / "plot.svg"
        figures.plot(found, plot)
        print(_text(found))
        whole = all(record.blocks == 6 and record.ratio for record in found) and "<svg" in plot.read_text()
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(main())
