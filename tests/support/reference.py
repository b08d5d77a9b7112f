"""docs/api-reference.md, made from the docstrings of the public names by griffe."""

from __future__ import annotations

import inspect
import re
import subprocess
import sys
from pathlib import Path

import griffe
from griffe2md import ConfigDict, default_config, render_object_docs

import orchestrator
from orchestrator.api.testing import Concurrency
from tests.support.paths import ROOT

REFERENCE = ROOT / "docs/api-reference.md"
INTRODUCTION = """# Reference of the Python API

Every public name of `orchestrator`, and the fixture of its pytest plugin, as their docstrings describe them. [From
Python](api.md) explains how they are used. This page is generated: `make golden` renews it.
"""
CONFIG: ConfigDict = {
    **default_config,
    "heading_level": 2,
    "line_length": 100,
    "members_order": "source",
    "merge_init_into_class": False,
    "show_bases": False,
    "show_if_no_docstring": False,
    "show_object_full_path": False,
    "show_root_full_path": False,
    "show_root_members_full_path": False,
    "show_signature_annotations": True,
    "summary": False,
}


def reference() -> str:
    """Return the page."""
    named = [getattr(orchestrator, name) for name in orchestrator.__all__]
    functions_first = sorted(named, key=lambda found: isinstance(found, type))
    return "\n".join([INTRODUCTION, *(_part(found) for found in (*functions_first, Concurrency))])


def _part(found: type) -> str:
    file = Path(inspect.getfile(found))
    module = griffe.visit(found.__module__, file, file.read_text(), docstring_parser=griffe.Parser.google)
    part: str = render_object_docs(module[found.__qualname__], CONFIG)
    part = re.sub(r"\[([^\]\[]+)\]\(#[^)]+\)", r"\1", part)  # links to what is not on the page
    return re.sub(r"(?<=```python\n).{101,}", _wrapped, part).strip() + "\n"


def _wrapped(signature: re.Match[str]) -> str:
    ruff = [str(Path(sys.executable).with_name("ruff")), "format", "--isolated", "--line-length=100", "-"]
    done = subprocess.run(ruff, input=f"def {signature[0]}: ...", capture_output=True, text=True, check=True)
    return done.stdout.removeprefix("def ").removesuffix(": ...\n")
