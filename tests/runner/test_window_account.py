"""The account of the calls of a window: the parts of each call's time since its intended arrival."""

from __future__ import annotations

from typing import Any

import pytest

from orchestrator.runner import registry
from orchestrator.runner.account.figures import CALL_PARTS
from orchestrator.runner.account.of_window import measure, parts
from orchestrator.runner.account.stamps import Passage, Taken
from orchestrator.runner.call import Call
from tests.runner.test_arrivals import CORE, MS, nap, odd_fails, run
from tests.support.conformance.ways import needs
from tests.support.conformance.ways import parts as model_and_options


def taken(**given: Any) -> Taken:
    """Return a call that began 100 ns after its arrival and took 1,000 ns, all of it executed."""
    plain: dict[str, Any] = {"pid": 1, "thread": 1, "begun": 100, "ended": 1100, "busy_ns": 1000, "cpu_ns": 300}
    plain |= {"run_queue_ns": 0, "gil_ns": 0, "gil_before": 0, "arrived": None, "returned": None, "memory": None}
    return Taken(**{**plain, **given})


def seen(found: dict[str, int]) -> dict[str, int]:
    assert tuple(found) == CALL_PARTS
    return {name: ns for name, ns in found.items() if ns}


def test_the_parts_are_the_time_from_the_arrival_to_the_end() -> None:
    found = parts(taken(run_queue_ns=50, gil_ns=200, lock_ns=30), 0)
    assert seen(found) == {"queued": 100, "on_core": 300, "run_queue": 50, "gil": 200, "lock": 30, "blocked": 420}
    assert sum(found.values()) == 1100


def test_the_time_between_the_steps_of_a_coroutine_is_waiting() -> None:
    assert seen(parts(taken(busy_ns=300), 0)) == {"queued": 100, "on_core": 300, "waiting": 700}


def test_the_transfer_of_a_call_is_no_wait_for_a_worker() -> None:
    sent = Passage(dump_begun=10, dump_ended=30, load_begun=60, load_ended=70)
    assert seen(parts(taken(arrived=sent), 0)) == {"queued": 70, "serialisation": 30, "on_core": 300, "blocked": 700}


def test_a_call_that_began_at_once_was_not_queued() -> None:
    assert "queued" not in seen(parts(taken(), 100))


@pytest.mark.parametrize("way", CORE)
def test_every_model_accounts_for_all_calls_and_at_least_for_their_own_time(way: str) -> None:
    name, options = model_and_options(way)
    model, call = registry.load(name), Call(nap, {}, item=0)
    found: list[dict[str, Any]] = []

    async def main() -> None:
        async with model.open(call, 2, options, None) as workers:
            given = call, range(4), [0, 2 * MS, 2 * MS, 7 * MS], 5000 * MS
            found.append(await measure(registry.Opened(workers, model.WORKERS, needs(way).pickles), *given))

    run(needs(way).loop, main)
    assert (found[0]["calls"], found[0]["ended"]) == (4, 4)
    assert sum(found[0][f"{part}_ns"] or 0 for part in CALL_PARTS) >= 4 * MS


def test_calls_that_raise_are_in_no_account() -> None:
    model, call = registry.load("threads"), Call(odd_fails, {}, item=0)
    found: list[dict[str, Any]] = []

    async def main() -> None:
        async with model.open(call, 2, {}, None) as workers:
            found.append(
                await measure(
                    registry.Opened(workers, model.WORKERS, pickles=False), call, range(4), [0, 0, 0], 5000 * MS
                )
            )

    run(needs("threads").loop, main)
    assert (found[0]["calls"], found[0]["ended"]) == (3, 2)
