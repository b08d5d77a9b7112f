"""The published JSON Schemas of the spec, of the log, and of what commands list."""

from __future__ import annotations

import json
from typing import Any

from pydantic import TypeAdapter

from ..journal.catalog import EVENTS
from ..journal.derived_events import CrossoverLocated
from ..journal.event import SCHEMA, AboutPoint, AboutVariant, Event
from ..journal.raw_events import TrialObserved
from ..journal.read import RUN_ID
from ..runner import registry
from ..runner.arrival_times import PROCESSES
from ..spec.expand import OF_AN_ENTRY
from ..spec.model import Experiment
from . import listings as listed

_OF_ARRIVALS: dict[str, Any] = {
    "arrivals_rate": {"type": "number", "exclusiveMinimum": 0},
    "arrivals_process": {"enum": list(PROCESSES)},
    "arrivals_window": {"type": "string"},
}


def spec() -> str:
    """Return the schema of a YAML spec."""
    schema = Experiment.model_json_schema(mode="validation")
    schema["required"].remove("name")  # without one, the file's name is taken
    return _text("orchestrator experiment", schema)


def events() -> str:
    """Return the schema of one line of `events.jsonl`: one of the events, with the common fields."""
    common: dict[str, Any] = {
        "schema": {"const": SCHEMA},
        "run_id": {"type": "string", "pattern": f"^{RUN_ID.pattern}$"},
        "seq": {"type": "integer", "minimum": 0},
        "ts": {"type": "string", "format": "date-time", "pattern": "Z$"},
        "crc32": {"type": "string", "pattern": "^[0-9a-f]{8}$"},
    }
    kinds = []
    definitions: dict[str, Any] = {}
    for kind in EVENTS.values():
        one = kind.model_json_schema(mode="serialization")
        definitions |= one.pop("$defs", {})
        columns, patterns = _columns(kind)
        one["properties"] |= {name: about for name, about in columns.items() if name not in one["properties"]}
        one["properties"] |= {k: v for k, v in common.items() if k not in kind.model_fields} | _bounded(kind)
        one["required"] = sorted({*one.get("required", []), "event", *common})
        if patterns:
            one["patternProperties"] = patterns
        one["additionalProperties"] = False
        kinds.append(one)
    return _text("orchestrator event", {"oneOf": kinds, "$defs": definitions})


def listings() -> str:
    """Return the schema of one line that `models`, `doctor` or `advise` of a module prints."""
    kinds = []
    definitions: dict[str, Any] = {}
    for kind in listed.KINDS:
        one = TypeAdapter(kind).json_schema(mode="serialization")
        definitions |= one.pop("$defs", {})
        one["properties"] = {"event": {"const": kind.EVENT}, **one["properties"]}
        kinds.append(one)
    for each in (*kinds, *definitions.values()):
        each |= {"required": sorted(each["properties"]), "additionalProperties": False}
    return _text("orchestrator listing", {"oneOf": kinds, "$defs": definitions})


def _columns(kind: type[Event]) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return the columns that an event may have beside its fields, by name and by pattern."""
    if kind.model_config["extra"] != "allow":
        return {}, {}
    named: dict[str, Any] = {} if kind.derived else {"host": {"type": "string"}}  # on a cluster
    named |= _OF_ARRIVALS
    patterns: dict[str, Any] = {"^kwargs_": True, "^workload_": True}
    if issubclass(kind, AboutVariant):
        named |= {**_options(), **{name: {"type": "string"} for name in (*OF_AN_ENTRY, "path") if name != "kwargs"}}
        patterns["^env_"] = {"type": "string"}
    if kind is TrialObserved:
        patterns["^observed_"] = {"type": ["boolean", "integer", "number", "string", "null"]}
    return named, patterns


def _bounded(kind: type[Event]) -> dict[str, Any]:
    """Return the columns that every event about a point or a variant has, with the values that they can take."""
    has_tasks = issubclass(kind, (AboutPoint, CrossoverLocated))
    found: dict[str, Any] = {"tasks": {"type": "integer", "minimum": 1}} if has_tasks else {}
    if issubclass(kind, AboutVariant):
        found |= {"model": {"enum": list(registry.NAMES)}, "workers": {"type": ["integer", "null"], "minimum": 1}}
    return found


def _options() -> dict[str, Any]:
    """Return every option of any model."""
    choices: dict[str, set[str]] = {}
    found: dict[str, Any] = {}
    for name in registry.NAMES:
        for option, about in registry.load(name).OPTIONS.items():
            if about.choices:
                known = choices.setdefault(option, set())
                known.update(about.choices)
                found[option] = {"enum": sorted(known)}
            else:
                found[option] = {"type": "integer"} | ({} if about.minimum is None else {"minimum": about.minimum})
    return found


def _text(title: str, schema: dict[str, Any]) -> str:
    head = {"$schema": "https://json-schema.org/draft/2020-12/schema", **schema, "title": title}
    return json.dumps(head, indent=2, ensure_ascii=False) + "\n"


SCHEMAS = {"spec": spec, "events": events, "listings": listings}
