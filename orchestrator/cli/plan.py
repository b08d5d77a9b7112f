"""`orchestrator plan`: show what a run would measure, and how long it would take."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from .app import Config, Overrides, Runs, app
from .output import write

if TYPE_CHECKING:
    from ..spec.plan import Plan


@app.command(epilog="\b\nExample:\n  orchestrator plan configs/cpu.yaml 'matrix.workers=[1,2,4]'")
def plan(config: Config, overrides: Overrides = None, runs: Runs = Path("runs")) -> None:
    """Show points, variants and expected times without measuring."""
    from .arguments import load_plan

    plan, _ = load_plan(config, overrides)
    write("".join(f"{line}\n" for line in _lines(plan, runs)))


def _lines(plan: Plan, runs: Path) -> Iterator[str]:
    experiment = plan.experiment
    yield f"{experiment.name}: {len(plan.points)} points x {len(plan.variants)} variants"
    yield "points"
    yield from (f"  {point.id}  {point.label}" for point in plan.points)
    yield "variants"
    for variant in plan.variants:
        count = variant.workers
        about = [f"{count} worker" + "s" * (count > 1) if count else "one worker per task"]
        about += [f"{key}={value}" for key, value in variant.options.items()]
        about += [f"python {variant.python}"] if variant.python else []
        yield f"  {variant.id}  {variant.label} ({', '.join(about)})" + " baseline" * (variant == plan.baseline)
    yield f"expectations: {len(experiment.expect)}, checked at {len(plan.claims)} points and variants"
    yield from _times(plan, runs)


def _times(plan: Plan, runs: Path) -> Iterator[str]:
    from ..analysis.stats import LOOKS
    from ..engine.forecast import forecast, too_short
    from ..spec.plan import FEWEST_ROUNDS, ROUNDS_S

    measure = plan.experiment.measure
    times = forecast(plan, runs)
    if times.first:
        rounds = measure.rounds or FEWEST_ROUNDS
        assumed = f"if {rounds} rounds of all variants take at most {ROUNDS_S:g} s"
        source = "as in the latest run" if times.is_recorded else assumed
        name = "only look: " if measure.blocks else "first look:"
        is_all = times.points == len(plan.points)
        each = "each point" if is_all else f"the {times.points} points that are measured first"
        yield f"{name} after {times.first} blocks of {each}, about {times.first * times.block_s:.0f} s ({source})"
        if not measure.blocks and is_all:
            yield f"last look:  after {LOOKS[-1]} blocks of each point, about {LOOKS[-1] * times.block_s:.0f} s"
        yield f"cap:        {measure.max_time:g} s (measure.max_time)"
    if short := too_short(plan, times):
        yield f"note: {short}"
