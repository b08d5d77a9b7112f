"""What an account says where lines can't be looked for."""

from __future__ import annotations

import os
import threading
import time

import pytest

from orchestrator.runner.account import clocks, sampler
from orchestrator.runner.account.clocks import Seen

pytestmark = pytest.mark.anyio

NATIVE = sampler.native(time.sleep)


@pytest.fixture
def shim(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the preload library were there, which no test has in its own process."""
    monkeypatch.setattr(clocks, "HAS_SHIM", True)
    monkeypatch.setattr(clocks, "calls_seer", lambda: lambda: ([], 0))


async def missing() -> str | None:
    async with sampler.sampling(NATIVE, None, None) as found:
        pass
    return found.missing


async def test_where_no_further_thread_can_be_started_the_account_goes_on_without_lines(
    monkeypatch: pytest.MonkeyPatch, shim: None
) -> None:
    def start(_: threading.Thread) -> None:
        raise RuntimeError("can't start new thread")

    monkeypatch.setattr(threading.Thread, "start", start)
    assert await missing() == "the thread that looks can't be started (can't start new thread)"


async def test_where_proc_is_hidden_the_account_goes_on_without_lines(
    monkeypatch: pytest.MonkeyPatch, shim: None
) -> None:
    monkeypatch.setattr(os.path, "isdir", lambda _: False)
    assert await missing() == "whether threads run can't be read in /proc"


async def test_nothing_is_missing_where_a_thread_can_look(shim: None) -> None:
    assert await missing() is None


HERE = Seen(threading.get_ident(), threading.get_native_id(), clocks.AWAITS_LOCK, 0)


def looked(*looks: tuple[list[Seen], int]) -> sampler.Sampler:
    """Return what was seen by looks at threads in calls, each with how many calls had begun."""
    found = sampler.Sampler(NATIVE)
    for threads, begun in looks:
        found.look(threads, begun, 0)
    return found


@pytest.mark.parametrize(
    ("looks", "interval_s"),
    [
        ([], 0.005),
        ([([], 0), ([], 0)], 0.005),
        ([([], 10)], 0.01),
        ([([], 10), ([], 20), ([], 30)], 0.04),
        ([([], 10 * look) for look in range(1, 20)], 0.16),
        ([([], 10), ([], 20), ([HERE], 30)], 0.005),
        ([([HERE], look) for look in range(1, 20)], 0.01),
        ([([HERE], look) for look in range(1, 5_000)], 0.01),
        ([([], look) for look in range(1, 5_000)], 0.16),
    ],
    ids=["first", "no call yet", "once", "three times", "often", "then a call", "calls", "for a minute", "in vain"],
)
def test_looks_between_calls_become_fewer(looks: list[tuple[list[Seen], int]], interval_s: float) -> None:
    assert looked(*looks).interval_s == interval_s


def test_looks_that_were_all_between_calls_are_said() -> None:
    assert looked(([], 10), ([], 20)).figures()["lines_missing"] == sampler.IN_VAIN


def test_a_look_at_a_call_is_enough_to_say_nothing() -> None:
    assert looked(([], 10), ([HERE], 20), ([], 30)).figures()["lines_missing"] is None


def test_looks_before_the_first_call_are_not_said() -> None:
    assert looked(([], 0), ([], 0)).figures()["lines_missing"] is None


def test_looks_in_workers_count_with_those_of_other_workers() -> None:
    found = sampler.Sampler(NATIVE)
    found.add(sampler.Found({}, looks=0, in_vain=2, cpu_ns=0))
    assert found.figures()["lines_missing"] == sampler.IN_VAIN
    found.add(sampler.Found({}, looks=1, in_vain=0, cpu_ns=0))
    assert found.figures()["lines_missing"] is None
