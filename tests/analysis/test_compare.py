"""The changes between two runs of an experiment, by the clock and by the reference loop."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from orchestrator import errors
from orchestrator.analysis.compare import Comparison, compare_runs
from orchestrator.analysis.results import fold
from orchestrator.cli.app import app
from orchestrator.journal.write import create
from orchestrator.output import changes
from tests.support.synthetic import conducted

BEFORE = {"sequential": 20.0, "threads": 10.0}


EIGHT: dict[str, Any] = {"measure": {"blocks": 8}}


def compared(after: dict[str, float], tolerance: float = 0.05, **more: Any) -> Comparison:
    before, later = conducted(BEFORE, **EIGHT), conducted(after, **EIGHT | more)
    return compare_runs(fold(before.records()), fold(later.records()), tolerance)


def words(found: Comparison) -> dict[str, str]:
    return {change.variant: change.change for change in found.changes}


def test_a_variant_that_takes_longer_against_the_loop_is_slower() -> None:
    found = compared({"sequential": 20.0, "threads": 12.0})
    assert words(found) == {"sequential": "same", "threads": "slower"}
    assert [change.variant for change in found.regressions] == ["threads"]


def test_a_variant_that_takes_less_against_the_loop_is_faster() -> None:
    found = compared({"sequential": 20.0, "threads": 8.0})
    assert words(found)["threads"] == "faster"
    assert not found.regressions


def test_a_variant_that_is_slower_like_the_loop_has_shifted_with_the_machine() -> None:
    found = compared({"sequential": 26.0, "threads": 13.0}, reference_ms=3.9)
    assert words(found) == {"sequential": "shifted", "threads": "shifted"}
    assert found.changes[0].wall_ratio == pytest.approx(1.3, rel=0.01)
    assert found.changes[0].ratio == pytest.approx(1.0, rel=0.01)


def test_a_variant_with_equal_times_on_a_slower_machine_is_faster() -> None:
    assert words(compared(BEFORE, reference_ms=3.9)) == {"sequential": "faster", "threads": "faster"}


def test_a_change_within_the_tolerance_is_called_same() -> None:
    assert words(compared({"sequential": 20.0, "threads": 12.0}, tolerance=0.5))["threads"] == "same"


def test_an_interval_on_both_sides_of_the_tolerance_is_undecided() -> None:
    assert words(compared({"sequential": 20.0, "threads": 10.5}, noise=0.1))["threads"] == "undecided"


def test_without_a_reference_loop_a_change_is_undecided() -> None:
    found = compared({"sequential": 20.0, "threads": 12.0}, reference_ms=None)
    assert words(found) == {"sequential": "undecided", "threads": "undecided"}
    assert changes.WITHOUT_LOOP in changes.table(found, width=120, colour=False)


def test_changes_against_another_version_of_the_loop_are_undecided() -> None:
    before, after = conducted(BEFORE, **EIGHT).records(), conducted({"sequential": 20.0, "threads": 12.0}, **EIGHT)
    other = [{**each, "version": 2} if each["event"] == "reference.timed" else each for each in after.records()]
    found = compare_runs(fold(before), fold(other), 0.05)
    assert words(found) == {"sequential": "undecided", "threads": "undecided"}


def test_all_intervals_of_a_comparison_hold_together() -> None:
    assert [change.level for change in compared(BEFORE).changes] == [0.025, 0.025]


FOUR: dict[str, Any] = {"measure": {"blocks": 4}}


def compared_early(threads_ms: float, tolerance: float = 0.05) -> Comparison:
    before, after = (fold(conducted({**BEFORE, "threads": ms}, **FOUR).records()) for ms in (10.0, threads_ms))
    return compare_runs(before, after, tolerance)


def test_runs_of_four_blocks_show_a_large_change() -> None:
    assert words(compared_early(14.0))["threads"] == "slower"
    assert words(compared_early(7.0))["threads"] == "faster"


def test_runs_of_four_blocks_show_no_small_change_and_say_how_to() -> None:
    found = compared_early(12.0)
    assert words(found) == {"sequential": "undecided", "threads": "undecided"}
    assert "measure.blocks=8" in changes.table(found, width=120, colour=False)


def test_runs_of_four_blocks_are_never_called_the_same() -> None:
    assert set(words(compared_early(10.0, tolerance=0.9)).values()) == {"undecided"}


def test_variants_that_only_one_run_measured_are_named() -> None:
    found = compared({"sequential": 20.0, "event_loop": 10.0})
    assert list(words(found)) == ["sequential"]
    assert (found.only_before, found.only_after) == (["threads at b() x 1"], ["event_loop at b() x 1"])


def test_a_regression_is_reported_with_how_to_prove_it() -> None:
    shown = changes.table(compared({"sequential": 20.0, "threads": 12.0}), width=120, colour=False)
    assert "threads      10 ms  12 ms  1.20 " in shown
    assert "`path:`" in shown


def journal(runs: Path, name: str, times_ms: dict[str, float], **more: Any) -> str:
    """Write the journal of a made-up run and return its directory."""
    run = conducted(times_ms, **EIGHT | more)
    with create(runs, "x", name, "") as book:
        for event in run.written():
            book.write(event)
    return str(runs / "x" / name)


def test_a_regression_ends_with_status_1(tmp_path: Path) -> None:
    before, after = journal(tmp_path, "a", BEFORE), journal(tmp_path, "b", {"sequential": 20.0, "threads": 12.0})
    done = CliRunner().invoke(app, ["compare", before, after])
    assert done.exception is not None
    assert getattr(done.exception, "status", None) == errors.BROKEN
    assert str(done.exception) == "1 of 2 slower than the tolerance allows; the slowest: threads at b() x 1"
    assert [json.loads(line)["change"] for line in done.stdout.splitlines()] == ["same", "slower"]


def test_no_regression_ends_with_status_0(tmp_path: Path) -> None:
    before, after = journal(tmp_path, "a", BEFORE), journal(tmp_path, "b", {"sequential": 20.0, "threads": 12.0})
    done = CliRunner().invoke(app, ["compare", before, after, "--tolerance", "50%", "--format", "table"])
    assert done.exit_code == 0
    assert done.stdout.startswith("b() x 1\n")


@pytest.mark.parametrize(
    ("after", "option", "status", "message"),
    [
        ({"event_loop": 20.0, "processes": 9.0}, "5%", errors.BAD_INPUT, "share no measured variant at any point"),
        (BEFORE, "5", errors.BAD_INPUT, '--tolerance: "5" is not a percentage'),
    ],
)
def test_runs_that_cannot_be_compared_are_refused(
    tmp_path: Path, after: dict[str, float], option: str, status: int, message: str
) -> None:
    runs = [journal(tmp_path, "a", BEFORE), journal(tmp_path, "b", after)]
    done = CliRunner().invoke(app, ["compare", *runs, "--tolerance", option])
    assert getattr(done.exception, "status", None) == status
    assert message in str(done.exception)


def test_a_missing_run_is_refused(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["compare", str(tmp_path), str(tmp_path)])
    assert getattr(done.exception, "status", None) == errors.BAD_INPUT


def test_a_variant_that_ran_fewer_rounds_than_the_loop_is_compared_by_those_that_it_ran() -> None:
    run = conducted({"sequential": 300.0, "threads": 10.0}, measure={"blocks": 8, "rounds": 5, "max_time": "1h"})
    records = [
        record
        for record in run.records()
        if not (record["event"] == "trial.finished" and record["variant"] == "sequential" and record["round"] > 0)
    ]
    found = compare_runs(fold(records), fold(records), 0.05)
    assert words(found) == {"sequential": "same", "threads": "same"}
