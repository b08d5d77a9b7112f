"""The program's name and help, and the arguments that several commands share."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any

import typer

from ..output.formats import names
from . import completion

app = typer.Typer(
    name="orchestrator",
    epilog="\b\nExamples:\n  orchestrator advise mymodule:parse path=data.json\n"
    "  orchestrator run configs/cpu.yaml tasks=8\n  orchestrator plan configs/io.yaml\n"
    "  orchestrator report runs/cpu/latest\n  orchestrator schema spec > spec.schema.json",
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)


def _print_version(is_asked: bool) -> None:
    if is_asked:
        from ..release import release

        typer.echo(f"orchestrator {release()}")
        raise typer.Exit


@app.callback()
def _program(
    version: Annotated[
        bool,
        typer.Option(
            "--version",
            help="Show the version, with the commit of a checkout, and exit.",
            callback=_print_version,
            is_eager=True,
        ),
    ] = False,
) -> None:
    """Find the concurrency model that runs a Python function fastest, and by how much."""


def format_option(*names: str, default: str = "", about: str = "") -> Any:
    """Return the option `--format` with these choices; the first one is the default on a terminal."""
    text = f"output format{about} [default: {default or f'{names[0]} on a terminal'}, else json]"
    return typer.Option("--format", metavar="|".join(names), help=text, autocompletion=completion.one_of(*names))


Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="YAML spec", autocompletion=completion.specs)]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="override the spec, such as tasks=8 measure.max_time=10s"),
]
Run = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="directory of a run, directory of an experiment (its latest run), or journal",
        autocompletion=completion.runs,
    ),
]


def _runs(context: typer.Context, given: Path) -> Path:
    """Return the directory of the runs: as given, else as the settings of the project say."""
    source = context.get_parameter_source("runs")
    if context.resilient_parsing or source is None or source.name != "DEFAULT":  # the first is so in a completion
        return given
    from ..spec import project

    return project.read().runs or given


Runs = Annotated[
    Path,
    typer.Option("--runs", envvar="ORCHESTRATOR_RUNS", callback=_runs, help="directory that holds the runs"),
]
Wait = Annotated[
    str | None,
    typer.Option(
        "--wait",
        metavar="TIME",
        envvar="ORCHESTRATOR_WAIT",
        help="wait up to TIME for another run on this machine to end",
    ),
]
Format = Annotated[str | None, format_option(*names("text"), default="for people on a terminal")]
Details = Annotated[
    bool, typer.Option("--details", help="print all figures, causes and notes below the answer, too (text only)")
]
TableOrJson = Annotated[str | None, format_option("table", "json")]
KeepReport = Annotated[
    bool,
    typer.Option("--report/--no-report", envvar="ORCHESTRATOR_REPORT", help="write the page beside the journal"),
]
Force = Annotated[bool, typer.Option("--force", help="overwrite existing files")]
