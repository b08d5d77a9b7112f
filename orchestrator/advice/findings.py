"""What the pilot calls of `advise` have shown of a function, a sentence each. Pure."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping

from .. import units
from ..analysis.accounts import BUSY_CALL, MULTI_CORE_CALL, PARALLEL, SHORT_CALL_NS
from ..runner import registry
from ..runner.first_calls import NEEDS_CONTEXT
from ..runner.last_words import CLOSE
from ..runner.returned_errors import RAISE
from ..text import printable
from .design import FIRST_CALL, Design, model_of
from .facts import Facts
from .known_failures import hinted
from .question import Question

IDS = re.compile(r"\b(0x[0-9a-fA-F]+|\d{5,})\b")
"""Numbers that are others at each call: of threads, processes, and addresses."""

OWN_LOOPS = ("cannot be called from a running event loop", "while another loop is running", "Already running")
"""What asyncio's ways to run a loop, and anyio's, say of a call inside an event loop."""

MAY_HELP = set(registry.FOR_COROUTINES) - set(registry.STANDARD)

NARROW = 100  # a semaphore that lets more through bounds hardly anything

MOST_NAMED = 3  # global variables that calls change

UNEQUAL = 5
"""How many times as long as the mean the longest call takes where it is named."""


def findings(question: Question, facts: Facts, designed: Design) -> list[str]:
    """Return what the pilot calls have shown, the gravest first, and what the experiment leaves out.

    What was seen at the other end of a range alone is said with that end.
    """
    found = []
    for finder in FINDERS:
        here = list(finder(facts, designed))
        if not here and question.over and designed.other_end:
            level, there = designed.other_end
            here = [
                f"At {question.over.name}={units.number(level)}: {sentence}" for sentence in finder(there, designed)
            ]
        found += here
    found += [*_of_the_question(question, facts), *_of_the_items(question, facts, designed)]
    found += [*_of_the_models(question, facts, designed), *_of_the_results(facts)]
    return [printable(" ".join(sentence.split())) for sentence in found]


def _returned_errors(facts: Facts, _: Design) -> Iterator[str]:
    """Yield in how many calls the result is an exception, or holds one."""
    if found := facts.returned_errors:
        is_each = found["calls"] == found["all"]
        calls = "Each call" if is_each else f"{found['calls']} of {found['all']} calls"
        figures = "the figures are those" if is_each else "the figures are partly those"
        text = f"{calls} returned {found['what']} ({found['error']})"
        yield f"{text}: where that is a failure, {figures} of the failure; {RAISE}."


def _cached(facts: Facts, _: Design) -> Iterator[str]:
    """Yield that calls were answered from what the first one kept."""
    if facts.kept_by:
        took = f"The first call took {units.duration(facts.first_ns)} and later ones {units.duration(facts.wall_ns)}"
        if facts.is_drained:
            yield f"{took}, with other results: it may have read a source to its end; open that in the function."
        else:
            yield (
                f"{took}: they were answered from what it kept ({facts.kept_by}), so the figures are those of "
                "look-ups; give each call another argument by `items`."
            )


def _growing(facts: Facts, _: Design) -> Iterator[str]:
    """Yield that calls take longer and longer."""
    if facts.growth:
        yield (
            f"Calls take longer and longer, the last ones {facts.growth:.1f} times as long as the first: they keep "
            "something that grows, so no ratio holds for long; create it anew in each call."
        )


def _module_state(facts: Facts, designed: Design) -> Iterator[str]:
    """Yield which global variables calls change, where workers with copies of their own are compared."""
    models = dict.fromkeys(map(model_of, designed.entries))
    copying = [name for name in models if registry.load(name).needs({}).pickles]
    if facts.module_state and copying:
        named = [f"`{each['name']}` ({each['at']})" for each in facts.module_state[:MOST_NAMED]]
        more = len(facts.module_state) - len(named)
        globals_ = units.listed([*named, *([f"{more} more"] if more else [])])
        yield (
            f"Calls change the global{'s' * (len(facts.module_state) > 1)} {globals_}: in {units.listed(copying)} each "
            "worker has a copy of its own, so what calls keep there (a limit, a count, results) is neither shared nor "
            "returned."
        )


def _kept_by_calls(facts: Facts, _: Design) -> Iterator[str]:
    """Yield what each call leaves open, and the memory that it keeps."""
    if left := facts.left_open:
        at = f" ({left['at']})" if left["at"] else ""
        yield (
            f"Each call leaves {left['what']} open{at}, and after about {left['calls']:,} calls its process can open "
            f"no more; {CLOSE}."
        )
    if kept := facts.keeps:
        at = f" (allocated at {kept['at']})" if kept["at"] else ""
        another = " with another item" if facts.items else ""
        yield (
            f"It keeps {units.size(kept['bytes'])} a call{another}{at}: a list, a dict or a cache grows without a "
            "bound, and so does each worker's memory; empty it, or give it a bound."
        )


def _in_a_context(facts: Facts, designed: Design) -> Iterator[str]:
    """Yield that not all threads give the result that those which are compared do."""
    if NEEDS_CONTEXT in facts.failed.get("thread_per_task", "") and "threads" not in designed.unable:
        yield (
            "Threads can run it only in a copy of the main thread's context, as they do here: call it by "
            "`asyncio.to_thread`, or submit `contextvars.copy_context().run` with it to a ThreadPoolExecutor."
        )


def _taking_turns(facts: Facts, _: Design) -> Iterator[str]:
    """Yield that coroutines in one event loop can't overlap."""
    if facts.never_yields and facts.wall_ns > SHORT_CALL_NS:
        computes = facts.busy >= BUSY_CALL
        how, other = ("computes", "") if computes else ("waits in a blocking call", ", or await what it waits for")
        yield (
            f"It {how} and never lets its event loop run anything else, so calls in flight can't overlap; make it a "
            f"plain function to compare threads and processes{other}."
        )
    elif facts.takes_turns:
        yield "It computes, so calls in flight in one event loop take turns on one core."
    elif facts.fills_a_loop:
        share, most = units.percent(facts.busy), f"{1 / facts.busy:.1f}"
        completes = f"one event loop completes at most {most} times as many calls as a plain loop"
        yield f"It computes for {share} of its time, so {completes}."


def _parallel(facts: Facts, _: Design) -> Iterator[str]:
    """Yield that a call uses several cores."""
    if facts.is_parallel:
        does = ["starts processes of its own"] if facts.started > 1 else []
        does += [f"keeps {facts.cpu_share:.1f} cores busy"] if facts.cpu_share > MULTI_CORE_CALL else []
        once = "; start the processes once, outside of the function" if facts.started > 1 else ""
        yield f"{PARALLEL}: a call {' and '.join(does)}, so calls at once compete for the cores{once}."


def _changed(facts: Facts, _: Design) -> Iterator[str]:
    """Yield which argument a call changes."""
    if facts.copied:
        yield f"It changes its argument {facts.copied}, so each call gets fresh copies, made before the timing."


def _of_the_process(facts: Facts, _: Design) -> Iterator[str]:
    """Yield what the function does to the process that runs it, which other code there has to bear."""
    if by_import := facts.changes.get("import"):
        guard = 'put it under `if __name__ == "__main__":`'
        yield f"Importing it {units.listed(by_import)}, also in every worker process: {guard}, unless that is intended."
    if by_call := facts.changes.get("call"):
        yield f"A call {units.listed(by_call)}, for all threads of its process: they may get in each other's way."


def _of_the_bound(facts: Facts, designed: Design) -> Iterator[str]:
    """Yield what lets only so many calls through at once: a semaphore, or an executor narrower than the workers."""
    if not (bound := facts.bound):
        return
    name, most, kind = bound["name"], bound["most"], bound["kind"]
    if kind == "semaphore":
        if most <= NARROW:
            through = f"lets {units.count(most, 'call')} of a process through at once"
            yield f"Calls take {name}, which {through}: more of them only wait."
    elif not designed.workers or most < max(designed.workers):
        more = {"thread": "threads", "process": "processes"}[kind]
        yield (
            f"Calls hand their work to {name}, an executor with {units.count(most, kind)} that all calls of a process "
            f"share, so at most {most} of their tasks run at once: give it more {more}, or call the function itself."
        )


FINDERS: tuple[Callable[[Facts, Design], Iterator[str]], ...] = (
    _returned_errors,
    _cached,
    _growing,
    _module_state,
    _kept_by_calls,
    _in_a_context,
    _taking_turns,
    _parallel,
    _changed,
    _of_the_process,
    _of_the_bound,
)
"""Each yields what it has to say of the calls with one set of arguments; the gravest are first."""


def _of_the_question(question: Question, facts: Facts) -> Iterator[str]:
    """Yield what the first call and the copy of a function keep out of the figures."""
    if not facts.kept_by and facts.first_ns > max(FIRST_CALL * facts.wall_ns, 1e6):
        first = f"The first call took {units.duration(facts.first_ns)}"
        yield f"{first}: what it keeps for later ones (imports, a cache) is not in the figures."
    if question.is_by_value:
        yield "It is sent by value: changes to its globals and arguments don't come back."


def _of_the_items(question: Question, facts: Facts, designed: Design) -> Iterator[str]:
    """Yield how unequal the calls with items are, and which of the items a batch has."""
    if facts.longest_item is not None and facts.longest_ns > UNEQUAL * facts.wall_ns:
        longest = units.duration(facts.longest_ns)
        yield f"Calls are unequal: the longest, with item {facts.longest_item}, took {longest}."
    if designed.tasks < facts.items and not designed.arrivals:
        given = f"{question.option('tasks')}{'' if question.is_code else ' '}{facts.items}"
        yield f"A batch has {designed.tasks} of the {facts.items} items, evenly spread; {given} takes all."


def _of_the_models(question: Question, facts: Facts, designed: Design) -> Iterator[str]:
    """Yield which of the models that were asked for are left out, can't run it, or run it otherwise, and why."""
    wanted = designed.unfit if question.models is None else set(map(model_of, question.models))

    def reasons(of: Mapping[str, str]) -> list[tuple[str, str]]:
        return _reasons({name: why for name, why in of.items() if name in wanted}, facts)

    yield from (f"{models} can't run it: {hinted(why)}." for why, models in reasons(designed.unable))
    for why, models in _reasons(designed.spawned, facts):
        yield f"The workers of {models} are spawned (`start_method: spawn`), because forked ones fail: {why}."
    if left_out := [f"{models}, because {why}" for why, models in reasons(designed.left_out)]:
        yield f"Left out: {'; '.join(left_out)}."
    if any(text in facts.failed.get("event_loop", "") for text in OWN_LOOPS):
        how = "name the coroutine function itself to compare calls in one event loop"
        yield f"Each call makes an event loop of its own: {how}."


def _of_the_results(facts: Facts) -> Iterator[str]:
    if facts.incomparable:
        yield f"Results are not checked: {facts.incomparable}."


def _reasons(of: Mapping[str, str], facts: Facts) -> list[tuple[str, str]]:
    """Return each reason with the models that it holds for; of coroutines, only for models that could help them.

    Reasons that differ by ids alone are one.
    """
    found: dict[str, tuple[str, list[str]]] = {}
    expected = MAY_HELP if facts.fills_a_loop else ()
    for name, why in of.items():
        if facts.is_async and name not in expected:
            continue
        why = why.replace(f" of {name}", "")
        found.setdefault(IDS.sub("", why), (why, []))[1].append(name)
    return [(why, units.listed(names)) for why, names in found.values()]
