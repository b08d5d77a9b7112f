"""The HTML report in a real browser: what is drawn, described, reachable by keyboard, and never fetched or executed."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from axe_playwright_python.sync_playwright import Axe  # type: ignore[import-untyped]
from playwright.sync_api import Browser, Page, sync_playwright

from orchestrator import errors
from orchestrator.analysis.results import fold
from orchestrator.output import formats
from tests.support.command import in_process, orchestrator
from tests.support.journals import journaled
from tests.support.synthetic import conducted
from tests.support.waiting import until

CHROMIUM = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")

pytestmark = pytest.mark.skipif(CHROMIUM is None, reason="there is no Chromium here")

WORK = """
import hashlib, time

def mixed(n):
    time.sleep(0.0005)
    return sum(range(n))

async def mixed_async(n):
    return sum(range(n))

def seen(results, initargs):
    return {"count": len(results)}
"""
SPEC = """
name: drawn
description: What does a page hold? <b>All of it</b> & more.
workload: {call: "work:mixed", async_call: "work:mixed_async", observe: "work:seen"}
tasks: 4
models: [sequential, event_loop, threads, processes]
matrix: {workers: [1, 2], kwargs.n: [100, 20_000]}
expect: [{of: threads, where: {workers: 2}, min: 0.001}]
measure: {blocks: 2, rounds: 2, seed: 1}
"""
HOSTILE = "<img src=x onerror=hacked=1></script><script>hacked=1</script>\u202e\x1b[31m&amp;{{7*7}}"


class Opened:
    """A page that is open, and what the browser complained of or asked for."""

    def __init__(self, page: Page, file: Path) -> None:
        self.page = page
        self.complaints: list[str] = []
        self.requests: list[str] = []
        page.on("console", lambda message: self.complaints.append(message.text))
        page.on("pageerror", lambda error: self.complaints.append(str(error)))
        page.on("request", lambda request: self.requests.append(request.url))
        page.goto(file.as_uri())
        self.settle()

    def settle(self) -> None:
        """Return when every chart in sight is drawn; the page's policy refuses what the driver could wait with."""
        waiting = """[...document.querySelectorAll('.chart')]
            .filter(each => !each.closest('details:not([open])') && each.dataset.drawn !== 'done').length"""
        until = time.monotonic() + 30
        while self.page.evaluate(waiting):
            assert time.monotonic() < until, "charts that are never drawn"
            time.sleep(0.05)

    def marks(self, figure: str, kind: str = "path") -> int:
        """Return how many marks of a chart show a tooltip."""
        script = """([figure, kind]) => [...document.querySelectorAll(`[data-figure="${figure}"] svg ${kind}`)]
            .filter(each => each.__data__ && each.__data__.tooltip).length"""
        found: int = self.page.evaluate(script, [figure, kind])
        return found


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with sync_playwright() as playwright:
        launched = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield launched
        launched.close()


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    place = tmp_path_factory.mktemp("page")
    (place / "work.py").write_text(WORK)
    (place / "drawn.yaml").write_text(SPEC)
    done = orchestrator("run", "drawn.yaml", cwd=place, env={**os.environ, "ORCHESTRATOR_REPORT": "yes"})
    assert done.returncode == errors.UNDECIDED  # two blocks are too few for what is expected
    return place


@pytest.fixture(scope="module")
def file(place: Path) -> Path:
    """The page of a real run of two points and seven variants."""
    return place / "runs" / "drawn" / "latest" / "report.html"


@pytest.fixture
def opened(browser: Browser, file: Path) -> Iterator[Opened]:
    context = browser.new_context(offline=True, color_scheme="light", viewport={"width": 1280, "height": 900})
    yield Opened(context.new_page(), file)
    context.close()


@pytest.fixture(scope="module")
def seen(browser: Browser, file: Path) -> Iterator[Opened]:
    """The page, opened once for the tests that leave it as it is."""
    context = browser.new_context(offline=True, color_scheme="light", viewport={"width": 1280, "height": 900})
    yield Opened(context.new_page(), file)
    context.close()


def made(*arguments: Any, **options: Any) -> list[dict[str, Any]]:
    """Return the records of a synthetic run, made in a thread: the browser's driver has a loop running in this one."""
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(lambda: conducted(*arguments, **options).records()).result()


def rendered(tmp_path: Path, records: list[dict[str, Any]]) -> Path:
    file = tmp_path / "report.html"
    file.write_bytes(formats.files("html", fold(records))["report.html"])
    return file


def test_the_page_asks_nobody_for_anything_and_has_no_complaint(seen: Opened, file: Path) -> None:
    assert seen.requests == [file.as_uri()]
    assert seen.complaints == []


def test_every_chart_has_a_mark_for_what_it_tells(seen: Opened) -> None:
    drawn = {
        name: seen.marks(name) for name in ("sweep-1", "1-speedups", "1-scaling", "1-startup", "1-memory", "1-blocks")
    }
    # three curves of two numbers of workers; 7 variants; 2 blocks of each, and of the reference loop
    assert drawn == {
        **{"sweep-1": 2 * 7, "1-speedups": 7, "1-scaling": 3 * 2},
        **{"1-startup": 7, "1-memory": 7, "1-blocks": 2 * (7 + 1)},
    }
    assert seen.marks("1-time") >= 7
    assert seen.marks("1-timeline") >= 7 * 4


def test_the_page_tells_from_top_to_bottom_what_one_wants_to_know(seen: Opened) -> None:
    headings = [text.strip() for text in seen.page.locator("h2, h3").all_inner_texts()]
    of_a_point = ["How much faster", "Scaling", "Where the time went", "One batch of each", "Start-up and memory"]
    points = [[f"mixed(n={n}) x 4", *of_a_point, "Block by block"] for n in (100, 20000)]
    top = ["Verdicts", "Expected", "Along an axis", "mixed(n) x 4: over n", "Point by point"]
    assert headings == [*top, *points[0], *points[1], "The machine", "The spec", "Again"]


def test_the_verdict_of_every_point_is_a_sentence_that_leads_to_it(opened: Opened) -> None:
    links = opened.page.locator("#verdicts a")
    assert [text.startswith("mixed(n=") for text in links.all_inner_texts()] == [True, True]
    opened.page.locator("button", has_text="Close all").click()
    assert opened.page.locator("details.point[open]").count() == 0
    links.nth(1).click()
    heading = opened.page.locator("details.point[open] h2")
    heading.first.wait_for()  # the page opens it in an event that comes after the click
    assert heading.all_inner_texts() == ["mixed(n=20000) x 4"]


def test_a_mark_under_the_pointer_is_described(seen: Opened) -> None:
    mark = seen.page.locator('[data-figure="1-memory"] svg .mark-rect path').first
    mark.hover()
    assert seen.page.locator("#tooltip").inner_text().startswith("variant: sequential\nmemory: ")
    seen.page.mouse.move(0, 0)
    assert seen.page.locator("#tooltip").is_hidden()


def test_the_arrow_keys_walk_over_the_marks_of_a_chart(seen: Opened) -> None:
    seen.page.locator('[data-figure="1-speedups"]').focus()
    reported = seen.page.locator("#tooltip")
    seen.page.keyboard.press("ArrowRight")
    first = reported.inner_text()
    seen.page.keyboard.press("ArrowRight")
    assert (first.splitlines()[0], reported.inner_text().splitlines()[0]) == (
        "variant: sequential",
        "variant: event_loop(workers=1)",
    )
    seen.page.keyboard.press("Escape")
    assert reported.is_hidden()


def test_the_tab_key_reaches_the_verdicts_first_and_then_all_that_can_be_opened(opened: Opened) -> None:
    opened.page.keyboard.press("Tab")
    assert opened.page.evaluate("document.activeElement.className") == "skip"
    reached = set()
    for _ in range(90):
        opened.page.keyboard.press("Tab")
        reached.add(
            opened.page.evaluate(
                "document.activeElement.tagName + '.' + document.activeElement.className.split(' ')[0]"
            )
        )
    assert {"A.", "BUTTON.", "SUMMARY.", "DIV.chart", "DIV.scroll", "PRE."} <= reached


@pytest.mark.slow
# each scheme and each width once: colours don't depend on the width
@pytest.mark.parametrize(
    ("scheme", "paper", "width"), [("light", "rgb(255, 255, 255)", 390), ("dark", "rgb(20, 23, 27)", 1280)]
)
def test_axe_finds_nothing_that_not_everybody_can_use(
    browser: Browser, file: Path, scheme: Any, paper: str, width: int
) -> None:
    context = browser.new_context(color_scheme=scheme, viewport={"width": width, "height": 900})
    opened = Opened(context.new_page(), file)
    found = Axe().run(opened.page)
    colour = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    texts = opened.page.evaluate(
        "[...document.querySelectorAll('.chart text')].map(each => getComputedStyle(each).fill)"
    )
    too_wide = opened.page.evaluate("document.documentElement.scrollWidth > innerWidth")
    context.close()
    assert found.violations_count == 0, found.generate_report()
    assert colour == paper
    assert set(texts) == {"rgb(27, 31, 36)" if scheme == "light" else "rgb(230, 233, 236)"}
    assert not too_wide


def test_on_paper_a_dark_page_is_dark_on_white(browser: Browser, file: Path) -> None:
    context = browser.new_context(color_scheme="dark")
    opened = Opened(context.new_page(), file)
    opened.page.emulate_media(media="print", color_scheme="dark")
    colours = opened.page.evaluate(
        """[getComputedStyle(document.body).backgroundColor,
            getComputedStyle(document.querySelector('.chart text')).fill]"""
    )
    printed = opened.page.pdf()
    context.close()
    assert colours == ["rgb(255, 255, 255)", "rgb(0, 0, 0)"]
    assert printed.startswith(b"%PDF")


def test_the_policy_of_the_page_lets_nothing_in_or_out(opened: Opened) -> None:
    tried = opened.page.evaluate(
        """async () => {
            const image = new Promise(done => {
                const made = new Image(); made.onload = () => done("loaded"); made.onerror = () => done("refused");
                made.src = "http://127.0.0.1:9/x.png";
            });
            const fetched = fetch("http://127.0.0.1:9/").then(() => "fetched", error => "refused");
            const script = document.createElement("script");
            script.textContent = "window.injected = 1"; document.body.append(script);
            return [await image, await fetched, window.injected === undefined];
        }"""
    )
    assert tried == ["refused", "refused", True]
    policy = opened.page.locator("meta[http-equiv]").get_attribute("content")
    assert policy is not None
    assert "unsafe" not in policy  # neither inline nor eval
    assert any("violates the following Content Security Policy" in text for text in opened.complaints)


def test_hostile_text_is_shown_as_it_is_and_never_executed(browser: Browser, tmp_path: Path) -> None:
    records = made(
        {"sequential": 20, "threads": 10},
        fails={"threads": 1},
        workload={"call": "a:b", "kwargs": {"text": HOSTILE}},
        description=HOSTILE,
        observed={"observed_text": HOSTILE},
        accounts={"threads": {"gil": 0.3}},
    )
    hostile = ("command", "cwd", "error", "traceback", "output", "reason")
    for record in records:
        for name in hostile:
            if name in record:
                record[name] = [HOSTILE] if name == "command" else HOSTILE
    context = browser.new_context(offline=True)
    opened = Opened(context.new_page(), rendered(tmp_path, records))
    text = opened.page.locator("body").inner_text()
    hacked = opened.page.evaluate("window.hacked === undefined && document.images.length === 0")
    context.close()
    assert hacked
    assert opened.complaints == []
    shown = "<img src=x onerror=hacked=1></script><script>hacked=1</script>\\u202e\\x1b[31m&amp;{{7*7}}"
    assert text.count(shown) >= 4
    assert "\u202e" not in text
    assert "\x1b" not in text


def test_a_run_that_was_cut_off_is_shown_as_far_as_it_came_and_marked(browser: Browser, tmp_path: Path) -> None:
    records = made({"sequential": 20, "threads": 10}, measure={"blocks": 8})
    ends = [place for place, event in enumerate(records) if event["event"] == "block.finished"]
    context = browser.new_context()
    opened = Opened(context.new_page(), rendered(tmp_path, records[: ends[4] + 1]))
    banner = opened.page.locator(".banner").inner_text()
    marks = opened.marks("1-blocks")
    context.close()
    assert banner.startswith("This run has not come to its end")
    assert marks == 5 * 3


def test_a_run_without_a_finished_block_is_a_page_without_charts(browser: Browser, tmp_path: Path) -> None:
    records = made({"sequential": 20, "threads": 10})
    context = browser.new_context()
    opened = Opened(context.new_page(), rendered(tmp_path, records[:2]))
    charts = opened.page.locator(".chart").count()
    context.close()
    assert (charts, opened.complaints) == (0, [])


@pytest.mark.slow
def test_a_page_of_a_hundred_points_is_below_three_megabytes_and_draws_what_is_opened(
    browser: Browser, tmp_path: Path
) -> None:
    models = ("sequential", "event_loop", "threads", "processes")
    records = made(
        dict.fromkeys(models, 20),
        matrix={"tasks": list(range(1, 11)), "kwargs.n": list(range(1, 11))},
        measure={"blocks": 4, "max_time": "10h"},
        accounts={model: {"gil": 0.3} for model in models},
        noise=0.05,
    )
    file = rendered(tmp_path, records)
    assert file.stat().st_size < 3e6
    context = browser.new_context()
    opened = Opened(context.new_page(), file)
    drawn = opened.page.locator(".chart svg.marks").count()
    opened.page.locator("#verdicts a").nth(99).click()
    opened.page.locator("details[open] .chart svg.marks").nth(5 + 4).wait_for()
    opened.settle()
    more = opened.page.locator(".chart svg.marks").count()
    context.close()
    assert (drawn, more) == (20 + 5, 20 + 5 + 5)


# --- the verb, the pictures, the history


def test_report_writes_the_page_again_and_names_it(place: Path) -> None:
    done = orchestrator("report", "runs/drawn", "--format", "html", cwd=place)
    assert (done.returncode, done.stdout) == (0, "runs/drawn/latest/report.html\n")
    assert done.stderr == ""


@pytest.mark.slow
def test_a_page_elsewhere_is_not_overwritten_without_force(place: Path, tmp_path: Path) -> None:
    command = ("report", "runs/drawn", "--format", "html", "--output", str(tmp_path))
    assert orchestrator(*command, cwd=place).returncode == 0
    again = orchestrator(*command, cwd=place)
    assert (again.returncode, again.stdout) == (errors.BAD_INPUT, "")
    assert again.stderr.endswith("report.html exists; name another directory, or overwrite with --force\n")
    assert orchestrator(*command, "--force", cwd=place).returncode == 0


def test_a_directory_for_what_is_printed_is_refused(place: Path) -> None:
    done = in_process("report", "runs/drawn", "--format", "json", "--output", "somewhere", cwd=place)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    assert done.stderr.startswith(
        "orchestrator: --output: the format json is printed, and only html, png, svg write files; redirect"
    )


def test_a_damaged_run_has_no_page_and_the_place_is_named(place: Path, tmp_path: Path) -> None:
    content = bytearray((place / "runs/drawn/latest/events.jsonl").read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "events.jsonl").write_bytes(content)
    done = in_process("report", str(tmp_path), "--format", "html", cwd=place)
    assert done.returncode == errors.DAMAGED
    assert "events.jsonl: byte " in done.stderr
    assert not (tmp_path / "report.html").exists()


@pytest.mark.slow
def test_the_pictures_are_what_the_page_draws(seen: Opened, place: Path, tmp_path: Path) -> None:
    done = in_process("report", "runs/drawn", "--format", "svg", "--output", str(tmp_path), cwd=place)
    names = [Path(line).stem for line in done.stdout.splitlines()]
    shown = seen.page.evaluate("[...document.querySelectorAll('.chart')].map(each => each.dataset.figure)")
    assert names == shown
    drawn = ElementTree.parse(tmp_path / "1-speedups.svg").getroot()
    texts = {"".join(element.itertext()) for element in drawn.iter("{http://www.w3.org/2000/svg}text")}
    assert {"sequential", "processes(workers=2)", "mixed(n=100) x 4: speedup"} <= texts


def test_a_run_without_a_finished_block_has_no_pictures_and_that_is_reported(tmp_path: Path) -> None:
    run = journaled(tmp_path, 1, made({"sequential": 20, "threads": 10})[:2])
    done = in_process("report", str(run), "--format", "png", "--output", str(tmp_path / "pictures"), cwd=tmp_path)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    assert done.stderr.endswith(" has no finished block to draw; name another run\n")


@pytest.mark.parametrize(
    ("status", "by"), [(128 + signal.SIGTERM, "signal 15"), (errors.BUSY, "the loss of its hosts")]
)
def test_what_ended_a_run_before_its_time_is_reported(status: int, by: str) -> None:
    records = made({"sequential": 20, "threads": 10})
    records[-1] |= {"outcome": "interrupted", "exit_status": status}
    assert f"This run was ended by {by}.".encode() in formats.files("html", fold(records))["report.html"]


def test_a_picture_is_a_png_as_well(tmp_path: Path) -> None:
    files = formats.files("png", fold(made({"sequential": 20, "threads": 10})))
    assert list(files) == ["1-speedups.png", "1-startup.png", "1-blocks.png"]
    assert {content[:8] for content in files.values()} == {b"\x89PNG\r\n\x1a\n"}


def test_the_history_of_an_experiment_is_a_page_too(browser: Browser, tmp_path: Path) -> None:
    runs = tmp_path / "runs"
    for number, ms in ((1, 10), (2, 10.1), (3, 14)):
        journaled(runs, number, made({"sequential": 20, "threads": ms}, measure={"blocks": 8}))
    done = in_process("history", "x", "--html", cwd=tmp_path)
    assert (done.returncode, done.stdout) == (0, "runs/x/history.html\n")
    context = browser.new_context(offline=True)
    opened = Opened(context.new_page(), runs / "x" / "history.html")
    found = Axe().run(opened.page)
    changed = opened.page.locator("section").first.locator("li").all_inner_texts()
    marks = opened.marks("1-history")
    context.close()
    assert found.violations_count == 0, found.generate_report()
    assert opened.complaints == []
    assert marks == 2 * 3
    assert [text.partition(",")[0] for text in changed] == ["threads at b() x 1: slower since the run before"]


def test_a_run_that_a_signal_ends_does_not_wait_for_a_page(place: Path) -> None:
    environment = {**os.environ, "ORCHESTRATOR_REPORT": "yes"}
    command = [sys.executable, "-m", "orchestrator", "run", "drawn.yaml", "name=ended", "measure.blocks=60"]
    with subprocess.Popen(command, cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE) as run:
        until((place / "runs" / "ended" / "latest" / "events.jsonl").exists, run)
        run.terminate()
        run.communicate(timeout=30)
    assert run.returncode == 128 + signal.SIGTERM
    assert {file.name for file in (place / "runs/ended/latest").resolve().iterdir()} == {"events.jsonl", "spec.yaml"}


@pytest.mark.slow
def test_a_page_that_can_not_be_written_is_reported_and_the_run_stands(place: Path) -> None:
    (place / "blocked.py").write_text(
        "import os, pathlib\n"
        "def work(): return 1\n"
        "def seen(results, initargs):\n"
        "    for run in pathlib.Path('runs/blocked').glob('2*'):\n"
        "        (run / 'report.html').mkdir(exist_ok=True)\n"
        "    return {}\n"
    )
    spec = "workload: {call: 'blocked:work', observe: 'blocked:seen'}\nmodels: [sequential]\nmeasure: {blocks: 1}\n"
    (place / "blocked.yaml").write_text(spec)
    done = orchestrator("run", "blocked.yaml", cwd=place, env={**os.environ, "ORCHESTRATOR_REPORT": "yes"})
    assert done.returncode == 0
    (reported,) = map(json.loads, done.stderr.splitlines())
    assert reported["event"] == "report.unwritten"
    assert "Is a directory" in reported["error"]
