"""The published JSON Schemas of the spec and of the log."""

from __future__ import annotations

import json
from typing import Any

from .events import EVENTS, SCHEMA
from .spec import Experiment


def spec() -> str:
    """Return the schema of a YAML spec."""
    schema = Experiment.model_json_schema(mode="validation")
    schema["required"].remove("name")  # without one, the file's name is taken
    return _text("orchestrator experiment", schema)


def events() -> str:
    """Return the schema of one line of `events.jsonl`: one of the events, with the common fields."""
    common: dict[str, Any] = {
        "schema": {"const": SCHEMA},
        "run_id": {"type": "string"},
        "seq": {"type": "integer", "minimum": 0},
        "ts": {"type": "string", "format": "date-time"},
        "crc32": {"type": "string", "pattern": "^[0-9a-f]{8}$"},
    }
    kinds = []
    definitions: dict[str, Any] = {}
    for kind in EVENTS.values():
        one = kind.model_json_schema(mode="serialization")
        definitions |= one.pop("$defs", {})
        one["properties"] |= common
        one["required"] = sorted({*one.get("required", []), "event", *common})
        kinds.append(one)
    return _text("orchestrator event", {"oneOf": kinds, "$defs": definitions})


def _text(title: str, schema: dict[str, Any]) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
    return json.dumps(head, indent=2, ensure_ascii=False) + "\n"


SCHEMAS = {"spec": spec, "events": events}
