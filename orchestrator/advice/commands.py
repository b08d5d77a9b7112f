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


def command(asked: Question, arguments: Sequence[str] | None = None) -> str:
    """Return the command that asks a question, with all its arguments, or with these texts of keyword arguments."""
    if arguments is None:
        arguments = [f"{name}={dump(value, flow=True)}" for name, value in asked.kwargs.items()]
    arguments = [*(dump(value, flow=True) for value in asked.args), *arguments]
    options = {"--setup": asked.setup, "--items": asked.items and str(asked.items), "--item": asked.item}
    options |= {"--python": asked.python, "--project": asked.project}
    options["--tasks"] = str(asked.tasks) if asked.tasks else None
    options["--max-time"] = f"{asked.max_time_s:g}s" if asked.max_time_s else None
    options["--rate"] = f"{asked.rate:g}" if asked.rate else None
    if asked.objective:
        metric, ns = asked.objective
        options["--objective"] = f"{metric}={ns / 1e6:g}ms"
    if asked.over:
        options["--over"] = f"{asked.over.name}={asked.over.levels[0]}:{asked.over.levels[-1]}"
    given = [part for option, value in options.items() if value for part in (option, value)]
    return f"orchestrator advise {shlex.join([asked.call, *arguments, *given])}"


def remedied(asked: Question, problem: Problem, field: str) -> str | None:
    """Return the command that would work instead of one refused for a field of the workload, None if none is known.

    Where nothing is known to call, it is the one that lists what there is.
    """
    is_setup = field == "setup" and asked.setup is not None
    name = names.parse(asked.setup if is_setup and asked.setup else asked.call)
    if problem.code in LISTING and not problem.arguments:
        return command(Question(name.source, {}, python=asked.python, project=asked.project))
    first = problem.arguments[0] if problem.arguments else None
    if problem.code in ("arguments_missing", "arguments_wrong"):
        return command(asked, [_argument(asked, each) for each in problem.arguments])
    if problem.code == "is_singledispatch":
        return command(replace(asked, args=[*asked.args, *asked.kwargs.values()], kwargs={}))
    if problem.code == "positional_only" and problem.arguments:
        others = {name: value for name, value in asked.kwargs.items() if name not in problem.arguments}
        given = [asked.kwargs[name] for name in problem.arguments if name in asked.kwargs]
        return command(replace(asked, args=[*asked.args, *given], kwargs=others))
    if first is None:
        return None
    if problem.code in (*INSTEAD, "file_missing"):
        other = str(name._replace(source=first) if problem.code == "file_missing" else name._replace(function=first))
        return command(_at(asked, asked.call, other) if is_setup else _at(asked, other))
    if problem.code == "is_class":
        path, factory, *required = problem.arguments
        return command(_at(asked, str(name._replace(function=path)), factory), [f"{each}=..." for each in required])
    return command(_at(asked, asked.call, first)) if problem.code == "is_method" else None


def listed(asked: Question, found: Sequence[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Return what a list says of each function of the module or file `asked.call`, with the command to type."""
    return [
        {
            "function": each["function"],
            "signature": each["signature"],
            "is_async": each["is_async"],
            "command": command(
                _at(asked, f"{asked.call}:{each['function']}", each["setup"]),
                [f"{name}=..." for name in each["required"]],
            ),
        }
        for each in found
    ]


def _at(asked: Question, call: str, setup: str | None = None) -> Question:
    return replace(asked, call=call, setup=setup or asked.setup)


def _argument(asked: Question, parameter: str) -> str:
    """Return `name=value` for a parameter with its annotation and default, `name=...` if it was not given."""
    name = re.split("[:=]", parameter)[0].strip()
    return f"{name}={dump(asked.kwargs[name], flow=True)}" if name in asked.kwargs else f"{name}=..."
