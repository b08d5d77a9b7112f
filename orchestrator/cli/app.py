"""The program's name and help, and the arguments that several commands have."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..output.formats import FORMATS
from . import completion

app = typer.Typer(
    name="orchestrator",
    help="Say which concurrency model runs a Python function best, and by how much.",
    epilog=(
        "\b\nExamples:\n  orchestrator advise mymodule:parse path=data.json\n"
        "  orchestrator run configs/cpu.yaml tasks=8\n  orchestrator plan configs/io.yaml\n"
        "  orchestrator report runs/cpu/latest\n  orchestrator schema spec > spec.schema.json"
    ),
    context_settings={"help_option_names": ["-h", "--help"]},
    no_args_is_help=True,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
)

Config = Annotated[Path, typer.Argument(metavar="CONFIG", help="the YAML spec", autocompletion=completion.specs)]
Overrides = Annotated[
    list[str] | None,
    typer.Argument(metavar="KEY=VALUE", help="override the spec: tasks=8 measure.max_time=10s"),
]
Run = Annotated[
    Path,
    typer.Argument(
        metavar="RUN",
        help="a run's directory, or its experiment's for the latest, or a journal",
        autocompletion=completion.runs,
    ),
]
Runs = Annotated[Path, typer.Option("--runs", envvar="ORCHESTRATOR_RUNS", help="directory that holds the runs")]
Wait = Annotated[
    str | None,
    typer.Option(
        "--wait", metavar="TIME", envvar="ORCHESTRATOR_WAIT", help="wait so long for another run on this machine to end"
    ),
]
Format = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="|".join(FORMATS),
        help="of the output; JSON lines where stdout is no terminal",
        autocompletion=completion.one_of(*FORMATS),
    ),
]
TableOrJson = Annotated[
    str | None,
    typer.Option(
        "--format",
        metavar="table|json",
        help="JSON lines where stdout is no terminal",
        autocompletion=completion.one_of("table", "json"),
    ),
]
KeepReport = Annotated[
    bool,
    typer.Option("--report/--no-report", envvar="ORCHESTRATOR_REPORT", help="write report.html beside the journal"),
]
Force = Annotated[bool, typer.Option("--force", help="overwrite files that exist")]
