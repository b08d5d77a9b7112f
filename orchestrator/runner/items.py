"""The items of a workload: read once, before anything is measured, then the same for every variant.

They travel as text: a pickle in base64, because requests are lines of JSON.
"""

from __future__ import annotations

import binascii
import pickle
import sys
import time
from collections.abc import Callable, Iterable, Iterator, Sequence, Sized
from typing import Any

from .error_text import named
from .workload import Unusable, holder_and_value

MOST_ITEMS = 10_000_000
MOST_BYTES = 64 * 2**20  # of their pickle, which every runner reads at its start
MOST_SHOWN = 60
LONGEST_S = 20.0


def read(source: str | list[Any], tasks: Sequence[int | None]) -> list[dict[str, Any]]:
    """Return, for each of `tasks`, that many items of a source, evenly spread, or all; raises Unusable.

    `count` of `total` items are in `data`; `digest` is the hash of their pickle, which has `size` bytes.
    """
    found = read_all(source)
    return [_batch(found, source, count) for count in tasks]


def read_all(source: str | list[Any]) -> list[Any]:
    """Return the items of a source, one at least; raises Unusable."""
    found = _bounded(_opened(source), source)
    if not found:
        raise _unusable("items_missing", f"{_named(source)} gives no item", _remedy_for_none(source))
    return found


def sample(items: list[Any], most: int) -> list[Any]:
    """Return at most `most` items, evenly spread."""
    count = min(most, len(items))
    return [items[place * len(items) // count] for place in range(count)]


def _batch(found: list[Any], source: str | list[Any], tasks: int | None) -> dict[str, Any]:
    chosen = found
    if tasks is not None:
        if tasks > len(found):
            what = f"{tasks} tasks, but {_named(source)} gives {len(found)} items"
            raise _unusable("items_too_few", what, f"give {len(found)} tasks or fewer, or leave `tasks` out for all")
        chosen = sample(found, tasks)
    import hashlib  # not at the top: every runner of items would load it

    data = _pickled(chosen, source)
    return {
        "count": len(chosen),
        "total": len(found),
        "size": len(data),
        "digest": hashlib.sha256(data).hexdigest()[:16],
        "data": binascii.b2a_base64(data, newline=False).decode(),
    }


def unpack(text: str) -> list[Any]:
    """Return the items that `read` has packed; raises Unusable where this interpreter can't read them."""
    try:
        items: list[Any] = pickle.loads(binascii.a2b_base64(text))
    except Exception as error:
        what = f"the items can't be read under {sys.executable}: {named(error)}"
        raise _unusable("items_unreadable", what, "use items of types that this interpreter can import") from error
    return items


def shown(item: Any) -> str:
    """Return an item in a few characters, for a message."""
    try:
        text = item if isinstance(item, str) else repr(item)
    except Exception:
        text = f"a {type(item).__name__}"
    text = "".join(char if char.isprintable() else " " for char in text[: 2 * MOST_SHOWN])
    return text if len(text) <= MOST_SHOWN else f"{text[: MOST_SHOWN - 3]}..."


def _opened(source: str | list[Any]) -> Iterable[Any]:
    if isinstance(source, list):
        return source
    head, _, rest = source.partition(":")
    openers: dict[str, Callable[[str], Iterable[Any]]] = {
        "glob": _globbed,
        "lines": _lines,
        "range": _range,
        "jsonl": _rows,
    }
    if head in openers:
        return openers[head](rest)
    return _given(source)


def _given(source: str) -> Iterable[Any]:
    """Return what a function returns, or an iterable of a module."""
    given = holder_and_value(source, "items")[1]
    if callable(given) and not isinstance(given, type):
        try:
            given = given()
        except Exception as error:
            what = f"{source}() failed: {named(error)}"
            raise _unusable("items_failed", what, "make it return an iterable, without arguments") from error
    if isinstance(given, (str, bytes)) or not isinstance(given, Iterable):
        what = f"{source} gives a {type(given).__name__}, which is no collection of items"
        raise _unusable("items_not_iterable", what, "name a list, or a function that returns one")
    return given


def _globbed(pattern: str) -> list[str]:
    import glob

    return sorted(glob.glob(pattern, recursive=True))


def _lines(path: str) -> Iterator[str]:
    with _text(path) as file:
        yield from (line for text in file if (line := text.rstrip("\r\n")))


def _rows(path: str) -> Iterator[Any]:
    import json

    with _text(path) as file:
        for number, text in enumerate(file, 1):
            if not text.strip():
                continue
            try:
                row = json.loads(text)
            except ValueError as error:
                what = f"{path}:{number} is not JSON: {error}"
                raise _unusable("items_failed", what, "write one JSON value on each line") from error
            yield row


def _text(path: str) -> Any:
    try:
        return open(path, encoding="utf-8")
    except OSError as error:
        what = f"{path} can't be read: {error.strerror}"
        raise _unusable("items_missing", what, "check the path; it is relative to the working directory") from error


def _range(bounds: str) -> range:
    try:
        return range(*map(int, bounds.split(":")))
    except (TypeError, ValueError) as error:
        what = f"range:{bounds} is no range"
        raise _unusable("items_malformed", what, "write range:START:STOP or range:START:STOP:STEP") from error


def _bounded(items: Iterable[Any], source: str | list[Any]) -> list[Any]:
    """Return the items of an iterable as a list; refuse one that fails half-way or does not end."""
    if (count := _known_count(items)) > MOST_ITEMS:
        what = f"{_named(source)} has {count:,} items, more than {MOST_ITEMS:,}"
        raise _unusable("items_too_many", what, "give fewer, such as a sample of them")
    begun_s = time.monotonic()
    found: list[Any] = []
    try:
        for item in items:
            found.append(item)
            is_checked = len(found) % 1000 == 0  # a look at the clock takes longer than most items
            if is_checked and (len(found) > MOST_ITEMS or time.monotonic() - begun_s > LONGEST_S):
                what = f"{_named(source)} has not ended after {len(found)} items and {time.monotonic() - begun_s:.0f} s"
                raise _unusable("items_endless", what, "end it, such as with itertools.islice")
    except Unusable:
        raise
    except Exception as error:
        what = f"{_named(source)} failed after {len(found)} items: {named(error)}"
        raise _unusable("items_failed", what, "correct it: all items are read before the start") from error
    return found


def _known_count(items: Iterable[Any]) -> int:
    """Return how many items there are, as far as that is known without a loop over them; else 0."""
    if isinstance(items, range) and items:
        return (items[-1] - items[0]) // items.step + 1  # `len` fails where a machine word is too small
    try:
        return len(items) if isinstance(items, Sized) else 0
    except Exception:  # of the user's class: the loop shows how many there are
        return 0


def _pickled(items: list[Any], source: str | list[Any]) -> bytes:
    try:
        data = pickle.dumps(items, protocol=4)
        pickle.loads(data)
    except Exception:
        _refuse_unpicklable(items, source)
        raise
    if len(data) > MOST_BYTES:
        what = f"{len(items)} items take {len(data) >> 20} MiB, more than {MOST_BYTES >> 20} MiB"
        remedy = "name files or keys as items and let the function read them, or give fewer `tasks`"
        raise _unusable("items_too_large", what, remedy)
    return data


def _refuse_unpicklable(items: list[Any], source: str | list[Any]) -> None:
    """Raise Unusable for the first item that can't be pickled and read again."""
    for place, item in enumerate(items):
        try:
            pickle.loads(pickle.dumps(item, protocol=4))
        except Exception as error:
            what = f"item {place} of {_named(source)}, {shown(item)}, can't be pickled: {named(error)}"
            remedy = "use items that can be, such as names or keys, and open the rest in the function"
            raise _unusable("items_not_picklable", what, remedy) from error


def _named(source: str | list[Any]) -> str:
    return source if isinstance(source, str) else "the list of items"


def _remedy_for_none(source: str | list[Any]) -> str:
    if isinstance(source, str) and source.startswith("glob:"):
        return "check the pattern; it is relative to the working directory"
    return "give one item or more"


def _unusable(code: str, what: str, remedy: str) -> Unusable:
    return Unusable("items", code, what, remedy)
