"""`orchestrator models`: the models with their options, and whether each can run under some interpreters."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import closing
from typing import Annotated, Any

import typer

from ..errors import BadInput
from ..output.listings import ListedModel, line
from .app import TableOrJson, app
from .output import choose, width, write

PATIENCE_S = 30.0  # how long an interpreter may take to check every model


@app.command(
    epilog="\b\nExamples:\n  orchestrator models --python all\n  orchestrator models --python 3.14 | jq .reason"
)
def models(
    python: Annotated[
        list[str] | None,
        typer.Option(metavar="VERSION|PATH|all", help="interpreter to check, repeatable [default: this one]"),
    ] = None,
    format_: TableOrJson = None,
) -> None:
    """List the models, what each runs, and under which interpreters."""
    from .. import jsonl

    shown = choose(format_)
    found = catalogue(python or [])
    write(jsonl.lines(map(line, found)) if shown == "json" else as_table(found, width()))


def catalogue(asked: Sequence[str]) -> list[ListedModel]:
    """Return every model under each interpreter, `all` for all installed, none for this one; raises BadInput."""
    from ..interpreters.find import unfit
    from ..runner.problem import Problem
    from ..supervisor.environment import runner_environment
    from ..supervisor.group import RunnerGroup
    from ..supervisor.interrupt import Interrupt
    from ..supervisor.process import Command, RunnerFailed

    found: list[ListedModel] = []
    with runner_environment() as runner_env, closing(Interrupt()) as interrupt:
        for request, python in _resolved(asked):
            try:
                with RunnerGroup(runner_env, interrupt) as runner_group:
                    runner_group.start("models", Command(python))
                    answer = runner_group.ask("models", {"op": "models"}, PATIENCE_S)
            except RunnerFailed as error:
                if request == "all":
                    continue  # an interpreter that can't run a runner: it was not asked for by name
                failed = Problem("runner_failed", f"{python}: {error.error}", "name another interpreter")
                problem = unfit(python) or failed
                raise BadInput(problem.what, where="--python", remedy=problem.remedy) from error
            found += _listed(python, answer["version"], answer["gil"], answer["reasons"])
    return found


def _resolved(asked: Sequence[str]) -> Iterator[tuple[str | None, str]]:
    from ..interpreters.find import installed, missing, resolve

    for request in asked or (None,):
        if request == "all":
            yield from (("all", each.path) for each in installed())
        elif python := resolve(request):
            yield request, python
        else:
            problem = missing(request or "")
            raise BadInput(problem.what, where="--python", remedy=problem.remedy)


def _listed(python: str, version: str, gil: bool, problems: dict[str, dict[str, Any]]) -> Iterator[ListedModel]:
    from ..runner import registry
    from ..runner.problem import read

    for name in registry.NAMES:
        model = registry.load(name)
        found = {option: read(fields) for option, fields in problems[name].items()}
        own = found.pop("", None)
        without = {option: {"reason": each.what, "remedy": each.remedy} for option, each in found.items()}
        about = name, model.SUMMARY, list(model.FORMS), model.WORKERS, list(model.OPTIONS)
        yield ListedModel(*about, python, version, gil, own and own.what, own and own.remedy, without)


def as_table(found: Sequence[ListedModel], width: int) -> str:
    """Return the models as a table with a column for each interpreter, then the reasons why some can't run."""
    from ..output.grid import Grid
    from ..output.terminal import Screen

    interpreters = {each.python: each.version + " without a GIL" * (not each.gil) for each in found}
    rows = []
    for name in dict.fromkeys(each.model for each in found):
        own = {each.python: each for each in found if each.model == name}
        first = next(iter(own.values()))
        marks = ["yes" if own[each].reason is None else "no" for each in interpreters]
        rows.append([name, ", ".join(first.runs), ", ".join(first.options), *marks])
    screen = Screen(width, colour=False)
    screen.grid(Grid(("model", "runs", "options", *interpreters.values()), rows, wraps=True))
    lines = [f"{named}: {python}" for python, named in interpreters.items()]
    for each in found:
        at = f"{interpreters[each.python]}: " if len(interpreters) > 1 else ""
        lines += [f"{at}{each.model}: {each.reason}; {each.remedy}"] if each.reason else []
        without = each.without.items()
        lines += [f"{at}{each.model} with {name}: {why['reason']}; {why['remedy']}" for name, why in without]
    return screen.text() + "".join(f"{line}\n" for line in dict.fromkeys(lines))
