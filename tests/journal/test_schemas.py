"""The published schemas, held against real specs and a real log."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import jsonschema
import pytest
import yaml

from orchestrator import errors
from orchestrator.journal.catalog import EVENTS
from orchestrator.journal.read import Records, find
from orchestrator.output.schema import SCHEMAS
from orchestrator.runner import registry
from tests.support import golden
from tests.support.command import WORKLOADS, orchestrator
from tests.support.configs import SHIPPED
from tests.support.event_schema import misfits, printed, schema, validator
from tests.support.paths import ROOT

DIRECTORY = ROOT / "docs" / "schemas"


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_schema_is_a_valid_schema(name: str) -> None:
    jsonschema.Draft202012Validator.check_schema(schema(name))


@pytest.mark.parametrize("config", SHIPPED, ids=lambda config: config.name)
def test_a_shipped_config_fits_the_schema_of_the_spec(config: Path) -> None:
    validator("spec").validate(yaml.safe_load(config.read_text()))


@pytest.mark.parametrize("name", SCHEMAS)
def test_the_schema_in_the_documents_is_the_printed_one(name: str) -> None:
    golden.check(DIRECTORY / f"{name}.schema.json", printed(name))


@pytest.mark.parametrize("config", SHIPPED, ids=lambda config: config.name)
def test_a_shipped_config_tells_editors_where_its_schema_is(config: Path) -> None:
    first = config.read_text().partition("\n")[0]
    named = config.parent / first.removeprefix("# yaml-language-server: $schema=")
    assert named.resolve() == DIRECTORY / "spec.schema.json"


def test_an_unknown_key_does_not_fit_the_schema_of_the_spec() -> None:
    spec = {"workload": {"call": "a:b"}, "models": ["sequential"], "task": 3}
    with pytest.raises(jsonschema.ValidationError, match="'task' was unexpected"):
        validator("spec").validate(spec)


@pytest.mark.parametrize("model", registry.NAMES)
def test_the_schema_of_the_spec_knows_every_option_of_a_model(model: str) -> None:
    entry = schema("spec")["$defs"][f"{model.title().replace('_', '')}Entry"]
    assert registry.load(model).OPTIONS.keys() <= entry["properties"].keys()


@pytest.mark.parametrize("model", registry.NAMES)
def test_no_option_is_named_like_a_field_of_an_event(model: str) -> None:
    fields = {name for event in EVENTS.values() for name in event.model_fields} - {"model", "workers", "python"}
    assert not fields & set(registry.load(model).OPTIONS)


# --- events


REAL = """
workload: {call: 'mine:double', async_call: 'mine:adouble', kwargs: {n: 21}, observe: 'mine:seen'}
models:
  - sequential
  - threads
  - {model: processes, start_method: fork, chunksize: 1}
  - event_loop
  - {model: sequential, label: failing, call: 'mine:breaks'}
matrix: {tasks: [1, 2, 4]}
measure: {rounds: 1, blocks: 1, seed: 1}
expect:
  - {of: threads, metric: speedup, max: 100}
  - {of: sequential, metric: observed.answers, equals: 4, where: {tasks: 4}}
"""

MORE = """
def breaks(n): raise ValueError(n)
def seen(results, initargs):
    return {"answers": len(results), "kind": "whole", "even": True, "mean": 0.5, "nothing": None}
"""


@pytest.fixture(scope="module")
def records(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Any]]:
    """The journal of a real run with several kinds of variants."""
    place = tmp_path_factory.mktemp("real")
    (place / "mine.py").write_text(WORKLOADS + MORE)
    (place / "real.yaml").write_text(REAL)
    done = orchestrator("run", "real.yaml", cwd=place)
    assert done.returncode == errors.FAILED, done.stderr
    return list(Records(find(place / "runs" / "real")))


def test_every_event_of_a_real_run_fits_the_schema(records: list[dict[str, Any]]) -> None:
    assert misfits(records) == []


def test_a_real_run_has_most_kinds_of_events(records: list[dict[str, Any]]) -> None:
    rare = {
        "rounds.chosen",
        "window.finished",  # of arrivals
        "window.accounted",
        "variant.served",
        "capacity.found",
        "capacity.judged",
        "run.resumed",
        "runner.guarded",
        "look.taken",
        "variant.dropped",
        "point.skipped",
        "variant.unavailable",
        "scaling.fitted",
        "variant.changed",
        "host.joined",
        "host.left",
        "host.judged",
        "block.cancelled",
        "experiment.finished",
        "suite.finished",
    }
    assert {record["event"] for record in records} >= EVENTS.keys() - rare


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"schema": 2}, "1 was expected"),
        ({"wall": 3}, "'wall' does not match any of the regexes"),
        ({"wall_ns": None}, "None is not of type 'integer'"),
        ({"model": "thread"}, "'thread' is not one of"),
        ({"workers": 0}, "0 is less than the minimum"),
        ({"run_id": "latest"}, "'latest' does not match"),
        ({"crc32": "12"}, "'12' does not match"),
    ],
    ids=["schema", "unknown field", "null", "model", "workers", "run id", "checksum"],
)
def test_the_schema_refuses_a_trial_with(change: dict[str, Any], message: str, records: list[dict[str, Any]]) -> None:
    trial = next(record for record in records if record["event"] == "trial.finished")
    (misfit,) = misfits([trial | change])
    assert re.search(message, misfit)


@pytest.mark.parametrize("missing", ["seq", "point_id", "variant", "tasks", "model", "workers", "python", "wall_ns"])
def test_the_schema_refuses_a_trial_without(missing: str, records: list[dict[str, Any]]) -> None:
    trial = next(record for record in records if record["event"] == "trial.finished")
    (misfit,) = misfits([{key: value for key, value in trial.items() if key != missing}])
    assert misfit == f"trial.finished: $: '{missing}' is a required property"


def test_an_event_about_no_point_has_no_columns(records: list[dict[str, Any]]) -> None:
    (misfit,) = misfits([records[0] | {"tasks": 4}])
    assert misfit.startswith("run.started: $: Additional properties are not allowed ('tasks' was unexpected)")


def test_an_unknown_event_does_not_fit_the_schema(records: list[dict[str, Any]]) -> None:
    trial = next(record for record in records if record["event"] == "trial.finished")
    validator("events").validate(trial)
    with pytest.raises(jsonschema.ValidationError):
        validator("events").validate(trial | {"event": "trial.ended"})
