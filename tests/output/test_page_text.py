"""The page as text: what needs no browser."""

from __future__ import annotations

import re
from importlib.metadata import distribution
from pathlib import Path

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


def test_the_page_has_a_licence_for_each_library_that_draws_its_charts() -> None:
    code = Path(str(distribution("vl-convert-python").locate_file("vl_convert/vl_convert.abi3.so"))).read_bytes()
    bundled = {name.decode() for name in re.findall(rb"/npm/([a-z0-9-]+)@\d", code)}
    assert {"vega", "vega-lite", "vega-embed", "d3-scale"} <= bundled
    older = {"clone", "fast-deep-equal", "fast-json-stable-stringify"}  # only Vega-Lite 5 uses them
    (page,) = files("html", fold(conducted({"sequential": 20, "threads": 10}).records())).values()
    licences = page.decode().partition("/*!\n")[2].partition("*/")[0]
    assert [name for name in bundled - older if not re.search(rf"\b{name}[,:]", licences)] == []
