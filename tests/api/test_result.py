"""Results in Python: what a run found out, from its journal alone, as the command line shows it."""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import pandas
import polars
import pytest

import orchestrator
from orchestrator import Broken, Failure, Ratio, Result, Undecided
from tests.support.command import in_process
from tests.support.journals import journaled
from tests.support.synthetic import conducted

TIMES = {"sequential": 20, "threads": 19.9, "processes": 11}


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run in which processes win, and threads tie with a plain loop."""
    accounts = {"sequential": {"on_core": 1.0}, "threads": {"gil": 0.4, "on_core": 0.6}}
    records = conducted(TIMES, accounts=accounts).records()
    return journaled(tmp_path_factory.mktemp("place"), 1, records)


@pytest.fixture(scope="module")
def result(run: Path) -> Result:
    return orchestrator.load(run)


@pytest.fixture(scope="module")
def several(tmp_path_factory: pytest.TempPathFactory) -> Result:
    """A result with two points."""
    records = conducted({"sequential": 20, "threads": 9}, matrix={"tasks": [1, 4]}).records()
    return orchestrator.load(journaled(tmp_path_factory.mktemp("several"), 1, records))


def test_a_result_has_the_verdict_and_the_winner(result: Result) -> None:
    assert (result.verdict, result.winner) == ("win", "processes")


def test_the_ratio_is_a_number_with_the_interval_of_the_sentence(result: Result) -> None:
    ratio = result.ratio
    assert ratio is not None and ratio.low is not None and ratio.high is not None
    assert ratio.low < ratio < ratio.high
    assert str(ratio) == repr(ratio) and f"{ratio} times as fast" in result.sentence


def test_a_ratio_without_an_interval_is_a_number() -> None:
    assert Ratio(1.5) * 2 == 3 and Ratio(1.5).low is None


def test_the_rows_of_the_table_are_the_variants_best_first(result: Result) -> None:
    rows = result.table()
    assert rows[0]["variant"] == "processes"
    assert {row["standing"] for row in rows} == {"win", "slower"}
    assert all(isinstance(row["wall_ns"], int) for row in rows)


def test_the_causes_are_by_variant(result: Result) -> None:
    assert "GIL" in result.why["threads"]


def test_the_text_is_what_the_command_line_prints(result: Result, run: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    text = in_process("report", str(run), "--format", "table", cwd=run).stdout
    printed = [line for line in text.splitlines() if "more: " not in line]
    shown = [line for line in str(result).splitlines() if "more: " not in line]
    assert [line.split()[:2] for line in shown] == [line.split()[:2] for line in printed]


def test_what_is_worth_a_try_is_a_call_in_python_and_a_command_in_a_shell(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    accounts = {"processes": {"dispatch": 0.9, "call_cpu_ns": 8_000, "longest_call_ns": 8_000, "calls": 40}}
    run = journaled(tmp_path, 1, conducted({"sequential": 20, "processes": 10}, tasks=40, accounts=accounts).records())
    text = re.sub(r"\s+", " ", str(orchestrator.load(run)))
    spec = (run / "spec.yaml").relative_to(tmp_path)
    assert f'; orchestrator.run("{spec}", {{"matrix.chunksize": [1, 4]}})' in text
    shell = in_process("report", str(run), "--format", "table", cwd=run).stdout
    assert "'matrix.chunksize=[1, 4]'" in re.sub(r"\s+", " ", shell) and "orchestrator.run(" not in shell


def test_the_verdict_is_that_of_the_command_line_to_the_bit(result: Result, run: Path) -> None:
    lines = in_process("report", str(run), "--format", "json", cwd=run).stdout.splitlines()
    (reached,) = [event for event in map(json.loads, lines) if event["event"] == "verdict.reached"]
    (row,) = result.to_pandas("verdicts").to_dict("records")
    assert (row["ratio"], row["ratio_low"], row["sentence"]) == (
        reached["ratio"],
        reached["ratio_low"],
        reached["sentence"],
    )


def test_events_are_those_of_the_journal(result: Result, run: Path) -> None:
    lines = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    assert result.events("trial.finished") == [line for line in lines if line["event"] == "trial.finished"]
    assert len(result.events()) == len(lines)


def test_the_outcome_is_that_of_the_run(result: Result) -> None:
    assert result.outcome == "decided" and result.failures == () and result.left_out == {}


def test_models_that_the_design_left_out_are_there_with_the_reason(tmp_path: Path) -> None:
    left_out = {"processes": "its results can't be pickled"}
    records = conducted({"sequential": 20, "threads": 9}, left_out=left_out).records()
    assert orchestrator.load(journaled(tmp_path, 1, records)).left_out == left_out


def test_what_the_pilot_calls_have_shown_is_printed_of_a_comparison_too(tmp_path: Path) -> None:
    finding = "Results are not checked: two calls differ."
    records = conducted({"sequential": 20, "threads": 9}, findings=[finding]).records()
    assert finding in str(orchestrator.load(journaled(tmp_path, 1, records)))


def test_a_claim_that_holds_returns_the_result(result: Result) -> None:
    assert result.expect(of="processes", min=1.5) is result


def test_a_broken_claim_raises_an_assertion_error_with_the_interval_and_the_cause(result: Result) -> None:
    with pytest.raises(AssertionError, match=r"broken: speedup of threads .*at least 1\.5; found 1.*\[") as raised:
        result.expect(of="threads", min=1.5)
    assert isinstance(raised.value, Broken) and "GIL" in str(raised.value)


def test_a_broken_claim_is_shown_below_its_bound(result: Result) -> None:
    (high,) = [row["speedup_high"] for row in result.table() if row["variant"] == "threads"]
    with pytest.raises(Broken) as raised:
        result.expect(of="threads", min=round(high, 4) + 0.0001)
    ((bound, shown),) = re.findall(r"at least (\S+); found .*, (\S+)\]", str(raised.value))
    assert float(shown) < float(bound)


def test_a_claim_about_a_model_is_checked_without_its_baseline(tmp_path: Path) -> None:
    in_flight: dict[str, Any] = {"models": ["event_loop"], "matrix": {"workers": [1, 4]}}
    records = conducted({"event_loop(workers=1)": 20, "event_loop(workers=4)": 19}, **in_flight).records()
    result = orchestrator.load(journaled(tmp_path, 1, records))
    with pytest.raises(Broken, match=r"of event_loop\(workers=4\) against event_loop\(workers=1\) at least 1\.5"):
        result.expect(of="event_loop", min=1.5)


def test_a_claim_within_the_interval_is_undecided(result: Result) -> None:
    ratio = result.ratio
    assert ratio is not None
    with pytest.raises(Undecided, match="give the claim to compare as expect="):
        result.expect(of="processes", min=float(ratio))


def test_a_claim_about_an_unknown_model_names_the_known_ones(result: Result) -> None:
    with pytest.raises(Failure, match=r'expect\.of: .*"thread".*did you mean "threads"'):
        result.expect(of="thread", min=1)


def test_a_claim_without_a_bound_is_refused(result: Result) -> None:
    with pytest.raises(Failure, match="claims nothing; give min, max or equals"):
        result.expect(of="threads")


def test_a_table_becomes_a_frame_of_pandas_with_types(result: Result) -> None:
    frame = result.to_pandas("trials")
    assert isinstance(frame, pandas.DataFrame)
    assert frame["wall_ns"].dtype == "Int64" and frame["counts"].all()


def test_a_table_becomes_a_frame_of_polars_and_a_table_of_arrow(result: Result) -> None:
    frame, table = result.to_polars(), result.to_arrow()
    assert frame["variant"].to_list() == table["variant"].to_pylist()
    assert frame.schema["speedup"] == polars.Float64


def test_an_unknown_table_names_the_known_ones(result: Result) -> None:
    with pytest.raises(Failure, match="no table 'trial'; name one of runs, trials"):
        result.to_pandas("trial")


def test_a_plot_is_a_drawing_that_a_notebook_shows(result: Result, tmp_path: Path) -> None:
    plot = result.plot()
    assert plot._repr_svg_().startswith("<svg")
    assert plot.save(tmp_path / "a.svg").read_text() == plot.svg


def test_an_unknown_chart_names_the_known_ones(result: Result) -> None:
    with pytest.raises(Failure, match="no chart 'x'; name one of "):
        result.plot("x")


@pytest.mark.parametrize(
    ("name", "start"), [("a.html", "<!doctype html>"), ("a.md", "# "), ("a.json", "{"), ("a.yaml", "name: ")]
)
def test_a_result_is_saved_in_the_format_of_the_suffix(result: Result, name: str, start: str, tmp_path: Path) -> None:
    assert result.save(tmp_path / name).read_text().lower().startswith(start)


def test_another_suffix_is_refused_with_those_there_are(result: Result, tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r"not saved as \.doc; name a file \.html"):
        result.save(tmp_path / "a.doc")


def test_a_notebook_shows_the_verdict_bars_and_causes_and_loads_nothing(result: Result) -> None:
    shown = result._repr_html_()
    assert "processes wins" in shown and shown.count("<tr>") == 4 and "GIL" in shown
    assert not re.search(r"<script|https?://|src=|@import", shown)


def test_the_claims_of_a_run_have_their_outcome(tmp_path: Path) -> None:
    claims = [{"of": "processes", "min": 1.5}, {"of": "threads", "min": 1.5}]
    run = journaled(tmp_path, 1, conducted(TIMES, expect=claims).records())
    assert [claim["outcome"] for claim in orchestrator.load(run).expectations] == ["held", "broken"]


def test_ipython_shows_the_text_in_a_terminal(result: Result) -> None:
    shown: list[str] = []

    class Printer:
        text = shown.append

    result._repr_pretty_(Printer, False)
    assert shown == [str(result).rstrip()]


def test_a_contestant_in_a_plain_loop_is_advised_by_its_label(tmp_path: Path) -> None:
    models = [{"model": "sequential", "label": name} for name in ("f(1)", "g(1)")]
    records = conducted({"f(1)": 20, "g(1)": 9}, models=models).records()
    assert "Use g(1)" in str(orchestrator.load(journaled(tmp_path, 1, records)))


def test_points_have_a_verdict_each(several: Result) -> None:
    assert [point.winner for point in several.points] == ["threads", "threads"]
    assert {row["point"] for row in several.table()} == {point.label for point in several.points}


def test_the_verdict_of_several_points_is_refused(several: Result) -> None:
    with pytest.raises(Failure, match=r"has 2 points, each with a verdict of its own; use result\.points"):
        _ = several.verdict


def test_a_run_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(orchestrator.BadInput):
        orchestrator.load(tmp_path / "none")
