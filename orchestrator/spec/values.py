"""The types of the values in a spec, each with its own check and message."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Annotated, Any, TypeVar

from pydantic import BeforeValidator, Field, PlainSerializer, StringConstraints, WithJsonSchema
from pydantic_core import PydanticCustomError

from ..errors import BadInput
from ..runner.names import FUNCTION
from ..runner.problem import Problem
from .document import described

SOURCES = ("glob", "lines", "jsonl", "range")  # of items, beside functions
ITEMS = rf"^((glob|lines|jsonl):.+|range(:-?\d+){{1,3}}|{FUNCTION})$"
REFERENCE = f"^{FUNCTION}$"
CHECK = f"^(same|none|{FUNCTION})$"
NAME = r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$"
LABEL = r"^[A-Za-z0-9][A-Za-z0-9 ._()=,+-]{0,63}$"
KEYWORD = r"^[^\W\d]\w*$"
REQUIREMENT = (
    r"^[A-Za-z0-9]([A-Za-z0-9._-]*[A-Za-z0-9])?(\[[A-Za-z0-9._, -]+\])?"  # the name and its extras
    r" *([<>=!~(][^;@]*|@ *[^ ;]+)? *(;.+)?$"  # versions or a URL, and a condition
)
QUANTILES = {"p50": 0.5, "p90": 0.9, "p99": 0.99, "p99.9": 0.999}
LATENCIES = (*QUANTILES, "mean")
"""What a verdict on arrivals can be about."""
OF_RUNS = ("speedup", "wall_ns", "startup_ns")
OF_ARRIVALS = (*LATENCIES, "achieved_rate", "queue_share")
"""The metrics of expectations: those of any run, and those that only windows of arrivals have."""
METRIC = rf"^({'|'.join(map(re.escape, (*OF_RUNS, *OF_ARRIVALS)))}|observed\.[A-Za-z_][A-Za-z0-9_]*)$"

PATTERNS = {
    REFERENCE: ("names no function", "write module:function or file.py:function"),
    ITEMS: (
        "is no source of items",
        "write module:function, glob:data/*.json, lines:urls.txt, jsonl:rows.jsonl, range:0:100, or a list",
    ),
    CHECK: ("is not a check", "write same, none, module:function or file.py:function"),
    NAME: ("is not a name", "use up to 64 letters, digits, dots, dashes and underscores, a letter or digit first"),
    LABEL: ("is not a label", "use up to 64 letters, digits, spaces and ._()=,+-, a letter or digit first"),
    KEYWORD: ("is not a Python name", "use letters, digits and underscores, no digit first"),
    REQUIREMENT: ("is not a requirement", "write a package's name with versions, such as numpy or Pillow>=11"),
    METRIC: (
        "is not a metric",
        f"write {', '.join(OF_RUNS)} or observed.<key>; with arrivals {', '.join(OF_ARRIVALS[:-1])}"
        f" or {OF_ARRIVALS[-1]}",
    ),
}
"""By pattern: what is wrong with a text that does not match, and the remedy."""

_UNITS_S = {"ms": 0.001, "s": 1.0, "m": 60.0, "min": 60.0, "h": 3600.0}
_SHORTEST_S, _LONGEST_S = 0.001, 500 * 3600.0  # poll(2) takes less than 2**31 ms, which is 596 h

_UNITS_NS = {"ns": 1.0, "us": 1e3, "ms": 1e6, "s": 1e9}

MOST_RATE = 100_000  # calls a second, more than one process can start

T = TypeVar("T")


def refused(code: str, what: str, remedy: str) -> PydanticCustomError:
    """Return the error that a validator raises, which `problem.refusal` takes back as a Problem."""
    return PydanticCustomError("refused", "{what}; {remedy}", Problem(code, what, remedy).fields())


def read(parse: Callable[[object], T], value: object, where: str) -> T:
    """Return what `parse` makes of the value of an option; raises BadInput for what it refuses, with the option."""
    try:
        return parse(value)
    except PydanticCustomError as error:
        details = error.context or {}
        raise BadInput(details["what"], where=where, remedy=details["remedy"]) from error


def parse_seconds(value: object) -> float:
    """Return the seconds of a duration such as `500ms`, `60s`, `2m`, `1h`; raises PydanticCustomError."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(ms|s|m|min|h)", value) if isinstance(value, str) else None
    found = float(match[1]) * _UNITS_S[match[2]] if match else 0.0
    if not _SHORTEST_S <= found <= _LONGEST_S:
        what = f"{described(value)} is not a duration from 1ms to 500h"
        raise refused("not_a_duration", what, "write a number with ms, s, m or h, such as 60s")
    return found


def parse_fraction(value: object) -> float:
    """Return the fraction that a percentage such as `3%` is; raises PydanticCustomError."""
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?%", value) if isinstance(value, str) else None
    found = round(float(match[1]) / 100, 12) if match else 0.0  # so that it is the same when written and read again
    if not 0.0001 <= found <= 1:
        what = f"{described(value)} is not a percentage from 0.01% to 100%"
        raise refused("not_a_percentage", what, "write a number with %, such as 3%")
    return found


_UNITS_BYTES = {"B": 1} | {
    f"{letter}{suffix}": base**power
    for power, letter in enumerate("KMGT", 1)
    for suffix, base in (("iB", 1024), ("B", 1000))
}


def parse_bytes(value: object) -> int:
    """Return the bytes of a size such as `512MiB` or `2GB`; raises PydanticCustomError."""
    match = re.fullmatch(r"([0-9]{1,15}(?:\.[0-9]{1,9})?) ?([KMGT]i?B|B)", value) if isinstance(value, str) else None
    found = round(float(match[1]) * _UNITS_BYTES[match[2]]) if match else 0
    if not 2**20 <= found <= 2**50:
        what = f"{described(value)} is not a size from 1MiB to 1024TiB"
        raise refused("not_a_size", what, "write a number with a unit, such as 2GiB")
    return found


def parse_items(value: object) -> str | tuple[object, ...]:
    """Return a source of items as text, or a list of items as a tuple; raises PydanticCustomError.

    A mapping such as {glob: data/*.json} or {range: [0, 100]} is another way to write the text.
    """
    if isinstance(value, dict) and len(value) == 1:
        head, rest = next(iter(value.items()))
        value = f"{head}:{':'.join(map(str, rest)) if isinstance(rest, list) else rest}"
    if isinstance(value, list | tuple) and value:
        return tuple(value)
    if value in ([], ()):
        raise refused("not_items", "the list is empty", "give one item at least")
    what, remedy = PATTERNS[ITEMS]
    if not isinstance(value, str) or not re.fullmatch(ITEMS, value):
        raise refused("not_items", f"{described(value)} {what}", remedy)
    return value


def _without_secret(value: object) -> object:
    if isinstance(value, str) and re.search(r"https?://[^/\s]*@", value):
        what = "a URL with a user in it would be readable in the log"
        raise refused("secret_in_url", what, "leave the user out, and let uv find it in ~/.netrc")
    return value


def package(requirement: str) -> str:
    """Return the name of the required package, as indexes spell it."""
    return re.sub(r"[-_.]+", "-", re.split(r"[^\w.-]", requirement)[0]).lower()


def each_once(requirements: tuple[str, ...]) -> tuple[str, ...]:
    """Return the requirements, each of another package; raises PydanticCustomError."""
    names = [package(each) for each in requirements if ";" not in each]  # conditions may exclude each other
    twice = next((name for name in names if names.count(name) > 1), None)
    if twice:
        raise refused("package_twice", f"names {twice} twice", "keep one of them, with all version bounds")
    return requirements


def parse_ns(value: object) -> float:
    """Return a latency such as `50ms` or `800us` in ns; numbers are in ns already. Raises PydanticCustomError."""
    if isinstance(value, int | float) and not isinstance(value, bool) and value > 0:
        return float(value)
    match = re.fullmatch(r"([0-9]+(?:\.[0-9]+)?) ?(ns|us|ms|s)", value) if isinstance(value, str) else None
    if not match or not float(match[1]):
        raise refused("not_a_latency", f"{described(value)} is not a time", "write a number with us, ms or s, as 50ms")
    return float(match[1]) * _UNITS_NS[match[2]]


def rate_in_range(value: object) -> object:
    """Return a rate; raises PydanticCustomError for one without arrivals, and for one that can't be kept."""
    if isinstance(value, bool) or not isinstance(value, int | float):
        return value
    if not value > 0:
        raise refused("rate_too_low", f"no calls arrive at {value:g} a second", "write a rate above 0, such as 200")
    if value > MOST_RATE:
        what = f"{value:g} calls a second are more than one process can start"
        raise refused("rate_too_high", what, f"write {MOST_RATE:,} or less".replace(",", "_"))
    return value


def _quoted_version(value: object) -> object:
    if isinstance(value, int | float) and not isinstance(value, bool):
        what = "a version without quotes is a number, and 3.10 the same as 3.1"
        raise refused("version_unquoted", what, 'quote it, such as "3.10"')
    return value


Duration = Annotated[
    float,
    BeforeValidator(parse_seconds),
    PlainSerializer(lambda s: f"{str(s).removesuffix('.0')}s", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?(ms|s|m|min|h)$"}),
]
Percentage = Annotated[
    float,
    BeforeValidator(parse_fraction),
    PlainSerializer(lambda part: f"{part * 100:.12g}%", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?%$"}),
]
Size = Annotated[
    int,
    BeforeValidator(parse_bytes),
    PlainSerializer(lambda count: f"{count}B", return_type=str),
    WithJsonSchema({"type": "string", "pattern": r"^[0-9]+(\.[0-9]+)? ?([KMGT]i?B|B)$"}),
]
Reference = Annotated[str, StringConstraints(pattern=REFERENCE)]
ItemSource = Annotated[
    str | tuple[Any, ...],
    BeforeValidator(parse_items),
    WithJsonSchema(
        {"anyOf": [{"type": "string", "pattern": ITEMS}, {"type": "array", "minItems": 1}, {"type": "object"}]}
    ),
]
Check = Annotated[str, StringConstraints(pattern=CHECK)]
Name = Annotated[str, StringConstraints(pattern=NAME)]
Label = Annotated[str, StringConstraints(pattern=LABEL)]
Metric = Annotated[str, StringConstraints(pattern=METRIC)]
Rate = Annotated[
    float,
    BeforeValidator(rate_in_range),
    WithJsonSchema({"type": "number", "exclusiveMinimum": 0, "maximum": MOST_RATE}),
]
Bound = Annotated[
    float, WithJsonSchema({"anyOf": [{"type": "number"}, {"type": "string", "pattern": r"^[0-9.]+ ?(ns|us|ms|s)$"}]})
]
"""A number, or of a time the text that `parse_ns` reads."""
Python = Annotated[str, StringConstraints(min_length=1, max_length=1024), BeforeValidator(_quoted_version)]
Requirement = Annotated[str, StringConstraints(pattern=REQUIREMENT, max_length=1024), BeforeValidator(_without_secret)]

MOST_TASKS, MOST_WORKERS = 10_000_000, 4096
Count = Annotated[int, Field(ge=1, le=MOST_TASKS)]
WorkerCount = Annotated[int, Field(ge=1, le=MOST_WORKERS)]
as_tuple = BeforeValidator(lambda value: tuple(value) if isinstance(value, list) else value)
Keyword = Annotated[str, StringConstraints(pattern=KEYWORD)]
