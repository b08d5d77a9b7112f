"""A pilot of a function before there is an experiment: a few calls, in a process of its own."""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from .. import units
from ..errors import BadInput, WorkloadFailed
from ..interpreters import find
from ..runner import last_words, names
from ..runner.last_words import CLOSE
from ..runner.problem import Problem, read
from ..runner.soundness import ENDED
from ..supervisor import group
from ..supervisor.environment import RunnerEnvironment
from ..supervisor.interrupt import Interrupt
from ..supervisor.process import Command, RunnerFailed
from . import commands, known_failures
from .facts import Facts
from .question import Question

TIMEOUT_S = 30.0

WAITING = 0.1
"""The share of that time on a core below which a call that did not end has waited."""

ELSEWHERE = "name the project's directory with --project, or the interpreter that has it with --python"
NEARER = "start Python in the directory that holds it, or install it"  # the same, in Python itself


def pilot(question: Question, runner_env: RunnerEnvironment, interrupt: Interrupt) -> Facts:
    """Return the facts that a few calls of the function give, in a process of its own.

    Raises BadInput when it can't be called like this, WorkloadFailed when a call fails, and Interrupted.
    """
    python = _python(question)
    workload = {"kwargs": {}, **question.workload}
    _check_hiding(*names.entries(workload, str(Path.cwd())))
    try:
        answer = group.pilot(runner_env, interrupt, Command(python), workload, TIMEOUT_S)
    except RunnerFailed as error:
        if unfit := find.unfit(python):
            raise BadInput(unfit.what, where=question.option("python"), remedy=unfit.remedy) from error
        raise _failed(question, error) from error
    if answer["event"] == "refused":
        raise _refused(question, read(answer), answer["field"])
    return Facts(**{name: answer[name] for name in Facts.__dataclass_fields__})


def _python(question: Question) -> str:
    """Return the interpreter of a question; raises BadInput where it is missing."""
    python = find.resolve(question.python)
    if python is None:
        problem = find.missing(question.python or "")
        raise BadInput(problem.what, where=question.option("python"), remedy=problem.remedy)
    return python


def functions(question: Question, runner_env: RunnerEnvironment, interrupt: Interrupt) -> list[dict[str, Any]]:
    """Return the functions of the module or file `question.call` (see `runner.listing`); raises BadInput."""
    python = _python(question)
    source = question.call
    here = str(Path.cwd())
    _check_hiding(*filter(None, [names.locate(source, here).entry]))
    try:
        answer = group.functions(runner_env, interrupt, Command(python), source, TIMEOUT_S)
    except RunnerFailed as error:
        problem = find.unfit(python) or Problem("", f"importing {source} failed: {error.error}{_place(error)}", "")
        raise BadInput(problem.what, remedy=problem.remedy or f"make `import` of it work under {python}") from error
    if answer["event"] == "refused":
        problem = read(answer)
        module, dot, function = source.rpartition(".")
        remedy = {"module_missing": ELSEWHERE}.get(problem.code, problem.remedy)
        if problem.code == "module_missing" and dot:
            remedy = f"write the function behind a colon: orchestrator advise {module}:{function}"
        elif problem.code == "file_missing" and problem.arguments:
            remedy += f" {commands.command(replace(question, call=problem.arguments[0]))}"
        raise BadInput(problem.what, remedy=remedy)
    return list(answer["functions"])


def _check_hiding(*entries: str) -> None:
    """Raise BadInput when a file of the user hides a module that every runner needs."""
    if hiding := names.hiding([*entries, str(Path.cwd())]):
        _, what, remedy = names.hidden_problem(hiding[0])
        raise BadInput(what, remedy=remedy)


def _refused(question: Question, problem: Problem, field: str) -> BadInput:
    """Return the refusal of a runner as an error, with the remedy in terms of the command line, or of Python."""
    given = [
        parameter for parameter in problem.arguments if re.split("[:=]", parameter)[0].strip() not in question.kwargs
    ]
    elsewhere, by_name = (NEARER, "") if question.is_code else (ELSEWHERE, ", each as name=value")
    options = "; options such as max_time are those of orchestrator.compare" if question.is_code else ""
    per_item = "; each item is an argument, too" if question.items else ""
    remedies = {
        "arguments_missing": f"give {', '.join(given)}{by_name}",
        "arguments_wrong": f"give the arguments it takes{by_name}{per_item}{options}",
        "module_missing": elsewhere,
        "import_failed": f"{problem.remedy}, or {elsewhere}",
    }
    remedy = remedies.get(problem.code, problem.remedy)
    works = None if question.is_code else commands.remedied(question, problem, field)
    return BadInput(problem.what, remedy=f"{remedy}{' ' if remedy.endswith('?') else ': '}{works}" if works else remedy)


def _failed(question: Question, error: RunnerFailed) -> WorkloadFailed:
    if error.cause == "timeout":
        return _endless(question, error)
    place = _place(error)
    by = error.parts.get("ended_by")
    if by and (error.calls or error.kind not in ("IndexError", "KeyError")):
        what = f"{question.call}: {ENDED} after {units.count(error.calls, 'call')} ({by}){place}"
        return WorkloadFailed(what, remedy="let each call begin its own: open the source inside the function")
    after = f"after {_good_calls(question, error)}: " if error.calls else ""
    ends = error.parts.get("ends", "")
    if not ends and error.cause in ("signal", "crash", "memory"):
        ends = f"({error.error.replace('the runner', 'it')}{crash})" if (crash := _first_of_theirs(error)) else ""
    if "parser" in error.parts:
        what = f"{question.call}: it parses the command line {ends}, which has no arguments for it here"
        return WorkloadFailed(what, remedy="give it its arguments, or name the function that does the work with them")
    if ends:
        what = f"{question.call}: {after}the function ends the interpreter {ends}"
        otherwise = "let it need less memory" if error.cause == "memory" else "correct the crash"
        remedy = "return or raise an exception instead" if "ends" in error.parts else otherwise
        return WorkloadFailed(what, remedy=f"{remedy}: every model would end with it")
    given = "" if error.item is None else f" with the item {error.item}"
    what = f"{question.call} failed when it was called{given}: {after}"
    if shortage := error.parts.get("shortage"):
        return WorkloadFailed(f"{what}{' '.join(shortage.split())}", remedy=CLOSE)
    return WorkloadFailed(f"{what}{' '.join(error.error.split())}{place}", remedy=_remedy(question, error))


def _endless(question: Question, error: RunnerFailed) -> WorkloadFailed:
    """Return that a pilot has not ended in time, and whether it computed or waited."""
    is_waiting = error.cpu_s is not None and error.cpu_s <= WAITING * TIMEOUT_S
    if error.queue and is_waiting:
        return _dried_up(question, error)
    if error.calls:
        return _stuck(question, error)
    read = f"importing {question.call}, reading its items and calling it"
    what = f"{read if question.items else f'importing and calling {question.call}'} took longer than {TIMEOUT_S:g} s"
    at = _first_of_theirs(error) or _place(error)
    if not is_waiting:
        return WorkloadFailed(what + at, remedy="ask for less work in one call, so that it can be called many times")
    what += f", in which it waited{at}: it used {error.cpu_s:.2g} s of a core"
    remedy = "see what it waits for, such as a lock that is still held or an event; or ask for less work in one call"
    return WorkloadFailed(what, remedy=remedy)


def _dried_up(question: Question, error: RunnerFailed) -> WorkloadFailed:
    """Return that a call waits for ever for a queue that nothing fills."""
    after = f" after {units.count(error.calls, 'call')}" if error.calls else ""
    at = _first_of_theirs(error) or _place(error)
    what = f"{question.call} takes from the queue {error.queue}, which is empty{after}, and then waits for ever{at}"
    how = f"what it takes as an argument, and give one to each call with {question.option('items')}"
    return WorkloadFailed(what, remedy=f"every model needs more calls than that: let the function get {how}")


def _stuck(question: Question, error: RunnerFailed) -> WorkloadFailed:
    """Return that a call has not ended after good ones, and whether it computed or waited."""
    is_waiting = error.cpu_s is not None and error.cpu_s <= WAITING * TIMEOUT_S
    at = _first_of_theirs(error) or _place(error)
    given = "" if error.item is None else f" with the item {error.item}"
    what = f"{question.call}: call {error.calls + 1}{given} never ended after {_good_calls(question, error)}: "
    what += f"it still {'waited' if is_waiting else 'computed'}{at} when {TIMEOUT_S:g} s were over"
    remedy = "see what an earlier call has not released or given back, such as a lock or a connection of a pool"
    if not is_waiting:
        remedy = "see what the earlier calls have left behind that keeps this one from ending"
    return WorkloadFailed(what, remedy=f"{remedy}; or what is special about its item" if question.items else remedy)


def _good_calls(question: Question, error: RunnerFailed) -> str:
    """Return how many calls were good; items come in random order, and the first one twice."""
    return units.count(error.calls, "good call") + (" with other items" if question.items and error.calls > 1 else "")


def _first_of_theirs(error: RunnerFailed) -> str:
    """Return the innermost line of the user's code in the stacks that faulthandler wrote, "" if there is none."""
    output = error.output.removesuffix(error.workers_stacks)
    stacks = output[max(0, output.rfind("Current thread")) :]  # other threads come before and after it
    at = last_words.innermost(stacks)
    return f" at {at}" if at else ""


def _place(error: RunnerFailed) -> str:
    """Return the line of the user's code that failed, or the last line of output where no Python code is known."""
    shown = error.traceback if error.cause != "timeout" else error.output  # which ends with the stacks
    files = [line.strip() for line in (shown or "").splitlines() if line.startswith("  File ")]
    theirs = [line for line in files if "orchestrator_runner" not in line]
    theirs = [line for line in theirs if _is_theirs(line)] or theirs
    if error.cause == "timeout":
        return f" ({theirs[0]})" if theirs else ""
    last = last_words.last_line(error.output)
    return f" ({theirs[-1]})" if theirs else f" ({last})" if last and not files else ""


def _is_theirs(line: str) -> bool:
    """Return whether a line of a traceback is of the user's code."""
    return bool(last_words.place(f"  {line}"))


def _remedy(question: Question, error: RunnerFailed) -> str:
    kinds = {dict: "mapping", list: "list", bool: "truth value", type(None): "nothing"}
    given = question.kwargs.items()
    structured = [f"{name} is a {kinds.get(type(value), 'number')}" for name, value in given if type(value) is not str]
    if known := known_failures.remedy(question.call, error):
        return known
    if error.calls and error.item is not None:
        return "leave that item out, or let the function return a value for it too"
    if error.calls:
        return "pass a function that can be called many times, since every model does so"
    if error.kind == "TypeError" and structured and not question.is_code:
        name = structured[0].partition(" ")[0]
        return f"""values are read as YAML ({", ".join(structured)}); for text, quote it inside too: {name}='"..."'"""
    if "no running event loop" in error.error or "no current event loop" in error.error:
        function = question.call.partition(":")[2]
        return f"name a function that calls it in a loop, such as `async def inside(): return {function}(...)`"
    if error.kind == "EOFError":
        return "standard input is empty here: give the function its input as arguments"
    if error.cause == "crash":
        return "see whether it ends its process, or closes files that it has not opened"
    return "call it with arguments that it can work with"
