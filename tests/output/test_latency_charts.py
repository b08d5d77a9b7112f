"""Charts of calls that arrive at a rate: what they hold, and that a browser draws them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import sync_playwright

from orchestrator.analysis.results import fold
from orchestrator.output import formats
from orchestrator.output.html import latency_charts
from orchestrator.output.html.charts import Chart, charts
from tests.output.test_page import CHROMIUM, Opened
from tests.support.synthetic import conducted

SPEC: dict[str, Any] = {
    "arrivals": {},
    "matrix": {"arrivals.rate": [100, 200]},
    "measure": {"metric": "p90", "max_time": "1h"},
}


def at(low_ms: float, high_ms: float) -> Callable[[Mapping[str, Any]], float]:
    return lambda columns: low_ms if columns["arrivals_rate"] == 100 else high_ms


def records() -> list[dict[str, Any]]:
    """Return a run of two variants at two rates; one serves nothing at the second."""
    return conducted({"event_loop": at(10, 90), "threads": at(20, 3_000)}, **SPEC).records()


@pytest.fixture(scope="module")
def drawn() -> dict[str, Chart]:
    return {chart.name: chart for chart in charts(fold(records()))}


def test_the_latency_of_each_variant_is_drawn_at_each_rate(drawn: dict[str, Chart]) -> None:
    rows = drawn["latencies-1"].rows
    assert [(row["variant"], row["rate"]) for row in rows] == [
        (variant, rate) for rate in (100, 200) for variant in ("event_loop", "threads")
    ]
    assert all(row["low"] <= row["ns"] <= row["high"] for row in rows)


def test_a_rate_that_is_not_kept_up_with_is_marked(drawn: dict[str, Chart]) -> None:
    marked = [(row["variant"], row["rate"]) for row in drawn["latencies-1"].rows if row["saturated"]]
    assert marked == [("threads", 200)]


def test_a_saturated_variant_is_drawn_at_the_top_of_the_others(drawn: dict[str, Chart]) -> None:
    *kept, saturated = drawn["latencies-1"].rows
    longest = max(row["high"] for row in kept)
    assert [row["beyond"] for row in (*kept, saturated)] == [False, False, False, True]
    assert saturated["ns"] == saturated["high"] == latency_charts.BEYOND * longest
    assert saturated["figure"] == "p90 not ended, saturated"


def test_variants_that_are_all_saturated_are_drawn_where_they_are() -> None:
    run = conducted({"event_loop": at(3_000, 4_000), "threads": at(3_000, 5_000)}, **SPEC)
    (found,) = [chart for chart in charts(fold(run.records())) if chart.kind == "latencies"]
    assert not any(row["beyond"] for row in found.rows)


def test_the_distribution_has_the_shares_of_calls_that_ended(drawn: dict[str, Chart]) -> None:
    shares = {
        name: {variant: [row["share"] for row in drawn[name].rows if row["variant"] == variant] for variant in both}
        for name in ("1-latencies", "2-latencies")
        for both in [("event_loop", "threads")]
    }
    every = list(latency_charts.SHARES)
    assert shares == {
        "1-latencies": {"event_loop": every, "threads": every},
        "2-latencies": {"event_loop": every, "threads": []},
    }


def test_the_objective_is_drawn_over_the_rates() -> None:
    spec = {**SPEC, "matrix": {"arrivals.rate": [100, 150, 200]}, "objective": {"p90": "50ms"}}
    run = conducted({"event_loop": at(10, 90), "threads": at(20, 90)}, **spec)
    (found,) = [chart for chart in charts(fold(run.records())) if chart.kind == "latencies"]
    assert {row["objective"] for row in found.rows} == {50_000_000}


def test_the_backlog_has_the_calls_that_arrived_and_had_not_ended() -> None:
    spec = {**SPEC, "arrivals": {"process": "constant", "window": "1s"}, "matrix": {"arrivals.rate": [100]}}
    run = conducted({"event_loop": at(100, 0), "threads": at(3_000, 0)}, **spec)
    (found,) = [chart for chart in charts(fold(run.records())) if chart.kind == "backlog"]
    calls = {name: [row["calls"] for row in found.rows if row["variant"] == name] for name in ("event_loop", "threads")}
    assert set(calls["event_loop"][30:-30]) <= {9, 10, 11}  # a call every 10 ms, and each takes 100 ms
    assert calls["event_loop"][-1] == 0
    assert calls["threads"] == sorted(calls["threads"])
    assert calls["threads"][-1] == 100


def test_a_run_of_batches_has_no_chart_of_latencies() -> None:
    kinds = {chart.kind for chart in charts(fold(conducted({"sequential": 20, "threads": 10}).records()))}
    assert not kinds & {"latencies", "distribution", "backlog"}


@pytest.mark.slow
@pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")
def test_a_browser_draws_them_without_a_complaint(tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    with ThreadPoolExecutor(1) as pool:
        file.write_bytes(pool.submit(lambda: formats.files("html", fold(records()))["report.html"]).result())
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        opened = Opened(browser.new_page(), file)
        marks = opened.marks("latencies-1"), opened.marks("1-latencies")
        headings = opened.page.locator("h3").all_inner_texts()
        opened.page.screenshot(path=str(tmp_path / "page.png"), full_page=True)
        browser.close()
    assert marks == (4, 2 * len(latency_charts.SHARES))
    assert "Latencies" in headings and opened.complaints == []
