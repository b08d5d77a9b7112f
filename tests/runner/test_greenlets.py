"""The clocks of calls that take turns in one thread."""

from __future__ import annotations

import time
from typing import Any

import pytest
from greenlet import getcurrent, greenlet

from orchestrator.runner.account.greenlets import InGreenlet
from orchestrator.runner.account.stamps import Taken, received
from orchestrator.runner.call import Call

AWAY_NS = 20_000_000


def taken(function: Any) -> Taken:
    call = InGreenlet(Call(function, {}))
    with call.turns.watched():
        return received(call()).taken


def come_and_go() -> None:
    """Sleep in another greenlet, twice."""
    here = getcurrent()

    def other() -> None:
        time.sleep(AWAY_NS / 2e9)
        here.switch()
        time.sleep(AWAY_NS / 2e9)

    there = greenlet(other)
    there.switch()
    there.switch()


def test_a_call_is_not_busy_while_another_greenlet_has_the_thread() -> None:
    call = taken(come_and_go)
    assert call.ended - call.begun - call.busy_ns >= AWAY_NS


def test_a_call_that_keeps_its_thread_is_busy_all_of_the_time() -> None:
    call = taken(lambda: time.sleep(0.001))
    assert call.busy_ns == call.ended - call.begun


def test_the_work_of_calls_that_take_turns_counts_once() -> None:
    found: list[Taken] = []
    call = InGreenlet(Call(lambda: getcurrent().parent.switch(), {}))

    def make() -> None:
        found.append(received(call()).taken)

    with call.turns.watched():
        both = [greenlet(make), greenlet(make)]
        for _ in range(2):
            for each in both:
                each.switch()
    first, second = found
    assert second.begun < first.ended  # they overlap
    assert first.busy_ns + second.busy_ns <= second.ended - first.begun


def test_an_exception_of_the_call_comes_out_as_itself() -> None:
    def fail() -> None:
        raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        taken(fail)
