"""Serving one variant: bring its workers up, then time trials as they are asked for."""

from __future__ import annotations

import functools
import gc
import importlib
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from . import loops, registry
from .account import sensors
from .call import Call
from .registry import WrongResults
from .workload import call_for, find, initializer_for

SHORTEST_NS = 3_000_000
"""A trial repeats its batch to last this long: shorter ones measure the clock and the wake-up (docs/method.md)."""

WARM_NS = 20_000_000
"""A warm-up goes on for so long at least: interpreters specialise, caches fill, lazy parts are made."""

IDLE_NS = 5_000_000_000
"""Workers that sat still for so long run something untimed first: anyio ends threads idle for 10 s."""


async def serve(link: Any, order: dict[str, Any], begun_ns: int) -> None:
    """Import all that `order` needs, open the model when asked to, then answer until the request pipe closes."""
    workload = order["workload"]
    model = registry.load(order["model"])
    call = call_for(model, workload)
    initializer = initializer_for(model, workload)
    hook = {name: find(workload[name], name) for name in ("reset", "observe") if workload.get(name)}
    needs = model.needs(order["options"])
    for name in needs.modules:
        importlib.import_module(name)
    import_ns = time.perf_counter_ns() - begun_ns
    gc.collect()  # what the imports left would be collected in the midst of the start-up, or not, by chance
    link.send({"event": "prepared", "import_ns": import_ns})
    if link.receive() is None:
        return
    with _entered(workload.get("setup")) as initargs:
        opened = model.open(call, order["workers"], order["options"], initializer, initargs)
        earlier = sensors.threads()
        opening_ns = time.perf_counter_ns()
        async with opened as workers:
            startup_ns = time.perf_counter_ns() - opening_ns
            bench = Bench(workers, model.WORKERS, needs.pickles, call, range(order["tasks"]), hook, initargs)
            bench.machinery = sensors.threads() - earlier
            link.send({"event": "ready", "startup_ns": startup_ns, **await bench.prove()})
            while (request := link.receive()) is not None:
                if isinstance(request, int):
                    await bench.run_trial(request)
                    link.hand_back()
                else:
                    link.send(await getattr(bench, "do_" + request.pop("op"))(**request))


@contextmanager
def _entered(reference: str | None) -> Iterator[Any]:
    if reference is None:
        yield None
    else:
        with find(reference, "setup")() as initargs:
            yield initargs


OVERLAP_NS, OVERLAP_PAIRS = 8_000_000, 3
"""Two workers run at once for so long at least: longer than the interval in which CPython hands on the GIL."""

OVERLAP_ENOUGH_NS = 60_000_000
"""After this time there is no further pair: it would be a noticeable part of the block."""

SETTLE_S = 0.001
"""Before that, who has no part in it gets out of the way: a loop that takes answers wants the GIL too."""

OVERLAP_MARGIN = 4
"""Two calls at once, one after the other in the worst case, take twice as long as one: this leaves as much again."""


class Bench:
    """The workers of one variant with the batch that they run; each `do_` method answers one kind of request."""

    def __init__(
        self,
        workers: registry.Workers,
        count: registry.WorkerMode,
        pickles: bool,
        call: Call,
        items: range,
        hook: dict[str, Any],
        initargs: Any,
    ) -> None:
        self._workers = workers
        self._run = workers.bind(call)
        self._each = workers.each
        self._far_cpu_ns = workers.far_cpu_ns
        self._of_model = count, pickles
        self._call = call
        self._items = items
        self._reset = hook.get("reset")
        self._observe = hook.get("observe")
        self._initargs = initargs
        self._stand = count != "per_task"
        self._others: set[int] = set()
        self._count = 0
        self.machinery: set[int] = set()
        """The threads of this process that came with the model."""
        self._results: list[Any] = []
        self._pickle = b""
        self._used_ns = time.perf_counter_ns()
        self._repeats = 1
        self._trials: list[dict[str, Any]] = []
        self._cpu_after: int | None = None

    async def prove(self) -> dict[str, Any]:
        """Return what the workers really are: the proof of the treatment."""
        import os

        who = await self._each(sensors.identify)
        self._count = len(who)
        self._others = {worker["pid"] for worker in who} - {os.getpid()} if self._stand else set()
        return {
            "runner_python": sys.version.split()[0],
            "executable": sys.executable,
            "gil": any(worker["gil"] for worker in who),
            "actual_loop": loops.name(),
            "gil_enabled_by": next((name for worker in who if (name := worker["gil_enabled_by"])), None),
            **self._workers.facts,
            "worker_pids": [worker["pid"] for worker in who],
            "worker_threads": [worker["thread"] for worker in who],
        }

    async def do_warm(self) -> dict[str, Any]:
        """Run batches for `WARM_NS`; the first one's results are to be checked.

        Where there are several workers, each runs the function once before. There is one batch at least. `first_ns` and
        `last_ns` are the times of the first and the last one.
        """
        if self._count > 1:
            await self._each(self._call.plain or functools.partial(self._call, 0))
        begun_ns = time.perf_counter_ns()
        first_ns = last_ns = (await self._timed(1))[1]
        checked, batches = self._results, 1
        while time.perf_counter_ns() - begun_ns < WARM_NS:
            last_ns = (await self._timed(1))[1]
            batches += 1
        self._results = checked
        gc.collect()
        self._used_ns = time.perf_counter_ns()
        return {"event": "warmed", "batches": batches, "first_ns": first_ns, "last_ns": last_ns}

    async def do_digest(self) -> dict[str, Any]:
        """Return a digest of the warm-up's results: equal digests are equal results; None if they can't be pickled."""
        import hashlib
        import pickle

        try:
            self._pickle = pickle.dumps(self._results, protocol=4)
        except Exception:
            return {"event": "digested", "digest": None}
        return {"event": "digested", "digest": hashlib.sha256(self._pickle).hexdigest()}

    async def do_save(self, path: str) -> dict[str, Any]:
        """Write the warm-up's results, digested before, to `path` for another variant to compare with."""
        with open(path, "wb") as file:
            file.write(self._pickle)
        return {"event": "saved"}

    async def do_compare(self, path: str, other: str) -> dict[str, Any]:
        """Compare the warm-up's results with those that the variant `other` saved; raises `WrongResults`."""
        import pickle

        with open(path, "rb") as file:
            theirs = pickle.load(file)
        if len(theirs) != len(self._results):
            raise WrongResults(f"{len(self._results)} results, but {len(theirs)} under {other}")
        for place, (mine, expected) in enumerate(zip(self._results, theirs)):
            try:
                same = bool(mine == expected)
            except Exception as error:
                raise WrongResults(
                    f"result {place} can't be compared with ==: {type(error).__name__}: {error}; "
                    "set `check: none`, or `check: module:function` to check results yourself"
                ) from error
            if not same:
                raise WrongResults(f"result {place} is {_short(mine)}, but {_short(expected)} under {other}")
        return {"event": "compared"}

    async def do_check(self, reference: str) -> dict[str, Any]:
        """Hand the warm-up's results to the user's check: False or an exception refuses them."""
        if find(reference, "check")(self._results) is False:
            raise WrongResults(f"{reference} refused the results")
        return {"event": "checked"}

    async def do_calibrate(self) -> dict[str, Any]:
        """Return `repeats`, the power of two that makes a trial last `SHORTEST_NS`, and how long a trial then takes."""
        self._results, self._pickle = [], b""
        repeats = 1
        while (trial_ns := (await self._timed(repeats))[1]) < SHORTEST_NS:
            repeats *= 2
        return {"event": "calibrated", "repeats": repeats, "trial_ns": trial_ns}

    async def do_arm(self, repeats: int) -> dict[str, Any]:
        """Get ready for trials of `repeats` batches: what comes next is the token."""
        self._repeats, self._trials, self._cpu_after = repeats, [], None
        self._results, self._pickle = [], b""
        return {"event": "armed"}

    async def run_trial(self, round_number: int) -> None:
        """Time `repeats` batches, and keep what they took; variants of the same round begin on the same core."""
        idle_from_ns = self._used_ns
        if time.perf_counter_ns() - idle_from_ns > IDLE_NS:
            await self._each(sensors.identify)
        core = sensors.begin_on(round_number)
        before_ns, begun_ns = self._cpu_ns(), time.perf_counter_ns()
        started_ns, wall_ns = await self._timed(self._repeats)
        after_ns = self._cpu_ns()
        trial: dict[str, Any] = {
            "started_ns": started_ns,
            "wall_ns": max(1, round(wall_ns / self._repeats)),
            "cpu_ns": round((after_ns - before_ns) / self._repeats),
            "core": core,
            "idle_ns": 0 if self._cpu_after is None else begun_ns - idle_from_ns,
            "idle_cpu_ns": 0 if self._cpu_after is None else max(0, before_ns - self._cpu_after),
        }
        if self._observe:
            trial["observed"] = _flat(self._observe(self._results, self._initargs))
        self._results = []
        self._trials.append(trial)
        self._cpu_after = self._cpu_ns() if self._observe else after_ns
        self._used_ns = time.perf_counter_ns()

    async def do_trials(self) -> dict[str, Any]:
        """Return what each trial since `arm` took: `wall_ns` and `cpu_ns` per batch, `started_ns` as `monotonic_ns`.

        `idle_ns` is for how long the runner and its workers had nothing to do before the trial, and `idle_cpu_ns` what
        they used of a core meanwhile, the handling of the token included.
        """
        return {"event": "trials", "trials": self._trials}

    async def do_overlap(self, within_ns: int) -> dict[str, Any]:
        """Time the function in one thread alone and in two at once, in turn: that tells whether they run in parallel.

        In pairs, ns: as many calls in one worker, and in each of two. No dispatch is in them. There are none where a
        pair would not be over `within_ns`.
        """
        begun_ns = time.perf_counter_ns()
        calls = 1
        while (alone_ns := await self._span_ns(calls, 1)) < OVERLAP_NS:
            calls *= 2
        alone, together = [alone_ns], []
        while time.perf_counter_ns() - begun_ns + OVERLAP_MARGIN * alone_ns < within_ns:
            together.append(await self._span_ns(calls, 2))
            if len(together) == OVERLAP_PAIRS or time.perf_counter_ns() - begun_ns > OVERLAP_ENOUGH_NS:
                break
            alone.append(await self._span_ns(calls, 1))
        self._used_ns = time.perf_counter_ns()
        return {"event": "overlapped", "calls": calls, "alone_ns": alone[: len(together)], "together_ns": together}

    async def _span_ns(self, calls: int, workers: int) -> int:
        """Return the time from the first begin to the last end of `calls` calls in each of so many workers."""
        from collections import deque

        one = self._call.plain
        assert one is not None  # the conductor asks only where calls are alike
        turns = deque(range(workers))  # pop is atomic, also without a GIL

        def work() -> tuple[int, int] | None:
            try:
                turns.pop()
            except IndexError:
                return None
            time.sleep(SETTLE_S)
            begun_ns = time.perf_counter_ns()
            for _ in range(calls):
                one()
            return begun_ns, time.perf_counter_ns()

        spans: list[tuple[int, int]] = [span for span in await self._each(work) if span]
        return max(end_ns for _, end_ns in spans) - min(begun_ns for begun_ns, _ in spans)

    async def do_account(self, repeats: int) -> dict[str, Any]:
        """Run one trial more, instrumented, and return where its time went."""
        from .account.instrumented import measure

        of_model = *self._of_model, self.machinery
        account = await measure(self._workers, self._call, self._items, repeats, self._before_batch, *of_model)
        self._used_ns = time.perf_counter_ns()
        return {"event": "accounted", **account}

    async def do_prove(self) -> dict[str, Any]:
        """Prove the treatment once more: who the workers are after the trials."""
        return {"event": "proved", **await self.prove()}

    def _cpu_ns(self) -> int:
        return sensors.cpu_ns(self._others) + self._far_cpu_ns()

    async def _timed(self, repeats: int) -> tuple[int, int]:
        run, items = self._run, self._items
        started_ns = time.monotonic_ns()
        if self._reset is None:
            begun_ns = time.perf_counter_ns()
            for _ in range(repeats):
                self._results = await run(items)
            return started_ns, time.perf_counter_ns() - begun_ns
        wall_ns = 0
        for _ in range(repeats):  # every batch starts from the same state, and resetting is not timed
            self._before_batch()
            begun_ns = time.perf_counter_ns()
            self._results = await run(items)
            wall_ns += time.perf_counter_ns() - begun_ns
        return started_ns, wall_ns

    def _before_batch(self) -> None:
        if self._reset:
            self._reset(self._initargs)


def _flat(observed: Any) -> dict[str, Any]:
    if not isinstance(observed, dict):
        raise TypeError(f"observe returned a {type(observed).__name__}, expected a flat dict")
    for key, value in observed.items():
        _check_storable(key, value)
    return observed


def _check_storable(key: str, value: Any) -> None:
    """Raise ValueError where the log can't hold an observed value: better in its own trial than at the end."""
    import json

    try:
        json.dumps(value, allow_nan=False)
    except (TypeError, ValueError) as error:
        raise ValueError(f"observe returned {key}={_short(value)}: {error}") from error
    if isinstance(value, int) and not -(2**63) <= value < 2**64:
        raise ValueError(f"observe returned {key}={_short(value)}, which takes more than 64 bits")


def _short(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
