"""`make findings`: every shipped config, run so many times in turn, and what they found, as a table of the docs.

What each run found is kept in docs/figures/findings.jsonl; the table shows each config's last run, and in how many of
all its runs each of its claims held.
"""

from __future__ import annotations

import argparse
import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from orchestrator.journal.derived_events import VariantExplained
from orchestrator.output.parts import first_cause
from orchestrator.units import duration, listed, ratio
from tests.support.configs import OWN
from tests.support.paths import ROOT

from .configs import run_config
from .figures import replace

RECORDS = ROOT / "docs/figures/findings.jsonl"
WORKLOADS = ROOT / "docs/workloads.md"
MOST = 4
"""Number of variants with a main cause in the table."""

CONFIGS = [file.stem for file in OWN]


@dataclass(frozen=True)
class Found:
    """What one run of a config found; `points` and `claims` are its events, as far as the table needs them."""

    config: str
    at: str
    status: int
    elapsed_s: float
    points: list[dict[str, Any]]
    claims: list[str]
    """The outcome of each."""


def main() -> None:
    """Run the configs in turn, so often; then make the table from all records."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("configs", nargs="*", default=CONFIGS, metavar="config", help="all of them if none is named")
    parser.add_argument("--runs", type=int, default=1, help="of each config (default 1)")
    parser.add_argument("--table", action="store_true", help="measure nothing")
    asked = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="findings-") as directory:
        for _ in range(0 if asked.table else asked.runs):
            for config in asked.configs:
                _keep(_run(config, Path(directory)))
    found = [Found(**json.loads(line)) for line in RECORDS.read_text().splitlines()]
    WORKLOADS.write_text(replace(WORKLOADS.read_text(), "findings", table(found)))


def _keep(found: Found) -> None:
    with RECORDS.open("a") as out:
        out.write(json.dumps(asdict(found)) + "\n")
    verdicts = [point["verdict"] for point in found.points]
    print(f"{found.config:18}{found.status:4}{found.elapsed_s:7.1f} s  {', '.join(verdicts)}", flush=True)
    if found.claims.count("held") < len(found.claims):
        print(f"{'':18}not every claim held: measure again, with nothing else running", flush=True)


def _run(config: str, runs: Path) -> Found:
    """Run a config as its users do; raises RuntimeError where it has measured nothing."""
    ran = run_config(f"configs/{config}.yaml", runs)
    if not ran.events:
        raise RuntimeError(f"{config}: status {ran.status}: {ran.error}")
    return Found(
        config=config,
        at=datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        status=ran.status,
        elapsed_s=ran.of("run.finished")[0]["elapsed_s"],
        points=list(_points(ran.events)),
        claims=[event["outcome"] for event in ran.of("expectation.checked")],
    )


def _points(events: Sequence[Mapping[str, Any]]) -> Iterator[dict[str, Any]]:
    """Return for each point its verdict, and what took most of the time of each variant's workers, the best first."""
    if judged := [event for event in events if event["event"] == "capacity.judged"]:
        yield from (_capacities(event, events) for event in judged)
        return
    verdicts = [event for event in events if event["event"] == "verdict.reached"]
    columns = [key for key in verdicts[0] if key.startswith(("kwargs_", "workload_", "arrivals_")) or key == "tasks"]
    if "arrivals_rate" in columns:
        columns.remove("tasks")  # follows from the rate
    columns = [key for key in columns if key != "workload_kwargs"]  # its parts are columns, too
    axes = [key for key in columns if len({json.dumps(event.get(key)) for event in verdicts}) > 1]
    for verdict in verdicts:
        own = [event for event in events if event.get("point_id") == verdict["point_id"]]
        explained = [event for event in own if event["event"] == "variant.explained"]
        why = {
            event["variant"]: first_cause(VariantExplained.model_validate(event))
            for event in explained
            if event["causes"]
        }
        best, rival = verdict["recommended"], verdict["runner_up"]
        yield {
            "at": ", ".join(f"{_name(key)}={_value(verdict[key])}" for key in axes),
            "verdict": verdict["verdict"],
            "winners": verdict["winners"],
            "best": best,
            "rival": rival,
            "ratio": [verdict["ratio"], verdict["ratio_low"], verdict["ratio_high"]],
            "why": {name: why[name] for name in dict.fromkeys((best, rival, *why)) if name in why},
        }


def _capacities(judged: Mapping[str, Any], events: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the verdict on an objective, and up to which rate each variant holds it, the best first."""
    own = [event for event in events if event["event"] == "capacity.found" and event["points"] == judged["points"]]
    own.sort(key=lambda event: event["low_rate"] or 0, reverse=True)
    rates = {event["variant"]: [event["low_rate"] or 0, event["high_rate"]] for event in own}
    return {
        "at": f"{judged['metric']} within {duration(judged['bound_ns'])}",
        "verdict": judged["verdict"],
        "winners": judged["winners"],
        "best": judged["winners"][0] if judged["winners"] else None,
        "rival": None,
        "ratio": [None, None, None],
        "why": {
            name: f"{low:g} to {high:g}/s" if high else f"{low:g}/s or more" for name, (low, high) in rates.items()
        },
    }


def _name(column: str) -> str:
    return column.removeprefix("kwargs_").removeprefix("workload_")


def _value(value: object) -> str:
    if isinstance(value, str):
        return value.rpartition(":")[2]  # of a function
    return f"{value:,}" if isinstance(value, int) and not isinstance(value, bool) else json.dumps(value)


def table(found: Sequence[Found]) -> str:
    """Return the table: a row for each point of each config's last run."""
    rows = ["| config | at | verdict | why | claims held |", "|---|---|---|---|---|"]
    for config in sorted({each.config for each in found}):
        own = [each for each in found if each.config == config]
        outcomes = [outcome for each in own for outcome in each.claims]
        held = f"{outcomes.count('held')} of {len(outcomes)} in {len(own)} run{'s' * (len(own) > 1)}"
        for place, point in enumerate(own[-1].points):
            why = "; ".join(
                f"{name}: {text}" for name, text in list(point["why"].items())[: MOST if point["rival"] else None]
            )
            first = f"`{config}.yaml`, {duration(own[-1].elapsed_s * 1e9)}" if place == 0 else ""
            rows.append(f"| {first} | {point['at']} | {_verdict(point)} | {why} | {held if place == 0 else ''} |")
    return "\n".join(rows) + "\n"


def _verdict(point: Mapping[str, Any]) -> str:
    if point["verdict"] == "win":
        against = f", {ratio(*point['ratio'])} times as fast as {point['rival']}" if point["ratio"][0] else ""
        return f"**{point['best']}**{against}"
    return f"{point['verdict']}: {listed(point['winners'])}" if point["winners"] else point["verdict"]


if __name__ == "__main__":
    main()
