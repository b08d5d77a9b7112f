"""Whether records fit the published schema."""

from __future__ import annotations

import json
from collections.abc import Iterable
from functools import cache
from typing import Any

import jsonschema

from orchestrator.output.schema import SCHEMAS


@cache
def printed(name: str) -> str:
    """Return a schema as the program prints it."""
    return SCHEMAS[name]()


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(printed(name))
    return found


@cache
def validator(name: str) -> jsonschema.Draft202012Validator:
    """Return the validator of a schema, which is made once, since that takes longer than to validate."""
    return jsonschema.Draft202012Validator(schema(name))


@cache
def validators() -> dict[str, jsonschema.Draft202012Validator]:
    """Return one for each event: of 31 alternatives none would say which one was meant, or be quick."""
    kinds = schema("events")["oneOf"]
    return {kind["properties"]["event"]["const"]: jsonschema.Draft202012Validator(kind) for kind in kinds}


def misfits(records: Iterable[dict[str, Any]]) -> list[str]:
    """Return what does not fit the schema of the events, each kind of misfit once."""
    known = validators()
    return sorted(
        {
            f"{record['event']}: {error.json_path}: {error.message}"
            for record in records
            for error in known[record["event"]].iter_errors(record)
        }
    )
