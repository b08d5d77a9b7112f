"""The times that a stamped call and its result carry."""

from __future__ import annotations

import pickle
import time
from typing import Any

import anyio
import pytest

from orchestrator.runner.account.stamps import Stamped, StampedResult, received
from orchestrator.runner.call import Call


def stamped(function: Any, item: str | None = None, is_small: bool = False, **kwargs: Any) -> Stamped:
    return Stamped(Call(function, kwargs, item), weigh=False, is_small=is_small, crosses=True)


def double(item: int, data: bytes = b"") -> Any:
    return [item * 2, data]


def nap(seconds: float) -> None:
    time.sleep(seconds)


def fail() -> None:
    raise ValueError("no")


class Slow:
    """Takes 5 ms to be pickled, and as long to be unpickled."""

    def __reduce__(self) -> tuple[Any, ...]:
        time.sleep(0.005)
        return _slow, ()


def _slow() -> Slow:
    time.sleep(0.005)
    return Slow()


def give_slow() -> Slow:
    return Slow()


def sent(value: Any) -> Any:
    return pickle.loads(pickle.dumps(value))


def test_a_stamped_call_returns_what_the_call_returns() -> None:
    assert received(stamped(double, "item", data=b"x")(3)).value == Call(double, {"data": b"x"}, "item")(3) == [6, b"x"]


def test_a_call_without_a_number_is_called_without_one() -> None:
    plain = stamped(nap, seconds=0.0).plain
    assert plain is not None
    assert received(plain()).value is None


def test_a_sleeping_call_took_time_and_no_core() -> None:
    taken = received(stamped(nap, seconds=0.01)(0)).taken
    assert taken.busy_ns == taken.ended - taken.begun >= 10_000_000
    assert taken.cpu_ns < taken.busy_ns / 2


def test_an_exception_of_the_call_comes_out_as_itself() -> None:
    with pytest.raises(ValueError, match="no"):
        stamped(fail)(0)


@pytest.mark.parametrize("is_small", [True, False])
def test_a_call_and_its_result_survive_being_sent(is_small: bool) -> None:
    call = sent(stamped(double, "item", is_small, data=b"x" * 5000))
    result = sent(call(4))
    assert isinstance(result, StampedResult)
    assert result.value == [8, b"x" * 5000]
    assert (result.taken.arrived is None) == is_small
    assert result.taken.returned is not None


def test_only_the_first_call_after_the_transfer_holds_its_times() -> None:
    call = sent(stamped(double, "item"))
    assert call(0).taken.arrived is not None
    assert call(1).taken.arrived is None


def test_pickling_at_both_ends_is_timed() -> None:
    returned = sent(stamped(give_slow)(0)).taken.returned
    assert returned is not None
    assert returned.dump_ended - returned.dump_begun >= 5_000_000
    assert returned.load_ended - returned.load_begun >= 5_000_000
    assert returned.dump_ended <= returned.load_begun


def same(item: object) -> object:
    return item


@pytest.mark.parametrize("value", [None, True, 7, 0.5])
def test_a_result_that_is_small_is_sent_back_without_stamps(value: object) -> None:
    result = received(sent(sent(stamped(same, "item"))(value)))
    assert (result.value, result.taken.returned) == (value, None)
    assert result.taken.arrived is not None


def test_calls_that_go_together_are_pickled_once() -> None:
    call = stamped(double, "item", data=b"x" * 1000)
    assert len(pickle.dumps([call] * 100)) < 3000


async def wait_and_work(seconds: float) -> str:
    await anyio.sleep(seconds)
    nap(seconds)
    return "done"


def test_a_coroutine_is_busy_only_in_its_steps() -> None:
    async def main() -> StampedResult:
        return received(await stamped(wait_and_work, seconds=0.02)(0))

    result = anyio.run(main)
    assert result.value == "done"
    taken = result.taken
    assert 20_000_000 <= taken.busy_ns <= taken.ended - taken.begun - 20_000_000


def test_a_coroutine_is_cancelled_inside() -> None:
    seen = []

    async def waits() -> None:
        try:
            await anyio.sleep_forever()
        finally:
            seen.append("cancelled")

    async def main() -> None:
        with anyio.move_on_after(0.01):
            await stamped(waits)(0)

    anyio.run(main)
    assert seen == ["cancelled"]
