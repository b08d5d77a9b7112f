"""State that tasks share, or seem to share: a global, a `multiprocessing.Value`, a dict with and without a lock."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.sharedctypes import Synchronized

plain_num = 0
shared_num: Synchronized[int]  # every worker gets it from its initializer


@contextmanager
def number() -> Iterator[Synchronized[int]]:
    """Yield a number in shared memory, with its lock."""
    # of the spawn context: one of the fork context can only be inherited, this one also travels to spawned workers
    yield get_context("spawn").Value("i", 0)


def take(number: Synchronized[int]) -> None:
    """Take the shared number, in a worker."""
    global shared_num
    shared_num = number


def increment() -> None:
    """Add one to both numbers."""
    global plain_num
    plain_num += 1
    with shared_num.get_lock():
        shared_num.value += 1


def reset_numbers(number: Synchronized[int]) -> None:
    """Set both numbers to 0, in the parent process."""
    global plain_num
    plain_num = 0
    with number.get_lock():
        number.value = 0


def observe_numbers(results: object, number: Synchronized[int]) -> dict[str, int]:
    """Return both numbers as the parent process sees them after a batch."""
    return {"plain_num": plain_num, "shared_num": number.value}


obj: dict[tuple[int, int], int] = {}
obj_lock = threading.Lock()


def objify(item: int, count: int, locked: bool) -> list[int]:
    """Put `count` values into one dict, and return its size after each."""
    if not locked:
        return [put(item, number) for number in range(count)]
    sizes = []
    for number in range(count):
        with obj_lock:
            sizes.append(put(item, number))
    return sizes


def put(item: int, number: int) -> int:
    """Put one value into the dict and return its size then."""
    obj[item, number] = number
    return size()  # a call, where the interpreter may switch threads: another's value may come between


def size() -> int:
    """Return how many values the dict holds."""
    return len(obj)


def clear(initargs: object) -> None:
    """Empty the dict."""
    obj.clear()


def observe_sizes(results: Sequence[Sequence[int]], initargs: object) -> dict[str, int | bool]:
    """Return whether the sizes are exactly 1 to n, and how many were torn (read twice)."""
    sizes = sorted(size for seen in results for size in seen)
    return {"exact": sizes == list(range(1, len(sizes) + 1)), "torn": len(sizes) - len(set(sizes))}


def fits(results: Sequence[Sequence[int]]) -> bool:
    """Return whether the results are possible for `objify`, torn or not: sizes that only grow, up to n."""
    total = sum(map(len, results))
    return all(list(seen) == sorted(seen) and seen[0] >= 1 and seen[-1] <= total for seen in results)
