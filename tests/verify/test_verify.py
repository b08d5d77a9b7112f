"""What is counted of the controls, and the figures made of it."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from orchestrator.runner import registry
from tests.bench import bare
from tests.bench.__main__ import LOOPS
from tests.support.paths import ROOT
from tests.verify import capacity, figures, findings, samples
from tests.verify.cases import CASES
from tests.verify.measure import run
from tests.verify.records import Record, append, is_false, is_right, opposites, read, summaries

TIE = Record(
    case="same",
    load=0,
    at="2026-11-25T00:00:00Z",
    run_id="a-run",
    verdict="tie",
    winners=["a", "b"],
    ratio=1.0,
    low=0.98,
    high=1.02,
    blocks=8,
    elapsed_s=6.0,
    at_this_load=False,
    warnings=[],
    load_1m=0.5,
    steal_share=0.0,
)
WIN = replace(TIE, verdict="win", winners=["a"], ratio=1.05, low=1.02, high=1.08)
LOSS = replace(WIN, winners=["b"], ratio=0.95, low=0.92, high=0.98)
OPEN = replace(TIE, verdict="undecided")


@pytest.mark.parametrize(
    ("case", "record", "right", "false"),
    [
        ("same", TIE, True, False),
        ("same", WIN, False, True),
        ("same", OPEN, False, False),
        ("plus5", WIN, True, False),
        ("plus5", LOSS, False, True),
        ("plus5", TIE, False, True),
        ("plus5", OPEN, False, False),
        ("plus2", TIE, True, False),
        ("plus2", WIN, True, False),
        ("plus2", LOSS, False, True),
        ("across10", WIN, True, False),
        ("across10", LOSS, False, True),
        ("crossover", WIN, True, False),
    ],
)
def test_a_verdict_is_right_or_false_by_what_is_known(case: str, record: Record, right: bool, false: bool) -> None:
    assert (is_right(CASES[case], record), is_false(CASES[case], record)) == (right, false)


def test_the_truth_between_two_models_is_known_from_the_same_work() -> None:
    records = [replace(WIN, case="across0", ratio=0.9), replace(WIN, case="across10", low=0.97, high=1.0)]
    found = {summary.case.name: summary for summary in summaries(records)}
    assert found["across0"].truth is None and found["across0"].bounded == 0
    assert found["across10"].truth == pytest.approx(0.99)
    assert (found["across10"].covered, found["across10"].bounded) == (1, 1)


def test_loads_are_counted_apart() -> None:
    found = summaries([TIE, replace(TIE, load=4), replace(WIN, load=4)])
    assert [(summary.load, summary.runs, summary.false) for summary in found] == [(0, 1, 0), (4, 2, 1)]


def test_wins_contradict_each_other_where_both_are_stated_without_reserve() -> None:
    assert opposites([WIN, WIN, LOSS]) == 1
    assert opposites([WIN, WIN, replace(LOSS, at_this_load=True), TIE]) == 0


def test_records_are_read_as_they_were_written(tmp_path: Path) -> None:
    for record in (TIE, WIN):
        append(tmp_path / "records", record)
    assert read(tmp_path / "records") == [TIE, WIN]


def test_the_table_has_a_row_for_each_control_and_load() -> None:
    shown = figures.table([TIE, WIN, replace(OPEN, case="plus5")]).splitlines()
    assert shown[2].startswith("| the same loop twice, plain | 0 | 2 | 1 (50 %) | 0 | 1 (50 %) | 1 of 2 | 0 | 6.0 s |")
    assert len(shown) == 4


def test_only_what_stands_between_the_marks_is_replaced() -> None:
    assert figures.replace("a\n<!-- x -->\nold\n<!-- end -->\nb", "x", "new\n") == "a\n<!-- x -->\nnew\n<!-- end -->\nb"


@pytest.mark.slow
def test_the_plot_is_drawn(tmp_path: Path) -> None:
    figures.plot([TIE, WIN, replace(WIN, case="plus5")], tmp_path / "plot.svg")
    assert "plus5, load 0" in (tmp_path / "plot.svg").read_text()


@pytest.mark.long
@pytest.mark.timeout(3600)
def test_twenty_runs_on_a_crossover_hold_no_two_opposite_wins_without_a_word_about_the_load(tmp_path: Path) -> None:
    assert opposites([run(CASES["crossover"], 0, tmp_path) for _ in range(20)]) == 0


FOUND: dict[str, Any] = {
    "config": "hashing",
    "at": "2026-11-26T16:50:20Z",
    "status": 0,
    "elapsed_s": 40.1,
    "claims": ["held", "broken"],
    "points": [
        {
            "at": "size=1,024",
            "verdict": "win",
            "winners": ["sequential"],
            "best": "sequential",
            "rival": "threads",
            "ratio": [64.8, 55.6, 69.6],
            "why": {"sequential": "55 % of the time on a core", "threads": "60 % of the time was dispatch"},
        },
        {
            "at": "size=65,536",
            "verdict": "tie",
            "winners": ["sequential", "threads"],
            "best": "sequential",
            "rival": "threads",
            "ratio": [1.01, 0.99, 1.02],
            "why": {},
        },
    ],
}


def test_a_finding_is_a_row_for_each_point_of_the_last_run_and_a_count_over_all() -> None:
    first = findings.Found(**{**FOUND, "claims": ["held", "held"], "points": []})
    rows = findings.table([first, findings.Found(**FOUND)]).splitlines()[2:]
    assert rows == [
        "| `hashing.yaml`, 40.1 s | size=1,024 | **sequential**, 64.80 [55.60, 69.60] times as fast as threads "
        "| sequential: 55 % of the time on a core; threads: 60 % of the time was dispatch | 3 of 4 in 2 runs |",
        "|  | size=65,536 | tie: sequential and threads |  |  |",
    ]


def test_the_docs_show_what_every_config_found() -> None:
    table = (ROOT / "docs/workloads.md").read_text().partition("<!-- findings -->")[2].partition("<!-- end -->")[0]
    missing = set(findings.CONFIGS) ^ set(re.findall(r"`([\w]+)\.yaml`", table))
    assert not missing, "`make findings ARGS=NAME` measures one and writes its row"


def test_the_help_of_the_accounts_measures_nothing() -> None:
    command = [sys.executable, "-m", "tests.verify.accounts", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout.startswith("usage: python -m tests.verify.accounts")


def test_every_model_is_held_to_a_bare_loop() -> None:
    assert {way.split()[0] for way in LOOPS} == set(registry.NAMES)
    assert not [loop for loop in LOOPS.values() if not callable(getattr(bare, loop, None))]


def test_a_sample_without_output_yet_gets_it_once(tmp_path: Path) -> None:
    sample = "<!-- sample: orchestrator --version -->\n```\n{}```\n<!-- end -->\n"
    made = samples.renewed(sample.format(""), tmp_path)
    assert made == samples.renewed(made, tmp_path)
    assert made.count("orchestrator --version") == 1
    assert re.search(r"^```\norchestrator \d", made, re.MULTILINE)


def test_a_simulated_search_for_a_capacity_finds_where_a_queue_breaks_the_objective() -> None:
    plan, dice = capacity.planned(capacity.MODELS[:2]), np.random.default_rng(1)
    with capacity.remembering():
        line = capacity.searched(plan, capacity.queue, lambda _: 0.0, dice)
        found = capacity.judged(plan, line, capacity.queue)
    assert found == (False, False, True)
