"""One call of the workload in the forms that models need: by item, without arguments, pickled."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

FIRST = 0
"""In the place of a keyword: the item is the first positional argument."""

WHOLE = 1
"""In the place of a keyword: the item holds all arguments, the positional ones and those by keyword."""


class Call:
    """A function with its arguments, called once for each item of a batch.

    `item` is the keyword that receives the item, `FIRST`, `WHOLE`, or None where all calls are alike.
    `call(item)` makes the call with that item. `plain` makes it without one: the bare function or a partial, so that no
    frame of the runner is timed. It is None if calls differ by their item.
    """

    __slots__ = ("args", "function", "item", "kwargs", "plain")

    def __init__(
        self,
        function: Callable[..., Any],
        kwargs: dict[str, Any],
        item: str | int | None = None,
        args: tuple[Any, ...] = (),
    ) -> None:
        self.function = function
        self.args = args
        self.kwargs = kwargs
        self.item = item
        self.plain: Callable[[], Any] | None = None
        if item is None:
            self.plain = functools.partial(function, *args, **kwargs) if args or kwargs else function

    @property
    def one(self) -> Callable[[Any], Any]:
        """The call of one item: the bare function, if it takes nothing else."""
        return self.function if self.item == FIRST and not (self.args or self.kwargs) else self

    def arguments(self, item: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the positional and the keyword arguments of the call with an item."""
        if self.item is None:
            return self.args, self.kwargs
        if self.item == FIRST:
            return (item, *self.args), self.kwargs
        if self.item == WHOLE:
            args, kwargs = item
            return args, kwargs
        return self.args, {**self.kwargs, str(self.item): item}

    def __call__(self, item: Any) -> Any:
        args, kwargs = self.arguments(item)
        return self.function(*args, **kwargs)

    def __reduce__(self) -> tuple[Any, ...]:
        return Call, (self.function, self.kwargs, self.item, self.args)
