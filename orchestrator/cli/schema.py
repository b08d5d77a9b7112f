"""`orchestrator schema`: print the JSON Schema of the spec, of the log, or of what commands list."""

from __future__ import annotations

from typing import Annotated

import typer

from ..errors import BadInput
from . import completion
from .app import app
from .output import write


@app.command(epilog="\b\nExample:\n  orchestrator schema spec > spec.schema.json")
def schema(
    what: Annotated[
        str,
        typer.Argument(
            metavar="spec|events|listings",
            help="the schema of a spec, of a line of the log, or of a line that models, doctor or `advise FILE` prints",
            autocompletion=completion.one_of("spec", "events", "listings"),
        ),
    ],
) -> None:
    """Print the JSON Schema of the spec, the log or listings."""
    from ..output.schema import SCHEMAS

    if what not in SCHEMAS:
        raise BadInput(f'no schema "{what}"', remedy=f"name one of {', '.join(SCHEMAS)}")
    write(SCHEMAS[what]())
