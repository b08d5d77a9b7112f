"""The options of `compare`: what each can be, and its place in a spec."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TypedDict

if TYPE_CHECKING:
    from ..spec.document import KeyPath

Function = Callable[..., object] | str
Functions = Function | Mapping[str, Function]
Model = str | Mapping[str, Any]


class Options(TypedDict, total=False):
    """The options of `compare`, which documents them."""

    args: Sequence[Any]
    kwargs: Mapping[str, Any] | None
    items: str | Iterable[Any] | None
    item: str | None
    models: Sequence[Model] | str | None
    workers: int | Sequence[int] | None
    tasks: int | None
    arrivals: Mapping[str, Any] | None
    expect: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None
    check: str | None
    precision: str | None
    max_time: str | float | None
    python: str | None
    name: str | None
    runs: str | Path | None
    wait: str | float | None


def _unchanged(value: Any) -> Any:
    return value


def _models(value: Any) -> Any:
    return value if value == "all" else [value] if isinstance(value, str) else [*map(_plain, value)]


def _workers(value: Any) -> list[Any]:
    return [value] if isinstance(value, int) else list(value)


def _claims(value: Any) -> list[Any]:
    return [dict(value)] if isinstance(value, Mapping) else [*map(_plain, value)]


def _plain(value: Any) -> Any:
    return dict(value) if isinstance(value, Mapping) else value


class Option(NamedTuple):
    """What is known of one option."""

    types: tuple[type, ...] = ()
    """Those that its value can have; where there are none, the value is checked as in a spec, or where it is read."""
    expected: str = ""
    """What the types are called."""
    path: KeyPath = ()
    """Its place in a spec; it has none if it is about calls in Python, or about the run."""
    in_spec: Callable[[Any], Any] = _unchanged
    """Its value as a spec has it."""
    overrides: bool = False
    """Whether the value takes the place of what is designed; the design begins with the others."""
    from_text: Callable[[str], Any] | None = None
    """Its value from the text behind `%%compare`; None where it can't be given there."""


OPTIONS: Mapping[str, Option] = {
    "args": Option((Sequence,), "a list of arguments"),
    "kwargs": Option((Mapping,), "a mapping of names to values"),
    "items": Option((Iterable,), "a list or another iterable", ("workload", "items")),
    "item": Option((str,), "the name of an argument"),
    "models": Option((str, Sequence), "a list of models", ("models",), _models),
    "workers": Option((int, Sequence), "a number or a list of numbers", ("matrix", "workers"), _workers, from_text=int),
    "tasks": Option(path=("tasks",), from_text=int),
    "arrivals": Option((Mapping,), "a mapping, such as {'rate': 200}", ("arrivals",), dict, overrides=True),
    "expect": Option(
        (Mapping, Sequence),
        "a claim such as {'of': 'threads', 'min': 1.5}, or a list of them",
        ("expect",),
        _claims,
        overrides=True,
    ),
    "check": Option((str,), "text", ("workload", "check"), overrides=True, from_text=str),
    "precision": Option(path=("measure", "precision"), overrides=True, from_text=str),
    "max_time": Option(from_text=str),
    "python": Option((str,), "a version or a path"),
    "name": Option((str,), "text", from_text=str),
    "runs": Option((str, os.PathLike), "a path", from_text=str),
    "wait": Option(from_text=str),
}


def spec_overrides(given: Options) -> dict[KeyPath, tuple[object, str]]:
    """Return by path what takes the place of what is designed, each with the name of its argument."""
    found: dict[KeyPath, tuple[object, str]] = {}
    for name, option in OPTIONS.items():
        if not option.overrides or not (given_value := given.get(name)):
            continue
        value = option.in_spec(given_value)
        parts = [((key,), part) for key, part in value.items()] if isinstance(value, dict) else [((), value)]
        found |= {(*option.path, *below): (part, f"{name}=") for below, part in parts}
    return found


def option_at(path: KeyPath) -> str:
    """Return the name of the option whose place in a spec is at this path or above it; "" if there is none."""
    places = {name: option.path for name, option in OPTIONS.items() if option.path}
    return next((name for name, place in places.items() if path[: len(place)] == place), "")
