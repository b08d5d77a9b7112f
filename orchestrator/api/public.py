"""The functions of the package: advise, compare, run and load, each also for a running event loop."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import TYPE_CHECKING, Any, Unpack

from .asking import asked, in_words_of, patience_s, runs_directory, seconds
from .options import Function, Functions, Model, Options
from .result import Result
from .threads import awaited, blocking, machine, refuse_in_worker

if TYPE_CHECKING:
    from ..engine.session import RunOutcome
    from ..engine.signals import Stop

Overrides = Mapping[str, Any] | Sequence[str]


def advise(func: Function, /, *args: Any, **kwargs: Any) -> Result:
    """Return which model runs a function with these arguments fastest, by how much and why.

    This takes 5 to 20 s, and longer where calls are slow.

    `func` is a function, or its name as in `module:function`. The standard models that can run it are compared; of a
    coroutine function, one call after the other and many in flight. A function that can't be imported (of a notebook,
    a closure, a lambda) is sent by value: its globals are copies, and changes to them don't come back. `compare` is
    the same with options.

    Raises BadInput for what can't be measured, WorkloadFailed when a call fails, and Busy while another run holds the
    machine.
    """
    return blocking(answering(func, {"args": args, "kwargs": kwargs}, is_advice=True))


async def advise_async(func: Function, /, *args: Any, **kwargs: Any) -> Result:
    """Return what `advise` returns, while the event loop runs on; cancelling it ends the run."""
    return await awaited(answering(func, {"args": args, "kwargs": kwargs}, is_advice=True))


def compare(
    func: Functions,
    *,
    args: Sequence[Any] = (),
    kwargs: Mapping[str, Any] | None = None,
    items: str | Iterable[Any] | None = None,
    item: str | None = None,
    models: Sequence[Model] | str | None = None,
    workers: int | Sequence[int] | None = None,
    tasks: int | None = None,
    arrivals: Mapping[str, Any] | None = None,
    expect: Mapping[str, Any] | Sequence[Mapping[str, Any]] | None = None,
    check: str | None = None,
    precision: str | None = None,
    max_time: str | float | None = None,
    python: str | None = None,
    name: str | None = None,
    runs: str | Path | None = None,
    wait: str | float | None = None,
) -> Result:
    """Return how models compare for a function, by how much and why.

    Args:
        func: the function, or its name as in `module:function`; or several by name, as in `{"old": old, "new": new}`,
            each of which is then a contestant in a plain loop, or under each of the `models`.
        args: the positional arguments of every call.
        kwargs: the keyword arguments of every call.
        items: gives each call another item: a list, or a source such as "glob:data/*.json" or "range:0:100".
        item: the keyword that receives the item; if absent, it is the first argument.
        models: names, or mappings with options as in a spec; "all" for all; if absent, those that suit the function.
            The ratios are to `sequential` if that is among them, else to the first.
        workers: how many workers, or several numbers to compare.
        tasks: the calls of a batch; if absent, chosen by the time of a call, and at least as many as `workers`.
        arrivals: when calls arrive, as in a spec: {"rate": 200}. There are no `tasks` then.
        expect: claims as in a spec, such as {"of": "threads", "min": 1.5}: the run goes on until they are decided.
        check: "same" if all results must be equal, or "none"; if absent, they must unless two calls differ.
        precision: go on to an interval of +- this, such as "2%".
        max_time: the longest run, such as "60s", or a number of seconds.
        python: another interpreter, for functions that can be imported.
        name: of the experiment, under which its history is kept.
        runs: the directory of runs; if absent, ORCHESTRATOR_RUNS, `runs` of pyproject.toml, or `runs`.
        wait: how long to wait for another run on this machine, such as "10m"; if absent, ORCHESTRATOR_WAIT or 0.

    Raises:
        BadInput: for what can't be measured.
        WorkloadFailed: when a call fails.
        Busy: while another run holds the machine.
    """
    options: Options = {
        "args": args,
        "kwargs": kwargs,
        "items": items,
        "item": item,
        "models": models,
        "workers": workers,
        "tasks": tasks,
        "arrivals": arrivals,
        "expect": expect,
        "check": check,
        "precision": precision,
        "max_time": max_time,
        "python": python,
        "name": name,
        "runs": runs,
        "wait": wait,
    }
    return blocking(answering(func, options))


async def compare_async(func: Functions, **options: Unpack[Options]) -> Result:
    """Return what `compare` returns, while the event loop runs on; cancelling it ends the run."""
    return await awaited(answering(func, options))


def run(
    spec: str | Path,
    overrides: Overrides = (),
    *,
    runs: str | Path | None = None,
    resume: bool = False,
    fresh: bool = False,
    max_time: str | float | None = None,
    wait: str | float | None = None,
) -> Result:
    """Return the result of a YAML spec, measured with overrides such as {"tasks": 8, "measure.max_time": "10s"}.

    As on the command line, a run that was interrupted within the last 24 hours is resumed (ORCHESTRATOR_RESUME_WITHIN
    sets another time). `resume` resumes one of any age; `fresh` begins a new run. Raises what `compare` raises, with
    the line of the spec.
    """
    return blocking(_running(spec, overrides, runs, resume=resume, fresh=fresh, max_time=max_time, wait=wait))


async def run_async(
    spec: str | Path,
    overrides: Overrides = (),
    *,
    runs: str | Path | None = None,
    resume: bool = False,
    fresh: bool = False,
    max_time: str | float | None = None,
    wait: str | float | None = None,
) -> Result:
    """Return what `run` returns, while the event loop runs on; cancelling it ends the run."""
    return await awaited(_running(spec, overrides, runs, resume=resume, fresh=fresh, max_time=max_time, wait=wait))


def load(run: str | Path) -> Result:
    """Return the result of a run that was measured before, computed from its journal.

    `run` is the directory of a run, that of an experiment (its latest run), or a journal. Raises BadInput, and
    JournalDamaged.
    """
    from ..journal.read import find
    from .outcome import recompute

    journal = find(Path(run))
    return Result(recompute(journal), journal.resolve().parent)


async def load_async(run: str | Path) -> Result:
    """Return what `load` returns, while the event loop runs on."""
    import anyio.to_thread

    return await anyio.to_thread.run_sync(load, run)


def answering(func: Functions, options: Options, *, is_advice: bool = False) -> Callable[[Stop], Result]:
    """Return what measures for an answer, given what can stop it; the function is read here and now."""
    from .advising import answer

    refuse_in_worker()
    question, answering = asked(func, options, "advise" if is_advice else "compare")
    wait_s = patience_s(options.get("wait"))

    def work(stop: Stop) -> Result:
        with in_words_of(question), machine(wait_s, stop) as set_holder:
            return _result(answer(question, answering, set_holder), is_advice=is_advice)

    return work


def _running(
    spec: str | Path,
    overrides: Overrides,
    runs: str | Path | None,
    *,
    resume: bool,
    fresh: bool,
    max_time: str | float | None,
    wait: str | float | None,
) -> Callable[[Stop], Result]:
    """Return what measures a spec, given what can stop it."""
    from ..archive.resume import WITHIN_VARIABLE, Policy, allowed_age
    from ..errors import BadInput
    from ..spec.document import dump
    from .measuring import Setting, measure
    from .plans import load_plan

    refuse_in_worker()
    if resume and fresh:
        raise BadInput("resume and fresh contradict each other", remedy="keep one of them")
    texts = (
        [f"{key}={dump(value, flow=True)}" for key, value in overrides.items()]
        if isinstance(overrides, Mapping)
        else list(overrides)
    )
    policy = Policy() if fresh else Policy(asked=resume, within_s=seconds(allowed_age(), WITHIN_VARIABLE))
    wait_s, max_time_s = patience_s(wait), seconds(max_time, "max_time=")
    directory = runs_directory(runs)

    def work(stop: Stop) -> Result:
        def hold(wait_s: float) -> AbstractContextManager[Callable[[str], None]]:
            return machine(wait_s, stop)

        plan, source = load_plan(Path(spec), texts)
        setting = Setting(directory, policy, None, wait_s, max_time_s, report=False, hold=hold)
        command = ["orchestrator", "run", str(spec), *texts]
        return _result(measure(plan, source, setting, command=command)[0])

    return work


def _result(outcome: RunOutcome, *, is_advice: bool = False) -> Result:
    return Result(outcome.results, outcome.directory.resolve(), is_advice=is_advice)
