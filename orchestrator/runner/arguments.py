"""The arguments of calls: their names, whether a call changed them, and fresh copies where calls do."""

from __future__ import annotations

import pickle
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from .call import FIRST, WHOLE, Call
from .callables import signature
from .results import digest
from .soundness import Unsound

UNCHANGEABLE = (type(None), bool, int, float, complex, str, bytes)

LIMITS = ("/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes")
"""The files with the limit of memory of a control group, of version 2 and 1."""


def names(call: Call) -> tuple[str, ...]:
    """Return the names of the arguments of a call; those by position as the signature has them, where there is one."""
    args, kwargs = call.arguments(0)
    return (*_positional(call, len(args)), *kwargs)


def _positional(call: Call, count: int) -> list[str]:
    """Return names for the first positional arguments."""
    if not count:
        return []
    try:
        parameters = list(signature(call.function).parameters.values())
    except (TypeError, ValueError):
        parameters = []
    known = [each.name for each in parameters if each.kind in (each.POSITIONAL_ONLY, each.POSITIONAL_OR_KEYWORD)]
    others = ["item" if call.item == FIRST and place == 0 else f"argument{place + 1}" for place in range(count)]
    return [*known, *others[len(known) :]][:count]


class Given:
    """The arguments of one call: copies of their own, if the call could change them and they can be copied."""

    def __init__(self, call: Call, item: Any, watches: bool = True) -> None:
        self._call = call
        self.args, self.kwargs = call.arguments(item)
        if self._changeable():
            with suppress(Exception):  # items that can't be pickled are refused later, each by its name
                self.args, self.kwargs = pickle.loads(pickle.dumps((self.args, self.kwargs)))
        self._values = self._changeable() if watches else {}
        self._digests = {name: digest([value]) for name, value in self._values.items()}

    def _changeable(self) -> dict[str | int, Any]:
        """Return the arguments that a call could change, by keyword or place."""
        given: list[tuple[str | int, Any]] = [*enumerate(self.args), *self.kwargs.items()]
        return {name: value for name, value in given if not isinstance(value, UNCHANGEABLE)}

    def changed(self) -> str | None:
        """Return the name of the first argument that the call has changed, None if there is none."""
        for name, value in self._values.items():
            if self._digests[name] != digest([value]):
                return name if isinstance(name, str) else _positional(self._call, len(self.args))[name]
        return None


def call_once(call: Call, item: Any) -> Any:
    """Return the result of a call of one item, which leaves the arguments as they are."""
    given = Given(call, item, watches=False)
    return call.function(*given.args, **given.kwargs)


class Copies:
    """The items of a batch whose calls change their arguments: each holds copies of its own.

    `call` makes the call of such an item. They are pickled copies, as the workers of a pool get them, so that no
    model has better ones.
    """

    def __init__(self, call: Call, items: Sequence[Any]) -> None:
        same = [pickle.dumps(call.arguments(0))] if call.item is None else None
        self._pickles = same * len(items) if same else [pickle.dumps(call.arguments(item)) for item in items]
        self.items: list[list[Any]] = [[(), {}] for _ in items]
        self.call = Call(call.function, {}, WHOLE)
        self.plain = OnCopies(call.function, self._pickles[0])
        """A call of the first item, with arguments that are copied for it."""

    def check_room(self, name: str, changed: str) -> None:
        """Raise Unsound where the copies of a batch take more memory than is free."""
        needed, free = self._bytes_of_batch(), free_bytes()
        if free is not None and needed > free:
            what = f"{name} changes its argument {changed}, and copies of it for {len(self.items)} calls would take "
            what += f"{needed / 1e9:.2g} GB, with {free / 1e9:.2g} GB free"
            raise Unsound(f"{what}; lower `tasks`, or name a function that makes its own {changed}")

    def renew(self) -> None:
        """Give each item fresh copies; those before are freed."""
        for item, data in zip(self.items, self._pickles):
            item[:] = pickle.loads(data)

    def clear(self) -> None:
        """Free the copies."""
        for item in self.items:
            item[:] = (), {}

    def _bytes_of_batch(self) -> int:
        """Return about the memory that the copies of a batch take: that of the first one, times their number."""
        import tracemalloc

        tracemalloc.start()
        try:
            copied = pickle.loads(self._pickles[0])
            size = tracemalloc.get_traced_memory()[0]
        finally:
            tracemalloc.stop()
        del copied
        return size * len(self.items)


class OnCopies:
    """A call without arguments of its own: it copies those that it was made with, each time anew."""

    def __init__(self, function: Callable[..., Any], data: bytes) -> None:
        self.function = function
        self._data = data

    def __call__(self) -> Any:
        args, kwargs = pickle.loads(self._data)
        return self.function(*args, **kwargs)

    def prepared(self, calls: int) -> list[Callable[[], Any]]:
        """Return so many calls with arguments that are copied already."""
        import functools

        loaded = [pickle.loads(self._data) for _ in range(calls)]
        return [functools.partial(self.function, *args, **kwargs) for args, kwargs in loaded]


def free_bytes() -> int | None:
    """Return about the memory that this process can still get, None where that is unknown."""
    import resource

    from .account.sensors import sizes

    mine = sizes("/proc/self/status")
    soft, _ = resource.getrlimit(resource.RLIMIT_AS)
    limits = [
        (sizes("/proc/meminfo").get("MemAvailable"), 0),
        (None if soft == resource.RLIM_INFINITY else soft, mine.get("VmSize", 0)),
        *((_number(file), mine.get("VmRSS", 0)) for file in LIMITS),
    ]
    known = [most - used for most, used in limits if most is not None]
    return max(0, min(known)) if known else None


def _number(path: str) -> int | None:
    try:
        with open(path, encoding="ascii") as file:
            return int(file.read())
    except (OSError, ValueError):  # no such group, or no limit ("max")
        return None
