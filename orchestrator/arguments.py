"""What the command line gives instead of a spec: a function, its arguments, a duration."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic_core import PydanticCustomError

from .document import shown
from .errors import BadInput
from .spec import KEYWORD, PATTERNS, REFERENCE, fraction, plain_value
from .spec import seconds as seconds_of


def reference(text: str) -> str:
    """Return what names a function as `module:function`; raises BadInput."""
    what, remedy = PATTERNS[REFERENCE]
    if (file := re.fullmatch(r"(.+)\.py:(\w+)", text)) and Path(file[1]).name.isidentifier():
        path = Path(file[1])
        project = f" --project {path.parent}" if path.parent != Path() else ""
        raise BadInput(f"{shown(text)} names a file", remedy=f"name its module: {path.name}:{file[2]}{project}")
    if not re.fullmatch(REFERENCE, text):
        raise BadInput(f"{shown(text)} {what}", remedy=remedy)
    return text


def seconds(text: str | None, option: str) -> float | None:
    """Return the seconds of a duration given on the command line, None for none; raises BadInput."""
    return None if text is None else _converted(seconds_of, text, option)


def percentage(text: str, option: str) -> float:
    """Return the fraction that a percentage given on the command line is; raises BadInput."""
    return _converted(fraction, text, option)


def _converted(convert: Callable[[object], float], text: str, option: str) -> float:
    try:
        return convert(text)
    except PydanticCustomError as error:
        details = error.context or {}
        raise BadInput(details["what"], where=option, remedy=details["remedy"]) from error


def keywords(texts: Sequence[str]) -> dict[str, object]:
    """Return the arguments given as `name=value`, the values read as YAML; raises BadInput."""
    found: dict[str, object] = {}
    for text in texts:
        name, equals, raw = text.partition("=")
        if not equals or not re.fullmatch(KEYWORD, name):
            raise BadInput(f"{shown(text)} is no argument of a function", remedy="write name=value, such as n=1000")
        if name in found:
            raise BadInput(f"{name} is given twice", where=f"argument {shown(text)}", remedy="keep one of them")
        found[name] = plain_value(name, raw, f"argument {shown(text)}")
    return found
