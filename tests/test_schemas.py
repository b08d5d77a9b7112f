"""The published schemas, held against real specs and a real log."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orchestrator import events, schemas
from orchestrator.runner import models

ROOT = Path(__file__).parents[1]


def schema(name: str) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(schemas.SCHEMAS[name]())
    return found


@pytest.mark.parametrize("name", schemas.SCHEMAS)
def test_a_schema_is_a_valid_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda config: config.name)
def test_a_shipped_config_fits_the_schema_of_the_spec(config: Path) -> None:
    jsonschema.validate(yaml.safe_load(config.read_text()), schema("spec"))


def test_the_schema_that_editors_read_is_the_published_one() -> None:
    file = ROOT / "docs" / "spec.schema.json"
    if os.environ.get("ORCHESTRATOR_UPDATE_GOLDEN"):
        file.write_text(schemas.spec())
    assert file.read_text() == schemas.spec()


@pytest.mark.parametrize("config", sorted((ROOT / "configs").glob("*.yaml")), ids=lambda config: config.name)
def test_a_shipped_config_tells_editors_where_its_schema_is(config: Path) -> None:
    first = config.read_text().partition("\n")[0]
    assert (config.parent / first.removeprefix("# yaml-language-server: $schema=")).resolve() == (
        ROOT / "docs" / "spec.schema.json"
    )


def test_an_unknown_key_does_not_fit_the_schema_of_the_spec() -> None:
    spec = {"workload": {"call": "a:b"}, "models": ["sequential"], "task": 3}
    with pytest.raises(jsonschema.ValidationError, match="'task' was unexpected"):
        jsonschema.validate(spec, schema("spec"))


@pytest.mark.parametrize("model", models.NAMES)
def test_the_schema_of_the_spec_knows_every_option_of_a_model(model: str) -> None:
    text = json.dumps(schema("spec"))
    assert all(f'"{option}"' in text for option in models.load(model).OPTIONS)


@pytest.mark.parametrize("model", models.NAMES)
def test_no_option_is_named_like_a_field_of_an_event(model: str) -> None:
    fields = {name for event in events.EVENTS.values() for name in event.model_fields} - {"model", "workers", "python"}
    assert not fields & set(models.load(model).OPTIONS)


def test_a_record_fits_the_schema_of_the_events() -> None:
    record = {
        "event": "block.discarded",
        "schema": 1,
        "run_id": "r",
        "seq": 0,
        "ts": "2026-01-01T00:00:00.000000Z",
        "point": "f() x 1",
        "point_id": "p",
        "block": 0,
        "reason": "no",
        "tasks": 1,
        "kwargs_n": 3,
        "crc32": "00000000",
    }
    jsonschema.validate(record, schema("events"))
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate(record | {"event": "block.dropped"}, schema("events"))
