"""The commands about the machine, its runs and the program itself: doctor, prune, models, schema."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ..errors import BadInput
from . import completion
from .app import Runs, TableOrJson, app
from .output import choose, say, width, write


@app.command(epilog="\b\nExample:\n  orchestrator doctor --format json | jq '.findings[].what'")
def doctor(
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            metavar="text|json",
            help="of the output; JSON where stdout is no terminal",
            autocompletion=completion.one_of("text", "json"),
        ),
    ] = None,
) -> None:
    """Say what makes this machine noisy, and what to do about it."""
    from . import doctor

    formats = {"text": doctor.render, "json": doctor.as_json}
    shown = choose(format_, formats, "text")
    machine = doctor.examine()
    write(formats[shown](machine, list(doctor.diagnose(machine))))


@app.command(
    epilog="\b\nExamples:\n  orchestrator prune --keep 30\n  orchestrator prune --keep 30 --delete --runs /var/lib/runs"
)
def prune(
    keep: Annotated[int, typer.Option(min=1, metavar="N", help="runs of each experiment to keep: the newest")],
    runs: Runs = Path("runs"),
    delete: Annotated[bool, typer.Option("--delete", help="delete them; without it, they are only named")] = False,
) -> None:
    """Name the oldest runs of every experiment, or delete them; never the newest, and none that is going on."""
    from ..archive import prune

    old = prune.old(runs, keep)
    for directory in old:
        if delete:
            prune.delete(directory)
        write(f"{directory}\n")
    if old and not delete:
        say(f"{len(old)} runs would be deleted; do it with --delete")


@app.command(
    epilog="\b\nExamples:\n  orchestrator models --python all\n  orchestrator models --python 3.14 | jq .reason"
)
def models(
    python: Annotated[
        list[str] | None,
        typer.Option(metavar="VERSION|PATH|all", help="an interpreter to ask, may be repeated; this one without"),
    ] = None,
    format_: TableOrJson = None,
) -> None:
    """List the models, what each can run, and which interpreters here have it."""
    from . import models

    shown = choose(format_, ("table", "json"), "table")
    found = models.catalogue(python or [])
    if shown == "json":
        write(models.as_json(found))
    else:
        write(models.as_table(found, width()))


@app.command(epilog="\b\nExample:\n  orchestrator schema spec > spec.schema.json")
def schema(
    what: Annotated[
        str,
        typer.Argument(metavar="spec|events", help="which schema", autocompletion=completion.one_of("spec", "events")),
    ],
) -> None:
    """Print the JSON Schema of the spec or of the log."""
    from .schema import SCHEMAS

    if what not in SCHEMAS:
        raise BadInput(f'no schema "{what}"', remedy=f"name one of {', '.join(SCHEMAS)}")
    write(SCHEMAS[what]())
