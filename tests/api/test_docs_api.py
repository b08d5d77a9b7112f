"""docs/api.md: it names what there is, and its examples are code."""

from __future__ import annotations

import ast
import inspect
import re

import orchestrator
from orchestrator.api.options import OPTIONS, Options
from orchestrator.api.testing import Concurrency
from tests.support.paths import ROOT

PAGE = (ROOT / "docs" / "api.md").read_text()
CODE = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def public(kind: type) -> set[str]:
    return {name for name in vars(kind) if not name.startswith("_")}


def test_every_public_name_is_explained() -> None:
    names = {*orchestrator.__all__, *public(orchestrator.Result), *public(Concurrency)} - {"Point", "Ratio", "Result"}
    assert not [name for name in sorted(names) if not re.search(rf"\b{name}\b", PAGE)]


def test_every_option_of_compare_is_explained_in_its_text() -> None:
    text = orchestrator.compare.__doc__ or ""
    options = inspect.signature(orchestrator.compare).parameters
    assert not [name for name in options if f"        {name}: " not in text]


def test_the_options_of_compare_are_its_arguments() -> None:
    arguments = inspect.signature(orchestrator.compare).parameters
    assert list(OPTIONS) == list(Options.__annotations__) == [name for name in arguments if name != "func"]


def test_the_examples_name_only_what_there_is() -> None:
    found = [node for code in CODE for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Attribute)]
    used = {(node.value.id, node.attr) for node in found if isinstance(node.value, ast.Name)}
    assert {attr for owner, attr in used if owner == "orchestrator"} <= set(orchestrator.__all__)
    assert {attr for owner, attr in used if owner == "result"} <= public(orchestrator.Result)
    assert {attr for owner, attr in used if owner == "concurrency"} <= public(Concurrency)


def test_the_options_of_the_examples_exist() -> None:
    calls = [node for code in CODE for node in ast.walk(ast.parse(code)) if isinstance(node, ast.Call)]
    given = {word.arg for call in calls if ast.unparse(call.func).endswith(".compare") for word in call.keywords}
    assert given and given <= set(inspect.signature(orchestrator.compare).parameters)
