"""Advice without YAML: a first look at a function, an experiment made for it, and its run."""

from __future__ import annotations

import shlex
import sys
from pathlib import Path

from .design import Design, design, saved, spec
from .errors import BadInput
from .host import effective_cores
from .log import diagnostics
from .plan import plan
from .run import Ended, run
from .scout import Asked, Facts, scout
from .spec import loads


def advise(asked: Asked, runs: Path, save: Path | None) -> Ended:
    """Return how the experiment ended that answers what was asked; writes its spec to `save`, if given, at the end.

    Raises BadInput and WorkloadFailed before anything is written.
    """
    _check_target(save)
    cores = effective_cores()
    facts = scout(asked)
    designed = design(asked, facts, cores)
    text = spec(asked, facts, designed, _again(save or Path("my.yaml")))
    experiment, source = loads(text, "the experiment of advise")
    planned = plan(experiment, cores)
    _announce(asked, facts, designed)
    ended = run(planned, source, runs)
    if save:
        _write(save, saved(text, ended.results))
    return ended


def _again(file: Path) -> str:
    """Return the command that runs a spec from this directory by this program, whole: cron knows no PATH."""
    program = Path(sys.argv[0]).absolute()
    command = [str(program)] if program.suffix != ".py" else [sys.executable, "-m", "orchestrator"]
    return f"cd {shlex.quote(str(Path.cwd()))} && {shlex.join([*command, 'run', str(file)])}"


def _announce(asked: Asked, facts: Facts, designed: Design) -> None:
    """Say what comes before it comes: how long it will take, and whether that is time enough."""
    log = diagnostics()
    told = {"call": asked.call, "call_ms": facts.wall_ns / 1e6, "first_look_s": round(designed.needed_s, 1)}
    log.info("function.scouted", **told, at_most_s=designed.max_time_s)
    if designed.max_time_s < designed.needed_s:
        log.warning("budget.short", note="no verdict before the first look: raise --max-time, or ask for less work")


def _check_target(save: Path | None) -> None:
    """Raise BadInput when the spec can't be saved there: it would be a pity after the run."""
    if save and save.exists():
        raise BadInput(f"{save} is there already", where="--save", remedy="name another file, or delete it")
    if save and not save.parent.is_dir():
        raise BadInput(f"no directory {save.parent}", where="--save", remedy="make it first")


def _write(save: Path, text: str) -> None:
    try:
        with save.open("x", encoding="utf-8") as file:
            file.write(text)
    except OSError as error:
        raise BadInput(f"cannot write {save}: {error.strerror}", where="--save", remedy="name another file") from error
