"""The report in Markdown, read by a parser of Markdown."""

from __future__ import annotations

import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from markdown_it import MarkdownIt
from markdown_it.token import Token

from orchestrator.analysis.results import fold
from orchestrator.output.export import markdown
from orchestrator.output.formats import files
from orchestrator.text import printable
from tests.support import golden, hostile
from tests.support.paths import GOLDEN
from tests.support.synthetic import conducted

REPORT = GOLDEN / "report.md"
INVISIBLE = "\u200b"
"""What follows a sign that would make a mention."""


def rendered(text: str) -> list[Token]:
    """Return all tokens of a document, those inside of lines too."""
    tokens = MarkdownIt("commonmark").enable(["table", "strikethrough"]).parse(text)
    return [token for outer in tokens for token in (outer, *(outer.children or ()))]


def shown(tokens: list[Token]) -> str:
    return "".join(token.content for token in tokens if token.type in ("text", "text_special"))


def test_a_report_is_as_it_was() -> None:
    run = conducted(
        {
            "sequential": lambda columns: columns["kwargs_n"] / 100,
            "threads": lambda columns: 9.5 + columns["kwargs_n"] / 200,
            "processes": lambda columns: 10 + columns["kwargs_n"] / 200,
            "event_loop": 1,
        },
        fails={"event_loop": 6},
        accounts={"threads": {"gil": 0.4}},
        matrix={"kwargs.n": [100, 2000, 20000]},
        expect=[
            {"of": "threads", "where": {"kwargs.n": 20000}, "min": 1.5},
            {"of": "event_loop", "where": {"kwargs.n": 100}, "min": 1},
        ],
    )
    found = files("markdown", fold(run.records()))["report.md"].decode()
    golden.check(REPORT, found)


@given(st.text())
@example("a|b")
@example("</script>")
@example("<!-- -->")
@example("@all #1 GH-1 \\@x")
@example("`rm` **b** _i_ __init__ ~s~ ~~t~~ a_b_c")
@example("[x](javascript:y) ![x](y) [x][y] [x]: z")
@example("&lt; &#64;x &amp;")
@example("\x1b[2J\u202etxt\u2028\x85\udc80")
@example("ends with \\")
@example("- # 1. > + = ``` ~~~ ---")
def test_any_text_is_shown_as_it_is_and_is_no_markup(text: str) -> None:
    tokens = rendered(f"| a | b |\n|---|---|\n| x{markdown.text(text)} | y |\n")
    assert {part.type for token in tokens for part in token.children or ()} <= {"text", "text_special"}
    cells = [token for token in tokens if token.type == "td_open"]
    assert len(cells) == 2
    assert shown(tokens).replace(INVISIBLE, "") == f"abx{printable(' '.join(text.split()))}y"


def test_nobody_is_mentioned_and_no_issue_referred_to() -> None:
    assert shown(rendered(markdown.text("by @all in #1"))) == f"by @{INVISIBLE}all in #{INVISIBLE}1"


@pytest.mark.slow
def test_whatever_text_is_in_a_run_the_tables_keep_their_columns() -> None:
    report = files("markdown", fold(hostile.records()))["report.md"].decode()
    tokens = rendered(report)
    assert {token.type for token in tokens} <= {
        *(f"{name}_{end}" for name in ("heading", "paragraph", "strong", "table") for end in ("open", "close")),
        *(f"{name}_{end}" for name in ("thead", "tbody", "tr", "th", "td") for end in ("open", "close")),
        *(f"{name}_{end}" for name in ("bullet_list", "list_item") for end in ("open", "close")),
        *("inline", "text", "text_special"),
    }
    rows = [token.type for token in tokens if token.type in ("tr_open", "th_open", "td_open")]
    lengths = {len(row.split()) for row in " ".join(rows).split("tr_open")[1:]}
    assert lengths == {7}
    assert all(line.isprintable() for line in report.splitlines())


@pytest.mark.parametrize(("several", "place"), [([1, 4], " at b() x 4"), ([4], "")])
def test_an_expectation_is_an_item_with_its_outcome(several: list[int], place: str) -> None:
    run = conducted(
        {"sequential": 20, "threads": 10}, matrix={"tasks": several}, expect=[{"of": "threads", "min": 1.5}]
    )
    report = files("markdown", fold(run.records()))["report.md"].decode()
    assert f"- held speedup of threads against sequential{place} at least 1.5; found 2.0" in report


def test_a_failed_variant_is_shown_with_its_first_error() -> None:
    run = conducted({"sequential": 20, "threads": 10}, fails={"threads": 1})
    report = files("markdown", fold(run.records()))["report.md"].decode()
    assert "\n- threads failed: ValueError: no\n" in report


def test_a_run_that_was_cut_off_before_its_first_block_is_reported() -> None:
    started = conducted({"sequential": 20, "threads": 10}).records()[:1]
    report = files("markdown", fold(started))["report.md"].decode()
    assert report.endswith("\n0 blocks; run a-run\n")
