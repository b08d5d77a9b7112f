"""Names of functions: what was typed, and what is imported for it."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.runner import names

identifiers = st.from_regex(r"[a-zäß_][a-z0-9_ü]{0,6}", fullmatch=True)
dotted = st.lists(identifiers, min_size=1, max_size=3).map(".".join)
parts = st.text("ab-. :_é", min_size=1, max_size=6).filter(lambda part: part != "." and part.strip(" "))
files = st.lists(parts, min_size=1, max_size=3).map(lambda found: "/".join(found) + "x.py")
paths = st.sampled_from(["", "/", "../"])


@given(dotted | st.builds(str.__add__, paths, files), dotted)
def test_a_name_that_is_written_and_read_again_is_the_same(source: str, function: str) -> None:
    name = names.Name(source, function)
    assert names.parse(str(name)) == name


@given(st.text(max_size=12))
def test_the_one_text_of_a_name_is_its_own(text: str) -> None:
    once = names.canonical(text, "/nowhere")
    assert names.canonical(once, "/nowhere") == once


@pytest.fixture
def place(tmp_path: Path) -> Path:
    for file in ("script.py", "my-script.py", "job.v2.py", "pkg/__init__.py", "pkg/sub/__init__.py", "pkg/sub/mod.py"):
        (tmp_path / file).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / file).touch()
    (tmp_path / "lib").mkdir()
    (tmp_path / "lib/tool.py").touch()
    return tmp_path


@pytest.mark.parametrize(
    ("typed", "expected"),
    [
        ("./script.py:f", "script:f"),
        ("script:f", "script:f"),
        ("pkg/sub/mod.py:A.f", "pkg.sub.mod:A.f"),
        ("pkg/__init__.py:f", "pkg:f"),
        (".//lib//tool.py:f", "lib/tool.py:f"),
        ("my-script.py:f", "my-script.py:f"),
        ("job.v2.py:f", "job.v2.py:f"),
        ("gone.py:f", "gone.py:f"),
        ("no function", "no function"),
    ],
)
def test_a_function_has_one_name_however_it_was_typed(place: Path, typed: str, expected: str) -> None:
    assert names.canonical(typed, str(place)) == expected


@pytest.mark.parametrize("file", ["script.py", "lib/tool.py", "pkg/sub/mod.py"])
def test_an_absolute_path_is_the_same_name_as_a_relative_one(place: Path, file: str) -> None:
    assert names.canonical(f"{place / file}:f", str(place)) == names.canonical(f"{file}:f", str(place))


def test_a_file_in_a_package_is_imported_from_above_the_package(place: Path) -> None:
    found = names.locate("pkg/sub/mod.py", str(place))
    assert (found.entry, found.module) == (str(place), "pkg.sub.mod")


def test_a_lone_script_is_imported_from_its_directory(place: Path) -> None:
    found = names.locate("lib/tool.py", str(place))
    assert (found.entry, found.module) == (str(place / "lib"), "tool")
