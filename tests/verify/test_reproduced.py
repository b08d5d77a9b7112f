"""The page of published results: its rows, what is skipped, and the answers of other tools."""

from __future__ import annotations

import subprocess
import sys
from typing import Any

import pytest

from orchestrator import errors
from tests.support.paths import ROOT
from tests.verify import reproduced
from tests.verify.case_driver import CASES, COPIED, NEITHER, REFUSED, by_hand
from tests.verify.configs import Ran
from tests.verify.peers_on_cases import NOTHING, Answer, answered, commands, judged, table
from tests.verify.reproduced import CONFIGS, NAMES, PEERS, Reproduced, fitted


def event(**given: Any) -> dict[str, Any]:
    held = {"event": "expectation.checked", "metric": "speedup", "min": None, "max": 1.0, "reason": None}
    return {**held, "value": 0.1, "low": 0.09, "high": 0.12, "outcome": "held", "more": "of the event", **given}


def ran(*events: dict[str, Any], status: int = 0, error: str = "") -> Ran:
    return Ran("2026-11-29T08:00:00Z", status, list(events), error, 12.3)


def rows(found: Reproduced) -> list[str]:
    return reproduced.table({found.name: found}).splitlines()[2:-2]


def test_a_claim_is_a_row_below_its_source() -> None:
    source, claim = rows(reproduced.reproduced("tiny_tasks", ran(event())))
    assert source.startswith("| **tiny_tasks**: [joblib #1105](https://github.com/joblib/joblib/issues/1105), 2020")
    assert source.endswith(" | | 12.3 s |")
    assert "`orchestrator run configs/published/tiny_tasks.yaml`" in source
    what = "a million roots in 39.7 s, against 0.46 s in a loop"
    assert claim == f"| {what} | 0.012 times as fast | 0.10 [0.09, 0.12] | at most 1 | yes | |"


def test_a_claim_about_a_time_has_units() -> None:
    claims = [event(metric="wall_ns", min=133_000_000, max=None, value=2e8, low=1.9e8, high=2.1e8), event(), event()]
    _, first, *_ = rows(reproduced.reproduced("convoy", ran(*claims)))
    assert first.endswith("| 200 ms [190 ms, 210 ms] | at least 133 ms | yes | |")


def test_a_range_has_both_bounds() -> None:
    _, claim = rows(reproduced.reproduced("rows", ran(event(min=0.16, max=0.52))))
    assert "| 0.16 to 0.52 | yes |" in claim


@pytest.mark.parametrize(
    ("outcome", "reason", "shown"),
    [("broken", None, "**no**"), ("undecided", "too few blocks (1)", "undecided: too few blocks (1)")],
)
def test_what_does_not_agree_is_said(outcome: str, reason: str | None, shown: str) -> None:
    _, claim = rows(reproduced.reproduced("tiny_tasks", ran(event(outcome=outcome, reason=reason))))
    assert claim.endswith(f"| {shown} | |")


def test_what_cannot_run_here_is_a_row_with_its_reason() -> None:
    error = "orchestrator: configs/published/rows.yaml:14:1: no Python 3.14 was found"
    _, skipped = rows(reproduced.reproduced("rows", ran(status=2, error=error)))
    assert skipped == "| not run | | | | skipped: no Python 3.14 was found | |"


def test_the_published_scaling_is_fitted_by_the_analysis() -> None:
    found = fitted()
    assert [claim["outcome"] for claim in found.claims] == ["held"] * 3
    assert rows(found)[3] == "| threads at the peak | 14.5 | 14.6 | 13.1 to 16 | yes | |"


def test_the_page_shows_every_published_result_and_every_case() -> None:
    page = (ROOT / "docs/reproduced.md").read_text()
    shown = page.partition("<!-- reproduced -->")[2].partition("<!-- end -->")[0]
    missing = [name for name in (*CONFIGS, reproduced.USL) if f"| **{name}**: " not in shown]
    assert not missing, "`make reproduced ARGS=NAME` measures one and writes its rows"
    peers = page.partition("<!-- peers-on-cases -->")[2].partition("<!-- end -->")[0]
    assert not [name for name in CASES if f"| `{name}`: " not in peers], "`make reproduced ARGS=peers`"


def test_an_unknown_result_is_refused_with_those_that_there_are() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.verify.reproduced", "convoi"],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 2
    assert f"no result is called convoi; there are {', '.join(NAMES)}" in done.stderr


@pytest.mark.slow
def test_a_smoke_run_makes_a_row_for_each_claim_and_keeps_nothing() -> None:
    before = reproduced.RECORDS.read_bytes(), reproduced.PAGE.read_bytes()
    command = [sys.executable, "-m", "tests.verify.reproduced", "--smoke", "tiny_tasks", reproduced.USL, PEERS]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout.count("| **") == 2
    assert done.stdout.count("| a million roots") == 1
    assert (reproduced.RECORDS.read_bytes(), reproduced.PAGE.read_bytes()) == before


def said(case: str, answer: str) -> str:
    return judged(Answer(case, "hand", "2026-11-29T08:00:00Z", answer, 1.0))


@pytest.mark.parametrize(
    ("case", "answer", "verdict"),
    [
        ("cached", REFUSED, "right"),
        ("cached", "loop", "wrong"),
        ("cached", NEITHER, "silent"),
        ("arithmetic", NEITHER, "right"),
        ("arithmetic", "threads", "wrong"),
        ("sleeping", NOTHING, "silent"),
    ],
)
def test_an_answer_is_judged_by_what_is_known(case: str, answer: str, verdict: str) -> None:
    assert said(case, answer) == verdict


def verdict(**given: Any) -> dict[str, Any]:
    return {"event": "verdict.reached", "verdict": "win", "recommended": "threads(workers=2)", "copied": None, **given}


@pytest.mark.parametrize(
    ("case", "found", "answer"),
    [
        ("cached", ran(status=errors.BAD_INPUT), REFUSED),
        ("changed", ran(verdict(copied="argument scores")), COPIED),
        ("large_results", ran(verdict()), "threads"),
        ("large_results", ran(verdict(recommended="event_loop")), "loop"),
        ("large_results", ran(verdict(recommended="mpire(workers=2)")), "processes"),
        ("large_results", ran(verdict(verdict="undecided", recommended=None)), NOTHING),
        ("arithmetic", ran(verdict(verdict="tie")), NEITHER),
        ("arithmetic", ran(verdict(verdict="undecided")), NOTHING),
        ("arithmetic", ran(status=3), NOTHING),
    ],
)
def test_the_answer_of_this_project_is_its_verdict_its_advice_or_its_refusal(
    case: str, found: Ran, answer: str
) -> None:
    assert answered(CASES[case], found) == answer


def test_the_table_of_the_cases_has_a_row_each_and_a_sum() -> None:
    answers = [Answer("tiny", "hand", "2026-11-29T08:00:00Z", said, 1.5) for said in ("joblib", "loop")]  # the last one
    *_, tiny, total = table(answers).splitlines()
    assert tiny == (
        "| `tiny`: joblib on tiny tasks | loop: published: 85 times slower | not run | not run | right: loop, 1.5 s |"
    )
    assert total == "| right, in all | | 0 of 0, 0 s | 0 of 0, 0 s | 1 of 1, 2 s |"


def test_every_way_of_every_case_has_its_command() -> None:
    shown = commands()
    for name, case in CASES.items():
        assert all(f"case_driver.py {name} {way} -o" in shown for way in case.ways)
        assert f"python{case.python} -m tests.verify.case_driver {name}\n" in shown


def test_a_stopwatch_times_every_way() -> None:
    assert set(by_hand(CASES["promise"])) == {"loop", "threads"}
