"""From the arguments of `compare` to the question that `advising` answers."""

from __future__ import annotations

import inspect
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..errors import BadInput, Failure
from .by_value import Given, called, given
from .checking import check_options
from .options import OPTIONS, Function, Functions, Model, Options, spec_overrides

if TYPE_CHECKING:
    from ..advice.question import Question
    from .advising import Answering

MOST_OF_LABEL = 64

IN_PYTHON = "choose another directory with runs="
"""The remedy where no run can be written."""


def asked(func: Functions, options: Options, verb: str) -> tuple[Question, Answering]:
    """Return the question about a function, and where its answer is kept; raises BadInput and Unwritable."""
    from ..advice.draft import experiment_name
    from ..advice.question import Question
    from ..journal.write import check_writable
    from .advising import Answering

    check_options(options)
    runs = runs_directory(options.get("runs"))
    check_writable(runs, IN_PYTHON)
    args, kwargs = options.get("args", ()), options.get("kwargs") or {}
    functions = func if isinstance(func, Mapping) else {"": func}
    if not functions:
        raise BadInput("there are no functions to compare", where="func", remedy="give one or more by name")
    _check_functions(functions.values(), options.get("item"))
    items = options.get("items")
    items = items if items is None or isinstance(items, str) else list(items)  # an iterator can be read only once
    contest = {name: given(each, args, kwargs, items, options.get("item"), runs) for name, each in functions.items()}
    found = next(iter(contest.values()))
    python = options.get("python")
    by_value = next((each for each in contest.values() if each.is_by_value), None)
    if python and by_value:
        what = f"{by_value.shown} is sent by value, so only this interpreter can run it"
        raise BadInput(what, where="python=", remedy="define it in a module, and give arguments that a spec can hold")
    workers = options.get("workers")
    question = Question(
        call=found.call,
        kwargs=found.kwargs,
        args=found.args,
        items=found.items,
        item=options.get("item"),
        python=python,
        tasks=options.get("tasks"),
        max_time_s=seconds(options.get("max_time"), "max_time="),
        models=_contestants(contest, functions, options)
        if isinstance(func, Mapping)
        else _entries(options.get("models")),
        workers=None if workers is None else OPTIONS["workers"].in_spec(workers),
        name=options.get("name") or _name(verb, func, found),
        is_code=True,
        shown=found.shown,
        is_by_value=found.is_by_value,
        rate=(options.get("arrivals") or {}).get("rate"),
    )
    name = experiment_name(question)
    if not question.name and verb != "advise":
        name = f"{verb}{name.removeprefix('advise')}"
        question = replace(question, name=name)
    command = ["orchestrator", "run", str(runs / name / "latest" / "spec.yaml")]
    return question, Answering(runs.absolute(), changes=spec_overrides(options), command=command)


def _check_functions(functions: Iterable[Any], item: str | None) -> None:
    """Raise BadInput for what is no function, and for one that has no argument of the name `item`."""
    for function in functions:
        if inspect.iscoroutine(function):
            function.close()  # else Python warns later that it was never awaited
        if not (callable(function) or isinstance(function, str)):
            what = f"it is a value of type {type(function).__name__}, not a function"
            remedy = "give the function itself, and its arguments beside it"
            if isinstance(function, list | tuple | set):
                remedy = 'give each function a name: compare({"old": old, "new": new})'
            raise BadInput(what, where="func", remedy=remedy)
        if item and callable(function) and (known := _arguments(function)) and item not in known:
            what = f"{called(function)} has no argument {item!r}"
            raise BadInput(what, where="item=", remedy=f"name one of {', '.join(known)}")


def _arguments(function: Callable[..., object]) -> list[str]:
    """Return the arguments of a function that can be given by name; none where that is not known."""
    try:
        parameters = inspect.signature(function).parameters.values()
    except (TypeError, ValueError, NameError):  # of some functions written in C, and of unknown annotations
        return []
    if any(each.kind is each.VAR_KEYWORD for each in parameters):
        return []
    return [each.name for each in parameters if each.kind in (each.POSITIONAL_OR_KEYWORD, each.KEYWORD_ONLY)]


def _name(verb: str, func: Functions, found: Given) -> str | None:
    """Return the name of an experiment with a function that no module has, or with several; else None."""
    if isinstance(func, Mapping):
        return f"{verb}-{'-'.join(func)}"
    return f"{verb}-{found.shown}" if found.is_by_value else None


def runs_directory(runs: str | Path | None) -> Path:
    """Return the directory of runs: given, of ORCHESTRATOR_RUNS, of pyproject.toml, or `runs`; raises BadInput."""
    from ..spec import project

    return Path(runs or os.environ.get("ORCHESTRATOR_RUNS") or project.read().runs or "runs")


def patience_s(wait: str | float | None) -> float:
    """Return how long to wait for another run: the time given, or that of the command line; raises BadInput."""
    allowed = os.environ.get("ORCHESTRATOR_WAIT") if wait is None else wait
    return (seconds(allowed, "wait=") or 0.0) if allowed else 0.0


def seconds(value: str | float | None, where: str) -> float | None:
    """Return a duration in seconds, None for none; raises BadInput."""
    if value is None:
        return None
    from ..spec.values import parse_seconds, read

    return read(parse_seconds, value if isinstance(value, str) else f"{value}s", where)


@contextmanager
def in_words_of(question: Question) -> Iterator[None]:
    """Let errors in the `with` block call the function as it was called in the question."""
    try:
        yield
    except Failure as error:
        if question.shown:
            error.what = error.what.replace(question.call, question.shown)
            error.remedy = error.remedy.replace(question.call, question.shown)
        raise


def _entries(models: Sequence[Model] | str | None) -> list[str | dict[str, Any]] | None:
    """Return the entries of `models` in a spec, each left out where it can't run the function."""
    from ..runner import registry

    if models is None:
        return None
    wanted = registry.NAMES if models == "all" else OPTIONS["models"].in_spec(models)
    made: Iterable[dict[str, Any]] = ({"model": each} if isinstance(each, str) else dict(each) for each in wanted)
    return [{**entry, "optional": True} for entry in made]


def _contestants(
    contest: Mapping[str, Given], functions: Mapping[str, Function], options: Options
) -> list[str | dict[str, Any]]:
    """Return an entry for each function under each model, by default in a plain loop, or a loop of events."""
    is_async = any(map(inspect.iscoroutinefunction, functions.values()))
    entries = _entries(options.get("models") or ["event_loop" if is_async else "sequential"]) or []
    made: list[str | dict[str, Any]] = []
    for name, found in contest.items():
        for entry in entries:
            assert isinstance(entry, dict)
            label = f"{name} {entry['model']}" if len(entries) > 1 else name
            label = re.sub("[^A-Za-z0-9 ._()=,+-]", "_", label).lstrip(" ._()=,+-")[:MOST_OF_LABEL]
            made.append({**entry, "label": label or "function", "call": found.call})
    return made
