"""The answer of a run on one screen: what comes first, what is in it, and that it fits."""

from __future__ import annotations

import gzip
import re
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from rich.cells import cell_len

from orchestrator.analysis.results import Results, fold
from orchestrator.journal.derived_events import CrossoverLocated, ExpectationChecked, VerdictReached
from orchestrator.output import lines
from orchestrator.output.formats import render
from tests.support import golden
from tests.support.command import GOOD, WORKLOADS, in_process, orchestrator
from tests.support.journals import RECORDED, journal_bytes, recorded
from tests.support.paths import GOLDEN, ROOT
from tests.support.synthetic import conducted

C_LOCALE = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONPATH": str(ROOT)}
COLOURS = re.compile(r"\x1b\[[\d;]*m")
NAMES = [file.name.removesuffix(".jsonl.gz") for file in RECORDED]
LONG = "processes(start_method=forkserver, max_tasks_per_child=100, workers=2)"


@cache
def results(name: str) -> Results:
    """Return the results of a recorded journal."""
    return fold(recorded(GOLDEN / "journals" / f"{name}.jsonl.gz"))


@cache
def failing() -> Results:
    """Return the results of a run in which a variant failed, and claims came out in every way."""
    run = conducted(
        {"sequential": 20, "threads": 19.9, "processes": 11, "event_loop": 1},
        fails={"event_loop": 4},
        expect=[{"of": "processes", "min": 1.5}, {"of": "threads", "max": 0.9}, {"of": "event_loop", "min": 1}],
        accounts={"sequential": {"on_core": 1.0}, "threads": {"gil": 0.4, "on_core": 0.6}},
    )
    return fold(run.records())


@cache
def many() -> Results:
    """Return the results of a run at many points that are no axis."""
    times: dict[str, Any] = {"sequential": 20, "threads": lambda point: 20 if point["tasks"] < 3 else 9}
    return fold(conducted(times, matrix={"tasks": [1, 4], "kwargs.n": [1, 2]}).records())


@cache
def eight() -> Results:
    """Return the results of a run of eight variants with warnings and claims."""
    names = [
        "sequential",
        "event_loop",
        "threads",
        "thread_per_task",
        "processes",
        "process_per_task",
        "loky",
        "joblib",
    ]
    run = conducted(
        {name: 20 + place for place, name in enumerate(names)},
        noise=0.2,
        expect=[{"of": "processes", "min": 1.5}],
        measure={"max_time": "30s"},
        overlap=1.8,
    )
    return fold(run.records())


def shown(found: Results, name: str = "table", **view: Any) -> str:
    return render(name, found, **{"width": 80, "page": "runs/x/latest/report.html", "run": "runs/x/latest", **view})


@pytest.mark.parametrize(
    ("kind", "view"),
    [("80", {}), ("120", {"width": 120}), ("ascii", {"is_ascii": True}), ("details", {"details": True})],
)
def test_an_answer_is_as_it_was(kind: str, view: dict[str, Any]) -> None:
    text = "\n".join(shown(found, **view) for found in (failing(), results("io"), results("crossover"), many()))
    golden.check(GOLDEN / f"answer-{kind}.txt", text)


@pytest.mark.parametrize("name", NAMES)
def test_the_first_line_is_a_verdict(name: str) -> None:
    first = shown(results(name), width=500).splitlines()[0]
    kinds = (VerdictReached, CrossoverLocated)
    assert first in [event.sentence for event in results(name).derived if isinstance(event, kinds)]


def test_the_first_line_on_many_points_counts_their_verdicts() -> None:
    assert shown(many()).splitlines()[0] == "4 points: threads wins at 2, a tie at 2."


def test_advice_begins_with_what_to_do() -> None:
    assert shown(results("io"), "advice").startswith("Use event_loop (4 workers), the simplest of 2 that tie, ")


@given(
    st.sampled_from([*NAMES, "failing", "many", "eight"]),
    st.sampled_from(["table", "advice"]),
    st.integers(40, 160),
    st.booleans(),
    st.booleans(),
)
@settings(max_examples=60, deadline=None)
def test_no_line_is_wider_than_the_screen(name: str, form: str, width: int, details: bool, colour: bool) -> None:
    made = {"failing": failing, "many": many, "eight": eight}
    found = made[name]() if name in made else results(name)
    text = COLOURS.sub("", shown(found, form, width=width, details=details, colour=colour))
    assert max(map(cell_len, text.splitlines())) <= width


def test_where_no_variant_keeps_up_with_the_rate_none_is_advised() -> None:
    spec: dict[str, Any] = {"arrivals": {"rate": 100}, "measure": {"metric": "p90", "max_time": "1h"}}
    found = fold(conducted({"event_loop": 90_000, "threads": 300_000}, **spec).records())
    assert "\nNo variant keeps up with the rate. Try more workers" in shown(found)


@pytest.mark.parametrize("width", [60, 80, 120])
def test_a_long_label_is_shown_in_full_on_several_lines(width: int) -> None:
    run = conducted({"sequential": 20, "processes": 10})
    found = fold(run.records())
    named = {"variant": LONG, "recommended": LONG, "winners": [LONG]}
    longer = [
        event.model_copy(update={key: value for key, value in named.items() if hasattr(event, key)})
        if isinstance(event, VerdictReached) or getattr(event, "variant", "") == "processes"
        else event
        for event in found.derived
    ]
    drawn = shown(replace(found, derived=longer), width=width)
    assert max(map(cell_len, drawn.splitlines())) <= width
    for part in ("forkserver", "max_tasks_per_child=100", "workers=2)"):
        assert part in drawn


def test_points_whose_tables_do_not_fit_are_a_row_each() -> None:
    text = shown(results("crossover"))
    assert len(text.splitlines()) <= 24
    assert re.search(r"^ +n  sequential  threads  processes  best$", text, re.MULTILINE)


def test_a_letter_that_stdout_lacks_is_escaped(tmp_path: Path) -> None:
    records = conducted({"sequential": 20, "threads": 10}, description="größer?").records()
    (tmp_path / "events.jsonl").write_bytes(journal_bytes(records))
    done = orchestrator("report", "events.jsonl", "--format", "advice", cwd=tmp_path, env=C_LOCALE)
    assert (done.returncode, done.stderr) == (0, "")
    assert "question: gr\\xf6\\xdfer?" in done.stdout
    assert done.stdout.isascii()


def test_the_models_of_advise_have_bars_and_intervals_in_80_columns() -> None:
    names = ["sequential", "event_loop", "threads", "thread_per_task", "processes", "process_per_task"]
    accounts: dict[str, Any] = {name: {"gil": 0.3, "on_core": 0.7} for name in names}
    found = fold(conducted({name: 20 + place for place, name in enumerate(names)}, accounts=accounts).records())
    assert re.search(
        r"^[-?*=~] thread_per_task +23 ms  \S* +0\.87 \[.*\]  .*[├●].*  GIL \d+ %$", shown(found), re.MULTILINE
    )


def test_eight_variants_fit_on_a_screen_of_24_lines() -> None:
    assert len(shown(eight()).splitlines()) <= 24
    assert len(eight().about(eight().contests[0].point).compared) == 8


@pytest.mark.parametrize("name", NAMES)
def test_an_answer_in_ascii_has_no_other_character(name: str) -> None:
    assert shown(results(name), is_ascii=True).isascii()


def test_colours_change_no_text() -> None:
    coloured = shown(failing(), colour=True)
    assert coloured != shown(failing())
    assert [line.rstrip() for line in COLOURS.sub("", coloured).splitlines()] == shown(failing()).splitlines()


def test_every_row_has_a_mark_that_the_legend_explains() -> None:
    lines = shown(failing()).splitlines()
    rows = [line for line in lines if re.match(r"[*=?!-] \w+ .*(baseline|excluded|\])", line)]
    assert [row.split()[:2] for row in rows] == [
        ["*", "processes"],
        ["-", "threads"],
        ["-", "sequential"],
        ["!", "event_loop"],
    ]
    assert "* winner   - slower   ! failed   2 workers each" in lines


def test_while_nothing_is_decided_slower_means_slower_than_the_leader() -> None:
    times = {"sequential": 20.0, "threads": 10.0, "processes": 10.3}
    cores = {"sequential": 1.0, "threads": 2.0, "processes": 2.0}
    found = fold(conducted(times, noise=0.1, cores=cores, measure={"max_time": "11s"}).records())
    assert "? undecided   - slower than the leader" in shown(found)


def test_a_failed_variant_has_a_line_with_its_error() -> None:
    assert "failed: event_loop, 2 trials: ValueError: no" in shown(failing())


def test_a_claim_that_nothing_was_observed_says_so() -> None:
    about: dict[str, Any] = {
        "metric": "observed.first",
        "of": "threads",
        "against": None,
        "min": None,
        "max": None,
        "equals": None,
    }
    event = ExpectationChecked.model_construct(**about, value="x", low=None, high=None, reason=None)
    assert lines.claim(event, several_points=False) == "observed.first of threads equal to None; found 'x'"


def test_claims_that_did_not_hold_are_named_and_the_others_counted() -> None:
    text = shown(failing())
    assert "expect: 1 held, 1 broken, 1 undecided" in text
    assert "broken    speedup of threads" in text
    assert "held      speedup" not in text


def test_a_dropped_variant_says_so() -> None:
    run = conducted({"sequential": 20, "threads": 90, "processes": 30, "event_loop": 21})
    assert re.search(r"^x threads .* 0\.22 ", shown(fold(run.records())), re.MULTILINE)
    assert "* winner   ~ runs as the loop does   - slower   x dropped as far slower" in shown(fold(run.records()))


def test_the_answer_ends_with_the_page_and_the_time() -> None:
    assert shown(results("io")).splitlines()[-2:] == [
        "page: runs/x/latest/report.html",
        "15 blocks in 14.8 s; more: orchestrator report runs/x/latest --details",
    ]


def test_details_follow_the_answer() -> None:
    short, long = shown(results("io")), shown(results("io"), details=True)
    assert long.startswith(short.rpartition("\n15 blocks in")[0])
    for heading in ("efficiency  start-up", "blocks  failed", "workers' time", "starting runners 33 %"):
        assert heading in long
        assert heading not in short


def test_at_most_three_notes_are_shown() -> None:
    (verdict,) = [event for event in results("hosts").derived if isinstance(event, VerdictReached)]
    warned = verdict.model_copy(update={"warnings": ["precision_missed", "crowded", "too_few_blocks", "cores_decide"]})
    found = replace(
        results("hosts"), derived=[warned if event is verdict else event for event in results("hosts").derived]
    )
    notes = [line for line in shown(found).splitlines() if line.startswith("note: ") or " with --details" in line]
    assert [note[:30] for note in notes] == [
        "note: too few blocks to call a",
        "note: other processes used the",
        "note: the ranking may change w",
        "1 more note with --details",
    ]


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """The directory of a recorded run."""
    directory = tmp_path / "runs" / "io"
    directory.mkdir(parents=True)
    (directory / "events.jsonl").write_bytes(gzip.decompress((GOLDEN / "journals" / "io.jsonl.gz").read_bytes()))
    return directory


def test_a_report_has_details_if_asked(run: Path) -> None:
    def printed(*more: str) -> str:
        return in_process("report", str(run), "--format", "table", *more, cwd=run).stdout

    assert "workers' time" not in printed()
    assert "workers' time" in printed("--details")


def test_a_report_names_the_page_if_there_is_one(run: Path) -> None:
    assert "page: " not in in_process("report", str(run), "--format", "table", cwd=run).stdout
    (run / "report.html").touch()
    shown = in_process("report", str(run), "--format", "table", cwd=run).stdout
    assert f"page:{run / 'report.html'}" in "".join(shown.split())  # the path may be longer than a line


def test_a_run_names_its_page_relative_to_here(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WORKLOADS)
    (tmp_path / "x.yaml").write_text(f"{GOOD}measure: {{blocks: 1, rounds: 3}}\n")
    done = orchestrator("run", "x.yaml", "--report", "--format", "table", cwd=tmp_path)
    assert "\npage: runs/x/latest/report.html\n" in done.stdout


@pytest.mark.slow
def test_advice_on_another_project_names_its_page_relative_to_here(tmp_path: Path) -> None:
    (tmp_path / "there").mkdir()
    (tmp_path / "there" / "mine.py").write_text(WORKLOADS)
    asked = ["mine:double", "n=21", "--project", "there", "--max-time", "1s", "--report", "--format", "advice"]
    done = orchestrator("advise", *asked, cwd=tmp_path)
    assert "\npage: runs/advise-mine.double/latest/report.html\n" in done.stdout, done.stderr


def test_the_number_of_workers_is_below_the_table_if_it_is_that_of_all_else_in_their_labels() -> None:
    def drawn(*models: Any) -> str:
        run = conducted(dict.fromkeys(("sequential", "threads", "mine"), 20.0), models=["sequential", *models], tasks=9)
        return render("table", fold(run.records()), width=100)

    mine = {"model": "processes", "label": "mine", "workers": 2}
    assert "   2 workers each\n" in drawn({"model": "threads", "label": "threads", "workers": 2}, mine)
    different = drawn({"model": "threads", "label": "threads", "workers": 4}, mine)
    assert " threads (4 workers) " in different and " mine (2 workers) " in different
