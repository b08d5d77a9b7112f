"""The table for people: a row per variant, a sentence per point, and the expectations."""

from __future__ import annotations

import json
import math
import shlex
from collections.abc import Collection, Mapping, Sequence
from functools import partial
from typing import Any, Literal

from rich.table import Table
from rich.text import Text

from .. import units
from ..analysis import crossover
from ..analysis.crossover import Line, worth_showing
from ..analysis.results import PointEvents, Results
from ..runner.account.fold import SHARES
from ..runner.gil import UNKNOWN
from ..text import printable
from .grid import fitting, printed, text_console

_OUTCOME_STYLES = {"held": "green", "broken": "bold red", "undecided": "yellow"}
_DECISION_STYLES = {"found": "bold", "none": "", "undecided": "yellow"}
_VERDICT_STYLES = {"win": "bold", "tie": "bold", "undecided": "yellow"}
_COLUMNS: tuple[tuple[str, Literal["left", "right"]], ...] = (
    ("variant", "left"),
    ("per batch", "right"),
    ("per call", "right"),
    ("quartiles", "left"),
    ("vs baseline", "left"),
    ("efficiency", "right"),
    ("why", "left"),
    ("start-up", "right"),
    ("blocks", "right"),
    ("failed", "right"),
)
MANY_CALLS = 50
"""With so many calls in a batch, the time of one call is shown too: that of a batch says little then."""
PARTS = {
    "on_core": "on a core",
    "run_queue": "core queue",
    "gil": "GIL",
    "blocked": "blocked",
    "serialisation": "pickling",
    "dispatch": "dispatch",
    "waiting": "waiting",
    "idle": "idle",
    "loop_blocked": "loop blocked",
}
SHOWN = 0.005
"""A share that rounds to 1 % at least."""
MUCH_LONGER = 1.1
"""An instrumented batch that takes so many times as long as the others is noted: by chance, or by its instruments."""
_WARNINGS = {
    "too_few_blocks": "too few blocks for a verdict: let it run longer (measure.max_time, measure.blocks)",
    "precision_missed": "the interval is wider than measure.precision",
    "blocks_correlated": "blocks are like their predecessors: the interval is widened, and may still be too narrow",
    "load_dependent": "the ratio follows the load of the machine from block to block",
    "cores_decide": "with more or fewer cores free than there were, another may win",
    "crowded": "others had the cores, and batches waited for one, which draws ratios towards 1, of short batches most",
    "no_steady_state": "batches grow slower or faster within a block, as the reference loop does not",
    "variants_excluded": "variants that failed are excluded",
    "contaminated": "a single worker had to wait for a core, so others' work is in what is said of where the time went",
    "blocks_discarded": "blocks were discarded because a variant failed in them or the time was over",
    "results_unchecked": "results can't be pickled, so they were not compared; see `check`",
    "gil_enabled": "the GIL was switched back on",
    "workload_warned": "the workload itself says",
    "hosts_disagree": "hosts disagree, so the verdict is of this mixture of them",
    "recomputed_differs": "the journal's own verdict differs from this one",
}


def render(results: Results, *, width: int, colour: bool) -> str:
    """Return the text, at most `width` columns wide where words allow."""
    out, written = text_console(width, colour)
    for contest in results.contests:
        if contest.is_skipped:
            continue
        found = results.about(contest.point)
        build = partial(compared_table, contest.point.label, found.compared, found.explained)
        out.print(fitting(out, build, ("why", "quartiles", "efficiency")))
        if found.explained:
            build = partial(accounts_table, found.explained)
            out.print(fitting(out, build, ("memory", "CPU per call", "loop lag p99")))
        if found.observed:
            out.print(observed_table(found.observed))
        if verdict := found.verdict:
            out.print(Text(verdict["sentence"], style=_VERDICT_STYLES[verdict["verdict"]]))
            for warning in verdict["warnings"]:
                out.print(Text(f"note: {note(warning, verdict)}", style="yellow"))
        for event in found.on_hosts:
            out.print(Text(printable(event["sentence"])))
        for event in found.explained:
            out.print(explanation(event, results.started["command"]))
        for event in found.fitted:
            out.print(scaling(event))
        out.print()
    for part in crossovers(results):
        out.print(part)
    for event in results.expectations:
        out.print(expectation(event, several_points=len(results.contests) > 1))
    out.print(Text(spent(results), style="dim"))
    for difference in results.differences:
        out.print(Text(f"differs: {difference}", style="red"))
    return printed(written)


def crossovers(results: Results) -> list[Text | Table]:
    """Return for every axis of numbers what changes along it, and a row for each of its levels; nothing without any."""
    found: list[Text | Table] = []
    for line in crossover.lines(results.plan, results.contests):
        located = worth_showing(results.derived, line)
        found += [Text(event["sentence"], style=_DECISION_STYLES[event["decision"]]) for event in located]
        if any(contest.blocks for contest in line.contests):
            found += [_along(line, results), Text("")]
    return found


def _along(line: Line, results: Results) -> Table:
    """Return the levels that were measured: the time of a batch under each variant, and the best variant."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    labels = list(line.contests[0].variants)
    for header in (line.name, *labels, "best"):
        table.add_column(header, justify="left" if header == "best" else "right", overflow="fold")
    for level, contest in zip(line.values, line.contests, strict=True):
        own = results.about(contest.point)
        times = {event["variant"]: event["wall_ns"] for event in own.compared}
        if contest.blocks and own.verdict:
            durations = (units.duration(times.get(label)) for label in labels)
            table.add_row(units.number(level), *durations, _best(own.verdict))
    return table


def _best(verdict: Mapping[str, Any]) -> str:
    names = units.listed(verdict["winners"])
    return {"win": names, "tie": f"tie: {names}"}.get(verdict["verdict"], f"undecided: {names}")


def note(warning: str, event: Mapping[str, Any]) -> str:
    """Return what a warning of a verdict says, with the figures behind it."""
    return f"{_WARNINGS.get(warning, warning)}{_detail(warning, event)}"


def notes(found: PointEvents) -> list[str]:
    """Return what stands below the verdict on a point: what each host says by itself, and the warnings."""
    hosts = [event["sentence"] for event in found.on_hosts]
    return hosts + ([note(warning, found.verdict) for warning in found.verdict["warnings"]] if found.verdict else [])


def _detail(warning: str, event: Mapping[str, Any]) -> str:
    """Return the figures behind a warning, where the verdict holds them."""
    if warning == "blocks_correlated":
        return f" (autocorrelation {event['autocorrelation']:.2f})"
    if warning == "gil_enabled":
        by: dict[str, list[str]] = {}
        for label, module in event["gil_enabled_by"].items():
            by.setdefault("an unknown module" if module == UNKNOWN else f"module {module}", []).append(label)
        return ", ".join(f" by {cause} under {units.listed(labels)}" for cause, labels in by.items())
    if warning == "hosts_disagree":
        return f": {', '.join(map(printable, event['hosts_disagree']))}"
    if warning == "workload_warned":
        return f": {'; '.join(map(printable, event['workload_warnings']))}"
    if warning == "load_dependent":
        factors = [math.exp(event[key] / 10) for key in ("load_slope", "load_slope_low", "load_slope_high")]
        return f" (times {units.ratio(*factors)} for every tenth more of {event['load_signal'].replace('_', ' ')})"
    return ""


def compared_table(
    title: str, compared: Sequence[Mapping[str, Any]], explained: Sequence[Mapping[str, Any]], without: Collection[str]
) -> Table:
    """Return a row for each variant of a point, from its events, less the columns `without` and what says nothing."""
    why = {event["variant"]: first_cause(event) for event in explained}
    table = Table(title=title, title_justify="left", box=None, pad_edge=False, header_style="bold")
    absent = {*without} | ({"why"} if not why else set())
    if compared and compared[0]["tasks"] < MANY_CALLS:
        absent.add("per call")
    shown = [header for header, _ in _COLUMNS if header not in absent]
    for header, justify in _COLUMNS:
        if header in shown:
            table.add_column(header, justify=justify, no_wrap=True, overflow="fold")
    for event in compared:
        cells = {
            "variant": event["variant"],
            "per batch": units.duration(event["wall_ns"]),
            "per call": units.duration(event["wall_ns"] and event["wall_ns"] / event["tasks"]),
            "quartiles": units.between((event["wall_ns_low"], event["wall_ns_high"]), event["wall_ns"]),
            "vs baseline": _against(event),
            "efficiency": units.percent(event["ideal_share"]),
            "why": why.get(event["variant"], ""),
            "start-up": units.duration(event["startup_ns"]),
            "blocks": str(event["blocks"]),
            "failed": str(event["failures"]),
        }
        table.add_row(*(cells[header] for header in shown))
    return table


def first_cause(event: Mapping[str, Any]) -> str:
    """Return what took most of the time of a variant's workers, in short; nothing where nothing stands out."""
    if not event["causes"]:
        return ""
    return f"{PARTS[event['causes'][0]]} {units.percent(event['cause_shares'][0])}"


def accounts_table(explained: Sequence[Mapping[str, Any]], without: Collection[str]) -> Table:
    """Return where the time of each variant's workers went; parts below `SHOWN` for all are left out."""
    seen = {name for name in SHARES for event in explained if (event[f"{name}_share"] or 0.0) >= SHOWN}
    parts = [name for name in SHARES if name in seen | {"on_core"}]
    has_loop = any(event["loop_lag_p99_ns"] is not None for event in explained)
    others = ["loop lag p99"] * has_loop + ["CPU per call", "memory"]
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("workers' time", no_wrap=True, overflow="fold")
    for header in (*(PARTS[name] for name in parts), *(header for header in others if header not in without)):
        table.add_column(header, justify="right", no_wrap=True)
    for event in explained:
        cells = {
            "loop lag p99": units.duration(event["loop_lag_p99_ns"]),
            "CPU per call": units.duration(event["cpu_ns_per_call"]),
            "memory": "-" if event["peak_pss_bytes"] is None else units.size(event["peak_pss_bytes"]),
        }
        shares = [units.percent(event[f"{name}_share"]) for name in parts]  # None is shown as a dash
        table.add_row(event["variant"], *shares, *(cells[name] for name in others if name not in without))
    return table


def explanation(event: Mapping[str, Any], command: Sequence[str]) -> Text:
    """Return the causes, the advice, and the command that tries it."""
    text = Text.assemble((f"{event['variant']}: ", "bold"), event["why"] or "nothing stands out")
    if event["instrumented_ratio"] is not None and event["instrumented_ratio"] > MUCH_LONGER:
        text.append(
            f" (in a batch that took {units.ratio(event['instrumented_ratio'])} times as long as the others)", "yellow"
        )
    if event["advice"]:
        text.append(f"; {event['advice']}", "cyan")
    if event["missing"]:
        missing = ", ".join(name.rpartition("_")[0].replace("_", " ") for name in event["missing"])
        text.append(f" (not reported by this system: {missing})", "yellow")
    if event["try_overrides"]:
        text.append(f"; try: orchestrator run {shlex.join(_tried(command, event['try_overrides']))}", "dim")
    return text


def _tried(command: Sequence[str], overrides: Sequence[str]) -> list[str]:
    """Return the spec of a run with the overrides that it had, and with others."""
    if len(command) < 3 or command[1] != "run":
        return ["CONFIG", *overrides]
    replaced = {override.partition("=")[0] for override in overrides}
    had = [word for word in command[3:] if "=" in word and not word.startswith("-")]
    return [command[2], *(word for word in had if word.partition("=")[0] not in replaced), *overrides]


def scaling(event: Mapping[str, Any]) -> Text:
    """Return the curve, the law that it follows, and how many workers are enough."""
    bounds = zip(event["speedups"], event["speedup_lows"], event["speedup_highs"], strict=True)
    curve = ", ".join(f"{n}: {units.ratio(*each)}" for n, each in zip(event["workers"], bounds, strict=True))
    enough = units.fitted(event, "enough_workers")
    serial = units.fitted(event, "amdahl_serial", 100, " %")
    pays = (
        f"more than {enough} workers do not pay" if event["enough_workers"] < event["workers"][-1] else "each step pays"
    )
    text = Text.assemble((f"scaling of {event['of']}: ", "bold"), f"{curve}; {pays}")
    text.append(f"; Amdahl: {serial} serial")
    if event["usl_sigma"] is not None:
        text.append(f"; USL: sigma {units.fitted(event, 'usl_sigma')}, kappa {units.fitted(event, 'usl_kappa')}")
        text.append(" (descriptive)" * event["descriptive"])
    if event["peak_workers"] is not None:
        text.append(f"; peak at {units.fitted(event, 'peak_workers')} workers")
    return text


def observed_table(events: Sequence[Mapping[str, Any]]) -> Table:
    """Return what was observed over all trials: a row for each variant, a column for each key."""
    keys = list(dict.fromkeys(event["metric"] for event in events))
    table = Table(box=None, pad_edge=False, header_style="bold")
    for header in ("observed", *(key.partition(".")[2] for key in keys)):
        table.add_column(header, overflow="fold")
    for variant in dict.fromkeys(event["variant"] for event in events):
        own = {event["metric"]: _over_trials(event) for event in events if event["variant"] == variant}
        table.add_row(variant, *(own.get(key, "-") for key in keys))
    return table


def _over_trials(event: Mapping[str, Any]) -> str:
    if event["distinct"] == 1:
        return printable(json.dumps(event["value"], ensure_ascii=False))
    if event["mean"] is None:
        return f"{event['distinct']} different values"
    if isinstance(event["low"], bool):
        return f"true in {units.percent(event['mean'])}"
    low, high = (f"{bound:,}" if isinstance(bound, int) else f"{bound:.4g}" for bound in (event["low"], event["high"]))
    return f"{low} to {high}, mean {units.significant(event['mean'])}"


def _against(event: Mapping[str, Any]) -> str:
    if event["excluded"]:
        return "failed, excluded"
    if event["variant"] == event["baseline"]:
        return "baseline"
    left = " left early" if event["dropped_for_futility"] and event["speedup"] is not None else ""
    return units.ratio(event["speedup"], event["speedup_low"], event["speedup_high"]) + left


def expectation(event: Mapping[str, Any], *, several_points: bool) -> Text:
    """Return the outcome of an expectation, and its claim."""
    outcome = (f"{event['outcome']:9}", _OUTCOME_STYLES[event["outcome"]])
    return Text.assemble(outcome, " ", claim(event, several_points=several_points))


def claim(event: Mapping[str, Any], *, several_points: bool) -> str:
    """Return what was expected, and what was found."""
    bounds = []
    if event["min"] is not None:
        bounds.append(f"at least {event['min']:g}")
    if event["max"] is not None:
        bounds.append(f"at most {event['max']:g}")
    if event["equals"] is not None:
        bounds.append(f"equal to {event['equals']!r}")
    against = f" against {event['against']}" if event["against"] else ""
    place = f" at {event['point']}" if several_points else ""
    claimed = f"{event['metric']} of {event['of']}{against}{place} {' and '.join(bounds)}"
    return f"{claimed}; found {_found(event)}" + (f": {event['reason']}" if event["reason"] else "")


def _found(event: Mapping[str, Any]) -> str:
    if event["value"] is None:
        return "nothing"
    if event["metric"].endswith("_ns"):
        return (
            f"{units.duration(event['value'])} {units.between((event['low'], event['high']), event['value'])}".strip()
        )
    if isinstance(event["value"], float):
        return units.ratio(event["value"], event["low"], event["high"])
    return repr(event["value"])


def spent(results: Results) -> str:
    """Return where the run's time went."""
    blocks = results.named("block.finished")
    elapsed_ns = sum(block["elapsed_ns"] for block in blocks)
    total = "" if results.finished is None else f" in {results.finished['elapsed_s']:.1f} s"
    if not elapsed_ns:
        return f"0 blocks{total}; run {results.started['run_id']}"
    parts = {
        "starting runners": sum(block["starting_ns"] for block in blocks),
        "warm-up": sum(block["warming_ns"] for block in blocks),
        "trials": sum(block["trials_ns"] - block["wait_ns"] for block in blocks),
        "explaining": sum(block.get("diagnostics_ns", 0) for block in blocks),
    }
    parts["between trials and ending"] = elapsed_ns - sum(parts.values())
    shares = ", ".join(f"{what} {ns / elapsed_ns * 100:.0f} %" for what, ns in parts.items())
    if results.finished and results.finished.get("conducting_cpu_s"):
        own = results.finished["conducting_cpu_s"] / results.finished["conducting_s"]
        shares += f"; the orchestrator itself used {own * 100:.1f} % of a core"
    return f"{len(blocks)} blocks{total}: {shares}; run {results.started['run_id']}"
