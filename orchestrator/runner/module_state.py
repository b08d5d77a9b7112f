"""Which global variables calls change: each process has its own, so what calls keep there stays in their process."""

from __future__ import annotations

import dis
import types
from collections import Counter, OrderedDict, defaultdict, deque
from collections.abc import Iterator
from typing import Any, NamedTuple

from . import imports, references
from .arguments import UNCHANGEABLE

MOST_FUNCTIONS = 30
"""Functions whose code is looked at: the one that is called, and those nearest below it."""

MOST_VALUES = 1_000
"""Values of a container that are compared; of a larger one it is the number of them."""

DICTS = (dict, OrderedDict, defaultdict, Counter)
SEQUENCES = (list, deque, tuple)
SETS = (set, frozenset)

VALUES = ("datetime", "decimal")
"""Modules whose objects are compared as values."""

STORES, DELETES = ("STORE_SUBSCR", "STORE_SLICE"), "DELETE_SUBSCR"
FILLS = {"add", "update"}
CHANGES = FILLS | {
    *("append", "appendleft", "clear", "discard", "extend", "extendleft", "heappop", "heappush", "insert"),
    *("move_to_end", "pop", "popitem", "popleft", "remove", "reverse", "rotate", "setdefault", "sort", "subtract"),
}
"""Methods that change a container; those of `FILLS` only put something in."""


class Variable(NamedTuple):
    """A global variable that code may change `at` a line; `is_filled`: the code only puts something into it."""

    scope: dict[str, Any]
    name: str
    at: str
    is_filled: bool

    def content(self) -> Any:
        """Return what differs once the variable has changed."""
        return _content(self.scope.get(self.name), MOST_VALUES)


class ModuleState:
    """Compares the global variables that a function may change: after the first, the second and the last call."""

    def __init__(self, function: Any) -> None:
        self._variables = list(_variables(function))
        self._contents: list[list[Any]] = []

    def note(self) -> None:
        """Note that a call has returned; the first one may only have set up what others use."""
        if len(self._contents) < 2:
            self._contents.append([each.content() for each in self._variables])

    def changed(self) -> list[dict[str, str]]:
        """Return the `name` of each variable that calls change, and `at` which line.

        A variable counts if calls after the second changed it and the second did too: that one repeats the arguments of
        the first, so a memo or a lazy set-up does not change then. One that the second call left unchanged counts only
        if the code fills it and never reads it.
        """
        if len(self._contents) < 2:
            return []
        last = [each.content() for each in self._variables]
        found = zip(self._variables, *self._contents, last)
        return [
            {"name": each.name, "at": each.at}
            for each, first, second, now in found
            if [now] != [second] and ([second] != [first] or each.is_filled)  # in a list, the same NaN is equal
        ]


def _content(value: Any, most: int) -> Any:
    """Return what is equal for equal builtin values and containers, and for other objects of one class.

    It holds at most so many values, and runs no code of the user.
    """
    kind = type(value)
    if kind in UNCHANGEABLE or kind.__module__ in VALUES:
        return value
    if kind is bytearray:
        return bytes(value[:most]), len(value)
    if kind not in (*DICTS, *SEQUENCES, *SETS):
        return kind
    if len(value) > most:
        return kind, len(value)
    held = [*value, *value.values()] if kind in DICTS else list(value)
    parts = (_content(each, most // (len(held) + 1)) for each in held)
    return kind, frozenset(parts) if kind in SETS else tuple(parts)


def _variables(function: Any) -> Iterator[Variable]:
    """Yield the global variables that a function, or one below it, may change by its code."""
    places: dict[tuple[int, str], tuple[dict[str, Any], str]] = {}
    rebound, not_filled = set[tuple[int, str]](), set[tuple[int, str]]()
    for each in _functions(function):
        scope = each.__globals__
        for code in references.codes(each.__code__):
            for line, used in _by_line(code).items():
                place = f"{imports.shown(code.co_filename)}, line {line}"
                for name in sorted(used.changed):
                    key = (id(scope), name)
                    if name in used.rebound and key not in rebound:
                        rebound.add(key)
                        places[key] = (scope, place)  # the line of the name itself, and of no other beside it
                    places.setdefault(key, (scope, place))
                not_filled |= {(id(scope), name) for name in used.not_filled}
    for (number, name), (scope, place) in places.items():
        yield Variable(scope, name, place, (number, name) not in not_filled)


def _functions(function: Any) -> Iterator[types.FunctionType]:
    """Yield the function behind a callable, and those of the user that it can call, as far as names show them."""
    found, seen = [references.plain(function)[0]], set[types.FunctionType]()
    for each in found:  # it grows
        if each is None or each in seen or len(seen) == MOST_FUNCTIONS:
            continue
        seen.add(each)
        yield each
        called = (references.plain(value)[0] for _, value in references.loaded(each))
        found += [
            inner
            for inner in called
            if inner and (inner.__globals__ is each.__globals__ or imports.is_their_file(inner.__code__.co_filename))
        ]


class _Used(NamedTuple):
    """Global names in a line of code: those that it may change, sets anew, and does not only fill."""

    changed: set[str]
    rebound: set[str]
    not_filled: set[str]


def _by_line(code: types.CodeType) -> dict[int, _Used]:
    """Return the global names that each line of a code uses."""
    lines = {offset: line for begin, end, line in code.co_lines() if line for offset in range(begin, end)}
    found: dict[int, list[dis.Instruction]] = {}
    for each in dis.get_instructions(code):
        if each.offset in lines:
            found.setdefault(lines[each.offset], []).append(each)
    return {line: _used(instructions) for line, instructions in found.items()}


def _used(instructions: list[dis.Instruction]) -> _Used:
    loaded = Counter(str(each.argval) for each in instructions if each.opname in ("LOAD_GLOBAL", "LOAD_NAME"))
    rebound = {str(each.argval) for each in instructions if each.opname == "STORE_GLOBAL"}
    methods = [each.argval for each in instructions if each.opname in ("LOAD_ATTR", "LOAD_METHOD")]
    fills = sum(each.opname in STORES for each in instructions) + sum(name in FILLS for name in methods)
    is_changing = (
        fills or CHANGES.intersection([*methods, *loaded]) or any(each.opname == DELETES for each in instructions)
    )
    more = {name for name, times in loaded.items() if times > fills}
    return _Used(rebound | (set(loaded) if is_changing else set()), rebound, rebound | more)
