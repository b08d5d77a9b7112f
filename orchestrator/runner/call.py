"""One call of the workload in the forms that models need: by item, without arguments, pickled."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class Call:
    """A function with its keyword arguments, called once for each item of a batch.

    `call(item)` makes the call with that number. `plain` makes it without a number: the bare function or a partial, so
    that no frame of the runner is timed. It is None if the spec has an `item:`, because then the number is an argument.
    """

    __slots__ = ("function", "item", "kwargs", "plain")

    def __init__(self, function: Callable[..., Any], kwargs: dict[str, Any], item: str | None) -> None:
        self.function = function
        self.kwargs = kwargs
        self.item = item
        self.plain: Callable[[], Any] | None = None
        if item is None:
            self.plain = functools.partial(function, **kwargs) if kwargs else function

    def __call__(self, item: int) -> Any:
        if self.item is None:
            return self.function(**self.kwargs)
        return self.function(**self.kwargs, **{self.item: item})

    def __reduce__(self) -> tuple[Any, ...]:
        return Call, (self.function, self.kwargs, self.item)
