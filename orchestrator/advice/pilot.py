"""A pilot of a function before there is an experiment: a few calls, in a process of its own."""

from __future__ import annotations

from ..errors import BadInput, WorkloadFailed
from ..interpreters import find
from ..runner.problem import Problem, read
from ..supervisor import group
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.interrupt import Interrupt
from ..supervisor.process import Command, RunnerFailed
from .design import Facts, Question

TIMEOUT_S = 30.0

ELSEWHERE = "name the project's directory with --project, or the interpreter that has it with --python"


def pilot(asked: Question, runner_env: RunnerEnvironment, interrupt: Interrupt) -> Facts:
    """Return the facts that a few calls of the function give, in a process of its own.

    Raises BadInput when it can't be called like this, WorkloadFailed when a call fails, and Interrupted.
    """
    python = find.resolve(asked.python)
    if python is None:
        problem = find.missing(asked.python or "")
        raise BadInput(problem.what, where="--python", remedy=problem.remedy)
    workload = {"kwargs": {}, **asked.workload}
    try:
        answer = group.pilot(runner_env, interrupt, Command(python), workload, TIMEOUT_S)
    except RunnerFailed as error:
        if unfit := find.unfit(python):
            raise BadInput(unfit.what, where="--python", remedy=unfit.remedy) from error
        raise _failed(asked, error) from error
    if answer["event"] == "refused":
        raise _refused(read(answer))
    return Facts(**{name: answer[name] for name in Facts.__dataclass_fields__})


def _refused(problem: Problem) -> BadInput:
    """Return the refusal of a runner as an error, with the remedy in terms of the command line."""
    remedies = {
        "arguments_missing": f"give {', '.join(problem.arguments)}, each as name=value, or with --items",
        "arguments_wrong": "give the arguments it takes, each as name=value",
        "module_missing": ELSEWHERE,
        "import_failed": f"{problem.remedy}, or {ELSEWHERE}",
    }
    return BadInput(problem.what, remedy=remedies.get(problem.code, problem.remedy))


def _failed(asked: Question, error: RunnerFailed) -> WorkloadFailed:
    if error.cause == "timeout":
        what = f"importing and calling {asked.call} took longer than {TIMEOUT_S:g} s"
        return WorkloadFailed(what, remedy="ask for less work in one call, so that it can be called many times")
    after = f"after {error.calls} good call{'s' * (error.calls > 1)}: " if error.calls else ""
    what = f"{asked.call} failed when it was called: {after}{' '.join(error.error.split())}{_place(error)}"
    return WorkloadFailed(what, remedy=_remedy(asked, error))


def _place(error: RunnerFailed) -> str:
    """Return the line of the user's code that failed, or the last line of output where no Python code is known."""
    files = [line.strip() for line in (error.traceback or "").splitlines() if line.startswith("  File ")]
    theirs = [line for line in files if "orchestrator_runner" not in line]
    last = error.output.strip().rpartition("\n")[2]
    return f" ({theirs[-1]})" if theirs else f" ({last})" if last and not files else ""


def _remedy(asked: Question, error: RunnerFailed) -> str:
    kinds = {dict: "mapping", list: "list", bool: "truth value", type(None): "nothing"}
    given = asked.kwargs.items()
    structured = [f"{name} is a {kinds.get(type(value), 'number')}" for name, value in given if type(value) is not str]
    if error.calls:
        return "pass a function that can be called many times, since every model does so"
    if error.kind == "TypeError" and structured:
        name = structured[0].partition(" ")[0]
        return f"""values are read as YAML ({", ".join(structured)}); for text, quote it inside too: {name}='"..."'"""
    if error.kind == "EOFError":
        return "standard input is empty here: give the function its input as arguments"
    return "call it with arguments that it can work with"
