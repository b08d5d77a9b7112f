"""`orchestrator run`: measure one or more experiments."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadInput
from ..files import SPECS
from ..output.formats import names
from . import completion
from .app import Details, Format, KeepReport, Runs, Wait, app
from .output import choose


@app.command(
    epilog="\b\nExamples:\n  orchestrator run configs/cpu.yaml kwargs.n=50_000 measure.max_time=30s\n"
    "  orchestrator run configs/cpu.yaml --quiet --wait 2h --log-file cpu.log   # from cron, see docs/cron.md\n"
    "  orchestrator run configs/*.yaml --max-time 2h   # a suite: all are checked first"
)
def run(
    context: typer.Context,
    words: Annotated[
        list[str],
        typer.Argument(
            metavar="CONFIG... [KEY=VALUE]...",
            help="YAML specs, and overrides of all of them, such as tasks=8 measure.max_time=10s",
            autocompletion=completion.specs,
        ),
    ],
    runs: Runs = Path("runs"),
    resume: Annotated[
        bool, typer.Option("--resume", help="resume the newest interrupted run, however old it is")
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="start a new run; resume nothing")] = False,
    resume_within: Annotated[
        str | None,
        typer.Option(
            metavar="TIME",
            envvar="ORCHESTRATOR_RESUME_WITHIN",
            help="resume an interrupted run no older than TIME [default: 24h]",
        ),
    ] = None,
    cluster: Annotated[
        str | None,
        typer.Option(
            metavar="ADDRESS",
            envvar="ORCHESTRATOR_CLUSTER",
            help="run blocks on the workers of a Dask cluster, such as tcp://host:8786, or local:4 to try one",
        ),
    ] = None,
    wait: Wait = None,
    max_time: Annotated[
        str | None,
        typer.Option(metavar="TIME", help="longest time of all specs, shared fairly [default: that of each spec]"),
    ] = None,
    quiet: Annotated[
        bool, typer.Option("--quiet", "-q", envvar="ORCHESTRATOR_QUIET", help="print nothing if the status is 0")
    ] = False,
    log_file: Annotated[
        Path | None,
        typer.Option(metavar="FILE", envvar="ORCHESTRATOR_LOG_FILE", help="append messages to FILE as JSON lines"),
    ] = None,
    report: KeepReport = True,
    format_: Format = None,
    details: Details = False,
) -> None:
    """Measure experiments and report which model wins."""
    shown = choose(format_, names("text"))
    if resume and fresh:
        raise BadInput("--resume and --fresh contradict each other", remedy="keep one of them")
    configs, overrides = configs_and_overrides(words)
    from .. import log
    from ..archive.resume import Policy, allowed_age
    from ..extras import need
    from . import arguments as given

    within_s = given.seconds(resume_within or allowed_age(), "--resume-within")
    wait_s = given.seconds(wait, "--wait") or 0.0
    max_time_s = given.seconds(max_time, "--max-time")
    with log.diverted(quiet=quiet, file=log_file):
        workers = None
        if cluster:
            need("--cluster", "distributed")
            from ..cluster.scheduler import parse_address

            workers = parse_address(cluster)
        from .measure import Asked, measure_one

        policy = Policy() if fresh else Policy(asked=resume, within_s=within_s)
        asked = Asked(
            runs,
            policy,
            workers,
            wait_s,
            max_time_s,
            report,
            overrides=overrides,
            quiet=quiet,
            shown=shown,
            details=details,
            options=given.options(context, leaving_out=("resume", "fresh", "resume_within")),
        )
        if len(configs) == 1:
            measure_one(configs[0], asked)
        else:
            from .suite import measure_all

            measure_all(configs, asked)


def configs_and_overrides(words: list[str], otherwise: Sequence[Path] = ()) -> tuple[list[Path], list[str]]:
    """Return the specs and the overrides among the arguments: an override has `=`, and is no existing file.

    The specs are `otherwise` where none is given; raises BadInput when there is none at all.
    """
    configs: list[Path] = []
    overrides: list[str] = []
    for word in words:
        is_file = os.path.exists(word)  # noqa: PTH110  # which never raises
        if "=" in word and not is_file:
            overrides.append(word)
        elif configs and not is_file and "/" not in word and not word.endswith(SPECS):
            from ..spec.document import quoted

            what = f"{quoted(word)} is neither a file nor an override"
            raise BadInput(what, remedy="write key.sub=value, such as tasks=8")
        else:
            configs.append(Path(word))
    configs = configs or list(otherwise)
    if not configs:
        raise BadInput("no spec is given", where="CONFIG", remedy="name a YAML file, such as configs/cpu.yaml")
    return configs, overrides
