"""The reference of the Python API."""

from __future__ import annotations

import re

import orchestrator
from tests.support import golden
from tests.support.reference import REFERENCE, reference


def test_the_reference_is_what_the_docstrings_say() -> None:
    golden.check(REFERENCE, reference())


def test_the_reference_has_every_public_name() -> None:
    assert {*orchestrator.__all__} <= set(re.findall(r"^## `(\w+)`$", REFERENCE.read_text(), re.MULTILINE))
