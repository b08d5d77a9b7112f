"""The words of warnings."""

from __future__ import annotations

from orchestrator.analysis.doubts import WARNINGS
from orchestrator.output.warning_words import WORDS


def test_every_warning_has_words() -> None:
    assert WORDS.keys() == WARNINGS.keys()


def test_only_what_is_said_elsewhere_is_no_note_of_the_first_screen() -> None:
    assert [name for name, words in WORDS.items() if words.short is None] == ["variants_excluded"]
