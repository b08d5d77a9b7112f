"""A pilot of a function: its kind, the models that can run it, the time of a call, and what its results allow."""

from __future__ import annotations

import functools
import inspect
import os
import sys
import time
import types
from collections.abc import Callable, Iterator, Mapping
from contextlib import suppress
from contextvars import Context, copy_context
from typing import Any

from . import (
    arguments,
    bounds,
    imports,
    items,
    leaks,
    leftovers,
    module_state,
    promises,
    references,
    registry,
    returned_errors,
    soundness,
    workload,
)
from .call import Call
from .call_times import CallTimes, incomparable
from .error_text import named
from .results import pickled_bytes
from .workload import Unusable

IN_THREAD_S = 10.0  # calls take less than `LONG_NS`, or they are not tried in a thread

CONFIRMATIONS, CONFIRMING_S = 3, 1.0
"""So often, or for so long, another result in a thread must be found again: small random numbers differ by chance."""

NEEDS_CONTEXT = (
    "; it needs a copy of the main thread's context, which asyncio.to_thread makes and a ThreadPoolExecutor does not"
)

WANDERS = "each call changes the working directory, of which a process has only one; use absolute paths"

DIFFERS, HANGS = "in a thread it gives another result", f"in a thread it did not end within {IN_THREAD_S:g} s"


def pilot(given: dict[str, Any], measured: CallTimes, file: str, is_second: bool) -> dict[str, Any]:
    """Return the facts that some calls of the workload's `call` give; raises Unusable, and what a call raises.

    `wall_ns` is the median of a call; where calls are short and results large, of calls whose results are all held.
    `first_ns` is the time of the first one. `cpu_share` is CPU time per wall time of all calls but the first, of
    all threads and of ended child processes. `process_ns` is the time to start and end a process, None if none can
    be. `refused` has by model the reason why it is left out, `absent` those that this interpreter lacks, and
    `failed` how a call failed under it. `unpicklable` is the reason why results can't be sent between processes,
    else None. `incomparable` is the reason why results can't be checked, else None: a second call gave others, or
    `==` gives no single answer.

    `changes` has what the `import` and a `call` change for the whole process (see `changes`).

    `started` is the number of processes that a call started by multiprocessing, at most. `copied` is the argument that
    calls change, so that each gets copies, else None. `kept_by` is what later calls were probably answered from, else
    None; `is_drained` is whether their results then were others.

    `never_yields` is whether coroutines never let their event loop run something else.

    `left_open` is what each call leaves open, and `keeps` the memory that it keeps (see `leaks`), None for neither.

    `returned_errors` is in how many calls the result is an exception (see `returned_errors`), None if in none.

    `bound` is what lets only so many calls through at once (see `bounds`), None if nothing is seen.

    `module_state` has the global variables that calls change (see `module_state`).

    `growth` is how many times as long as the first calls the last ones took, None if no longer.

    With items, `items` is their number, 0 without; calls are made with `tried` of them in random order, and `wall_ns`
    is the mean. `longest_ns` is the time of the longest call but the first, and `longest_item` its item.

    The first pilot leaves a result in `file`; the second one, in another process, only compares its own with that.
    """
    is_async = inspect.iscoroutinefunction(workload.find(given["call"], "call"))
    model = "event_loop" if is_async else "sequential"
    workload.probe(model, {}, given)
    with workload.entered(given.get("setup")) as instance:
        call = workload.bound(workload.call_for(registry.load(model), given), given["call"], "call", instance)
        try:
            return _piloted(given, call, instance, measured, file, is_second)
        except Unusable:
            raise
        except BaseException as error:
            if problem := imports.reads_input(given["call"]):  # it has probably failed for the empty text
                raise Unusable("call", *problem) from error
            raise


def _piloted(
    given: dict[str, Any], call: Call, instance: Any, measured: CallTimes, file: str, is_second: bool
) -> dict[str, Any]:
    function = call.function
    is_async = inspect.iscoroutinefunction(function)
    measured.items = _sample(given["items"]) if given.get("items") else []
    measured.has_source = soundness.source(function) is not None
    measured.empty_queue = soundness.queue_watch(function)
    checked = _Checked(given["call"], call, measured)
    measured.begin()  # the clocks import modules when they are first read
    if is_async:
        import anyio

        anyio.run(_await_some, measured, checked, is_second)
    else:
        while measured.wants_more(is_second):
            args, kwargs = checked.begin(measured.item)
            measured.begin()
            result = function(*args, **kwargs)
            measured.end(result)
            checked.end(result)
        del result
        with suppress(Exception):  # a source may end
            for number in checked.further(is_second):
                arguments.call_once(call, measured.further_item(number))
    if is_second:
        return {"event": "piloted", "incomparable": incomparable(_left(file), measured.comparable, "two processes")}
    if kept_by := soundness.kept_by(function, len(measured.items)):
        found = workload.function_of(given["call"], "call")
        raise Unusable("call", *soundness.kept(given["call"], found, kept_by, checked.names, len(measured.items)))
    figures = measured.figures()
    checked.check_work(figures)
    considered = registry.FOR_COROUTINES if is_async else registry.STANDARD
    refused = {name: _refusal(name, given, instance) for name in considered}
    failed = {}
    if not (is_async or measured.is_long):
        failed = {} if refused["event_loop"] else {"event_loop": _failure_in_loop(call, measured.item)}
        expected = None if figures["incomparable"] else [measured.comparable]
        failed |= _failures_in_threads(call, measured.items[0] if measured.items else 0, expected)
    if imports.wanders():
        failed |= dict.fromkeys(("threads", "thread_per_task", "interpreters"), WANDERS)
    return {
        "event": "piloted",
        "is_async": is_async,
        "started": checked.started,
        "changes": {"import": imports.changed(importing=True), "call": imports.changed(importing=False)},
        "copied": checked.changed,
        "never_yields": is_async and not checked.has_yielded,
        **_kept(function, figures, checked.imported),
        "refused": {name: why for name, why in refused.items() if why},
        "absent": [name for name in considered if registry.unavailable(name, {})],
        "failed": {name: why for name, why in failed.items() if why},
        "process_ns": None if refused["process_per_task"] else _process_ns(function),
        "unpicklable": _unpicklable(measured.comparable, file),
        "left_open": checked.leaks.left_open,
        "keeps": checked.leaks.keeps,
        "bound": bounds.smallest(function),
        "returned_errors": checked.returned_errors.found(),
        "module_state": checked.module_state.changed(),
        **figures,
        "calling_ns": figures["calling_ns"] + checked.leaks.spent_ns,
    }


async def _await_some(measured: CallTimes, checked: _Checked, is_second: bool) -> None:
    import asyncio

    loop = asyncio.get_running_loop()
    while measured.wants_more(is_second):
        args, kwargs = checked.begin(measured.item)
        turn = loop.call_soon(checked.note_turn)
        measured.begin()
        result = await checked.function(*args, **kwargs)
        measured.end(result)
        turn.cancel()
        checked.end(result)
    del result
    with suppress(Exception):
        for number in checked.further(is_second):
            args, kwargs = checked.copies(measured.further_item(number))
            await checked.function(*args, **kwargs)


class _Checked:
    """Gives each pilot call its arguments, copies once a call has changed them, and checks what the call did."""

    def __init__(self, name: str, call: Call, measured: CallTimes) -> None:
        self.function = call.function
        self.names = arguments.names(call)
        self.changed: str | None = None
        """The argument that calls change."""
        self.imported = False
        """Whether the first call imported modules."""
        self.started = 0
        """The processes of the call that started most."""
        self.has_yielded = False
        """Whether any call has let the event loop run something else."""
        self.leaks = leaks.Leaks(name, measured.results_held)
        self.returned_errors = returned_errors.ReturnedErrors(name)
        self.module_state = module_state.ModuleState(call.function)
        self._measured = measured
        self._name, self._call, self._has_items = name, call, bool(measured.items)
        self._is_async = inspect.iscoroutinefunction(call.function)
        self._leftovers = leftovers.Leftovers(name, self._is_async)
        self._calls, self._pid = 0, os.getpid()
        leftovers.watch_threads()

    def begin(self, item: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return the arguments of the next call; without items, only the first one is watched."""
        self._is_watched = self.changed is None and (self._has_items or not self._calls)
        is_shared = self.changed is None and not self._is_watched
        self._given = None if is_shared else arguments.Given(self._call, item, self._is_watched)
        self._modules, self._begun = len(sys.modules), soundness.started()
        self._leftovers.begin()
        return (self._given.args, self._given.kwargs) if self._given else self._call.arguments(item)

    def further(self, is_second: bool) -> Iterator[int]:
        """Yield the number of each further call to make, which show what calls keep."""
        is_enough = is_second or self._measured.has_source
        return iter(()) if is_enough else self.leaks.further(self._measured.shortest_ns)

    def copies(self, item: Any) -> tuple[tuple[Any, ...], dict[str, Any]]:
        """Return arguments of a call that are its own."""
        given = arguments.Given(self._call, item, watches=False)
        return given.args, given.kwargs

    def note_turn(self) -> None:
        """Note that the event loop has got control during a call."""
        self.has_yielded = True

    def end(self, result: Any) -> None:
        """Check the result and the arguments when the call has returned; raises Unusable."""
        if os.getpid() != self._pid:  # this answer comes before that of the process that was asked
            what = f"{self._name} forks, and the child process returns from it, too"
            raise Unusable("call", "returns_twice", what, "end the child in the function: os._exit(0)")
        self.imported = self.imported or (not self._calls and len(sys.modules) > self._modules)
        self.started = max(self.started, soundness.started() - self._begun)
        self._calls += 1
        problem = imports.reads_input(self._name) or leftovers.vanished(self._name)
        problem = problem or promises.promise(self._name, result, self.names, self._is_async)
        if problem := problem or self._leftovers.end():
            raise Unusable("call", *problem)
        if self._given and self._is_watched:
            self.changed = self._given.changed()
        self.returned_errors.note(result)
        self.module_state.note()
        self.leaks.note()
        self._measured.is_over = self.leaks.is_short

    def check_work(self, figures: Mapping[str, Any]) -> None:
        """Raise Unusable where the calls have failed or done no work, or leave so much open that others must fail.

        They have done none where their file has ended, or where their result computes later. `figures` are theirs.
        """
        if problem := self.returned_errors.problem() or self.leaks.problem():
            raise Unusable("call", *problem)
        if figures["incomparable"] and (file := soundness.read_out(self.function)):
            raise Unusable("call", *soundness.read_to_end(self._name, file))
        if problem := promises.deferred(self._name, self._measured.last, figures["wall_ns"], self.names):
            raise Unusable("call", *problem)


def _kept(function: Any, figures: Mapping[str, Any], imported: bool) -> dict[str, Any]:
    """Return what later calls were probably answered from, and whether their results were others than the first."""
    is_kept = not figures["items"] and soundness.is_kept(figures["first_ns"], figures["wall_ns"])
    by = soundness.kept_below(function, 0) or (None if imported else "a cache") if is_kept else None
    return {"kept_by": by, "is_drained": by is not None and figures["incomparable"] is not None}


def _sample(source: Any) -> list[Any]:
    """Return all items of a source in a random order that is always the same."""
    import random

    found = items.read_all(source)
    random.Random(0).shuffle(found)
    return found


def _failures_in_threads(call: Call, item: Any, expected: list[Any] | None) -> dict[str, str | None]:
    """Return by model why a plain function fails in threads, or gives another result than `expected` there.

    `threads` calls it in a copy of the main thread's context (PEP 567), as `asyncio.to_thread` does. `thread_per_task`
    does not, nor does a ThreadPoolExecutor.
    """
    bare = _failure_in_thread(call, item, expected, None)
    if bare == HANGS:
        return {"threads": bare, "thread_per_task": bare}
    copied = _failure_in_thread(call, item, expected, copy_context()) if bare else None
    if bare and not copied:
        bare += NEEDS_CONTEXT
    return {"threads": copied, "thread_per_task": bare}


def _failure_in_thread(call: Call, item: Any, expected: list[Any] | None, context: Context | None) -> str | None:
    """Return why a plain function fails in a thread, or that its result there is not the `expected` one; else None.

    `expected` holds the result, and is None where results can't be compared. The call is made in `context`, None for
    that of the thread.
    """
    why = _outcome_in_thread(call, item, expected, context)
    until = time.monotonic() + CONFIRMING_S
    for number in range(CONFIRMATIONS if expected and why == DIFFERS else 0):
        if expected and incomparable(expected[0], arguments.call_once(call, item), "two calls"):
            return None  # by now it does so in the main thread, too, such as one that returns the time
        if number and time.monotonic() > until:
            break
        if (again := _outcome_in_thread(call, item, expected, context)) != DIFFERS:
            return again  # None: it differs now and then, by chance
    return why


def _outcome_in_thread(call: Call, item: Any, expected: list[Any] | None, context: Context | None) -> str | None:
    """Return why a single call in a thread fails or differs; None if it does neither."""
    import threading

    failed: list[str] = []

    def inside() -> None:
        try:
            made = functools.partial(arguments.call_once, call, item)
            result = made() if context is None else context.run(made)
            if expected and incomparable(expected[0], result, "a thread and the main thread"):
                failed.append(DIFFERS)
        except BaseException as error:
            text = imports.placed(error)
            sets_handler = "signal only works in main thread" in text
            failed.append(f"it sets a signal handler ({text})" if sets_handler else f"in a thread it fails ({text})")

    thread = threading.Thread(target=inside, daemon=True)
    thread.start()
    thread.join(IN_THREAD_S)
    return HANGS if thread.is_alive() else next(iter(failed), None)


def _failure_in_loop(call: Call, item: Any) -> str | None:
    """Return why a plain function fails inside an event loop (as one that starts its own loop does), else None."""
    import anyio

    async def inside() -> None:
        arguments.call_once(call, item)

    try:
        anyio.run(inside)
    except (Exception, SystemExit) as error:
        if soundness.ended(error):
            raise
        return f"in a running event loop it fails ({imports.placed(error)})"
    return None


def _process_ns(function: Callable[..., Any]) -> int:
    """Return the time to start and end a process that has imported the function, after a first one."""
    from multiprocessing import get_context

    context: Any = get_context()
    for _ in range(2):
        begun_ns = time.perf_counter_ns()
        process = context.Process(target=callable, args=(function,))
        process.start()
        process.join()
    return time.perf_counter_ns() - begun_ns


def _left(file: str) -> Any:
    import pickle

    with open(file, "rb") as left:
        return pickle.load(left)


def _refusal(model: str, given: dict[str, Any], instance: Any) -> str | None:
    try:
        workload.probe(model, {}, given, instance)
    except Unusable as error:
        what, remedy = error.problem.what, error.problem.remedy
        if error.problem.code == "not_picklable":
            return f"{what}; {remedy}"
        return f"{what} ({remedy})" if error.field == "model" else what
    return None


def _unpicklable(result: Any, file: str) -> str | None:
    """Return why a result can't be pickled or unpickled, else None after leaving it in `file`."""
    import pickle

    step = "pickled"
    try:
        data = pickle.dumps(result)
        step = "unpickled"
        pickle.loads(data)
    except Exception as error:
        return f"can't be {step} ({named(error)}){_part(result) if step == 'pickled' else ''}"
    with open(file, "wb") as out:
        out.write(data)
    return None


def _part(value: Any, depth: int = 5) -> str:
    """Return which attribute in a value can't be pickled, and what to put there; "" where none is found."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, (list, tuple, set, frozenset)):
        held = next((each for each in value if pickled_bytes(each) is None), None)
        return _part(held, depth - 1) if held is not None and depth else ""
    for name, held in references.attributes(value).items():
        if pickled_bytes(held) is not None:
            continue
        inner = _part(held, depth - 1) if depth else ""
        is_local = isinstance(held, types.FunctionType)
        what = "a local function" if is_local else f"a {type(held).__name__}"
        remedy = "a function at the level of its module" if is_local else "what can be pickled"
        return inner or f": the attribute {name} of {type(value).__qualname__} is {what}; put {remedy} there"
    return ""
