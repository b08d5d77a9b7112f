"""The reference of the Python API."""

from __future__ import annotations

import os
import re

import orchestrator
from tests.support.reference import REFERENCE, reference


def test_the_reference_is_what_the_docstrings_say() -> None:
    made = reference()
    if os.environ.get("ORCHESTRATOR_UPDATE_GOLDEN"):
        REFERENCE.write_text(made)
    assert made == REFERENCE.read_text(), "changed on purpose? then `make golden`"


def test_the_reference_has_every_public_name() -> None:
    assert {*orchestrator.__all__} <= set(re.findall(r"^## `(\w+)`$", REFERENCE.read_text(), re.MULTILINE))
