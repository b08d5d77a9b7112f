"""Text from elsewhere on a terminal."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from orchestrator.text import printable


@pytest.mark.parametrize(
    "steering", ["\x1b[31m", "\r", "\x9b", "\u202e", "\u061c", "\u2028", "\ufeff", "\ud800", "\x00"]
)
def test_what_could_steer_a_terminal_is_escaped(steering: str) -> None:
    assert printable(f"a{steering}b") == f"a{steering.encode('unicode_escape').decode()}b"


def test_readable_text_stays_as_it_is() -> None:
    assert printable("naïve 漢字\tand\nlines") == "naïve 漢字\tand\nlines"


@given(st.text())
def test_what_is_printable_is_valid_unicode(text: str) -> None:
    printable(text).encode()
