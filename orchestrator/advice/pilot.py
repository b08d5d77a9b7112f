"""A first look at a function, before there is an experiment: called some times, in a process of its own."""

from __future__ import annotations

from collections.abc import Mapping

from ..errors import BadInput, WorkloadFailed
from ..interpreters import find
from ..supervisor import group
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.interrupt import Interrupt
from ..supervisor.process import Command, RunnerFailed
from .design import Facts, Question

TIMEOUT_S = 30.0


def scout(asked: Question, runner_env: RunnerEnvironment, interrupt: Interrupt) -> Facts:
    """Return what a first look tells: the function is called some times, in a process of its own.

    Raises BadInput when it can't be called like this, WorkloadFailed when a call fails, and Interrupted.
    """
    python = find.resolve(asked.python)
    if python is None:
        what, remedy = find.missing(asked.python or "")
        raise BadInput(what, where="--python", remedy=remedy)
    given = {"call": asked.call, "kwargs": dict(asked.kwargs)}
    try:
        answer = group.scout(runner_env, interrupt, Command(python), given, TIMEOUT_S)
    except RunnerFailed as error:
        if complaint := find.complaint(python):
            raise BadInput(complaint[0], where="--python", remedy=complaint[1]) from error
        raise _failed(asked, error) from error
    if answer["event"] == "refused":
        raise _refused(answer)
    return Facts(**{name: answer[name] for name in Facts.__dataclass_fields__})


def _refused(answer: Mapping[str, str]) -> BadInput:
    remedy = answer["remedy"]
    elsewhere = "name the project's directory with --project, or the interpreter that has it with --python"
    if answer["field"] == "kwargs" and remedy.startswith("mend kwargs"):
        missing = remedy.rpartition(": give ")[2] if ": give " in remedy else "the arguments it takes"
        remedy = f"give {missing}, each as name=value"
    elif answer["what"].startswith("no module"):
        remedy = elsewhere
    elif answer["what"].startswith("importing"):
        remedy = f"{remedy}, or {elsewhere}"
    return BadInput(answer["what"], remedy=remedy)


def _failed(asked: Question, error: RunnerFailed) -> WorkloadFailed:
    if error.cause == "timeout":
        what = f"importing and calling {asked.call} took longer than {TIMEOUT_S:g} s"
        return WorkloadFailed(what, remedy="ask for less work in one call, so that it can be called many times")
    files = [line.strip() for line in (error.traceback or "").splitlines() if line.startswith("  File ")]
    theirs = [line for line in files if "orchestrator_runner" not in line]
    last = error.output.strip().rpartition("\n")[2]
    where = f" ({theirs[-1]})" if theirs else f" ({last})" if last and not files else ""
    what = f"{asked.call} failed when it was called: {' '.join(error.error.split())}{where}"
    structured = [f"{name} is a {_kind(value)}" for name, value in asked.kwargs.items() if not isinstance(value, str)]
    if error.error.startswith("TypeError") and structured:
        remedy = (
            f"""values are read as YAML ({", ".join(structured)}); for text, quote it inside too: {_quoted(asked)}"""
        )
    elif error.error.startswith("after "):
        remedy = "give it what can be called many times: it is, under every model"
    elif error.error.startswith("EOFError"):
        remedy = "standard input is empty here: give the function its input as arguments"
    else:
        remedy = "call it with arguments that it can work with"
    return WorkloadFailed(what, remedy=remedy)


def _quoted(asked: Question) -> str:
    name = next(name for name, value in asked.kwargs.items() if not isinstance(value, str))
    return f"{name}='\"...\"'"


def _kind(value: object) -> str:
    names = {dict: "mapping", list: "list", bool: "truth value", type(None): "nothing"}
    return names.get(type(value)) or "number"
