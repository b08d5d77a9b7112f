"""The page as text: what needs no browser."""

from __future__ import annotations

import pytest

from orchestrator.analysis.results import fold
from orchestrator.output.formats import files
from tests.support.synthetic import conducted

pytest.importorskip("vl_convert")


def test_text_of_a_run_is_escaped_in_the_page() -> None:
    run = conducted({"sequential": 20, "threads": 10}, description="<img src=x>")
    (page,) = files("html", fold(run.records())).values()
    assert b"<img src=x>" not in page
    assert b"&lt;img src=x&gt;" in page
