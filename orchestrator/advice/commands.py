"""Commands that would work, for refusals and lists: what was typed, with one thing changed."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from ..runner import names
from ..runner.problem import Problem
from ..spec.document import dump
from .question import Question

INSTEAD = ("function_missing", "is_command", "is_async_object")
"""Codes of problems that name another function of the same module."""

LISTING = ("function_missing", "not_callable", "is_command", "is_class", "setup_wrong")
"""Codes for which the list of the module's functions helps where nothing else is known."""


def command(question: Question, arguments: Sequence[str] | None = None) -> str:
    """Return the command that asks a question, with all its arguments, or with these texts of keyword arguments."""
    if arguments is None:
        arguments = [f"{name}={dump(value, flow=True)}" for name, value in question.kwargs.items()]
    arguments = [*(dump(value, flow=True) for value in question.args), *arguments]
    options = {"--setup": question.setup, "--items": question.items and str(question.items), "--item": question.item}
    options |= {"--python": question.python, "--project": question.project}
    options["--tasks"] = str(question.tasks) if question.tasks else None
    options["--max-time"] = f"{question.max_time_s:g}s" if question.max_time_s else None
    options["--rate"] = f"{question.rate:g}" if question.rate else None
    if question.objective:
        metric, ns = question.objective
        options["--objective"] = f"{metric}={ns / 1e6:g}ms"
    if question.over:
        options["--over"] = f"{question.over.name}={question.over.levels[0]}:{question.over.levels[-1]}"
    given = [part for option, value in options.items() if value for part in (option, value)]
    return f"orchestrator advise {shlex.join([question.call, *arguments, *given])}"


def remedied(question: Question, problem: Problem, field: str) -> str | None:
    """Return a command that works, after a runner refused a field of the workload; None if none is known.

    If no function to call is known, the command lists those of the module.
    """
    is_setup = field == "setup" and question.setup is not None
    name = names.parse(question.setup if is_setup and question.setup else question.call)
    if problem.code in LISTING and not problem.arguments:
        return command(Question(name.source, {}, python=question.python, project=question.project))
    first = problem.arguments[0] if problem.arguments else None
    if problem.code in ("arguments_missing", "arguments_wrong"):
        corrected = command(question, [_argument(question, each) for each in problem.arguments])
        return None if corrected == command(question) else corrected  # that one was refused
    if problem.code == "is_singledispatch":
        return command(replace(question, args=[*question.args, *question.kwargs.values()], kwargs={}))
    if problem.code == "positional_only" and problem.arguments:
        others = {name: value for name, value in question.kwargs.items() if name not in problem.arguments}
        given = [question.kwargs[name] for name in problem.arguments if name in question.kwargs]
        return command(replace(question, args=[*question.args, *given], kwargs=others))
    if first is None:
        return None
    if problem.code in (*INSTEAD, "file_missing"):
        other = str(name._replace(source=first) if problem.code == "file_missing" else name._replace(function=first))
        return command(_at(question, question.call, other) if is_setup else _at(question, other))
    if problem.code == "is_class":
        path, factory, *required = problem.arguments
        return command(_at(question, str(name._replace(function=path)), factory), [f"{each}=..." for each in required])
    return command(_at(question, question.call, first)) if problem.code == "is_method" else None


def listed(question: Question, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what a list says of each function of the module or file `question.call`, with the command to type."""
    return [
        {
            "function": each["function"],
            "signature": each["signature"],
            "is_async": each["is_async"],
            "command": command(
                _at(question, f"{question.call}:{each['function']}", each["setup"]),
                [f"{name}=..." for name in each["required"]],
            ),
        }
        for each in found
    ]


def _at(question: Question, call: str, setup: str | None = None) -> Question:
    return replace(question, call=call, setup=setup or question.setup)


def _argument(question: Question, parameter: str) -> str:
    """Return `name=value` for a parameter with its annotation and default, `name=...` if it was not given."""
    name = re.split("[:=]", parameter)[0].strip()
    return f"{name}={dump(question.kwargs[name], flow=True)}" if name in question.kwargs else f"{name}=..."
