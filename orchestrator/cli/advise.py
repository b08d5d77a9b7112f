"""`orchestrator advise`: the best model for a function, by pilot calls and an experiment that is designed for it."""

from __future__ import annotations

import os
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from ..errors import BadInput
from ..output.formats import names
from .app import Details, Format, KeepReport, Runs, Wait, app
from .outcome import print_outcome
from .output import choose, write

if TYPE_CHECKING:
    from ..advice.question import Question


@app.command(
    epilog="\b\nExamples:\n  orchestrator advise json:loads s='\"[1, 2]\"'\n"
    "  orchestrator advise app.pages:fetch url=http://localhost:8000/ --python .venv/bin/python --save fetch.yaml\n"
    "  orchestrator advise ./script.py:parse --over size=100:1_000_000\n  orchestrator advise ./script.py\n"
    "  orchestrator advise ./script.py:load --items 'glob:data/*.json'"
)
def advise(
    function: Annotated[
        str,
        typer.Argument(
            metavar="FILE.py:FUNCTION|MODULE:FUNCTION",
            help="plain or async function, unchanged; a file or a module alone lists its functions",
        ),
    ],
    arguments: Annotated[
        list[str] | None, typer.Argument(metavar="[NAME=]VALUE", help="arguments of every call, read as YAML")
    ] = None,
    items: Annotated[
        str | None,
        typer.Option(
            metavar="SOURCE",
            help="give each call another item: 'glob:data/*.json', lines:urls.txt, jsonl:rows.jsonl, range:0:100, or "
            "MODULE:NAME of a list or a function",
        ),
    ] = None,
    item: Annotated[
        str | None, typer.Option(metavar="NAME", help="keyword that receives the item [default: the first argument]")
    ] = None,
    python: Annotated[
        str | None, typer.Option(metavar="PYTHON", help="interpreter: a path such as .venv/bin/python, or 3.13t")
    ] = None,
    setup: Annotated[
        str | None,
        typer.Option(metavar="NAME", help="function that makes the object of a method, once in each runner"),
    ] = None,
    project: Annotated[Path, typer.Option(help="directory to import from and to run in")] = Path(),
    tasks: Annotated[
        int | None, typer.Option(min=1, help="calls in one batch [default: chosen by the time of a call]")
    ] = None,
    max_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="longest run, such as 60s [default: 18s for calls of 1 ms]")
    ] = None,
    save: Annotated[Path | None, typer.Option(metavar="FILE", help="save the experiment as a YAML spec")] = None,
    over: Annotated[
        str | None,
        typer.Option(
            metavar="NAME=LOW:HIGH", help="vary an argument, and report where in the range the winner changes"
        ),
    ] = None,
    rate: Annotated[
        float | None,
        typer.Option(metavar="RATE", help="compare how soon models answer RATE calls a second"),
    ] = None,
    objective: Annotated[
        str | None,
        typer.Option(metavar="METRIC=TIME", help="find the highest rate at which each model holds a latency: p99=50ms"),
    ] = None,
    runs: Runs = Path("runs"),
    wait: Wait = None,
    report: KeepReport = True,
    format_: Format = None,
    details: Details = False,
) -> None:
    """Find the best model for a function, without YAML.

    Makes a few pilot calls, then compares every model that can run the function; with --over, at several sizes.
    With --rate or --objective, calls arrive one by one, as at a server.
    """
    shown = choose(format_, names("text"), people="advice")
    from ..advice.question import Question
    from ..api.advising import Answering, answer, check_target
    from ..api.outcome import write_page
    from ..journal.write import check_writable
    from ..machine import lock
    from . import arguments as given

    args, keywords = given.call_arguments(arguments or ())
    if python and os.sep in python:
        python = os.path.abspath(python)  # noqa: PTH100  # before the directory changes; links of a venv stay
    if source := given.source(function, project):
        _list(Question(source, {}, python=python, project=_shown(project)), project, shown)
        return
    question = Question(
        call=given.reference(function, project),
        kwargs=keywords,
        args=args,
        items=given.items(items, over, project),
        item=given.item(item, items),
        python=python,
        tasks=tasks,
        max_time_s=given.seconds(max_time, "--max-time"),
        over=given.over(over, keywords),
        setup=setup and given.reference(setup, project, "--setup"),
        project=_shown(project),
        rate=given.rate(rate),
        objective=given.objective(objective),
    )
    _check_arrivals(question)
    here, runs, save = Path.cwd(), runs.absolute(), save and save.absolute()
    program = Path(sys.argv[0]).absolute()  # before the directory changes
    wait_s = given.seconds(wait, "--wait") or 0.0
    if wait_s:
        check_writable(runs)
        check_target(save)
    _enter(project)
    answering = Answering(runs, _rerun_command(program, save or Path("my.yaml")), save)
    with lock.hold(wait_s) as set_holder:
        outcome = answer(question, answering, set_holder)
        page = write_page(outcome) if report else None
    print_outcome(outcome, shown, time_option="--max-time ", details=details, page=page, here=here)


def _check_arrivals(question: Question) -> None:
    """Raise BadInput for what calls that arrive at a rate can't have."""
    beside = {"--tasks": question.tasks, "--over": question.over}
    option = next((name for name, value in beside.items() if value), None)
    if option and (question.rate or question.objective):
        asked = "--rate" if question.rate else "--objective"
        raise BadInput(f"{option} is about batches", where=asked, remedy=f"keep one of {asked} and {option}")


def _shown(project: Path) -> str | None:
    return None if project == Path() else str(project)


def _enter(project: Path) -> None:
    try:
        os.chdir(project)
    except OSError as error:
        raise BadInput(f"{project}: {error.strerror}", where="--project", remedy="name a directory") from error


def _list(question: Question, project: Path, shown: str) -> None:
    """Print the functions of a module or a file, each with the command that asks about it."""
    from .. import jsonl
    from ..advice.commands import listed
    from ..advice.pilot import functions
    from ..engine.signals import interruptible
    from ..output.listings import ListedFunction, line

    _enter(project)
    defined = interruptible(lambda runner_env, interrupt: functions(question, runner_env, interrupt))
    found = listed(question, defined)
    if not found:
        what = f"{question.call} defines no function that can be called by name"
        raise BadInput(what, remedy="define one with `def` at its top level, and name it behind a colon")
    if shown == "json":
        write(jsonl.lines(line(ListedFunction(**each)) for each in found))
    else:
        write("".join(f"{each['function']}{each['signature']}\n    {each['command']}\n" for each in found))


def _rerun_command(program: Path, file: Path) -> str:
    """Return the command that runs a spec from this directory, with full paths, as cron has no PATH."""
    command = [str(program)] if program.suffix != ".py" else [sys.executable, "-m", "orchestrator"]
    return f"cd {shlex.quote(str(Path.cwd()))} && {shlex.join([*command, 'run', str(file)])}"
