"""One call of the workload, in the forms that models need: by number, without arguments, as a pickle."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any


class Call:
    """A function with its keyword arguments, called once for each item of a batch.

    `call(item)` makes the call number `item`. `plain` is the same without the number when the workload does not ask
    for one (no `item:` in the spec), else None: a bare function or partial, so that no frame of ours is timed.
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
