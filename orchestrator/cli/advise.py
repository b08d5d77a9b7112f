"""Advice without YAML: a first look at a function, an experiment made for it, and its run."""

from __future__ import annotations

import math
import shlex
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from .. import units
from ..advice.design import Design, Facts, Question, design, design_over
from ..advice.draft import saved, spec
from ..advice.pilot import pilot
from ..archive.resume import NEVER
from ..engine.session import RunOutcome, interruptible, run
from ..errors import BadInput, Unwritable
from ..files import replace_file
from ..log import diagnostics
from ..machine.host import effective_cores
from ..spec.expand import plan_experiment
from ..spec.load import loads


def advise(asked: Question, runs: Path, save: Path | None, tell: Callable[[str], None]) -> RunOutcome:
    """Return how the experiment ended that answers what was asked; `save`, if given, then holds its spec.

    `tell` takes the directory of its run. Raises BadInput and WorkloadFailed before anything is written.
    """
    _check_target(save)
    cores = effective_cores()
    facts, designed = _designed(asked, cores)
    _check_length(asked, facts, designed)
    text = spec(asked, facts, designed, _again(save or Path("my.yaml")))
    experiment, source = loads(text, "the experiment of advise")
    plan = plan_experiment(experiment, cores)
    _announce(asked, facts, designed, experiment.description)
    with _saving(save, text):
        ended = run(plan, source, runs, NEVER, tell)
    if save:
        replace_file(save, saved(text, ended.results.derived, asked.over.name if asked.over else None).encode())
        diagnostics().info("spec.saved", file=str(save))
    return ended


def _designed(asked: Question, cores: int) -> tuple[Facts, Design]:
    """Return what a first look tells and the experiment for it; a range is looked at at both of its ends."""
    if asked.over is None:
        facts = interruptible(lambda runner_env, interrupt: pilot(asked, runner_env, interrupt))
        return facts, design(asked, facts, cores)
    ends = [asked.at(asked.over.levels[0]), asked.at(asked.over.levels[-1])]
    low, high = interruptible(lambda runner_env, interrupt: [pilot(end, runner_env, interrupt) for end in ends])
    return design_over(asked, low, high, cores)


def _check_target(save: Path | None) -> None:
    """Raise BadInput when the spec can't be saved there: it would be a pity after the run."""
    if save and save.exists():
        raise BadInput(f"{save} is there already", where="--save", remedy="name another file, or delete it")
    if save and not save.parent.is_dir():
        raise BadInput(f"no directory {save.parent}", where="--save", remedy="make it first")


def _check_length(asked: Question, facts: Facts, designed: Design) -> None:
    """Raise BadInput where there is nothing to compare, or where it takes very long and nobody has asked for that."""
    if designed.variants < 2:
        raise BadInput("one call in a batch has nothing to run beside it", where="--tasks", remedy="ask for 2 or more")
    if asked.max_time_s is None and designed.max_time_s < designed.needed_s:
        minutes = math.ceil(designed.needed_s / 60)
        at, less = "", "ask for less work in one call"
        if asked.over:
            at, less = f" at {asked.over.name}={units.number(asked.over.levels[-1])}", "end the range of --over lower"
        what = f"a call takes {units.duration(facts.wall_ns)}{at}, so that a verdict takes about {minutes} minutes"
        raise BadInput(what, remedy=f"{less}, or give it the time: --max-time {2 * minutes}m")


@contextmanager
def _saving(save: Path | None, text: str) -> Iterator[None]:
    """Write the spec before the run, which may be killed; take it back when nothing was run."""
    try:
        if save:
            with save.open("x", encoding="utf-8") as file:
                file.write(text)
    except OSError as error:
        raise BadInput(f"cannot write {save}: {error.strerror}", where="--save", remedy="name another file") from error
    try:
        yield
    except (BadInput, Unwritable):
        if save:
            save.unlink()
        raise


def _again(file: Path) -> str:
    """Return the command that runs a spec from this directory by this program, whole: cron knows no PATH."""
    program = Path(sys.argv[0]).absolute()
    command = [str(program)] if program.suffix != ".py" else [sys.executable, "-m", "orchestrator"]
    return f"cd {shlex.quote(str(Path.cwd()))} && {shlex.join([*command, 'run', str(file)])}"


def _announce(asked: Question, facts: Facts, designed: Design, description: str) -> None:
    """Say what comes before it comes: how long it will take, and whether that is time enough."""
    log = diagnostics()
    look = {"call": asked.call, "call_ms": facts.wall_ns / 1e6, "first_look_s": round(designed.needed_s, 1)}
    log.info("function.piloted", **look, at_most_s=designed.max_time_s, description=description)
    if designed.max_time_s < designed.needed_s:
        log.warning("budget.short", note="no verdict before the first look: raise --max-time, or ask for less work")
