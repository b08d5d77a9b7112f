"""A first look at a function, before there is an experiment: called some times, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any

from . import launch, pythons
from .errors import BadInput, WorkloadFailed
from .launch import Command, Interrupt, RunnerFailed

TIMEOUT_S = 30.0


@dataclass(frozen=True)
class Asked:
    """What the user has asked for: a function with its arguments, and where it runs."""

    call: str
    kwargs: Mapping[str, Any]
    python: str | None = None
    tasks: int | None = None
    max_time_s: float | None = None


@dataclass(frozen=True)
class Facts:
    """What a first look has told, as `runner.scout` does."""

    is_async: bool
    refused: Mapping[str, str]
    calls: int
    wall_ns: int
    cpu_ns: int
    unpicklable: str | None
    incomparable: str | None
    ready_ns: int

    @property
    def busy(self) -> float:
        """The share of a call's time that it is on a core."""
        return min(1.0, self.cpu_ns / self.wall_ns)

    @property
    def is_parallel(self) -> bool:
        """Whether a call keeps more than one core busy by itself; of very short ones, reading the clock tells more."""
        return self.cpu_ns > 1.2 * self.wall_ns and self.wall_ns > 100_000


def scout(asked: Asked) -> Facts:
    """Return what a first look tells: the function is called some times, in a process of its own.

    Raises BadInput when it can't be called like this, and WorkloadFailed when a call fails.
    """
    python = pythons.resolve(asked.python)
    if python is None:
        remedy = "install it, or name the path of an executable"
        raise BadInput(f"no interpreter {asked.python!r} here", where="--python", remedy=remedy)
    given = {"call": asked.call, "kwargs": dict(asked.kwargs)}
    with launch.kit() as laid, closing(Interrupt()) as interrupt:
        try:
            told = launch.scout(laid, interrupt, Command(python), given, TIMEOUT_S)
        except RunnerFailed as error:
            if complaint := pythons.complaint(python):
                raise BadInput(complaint[0], where="--python", remedy=complaint[1]) from error
            raise _failed(asked, error) from error
    if told["event"] == "refused":
        raise _refused(asked, told)
    return Facts(**{name: told[name] for name in Facts.__dataclass_fields__})


def _refused(asked: Asked, told: Mapping[str, str]) -> BadInput:
    remedy = told["remedy"]
    elsewhere = "name the project's directory with --project, or the interpreter that has it with --python"
    if told["field"] == "kwargs" and remedy.startswith("mend kwargs"):
        missing = remedy.rpartition(": give ")[2] if ": give " in remedy else "the arguments it takes"
        remedy = f"give {missing}, each as name=value"
    elif told["what"].startswith("no module"):
        remedy = elsewhere
    elif told["what"].startswith("importing"):
        remedy = f"{remedy}, or {elsewhere}"
    return BadInput(told["what"], remedy=remedy)


def _failed(asked: Asked, error: RunnerFailed) -> WorkloadFailed:
    if error.cause == "timeout":
        what = f"{asked.call} took longer than {TIMEOUT_S:g} s"
        return WorkloadFailed(what, remedy="ask for less work in one call, so that it can be called many times")
    place = [line.strip() for line in (error.traceback or "").splitlines() if line.startswith("  File ")]
    where = f" ({place[-1]})" if place else ""
    what = f"{asked.call} failed when it was called: {' '.join(error.error.split())}{where}"
    structured = [f"{name} is a {_kind(value)}" for name, value in asked.kwargs.items() if not isinstance(value, str)]
    if error.error.startswith("TypeError") and structured:
        remedy = (
            f"""values are read as YAML ({", ".join(structured)}); for text, quote it inside too: {_quoted(asked)}"""
        )
    elif error.error.startswith("EOFError"):
        remedy = "standard input is empty here: give the function its input as arguments"
    else:
        remedy = "call it with arguments that it can work with"
    return WorkloadFailed(what, remedy=remedy)


def _quoted(asked: Asked) -> str:
    name = next(name for name, value in asked.kwargs.items() if not isinstance(value, str))
    return f"{name}='\"...\"'"


def _kind(value: object) -> str:
    names = {dict: "mapping", list: "list", bool: "truth value", type(None): "nothing"}
    return names.get(type(value)) or "number"
