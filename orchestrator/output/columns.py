"""A run as tables: what the exports write and what SQL asks, a row each, with the columns of the log. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from statistics import median
from typing import Any, get_args

from ..analysis.compare import by_the_loop
from ..analysis.contest import Block
from ..analysis.results import Results
from ..journal.catalog import EVENTS
from ..journal.event import Event
from ..jsonl import dumps

Row = Mapping[str, Any]
Places = Mapping[tuple[str, int], Block]

NAMES = ("runs", "trials", "windows", "blocks", "variants", "latencies", "accounts", "verdicts", "contexts")
"""The tables of a run."""

_DERIVED = {
    "variants": "variant.compared",
    "latencies": "variant.served",
    "accounts": "variant.explained",
    "verdicts": "verdict.reached",
}
_RAW = {
    "trials": "trial.finished",
    "windows": "window.finished",
    "blocks": "runner.ready",
    "contexts": "context.sampled",
}
"""The events that tables are made of."""

_LEFT_OUT = {"event", "schema", "seq", "ts", "crc32"}
_TYPES = {bool: "BOOLEAN", int: "BIGINT", float: "DOUBLE", str: "VARCHAR"}
_INT64 = range(-(2**63), 2**63)


def tables(results: Results) -> dict[str, list[Row]]:
    """Return the tables of a run by their names.

    `runs`: itself. `trials`: every finished trial with what was observed of it. `blocks`: every variant of every block,
    with medians over its rounds. `windows`: every window of calls that arrived at a rate. `variants`, `latencies`,
    `accounts`, `verdicts`: derived events; `latencies` holds how calls that arrived at a rate were served, `accounts`
    where the workers' time went. `contexts`: the samples of the machine.
    In trials, windows and blocks, `counts` says whether the block is among those that the figures are made of.
    """
    counting = {(contest.point.id, block.number): block for contest in results.contests for block in contest.counting}
    raw = results.records("trial.finished", "trial.observed", "runner.ready")
    derived = {name: [e.fields() for e in results.derived if e.event == name] for name in _DERIVED.values()}
    found: dict[str, Iterable[Row]] = {
        "runs": [_run(results)],
        "trials": _trials(raw, counting),
        "windows": _windows(results, counting),
        "blocks": _blocks(results, raw, counting),
        **{table: map(_plain, derived[name]) for table, name in _DERIVED.items()},
        "contexts": ({**_plain(event), "sampled": event["ts"]} for event in results.records("context.sampled")),
    }
    about = {"run_id": results.run_id, "experiment": results.started.experiment}
    return {table: [{**about, **row} for row in rows] for table, rows in found.items()}


def _plain(event: Row) -> dict[str, Any]:
    return {key: value for key, value in event.items() if not _is_left_out(key)}


def _is_left_out(name: str) -> bool:
    return name in _LEFT_OUT or name.startswith(("worker_", "hash_"))


def _run(results: Results) -> Row:
    started = results.started
    finished: Row = next(iter(results.records("run.finished")), {})
    sampled: Row = next(iter(results.records("context.sampled")), {})
    return {
        "started": results.started_at,
        "finished": finished.get("ts"),
        **{key: finished.get(key) for key in ("outcome", "exit_status", "elapsed_s")},
        "commit": started.commit,
        **{key: sampled.get(key) for key in ("hostname", "cpu_model", "cores")},
        "effective_cores": started.effective_cores,
        **{key: started.versions.get(key) for key in ("python", "orchestrator")},
        **{key: getattr(started, key) for key in ("seed", "spec_sha256", "spec", "command", "cwd")},
    }


_OF_A_RUN = {
    **dict.fromkeys(("run_id", "experiment", "started", "finished", "outcome", "commit", "hostname"), "VARCHAR"),
    **dict.fromkeys(("cpu_model", "python", "orchestrator", "spec_sha256", "spec", "cwd"), "VARCHAR"),
    **dict.fromkeys(("exit_status", "cores", "effective_cores", "seed"), "BIGINT"),
    **{"elapsed_s": "DOUBLE", "command": "VARCHAR[]"},
}
_OF_A_BLOCK = {
    **dict.fromkeys(("rounds", "wall_ns", "cpu_ns", "reference_ns", "reference_version"), "BIGINT"),
    **{"counts": "BOOLEAN", "by_the_loop": "DOUBLE", "free_cores": "DOUBLE", "steal_share": "DOUBLE"},
    "pressure": "DOUBLE",
}


def _trials(raw: Sequence[Row], counting: Places) -> Iterator[Row]:
    trial: dict[str, Any] | None = None
    for event in raw:
        if event["event"] == "trial.finished":
            if trial:
                yield trial
            trial = {**_plain(event), "counts": (event["point_id"], event["block"]) in counting}
        elif event["event"] == "trial.observed" and trial:
            trial |= {key: value for key, value in event.items() if key.startswith("observed_")}
    if trial:
        yield trial


def _windows(results: Results, counting: Places) -> Iterator[Row]:
    for event in results.records("window.finished"):
        yield {**_plain(event), "counts": (event["point_id"], event["block"]) in counting}


def _blocks(results: Results, raw: Sequence[Row], counting: Places) -> Iterator[Row]:
    trials: dict[tuple[str, int, str], list[Row]] = {}
    for event in raw:
        if event["event"] == "trial.finished":
            trials.setdefault((event["point_id"], event["block"], event["variant"]), []).append(event)
    finished = {(contest.point.id, block.number): block for contest in results.contests for block in contest.blocks}
    for ready in raw:
        if ready["event"] == "runner.ready":
            place = (ready["point_id"], ready["block"])
            own = trials.get((*place, ready["variant"]), [])
            block = finished.get(place)
            yield {
                **_plain(ready),
                "counts": place in counting,
                "rounds": len(own),
                "wall_ns": round(median(trial["wall_ns"] for trial in own)) if own else None,
                "cpu_ns": round(median(trial["cpu_ns"] for trial in own)) if own else None,
                "reference_ns": round(median(block.reference)) if block and block.reference else None,
                "reference_version": block.reference_version if block else None,
                "by_the_loop": by_the_loop(block, ready["variant"]) if block else None,
                "free_cores": block.free_cores if block else None,
                "steal_share": block.steal_share if block else None,
                "pressure": block.pressure if block else None,
            }


# --- what the columns hold


def types(table: str, rows: Sequence[Row]) -> dict[str, str]:
    """Return the type of each column of some rows of a table, as SQL has it.

    What the log declares is taken from there, so that a column has one type in all runs, whatever it holds in this one;
    other columns (kwargs, options, what was observed) have the narrowest type that holds their values, and are left out
    where they hold none.
    """
    known = declared(table)
    names = dict.fromkeys(name for row in rows for name in row)
    found = {name: known.get(name) or _narrowest([row.get(name) for row in rows]) for name in names}
    return {name: kind for name, kind in found.items() if kind}


def cell(value: object, kind: str) -> object:
    """Return a value as JSON holds it for a column of a type: what has none of its own as text."""
    if kind == "VARCHAR" and value is not None:
        text = value if isinstance(value, str) else dumps(value).decode()
        return text.replace("\0", "\\x00")
    return value


def declared(table: str) -> dict[str, str]:
    """Return the columns that every run may have in a table, and their types, as SQL has them."""
    if table == "runs":
        return dict(_OF_A_RUN)
    found = _fields(EVENTS[(_RAW | _DERIVED)[table]])
    counts = {"counts": "BOOLEAN"}
    return found | {"blocks": _OF_A_BLOCK, "trials": counts, "windows": counts}.get(table, {})


def _fields(kind: type[Event]) -> dict[str, str]:
    types = {name: _of_annotation(field.annotation) for name, field in kind.model_fields.items()}
    return {name: found for name, found in types.items() if found and not _is_left_out(name)} | {
        "run_id": "VARCHAR",
        "experiment": "VARCHAR",
    }


def _of_annotation(annotation: Any) -> str | None:
    """Return the type of a field that holds a plain value or a list of them, or nothing; None for any other."""
    parts = [part for part in get_args(annotation) or (annotation,) if part is not type(None)]
    if isinstance(parts[0], str):  # a Literal
        return "VARCHAR"
    if getattr(annotation, "__origin__", None) is list:
        of = _of_annotation(parts[0])
        return of and f"{of}[]"
    if len(parts) == 1 and get_args(parts[0]):
        return _of_annotation(parts[0])
    kinds = {_TYPES.get(part) for part in parts}
    return "DOUBLE" if kinds == {"BIGINT", "DOUBLE"} else kinds.pop() if len(kinds) == 1 else None


def _narrowest(values: Sequence[Any]) -> str | None:
    present = [value for value in values if value is not None]
    kinds = {type(value) for value in present}
    if not present:
        return None
    if kinds <= {int, float} and all(value in _INT64 for value in present if isinstance(value, int)):
        return "BIGINT" if kinds == {int} else "DOUBLE"
    return "BOOLEAN" if kinds == {bool} else "VARCHAR"
