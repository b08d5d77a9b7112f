"""The results of a batch: their digest, the comparison with others, and the observed values."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from .error_text import named
from .registry import WrongResults

BEFORE = 20  # characters that are shown before those in which two results differ

PROTOCOL = 4  # of the pickles that variants exchange


class _Digest:
    """A file that only keeps the digest of what is written: the pickle of large results is never held in memory."""

    def __init__(self) -> None:
        import hashlib

        self.found = hashlib.sha256()
        self.write = self.found.update


def digest(results: Sequence[Any]) -> str | None:
    """Return a digest of the pickled results: equal digests are equal results; None where they can't be pickled."""
    import pickle

    digested = _Digest()
    try:
        pickle.Pickler(digested, PROTOCOL).dump(results)
    except Exception:
        return None
    return digested.found.hexdigest()


def pickled_bytes(value: object) -> int | None:
    """Return the size of a pickle; None where pickle fails, while a model's own pickler may not."""
    import pickle

    try:
        return len(pickle.dumps(value))
    except Exception:
        return None


def save(results: Sequence[Any], path: str) -> None:
    """Write results, digested before, to `path` for another variant to compare with."""
    import pickle

    with open(path, "wb") as file:
        pickle.dump(results, file, PROTOCOL)


def compare(results: Sequence[Any], path: str, other: str) -> None:
    """Compare results with those that the variant `other` saved at `path`; raises `WrongResults`."""
    import pickle

    with open(path, "rb") as file:
        theirs = pickle.load(file)
    if len(theirs) != len(results):
        raise WrongResults(f"{len(results)} results, but {len(theirs)} under {other}")
    for place, (mine, expected) in enumerate(zip(results, theirs)):
        try:
            same = bool(mine == expected)
        except Exception as error:
            raise WrongResults(
                f"result {place} can't be compared with ==: {named(error)}; "
                "set `check: none`, or `check: module:function` to check results yourself"
            ) from error
        if not same:
            texts = _apart(_repr(mine), _repr(expected))
            raise WrongResults(f"result {place} is {texts[0]}, but {texts[1]} under {other}")


class Repeats:
    """Counts the results that stand at several places of some batches; it keeps only their hashes.

    The same place has the same item in each batch: what it gives again says nothing.
    """

    def __init__(self) -> None:
        self._places: dict[int, int] = {}
        self._count, self._shown, self._is_known = 0, "", True

    def add(self, results: Sequence[Any]) -> None:
        """Add the results of a batch."""
        try:
            for place, each in enumerate(results):
                if self._places.setdefault(hash(each), place) != place:
                    self._count, self._shown = self._count + 1, self._shown or f"{_short(each)}, {_short(each)}"
        except Exception:  # of a list, or of a method of the user
            self._is_known = False

    def found(self) -> tuple[int, str] | None:
        """Return how many are repeated, and one as text; None if they can't be hashed."""
        return (self._count, self._shown) if self._is_known else None


def observe(function: Callable[[Any, Any], Any], results: Sequence[Any], initargs: Any) -> dict[str, Any]:
    """Return what the workload's `observe` returns; raises where the log can't hold it."""
    import json

    observed = function(results, initargs)
    if not isinstance(observed, dict):
        raise TypeError(f"observe returned a {type(observed).__name__}, expected a flat dict")
    for key, value in observed.items():
        try:
            json.dumps(value, allow_nan=False)
        except (TypeError, ValueError) as error:
            raise ValueError(f"observe returned {key}={_short(value)}: {error}") from error
        if isinstance(value, int) and not -(2**63) <= value < 2**64:
            raise ValueError(f"observe returned {key}={_short(value)}, which takes more than 64 bits")
    return observed


def _apart(mine: str, expected: str) -> tuple[str, str]:
    """Return two texts in a few characters, from where they differ if they begin alike."""
    if mine == expected:
        return _cut(mine), "an unequal one with the same text"
    if _cut(mine) != _cut(expected):
        return _cut(mine), _cut(expected)
    differing = (place for place, pair in enumerate(zip(mine, expected)) if pair[0] != pair[1])
    begin = max(0, next(differing, min(len(mine), len(expected))) - BEFORE)
    return f"...{_cut(mine[begin:])}", f"...{_cut(expected[begin:])}"


def _short(value: object) -> str:
    return _cut(_repr(value))


def _repr(value: object) -> str:
    try:
        return repr(value)
    except Exception:
        return f"a {type(value).__name__}"


def _cut(text: str) -> str:
    return text if len(text) <= 80 else text[:77] + "..."
