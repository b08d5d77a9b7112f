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
    from ..api.plans import load_plan

    plan, _ = load_plan(config, overrides)
    write("".join(f"{line}\n" for line in _lines(plan, runs)))


def _lines(plan: Plan, runs: Path) -> Iterator[str]:
    from ..units import count

    experiment = plan.experiment
    yield f"{experiment.name}: {count(len(plan.points), 'point')} x {count(len(plan.variants), 'variant')}"
    yield "points"
    yield from (f"  {point.id}  {point.label}" for point in plan.points)
    yield "variants"
    for variant in plan.variants:
        about = [count(variant.workers, "worker") if variant.workers else "one worker per task"]
        about += [f"{key}={value}" for key, value in variant.options.items()]
        about += [f"python {variant.python}"] if variant.python else []
        yield f"  {variant.id}  {variant.label} ({', '.join(about)})" + " baseline" * (variant == plan.baseline)
    yield f"expectations: {len(experiment.expect)}, checked {count(len(plan.claims), 'time')}"
    yield from _times(plan, runs)


def _times(plan: Plan, runs: Path) -> Iterator[str]:
    from ..engine.forecast import budget_s, forecast, too_short
    from ..spec.plan import ROUNDS_S

    measure = plan.experiment.measure
    times = forecast(plan, runs)
    by_design = (
        "if every variant keeps up"
        if plan.experiment.arrivals
        else f"if a round of all variants takes at most {ROUNDS_S:g} s"
    )
    source = "as in the latest run" if times.is_recorded else by_design
    is_all = times.points == len(plan.points)
    each = "each point" if is_all else f"the {times.points} points that are measured first"
    if plan.experiment.objective:
        each_s = times.block_s * times.win_blocks
        levels = plan.level_split
        yield f"each rate: about {each_s:.0f} s or more ({source}); about {levels} rates are tried for each variant"
    elif measure.blocks:
        yield f"only look: after {measure.blocks} blocks of {each}, about {times.win_s:.0f} s ({source})"
    else:
        yield f"a win:  after {times.win_blocks} blocks of {each} at the earliest, about {times.win_s:.0f} s ({source})"
        yield f"a tie:  after {times.tie_blocks} blocks at the earliest, about {times.tie_s:.0f} s"
    given = "measure.max_time" if measure.max_time is not None else "no measure.max_time is given"
    yield f"at most {budget_s(plan, times.block_s):.3g} s ({given})"
    if short := too_short(plan, times):
        yield f"note: {short}"
