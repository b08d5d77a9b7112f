"""What an account says where lines can't be looked for."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest

from orchestrator.runner import registry
from orchestrator.runner.account import clocks, instrumented, sampler
from orchestrator.runner.account.places import Place
from orchestrator.runner.call import Call

pytestmark = pytest.mark.anyio


@pytest.fixture
def shim(monkeypatch: pytest.MonkeyPatch) -> None:
    """As if the preload library were there, which no test has in its own process."""
    monkeypatch.setattr(clocks, "HAS_SHIM", True)
    monkeypatch.setattr(clocks, "calls_seer", lambda: lambda: [])


async def missing() -> str | None:
    async with sampler.sampling(sampler.native(time.sleep), None, None, None) as found:
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


@pytest.mark.parametrize(
    ("call_ns", "reason"),
    [
        (400_000, "the calls are shorter than 0.5 ms: a thread that samples would get the GIL only between them"),
        (600_000, None),
        (0, None),
    ],
    ids=["short", "longer", "not yet timed"],
)
async def test_to_look_in_workers_is_needless_where_calls_are_short(
    call_ns: float, reason: str | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    found: list[str | None] = []

    @asynccontextmanager
    async def sampling(
        native: Place, each: object, missing: str | None, needless: str | None
    ) -> AsyncIterator[sampler.Sampler]:
        found.append(needless)
        yield sampler.Sampler(native, missing)

    monkeypatch.setattr(instrumented, "sampling", sampling)
    call = Call(abs, {}, None, (-1,))
    async with registry.load("sequential").open(call, 1, {}, None) as workers:
        of_batch: tuple[Any, ...] = call, range(4), None, 1, lambda: None, False, call_ns, "none", False, set()
        await instrumented.measure(workers, *of_batch)
    assert found == [reason]


def test_a_worker_process_in_which_it_is_needless_is_not_looked_at(shim: None) -> None:
    assert sampler._begin_there(sampler.native(time.sleep), 0, "needless") == "needless"
    assert sampler._end_there() is None


def test_what_makes_it_impossible_is_said_before_what_makes_it_needless() -> None:
    reason = sampler._begin_there(sampler.native(time.sleep), 0, "needless")
    assert reason == "what threads wait for is not known without the preload library"
