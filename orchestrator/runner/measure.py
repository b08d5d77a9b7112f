"""Timing the trials of one variant on request: batches, or windows of arrivals."""

from __future__ import annotations

import functools
import gc
import math
import sys
import time
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from . import loops, registry, results, soundness
from .account import sensors
from .call import Call
from .registry import WrongResults
from .workload import find

if TYPE_CHECKING:
    from .arguments import Copies
    from .windows import Windows

SHORTEST_NS = 3_000_000
"""A trial repeats its batch to last this long: a shorter one measures the clock and the wake-up (docs/method.md)."""

WARM_NS = 20_000_000  # the least time of a warm-up: interpreters specialise, caches fill, lazy imports happen

LONG_NS = 200_000_000
"""A batch that probably takes this long is not part of a warm-up: calls alone are."""

SURELY_LONG = 10
"""A batch need not be timed where the warm-up's last took so many times as long as a trial must: for calls alone, the
dispatch to all workers at once is in that time too."""

CHECKED_CALLS = 4  # where calls arrive at a rate, so many are made for the check of results

UNSEEN = "a cache, or a source at its end"
"""What answered later calls, where it is not seen."""

LONG_FIRST_NS = 300_000_000
"""A first call of this length is not followed by another one before the trials, unless it imported modules."""

IDLE_NS = 5_000_000_000  # workers idle for this long first run something untimed: anyio ends threads idle for 10 s


class Bench:
    """The workers of one variant and their batch; each `do_` method answers one kind of request."""

    def __init__(
        self,
        opened: registry.Opened,
        call: Call,
        name: str,
        batch: Sequence[Any],
        hook: dict[str, Any],
        initargs: Any,
    ) -> None:
        self._opened = opened
        self._workers = opened.workers
        self._run = self._workers.bind(call)
        self._given = batch, call
        self._copies: Copies | None = None
        self._first_ns: int | None = None
        self._imported = False
        self._each = self._workers.each
        self._far_cpu_ns = self._workers.far_cpu_ns
        self._call, self._name = call, name
        self._items = batch
        self._reset = hook.get("reset")
        self._observe = hook.get("observe")
        self._initargs = initargs
        self._others: set[int] = set()
        self._count = 0
        self.windows: Windows | None = None
        """What trials are made of where calls arrive at a rate."""
        self._results: list[Any] = []
        self._used_ns = time.perf_counter_ns()
        self._warmed_ns = 0
        self._call_ns = 0.0
        self._untimed_cpu_ns = 0
        """CPU time of resets and copies during a trial, which does not count."""
        self._keeps = False
        self._repeats = 1
        self._trials: list[dict[str, Any]] = []
        self._cpu_after = 0

    async def prove(self) -> dict[str, Any]:
        """Return the identity of the workers: the proof of the treatment."""
        import os

        found = await self._each(sensors.identify)
        self._count = len(found)
        self._others = {worker["pid"] for worker in found} - {os.getpid()} if not self._opened.per_task else set()
        return {
            "runner_python": sys.version.split()[0],
            "executable": sys.executable,
            "gil": any(worker["gil"] for worker in found),
            "actual_loop": loops.name(),
            "gil_enabled_by": next((name for worker in found if (name := worker["gil_enabled_by"])), None),
            **self._workers.facts,
            "worker_pids": [worker["pid"] for worker in found],
            "worker_threads": [worker["thread"] for worker in found],
        }

    def serve_arrivals(self, about: dict[str, Any]) -> None:
        """Let trials be windows in which calls arrive at a rate, as the order of the block says."""
        from .windows import Windows  # not at the top: batches need none of it

        assert self._workers.submit
        self.windows = Windows(self._workers.submit, about)

    def copy_arguments(self) -> None:
        """Make copies of the arguments for each call of a batch, before its time."""
        from .arguments import Copies

        items, call = self._given
        self._copies = Copies(call, items)
        self._items, self._call = self._copies.items, self._copies.call
        self._run = self._workers.bind(self._call)

    async def do_warm(self, watches: bool = False) -> dict[str, Any]:
        """Let every worker run the function once, then run batches, or calls where batches are long, for `WARM_NS`.

        Where calls arrive at a rate, a short window follows, and no batch is run.

        `calls_ns` is the time until every worker had run it; `first_ns` and `last_ns` are the times of the first and
        the last batch, None where there was none. If it `watches` the first calls, it raises Unsound where times would
        say nothing, and returns `started`, the processes that each call starts, and `copied`, an argument that calls
        change: from then on, each gets copies.
        """
        items, call = self._given
        first = soundness.first_call(call, items[0], self._name) if watches else None
        begun_ns = time.perf_counter_ns()
        self._before_batch()
        found = self._watched(await self._each(first)) if first else {}
        if not watches:
            await self._each(self._single)
        calls_ns = time.perf_counter_ns() - begun_ns
        is_long = bool(self.windows) or calls_ns * self._calls_each > LONG_NS
        walls_ns: list[int] = []
        while time.perf_counter_ns() - begun_ns < WARM_NS:
            if is_long:
                await self._call_everywhere()
            else:
                walls_ns.append((await self._timed(1))[1])
        self._warmed_ns = walls_ns[-1] if walls_ns else calls_ns
        if watches and not walls_ns and (calls_ns < LONG_FIRST_NS or self._imported):
            called_ns = time.perf_counter_ns()
            await self._call_everywhere()  # a first call that imported, or kept its answer, says nothing of a batch
            self._warmed_ns = min(self._warmed_ns, time.perf_counter_ns() - called_ns)
        if self.windows:
            await self.windows.warm(self._call, self._items, self._warmed_ns if watches else 0)
        gc.collect()
        self._used_ns = time.perf_counter_ns()
        first_ns, last_ns = (walls_ns[0], walls_ns[-1]) if walls_ns else (None, None)
        times = {"calls_ns": calls_ns, "first_ns": first_ns, "last_ns": last_ns}
        return {"event": "warmed", "batches": len(walls_ns), **times, **found}

    def _watched(self, firsts: Sequence[dict[str, Any]]) -> dict[str, Any]:
        """Note what the first calls showed, and return `started` and `copied` for the answer of `do_warm`."""
        self._imported = any(first["imported"] for first in firsts)
        self._first_ns = None if self._imported else min(first["wall_ns"] for first in firsts)
        is_alone = len(firsts) == 1 or bool(self._others)  # threads would count each other's processes
        changed = next((first["changed"] for first in firsts if first["changed"]), None)
        if changed and self.windows:
            soundness.refuse_change(self._name, changed)
        if changed and not self._copies:
            self.copy_arguments()
            assert self._copies
            self._copies.check_room(self._name, changed)
        started = min(first["started"] for first in firsts) if is_alone else 0
        return {"started": started, "copied": changed}

    @property
    def _single(self) -> Callable[[], Any]:
        """The call of the first item, to be made in every worker."""
        if self._copies:
            return self._copies.plain
        return self._call.plain or functools.partial(self._call, self._items[0])

    async def _call_everywhere(self) -> None:
        self._before_batch()
        await self._each(self._single)

    async def do_kept(self) -> dict[str, Any]:
        """Return `kept_by`: what probably answered all calls but the first ones, None if they were computed.

        One more call is made in every worker where trials were short, compared with the first call.
        """
        items, call = self._given
        is_short = self._first_ns is not None and soundness.may_be_kept(self._first_ns, self._call_ns)
        if not (is_short or soundness.has_cache(call.function)) or self._opened.per_task:
            return {"event": "looked", "kept_by": None}
        alike = 0 if call.item is None else len(items)
        self._before_batch()
        later = await self._each(soundness.later_call(call, items[0], alike))
        by = next((each["kept_by"] for each in later if each["kept_by"]), None)
        if not by and self._first_ns and soundness.is_kept(self._first_ns, min(each["wall_ns"] for each in later)):
            by = next((each["kept_below"] for each in later if each["kept_below"]), UNSEEN)
        self._used_ns = time.perf_counter_ns()
        return {"event": "looked", "kept_by": by}

    @property
    def _calls_each(self) -> int:
        """The calls that each worker makes in a batch."""
        return math.ceil(len(self._items) / max(1, self._count))

    async def do_digest(self) -> dict[str, Any]:
        """Return a digest of the results of the last trial; None if they can't be pickled, or if calls `failed`."""
        failed = not await self._make_results()
        return {"event": "digested", "digest": None if failed else results.digest(self._results), "failed": failed}

    async def _make_results(self) -> bool:
        """Make a few calls for the check where calls arrive at a rate: a window keeps no results.

        Return whether there are results. There are none if these calls raise, as calls of the windows did.
        """
        if self.windows:
            self._before_batch()
            try:
                self._results = await self._run(self._items[:CHECKED_CALLS])
            except Exception:
                if not self.windows.failed:
                    raise
                return False
        return True

    async def do_save(self, path: str) -> dict[str, Any]:
        """Write the results, digested before, to `path` for another variant to compare with."""
        results.save(self._results, path)
        return {"event": "saved"}

    async def do_compare(self, path: str, other: str) -> dict[str, Any]:
        """Compare the results with those that the variant `other` saved; raises `WrongResults`."""
        results.compare(self._results, path, other)
        return {"event": "compared"}

    async def do_check(self, reference: str) -> dict[str, Any]:
        """Pass the results of the last trial to the user's check, unless calls `failed`.

        Raises `WrongResults` when it returns False.
        """
        failed = not await self._make_results()
        if not failed and find(reference, "check")(self._results) is False:
            raise WrongResults(f"{reference} refused the results")
        return {"event": "checked", "failed": failed}

    async def do_try(self, calls: int, batches: int = 1) -> dict[str, Any]:
        """Make the first `calls` calls of some batches; return which results are repeated, and a digest of the last.

        The digest is None where the results can't be pickled. `repeated` is that of `results.Repeats`.
        """
        repeats = results.Repeats()
        for _ in range(batches):
            self._before_batch()
            self._results = await self._run(self._items[:calls])
            repeats.add(self._results)
        self._used_ns = time.perf_counter_ns()
        return {"event": "tried", "digest": results.digest(self._results), "repeated": repeats.found()}

    async def do_calibrate(self) -> dict[str, Any]:
        """Return the power of two of `repeats` that makes a trial last `SHORTEST_NS`."""
        repeats = 1
        if self._warmed_ns < SURELY_LONG * SHORTEST_NS:
            while (await self._timed(repeats))[1] < SHORTEST_NS:
                repeats *= 2
        return {"event": "calibrated", "repeats": repeats}

    async def do_arm(self, repeats: int, keeps: bool = False) -> dict[str, Any]:
        """Prepare for trials of `repeats` batches, `keeps` as in `do_keep`: the next line is the token."""
        self._results = []
        self._repeats, self._trials, self._keeps = repeats, [], keeps
        self._cpu_after, self._used_ns = self._cpu_ns(), time.perf_counter_ns()
        return {"event": "armed"}

    async def do_keep(self, results: bool) -> dict[str, Any]:
        """Keep the results of each further trial for the check, or none: they may be large."""
        self._keeps = results
        if not results:
            self._free_results()
        return {"event": "kept"}

    def _free_results(self) -> None:
        """Free the results; the time for large ones is not what a runner does while it waits for the token."""
        if not self._results:
            return
        before_ns = self._cpu_ns()
        self._results = []
        self._cpu_after += self._cpu_ns() - before_ns

    async def run_trial(self, round_number: int) -> None:
        """Time `repeats` batches, or a window, and keep the times; variants of a round begin on the same core."""
        self._free_results()
        idle_from_ns = self._used_ns
        if time.perf_counter_ns() - idle_from_ns > IDLE_NS and not (self.windows and self.windows.left_running):
            await self._each(sensors.identify)
        core = sensors.begin_on(round_number)
        self._untimed_cpu_ns = 0
        before_ns, begun_ns = self._cpu_ns(), time.perf_counter_ns()
        timed = await (self._window(self.windows, round_number) if self.windows else self._batches())
        after_ns = self._cpu_ns() - self._untimed_cpu_ns
        trial: dict[str, Any] = {
            **timed,
            "cpu_ns": round((after_ns - before_ns) / self._repeats),
            "core": core,
            "idle_ns": begun_ns - idle_from_ns,
            "idle_cpu_ns": max(0, before_ns - self._cpu_after),
        }
        if self._observe:
            trial["observed"] = results.observe(self._observe, self._results, self._initargs)
        if not self._keeps:
            self._results = []
        if self._copies:
            self._copies.clear()
        self._trials.append(trial)
        self._cpu_after, self._used_ns = self._cpu_ns(), time.perf_counter_ns()

    async def _batches(self) -> dict[str, Any]:
        started_ns, wall_ns = await self._timed(self._repeats)
        self._call_ns = wall_ns / self._repeats / self._calls_each
        return {"started_ns": started_ns, "wall_ns": max(1, round(wall_ns / self._repeats))}

    async def _window(self, windows: Windows, round_number: int) -> dict[str, Any]:
        untimed_ns = time.process_time_ns()
        self._before_batch()
        self._untimed_cpu_ns = time.process_time_ns() - untimed_ns
        window = await windows.run(self._call, self._items, round_number)
        self._call_ns = (window["latency_total_ns"] - window["queue_total_ns"]) / max(1, window["ended"])
        return window

    async def do_trials(self) -> dict[str, Any]:
        """Return each trial since `arm`: `wall_ns` and `cpu_ns` per batch, `started_ns` as `monotonic_ns`.

        `idle_ns` is how long the runner and its workers were idle before the trial, and `idle_cpu_ns` the CPU time they
        used meanwhile, the handling of the token included.
        """
        return {"event": "trials", "trials": self._trials}

    async def do_overlap(self, within_ns: int) -> dict[str, Any]:
        """Time the function in one thread alone and in two at once, which shows whether they run in parallel."""
        from .overlap import overlap

        prepare = self._copies.plain.prepared if self._copies else self._alike
        measured = await overlap(self._each, prepare, within_ns)
        self._used_ns = time.perf_counter_ns()
        return {"event": "overlapped", **measured}

    def _alike(self, calls: int) -> list[Callable[[], Any]]:
        assert self._call.plain is not None  # the conductor asks only where calls are alike
        return [self._call.plain] * calls

    async def do_account(self, repeats: int, calls: int | None = None, is_far_behind: bool = False) -> dict[str, Any]:
        """Run one more trial, instrumented, and return where its time went; a batch has `calls` calls at most.

        Contention is not looked for where the variant `is_far_behind`: that takes up to two batches more.
        """
        from .account.instrumented import measure

        self._free_results()  # the memory that the batch takes is that of its own results
        given, call = self._given
        named = None if call.item is None else given
        of_batch = self._items[:calls], named, repeats, self._before_batch
        account = await measure(self._opened, self._call, *of_batch, is_far_behind=is_far_behind)
        self._used_ns = time.perf_counter_ns()
        return {"event": "accounted", **account}

    async def do_account_window(self, number: int) -> dict[str, Any]:
        """Run one more window, instrumented, and return `account`: where the time of its calls went."""
        from .account import of_window

        assert self.windows
        self._before_batch()
        arriving = self.windows.accounted(number)
        account = await of_window.measure(self._opened, self._call, self._items, *arriving)
        return {"event": "accounted", "account": account}

    async def do_prove(self) -> dict[str, Any]:
        """Return the identity of the workers after the trials."""
        return {"event": "proved", **await self.prove()}

    def _cpu_ns(self) -> int:
        return sensors.cpu_ns(self._others) + self._far_cpu_ns()

    async def _timed(self, repeats: int) -> tuple[int, int]:
        run, items = self._run, self._items
        started_ns = time.monotonic_ns()
        if self._reset is None and self._copies is None:
            begun_ns = time.perf_counter_ns()
            for _ in range(repeats):
                self._results = await run(items)
            return started_ns, time.perf_counter_ns() - begun_ns
        wall_ns = 0
        for _ in range(repeats):  # every batch starts from the same state, and neither resetting nor copying is timed
            untimed_ns = time.process_time_ns()
            self._before_batch()
            self._untimed_cpu_ns += time.process_time_ns() - untimed_ns
            begun_ns = time.perf_counter_ns()
            self._results = await run(items)
            wall_ns += time.perf_counter_ns() - begun_ns
        return started_ns, wall_ns

    def _before_batch(self) -> None:
        if self._reset:
            self._reset(self._initargs)
        if self._copies:
            self._copies.renew()
