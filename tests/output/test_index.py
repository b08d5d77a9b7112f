"""`runs/index.html`: every experiment with its latest verdict, and how it moved."""

from __future__ import annotations

import os
import re
import shutil
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import sync_playwright

from orchestrator import errors
from orchestrator.journal.overview import LATEST_RUNS
from orchestrator.journal.read import EVENTS_FILE
from orchestrator.output.html import index_page
from tests.support.command import GOOD, WORKLOADS, events, orchestrator
from tests.support.journals import journaled
from tests.support.synthetic import conducted

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

QUICK = GOOD + "measure: {blocks: 1, rounds: 3, seed: 1}\n"


def made(**options: Any) -> list[dict[str, Any]]:
    """Return the records of a synthetic run with a winner, made in a thread: a browser's driver has a loop here."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: conducted({"sequential": 20, "threads": 10}, **options).records()).result()


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An experiment with three runs, one with two points, one that was cut off, and one that expects too much."""
    runs = tmp_path_factory.mktemp("index") / "runs"
    win = made()
    for day in (1, 2, 3):
        journaled(runs, day, win, "steady")
    journaled(runs, 4, made(matrix={"tasks": [1, 2]}), "two-points")
    journaled(runs, 5, win[: len(win) // 2], "cut-off")
    journaled(runs, 6, made(expect=[{"of": "threads", "max": 1.1}]), "hopeful")
    (runs / "steady" / "20261103T031500000Z-5a5a5a" / "report.html").write_text("the page")
    (runs / "steady" / "history.html").write_text("the history")
    (runs / index_page.FILE).write_bytes(index_page.render(runs))
    return runs


@pytest.fixture(scope="module")
def rows(runs: Path) -> dict[str, str]:
    """The row of each experiment, as it stands in the page."""
    text = (runs / index_page.FILE).read_text()
    return {match[1]: match[0] for match in re.finditer(r'<tr id="([^"]+)">.*?</tr>', text, re.DOTALL)}


def test_every_experiment_has_a_row(rows: dict[str, str]) -> None:
    assert list(rows) == ["cut-off", "hopeful", "steady", "two-points"]


def test_a_verdict_names_the_winner_with_its_ratio(rows: dict[str, str]) -> None:
    assert re.search(r'<span class="badge">win</span>threads wins [\d.]+ \[[\d., ]+\]', rows["steady"])


def test_every_point_has_its_verdict(rows: dict[str, str]) -> None:
    assert rows["two-points"].count('<span class="badge">win</span>') == 2


def test_the_ratios_of_the_runs_are_a_curve_that_can_be_read_aloud(rows: dict[str, str]) -> None:
    assert re.search(r'role="img" aria-label="the ratio run by run: ([\d.]+), \1, \1"', rows["steady"])


def test_a_single_run_has_no_curve(rows: dict[str, str]) -> None:
    assert "<svg" not in rows["two-points"]


def test_a_row_links_to_the_newest_page_and_to_the_history(rows: dict[str, str]) -> None:
    links = re.findall(r'href="([^"]+)"', rows["steady"])
    assert links == ["steady/20261103T031500000Z-5a5a5a/report.html", "steady/history.html"]


def test_a_row_without_a_page_has_no_link(rows: dict[str, str]) -> None:
    assert "href" not in rows["hopeful"]


def test_a_run_that_was_cut_off_is_unfinished(rows: dict[str, str]) -> None:
    assert "unfinished" in rows["cut-off"]
    assert "none yet" in rows["cut-off"]


def test_a_broken_expectation_is_counted_and_marked(rows: dict[str, str]) -> None:
    assert "<td>1 broken</td>" in rows["hopeful"]
    assert '<span class="broken"><span class="badge">expectation broken</span>' in rows["hopeful"]


def test_a_damaged_journal_leaves_the_others_in_the_index(tmp_path: Path) -> None:
    run = journaled(tmp_path, 1, made(), "damaged")
    (run / EVENTS_FILE).write_bytes(b"\xff" * 1000)
    journaled(tmp_path, 1, made(), "whole")
    assert b"threads wins" in index_page.render(tmp_path)


def test_a_row_counts_all_runs_and_its_curve_shows_the_latest(tmp_path: Path) -> None:
    records = made()
    for day in range(1, 29):
        journaled(tmp_path, day, records)
    text = index_page.render(tmp_path).decode()
    assert '<td class="right">28</td>' in text
    curve = re.search(r'polyline points="([^"]+)"', text)
    assert curve and len(curve[1].split()) == LATEST_RUNS


def test_the_index_has_no_script(runs: Path) -> None:
    text = (runs / index_page.FILE).read_text()
    assert "<script" not in text
    assert "script-src &#39;none&#39;" in text or "script-src 'none'" in text


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
# each scheme and each width once: colours don't depend on the width
@pytest.mark.parametrize(
    ("scheme", "paper", "width"), [("light", "rgb(255, 255, 255)", 390), ("dark", "rgb(20, 23, 27)", 1280)]
)
def test_axe_finds_no_barrier_in_the_index(runs: Path, scheme: Any, paper: str, width: int) -> None:
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900}, offline=True)
        page = context.new_page()
        complaints: list[str] = []
        page.on("console", lambda message: complaints.append(message.text))
        page.goto((runs / index_page.FILE).as_uri())
        found = Axe().run(page)
        colour = page.evaluate("getComputedStyle(document.body).backgroundColor")
        too_wide = page.evaluate("document.documentElement.scrollWidth > innerWidth")
        browser.close()
    assert found.violations_count == 0, found.generate_report()
    assert (colour, too_wide, complaints) == (paper, False, [])


def ran(place: Path, *arguments: str, report: str = "yes") -> None:
    (place / "mine.py").write_text(WORKLOADS)
    for name in ("a", "b"):
        (place / f"{name}.yaml").write_text(QUICK)
    done = orchestrator("run", *arguments, cwd=place, env={**os.environ, "ORCHESTRATOR_REPORT": report})
    assert done.returncode == errors.OK, done.stderr


def test_a_run_renews_the_index(tmp_path: Path) -> None:
    journaled(tmp_path / "runs", 1, made(), "older")
    (tmp_path / "runs" / index_page.FILE).write_bytes(index_page.render(tmp_path / "runs"))
    ran(tmp_path, "a.yaml")
    text = (tmp_path / "runs" / index_page.FILE).read_text()
    assert 'href="a/latest/report.html"' in text
    assert '<tr id="older">' in text


@pytest.mark.slow
def test_a_batch_renews_the_index(tmp_path: Path) -> None:
    ran(tmp_path, "a.yaml", "b.yaml")
    assert "2 experiments in runs" in (tmp_path / "runs" / "index.html").read_text()


@pytest.mark.slow
def test_without_reports_there_is_no_index(tmp_path: Path) -> None:
    ran(tmp_path, "a.yaml", report="no")
    assert not (tmp_path / "runs" / "index.html").exists()


def test_without_the_packages_of_pages_a_run_ends_well_without_an_index(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['vl_convert'] = None\n")
    (tmp_path / "mine.py").write_text(WORKLOADS)
    (tmp_path / "a.yaml").write_text(QUICK)
    env = {**os.environ, "ORCHESTRATOR_REPORT": "yes", "PYTHONPATH": str(tmp_path)}
    done = orchestrator("run", "a.yaml", cwd=tmp_path, env=env)
    assert done.returncode == errors.OK
    assert [event["event"] for event in events(done.stderr)] == ["report.left_out"]
    assert not (tmp_path / "runs" / "index.html").exists()
