"""What a function refers to, by kind and name, without any code of it being run."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable
from typing import Any

import pytest

from orchestrator.runner import references

shared: list[int] = []


def global_one() -> Any:
    return shared.append(1)


def stores() -> None:
    global shared
    shared = []


def inner() -> Any:
    return [(lambda: shared)() for _ in range(2)]


def attribute_only(given: Any) -> Any:
    return given.shared


def default(n: int, by: Any = shared, *, of: Any = shared) -> Any:
    return n, by, of


def closing(over: Any) -> Callable[[], Any]:
    def closed() -> Any:
        return over

    return closed


def half_empty() -> Callable[[], Any]:
    def closed() -> Any:
        return later, now  # noqa: F821  # deleted below

    now, later = shared, 0
    del later
    return closed


def decorated(function: Callable[..., Any]) -> Callable[..., Any]:
    @functools.wraps(function)
    def wrapper() -> Any:
        return function()

    return wrapper


class Client:
    pool = shared

    def __init__(self) -> None:
        self.own = shared

    def ask(self) -> Any:
        return self.own

    def __call__(self) -> Any:
        return self.own

    @classmethod
    def make(cls) -> Any:
        return cls.pool


class Proxy:
    @property
    def __dict__(self) -> Any:  # type: ignore[override]
        raise AssertionError("is asked")

    def __getattr__(self, name: str) -> Any:
        raise AssertionError("is asked")


client = Client()

REFERENCES: list[tuple[Any, list[tuple[str, str]]]] = [
    (global_one, [("global", "shared")]),
    (stores, [("global", "shared")]),
    (inner, [("global", "shared")]),
    (attribute_only, []),
    (default, [("default", "by"), ("default", "of")]),
    (closing(shared), [("variable", "over")]),
    (half_empty(), [("variable", "now")]),
    (functools.partial(functools.partial(default, 1), by=2), [("default", "by"), ("default", "of")]),
    (decorated(global_one), [("global", "shared")]),
    (functools.lru_cache(global_one), [("global", "shared")]),
    (client.ask, [("self", "self")]),
    (client, [("self", "self")]),
    (functools.partial(client.ask), [("self", "self")]),
    (Client.make, [("self", "cls")]),
    (len, []),
]


@pytest.mark.parametrize(("function", "expected"), REFERENCES)
def test_the_references_of_a_function_are_found(function: Any, expected: list[tuple[str, str]]) -> None:
    plain, owner = references.plain(function)
    found = list(references.of(plain, owner)) if plain else []
    assert [(each.kind, each.name) for each in found] == expected
    assert all(each.value in (shared, client, Client) for each in found)


@pytest.mark.parametrize(
    ("function", "names"), [(client.ask, ["self", "self.own"]), (Client.make, ["cls", "cls.pool"])]
)
def test_attributes_that_the_code_names_are_loaded(function: Any, names: list[str]) -> None:
    assert [name for name, _ in references.loaded(function)] == names


def test_a_proxy_is_not_asked() -> None:
    assert references.attributes(Proxy()) == {}
    assert references.plain(Proxy()) == (None, None)


def test_a_decorator_that_wraps_itself_has_no_function() -> None:
    endless = decorated(global_one)
    endless.__dict__["__wrapped__"] = endless
    assert references.plain(endless) == (None, None)
    assert isinstance(references.plain(global_one)[0], types.FunctionType)
