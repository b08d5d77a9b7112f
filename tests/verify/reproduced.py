"""`make reproduced`: every published result of configs/published, run through the real command line, as a page.

make reproduced ARGS='convoy rows'   # these, and the page from the last run of each
make reproduced ARGS=peers           # the same cases by other tools
make reproduced ARGS=--page          # the page from the records alone
make reproduced ARGS=--smoke         # each once, shortly, kept nowhere

A spec names its source and its rule in comments (`# source:`, `# agrees if:`), and above each claim stands `# what |
published figure`. The runs are kept in docs/figures/reproduced.jsonl; docs/reproduced.md shows the last run of each.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import numpy as np

from orchestrator.analysis.scaling import law
from orchestrator.machine import host
from orchestrator.units import duration, ratio
from tests.support.configs import PUBLISHED
from tests.support.paths import ROOT

from . import peers_on_cases
from .configs import Ran, run_config
from .figures import replace

RECORDS = ROOT / "docs/figures/reproduced.jsonl"
PAGE = ROOT / "docs/reproduced.md"
CONFIGS = [file.stem for file in PUBLISHED]
PEERS = "peers"
SMOKE = ("measure.blocks=1", "measure.rounds=1")
OUTCOMES = {"held": "yes", "broken": "**no**", "undecided": "undecided"}

USL = "usl"
THREADS = (1, 2, 4, 8, 16)
MANDELBROT = (1, 1.96, 3.33, 5.07, 5.75)
"""The published speedups of a Mandelbrot set with so many threads."""

NAMES = (*CONFIGS, USL, PEERS)


@dataclass(frozen=True)
class Published:
    """What a spec says of its source: the rule, and for each claim of `expect` what it is about and the figure."""

    source: str
    rule: str
    figures: list[tuple[str, str]]


@dataclass(frozen=True)
class Reproduced:
    """What one run of a published result found; `skipped` is the reason if it could not run here."""

    name: str
    at: str
    elapsed_s: float
    claims: list[dict[str, Any]]
    """The checked expectations, as far as the table needs them, in the order of the spec."""
    skipped: str = ""


MANDELBROT_PUBLISHED = Published(
    "USL fit of a Mandelbrot set with 1, 2, 4, 8, 16 threads: "
    f"{', '.join(f'{speedup:g}' for speedup in MANDELBROT)} times as fast",
    "within 10 %; computed from the published speedups by the analysis of `scaling.fitted`",
    [("sigma", "0.047"), ("kappa", "0.0045"), ("threads at the peak", "14.5")],
)


def main() -> int:
    """Run what the command line names, then write the page; 0 unless a smoke run is incomplete."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("names", nargs="*", metavar="name", help=f"all if none is named: {', '.join(NAMES)}")
    parser.add_argument("--page", action="store_true", help="measure nothing")
    parser.add_argument("--smoke", action="store_true", help="each once and shortly, kept nowhere; no other tools")
    asked = parser.parse_args()
    if unknown := set(asked.names) - set(NAMES):
        parser.error(f"no result is called {', '.join(sorted(unknown))}; there are {', '.join(NAMES)}")
    names = asked.names or NAMES
    if asked.smoke:
        return _smoke([name for name in names if name != PEERS])
    for name in () if asked.page else names:
        if name == PEERS:
            peers_on_cases.measure()
        else:
            _keep(_found(name))
    records = [Reproduced(**json.loads(line)) for line in RECORDS.read_text().splitlines()]
    shown = replace(PAGE.read_text(), "reproduced", table({each.name: each for each in records}))
    PAGE.write_text(replace(shown, "peers-on-cases", peers_on_cases.text()))
    return 0


def _smoke(names: Sequence[str]) -> int:
    found = {name: _found(name, SMOKE) for name in names}
    print(table(found))
    whole = all(each.skipped or len(each.claims) == len(published(each.name).figures) for each in found.values())
    return 0 if whole else 1


def _keep(found: Reproduced) -> None:
    with RECORDS.open("a") as out:
        out.write(json.dumps(asdict(found)) + "\n")
    outcomes = ", ".join(claim["outcome"] for claim in found.claims)
    print(f"{found.name:20}{found.elapsed_s:7.1f} s  {outcomes or found.skipped}", flush=True)


def _found(name: str, overrides: Sequence[str] = ()) -> Reproduced:
    if name == USL:
        return fitted()
    with tempfile.TemporaryDirectory(prefix="reproduced-") as directory:
        return reproduced(name, run_config(_spec(name), Path(directory), overrides))


def _spec(name: str) -> str:
    return f"configs/published/{name}.yaml"


def reproduced(name: str, ran: Ran) -> Reproduced:
    """Return the record of a run; one that could not measure is skipped, with the reason that it gave."""
    kept = ("metric", "min", "max", "value", "low", "high", "outcome", "reason")
    claims = [{key: event[key] for key in kept} for event in ran.of("expectation.checked")]
    ended = ran.of("run.finished")  # without the wait for another run on the machine
    elapsed_s = ended[0]["elapsed_s"] if ended else ran.elapsed_s
    return Reproduced(name, ran.at, elapsed_s, claims, "" if claims else _reason(ran))


def _reason(ran: Ran) -> str:
    return re.sub(r"^orchestrator: [^ ]+: ", "", ran.error) or f"status {ran.status}"


def fitted() -> Reproduced:
    """Return the fit of the published Mandelbrot speedups, beside the published fit."""
    begun = time.perf_counter()
    sigma, kappa = law(np.array(THREADS, np.float64), 1 / np.array(MANDELBROT), has_kappa=True)
    found = (sigma, kappa, float(np.sqrt((1 - sigma) / kappa)))
    claims = []
    for value, (_, figure) in zip(found, MANDELBROT_PUBLISHED.figures, strict=True):
        low, high = 0.9 * float(figure), 1.1 * float(figure)
        outcome = "held" if low <= value <= high else "broken"
        claims.append({"metric": "fit", "min": low, "max": high, "value": value, "outcome": outcome})
    now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return Reproduced(USL, now, round(time.perf_counter() - begun, 4), claims)


def published(name: str) -> Published:
    """Return what a spec says of its source; raises ValueError where the comment of a claim is missing."""
    if name == USL:
        return MANDELBROT_PUBLISHED
    return read((ROOT / _spec(name)).read_text())


def read(text: str) -> Published:
    """Return what the comments of a spec say; raises ValueError where one is missing."""
    heads = {key: re.search(rf"^# {key}: (.+)$", text, re.MULTILINE) for key in ("source", "agrees if")}
    figures = re.findall(r"^  # (.+?) \| (.+)\n  - \{", text, re.MULTILINE)
    claims = len(re.findall(r"^  - \{of: ", text, re.MULTILINE))
    if not (heads["source"] and heads["agrees if"]) or len(figures) != claims:
        raise ValueError("needs `# source:`, `# agrees if:`, and `# what | figure` above each claim")
    return Published(heads["source"][1], heads["agrees if"][1], figures)


def table(found: Mapping[str, Reproduced]) -> str:
    """Return the table, a row for each claim below one for its source; then the date and the machine."""
    rows = ["| result | published | seen | must be | agrees | time |", "|---|---|---|---|---|---|"]
    for name in (name for name in NAMES if name in found):
        rows += _rows(found[name], published(name))
    days = sorted({each.at[:10] for each in found.values()})
    sample = host.sample()
    machine = f"{sample['cpu_model']}, {sample['effective_cores']} cores"
    return "\n".join([*rows, "", f"{' and '.join(dict.fromkeys((days[0], days[-1])))}, {machine}.", ""])


def _rows(found: Reproduced, says: Published) -> list[str]:
    command = f"`make reproduced ARGS={USL}`" if found.name == USL else f"`orchestrator run {_spec(found.name)}`"
    rows = [f"| **{found.name}**: {says.source}. {command} | | | {says.rule} | | {duration(found.elapsed_s * 1e9)} |"]
    if found.skipped:
        return [*rows, f"| not run | | | | skipped: {found.skipped} | |"]
    for claim, (what, figure) in zip(found.claims, says.figures, strict=True):
        agrees = OUTCOMES[claim["outcome"]] + (f": {claim['reason']}" if claim.get("reason") else "")
        rows.append(f"| {what} | {figure} | {_seen(claim)} | {_bounds(claim)} | {agrees} | |")
    return rows


def _seen(claim: Mapping[str, Any]) -> str:
    value, low, high = claim["value"], claim.get("low"), claim.get("high")
    if claim["metric"] == "fit":
        return f"{value:.3g}"
    if claim["metric"] != "wall_ns":
        return ratio(value, low, high)
    return duration(value) + (f" [{duration(low)}, {duration(high)}]" if low is not None else "")


def _bounds(claim: Mapping[str, Any]) -> str:
    low, high = (_bound(claim[key], claim["metric"]) for key in ("min", "max"))
    if low and high:
        return f"{low} to {high}"
    return f"at least {low}" if low else f"at most {high}"


def _bound(bound: float | None, metric: str) -> str:
    if bound is None:
        return ""
    return duration(bound) if metric == "wall_ns" else f"{bound:.3g}"


if __name__ == "__main__":
    sys.exit(main())
