"""What an account says where lines can't be looked for."""

from __future__ import annotations

import os
import threading
import time

import pytest

from orchestrator.runner.account import clocks, sampler

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
