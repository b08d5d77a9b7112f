"""Functions of which a call's time says nothing: promises, sources that end, changed arguments."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator import errors
from tests.support.command import events, findings, orchestrator, piloted, refused

LAZY = """
import asyncio, concurrent.futures, contextlib, functools, io, itertools, queue, threading, time

def mapped(n): return map(abs, range(n))
def filtered(n): return filter(None, range(n))
def zipped(n): return zip(range(n), range(n))
def chained(n): return itertools.chain(range(n))
def expression(n): return (each for each in range(n))
def generator(n): yield n
async def agenerator(n): yield n
async def asked(n): return n
def coroutine(n): return asked(n)
async def apromise(n): return map(abs, range(n))
async def unawaited(n): return asked(n)
def future(n): return concurrent.futures.Future()
class LazyFrame: pass
def frame(n): return LazyFrame()
def pair(n): return map(abs, range(n)), n
def rows(n): return {"rows": (each for each in range(n))}
def submitted(n): return [concurrent.futures.Future() for _ in range(n)]
def closure(n): return lambda: sum(range(n))
def partial(n): return functools.partial(sum, range(n))
@contextlib.contextmanager
def session(n): yield n
class Orders:  # as a queryset of Django
    def __iter__(self): return iter([sum(range(5000)) for _ in range(20)])
def queried(n): return Orders()
class Rows:
    def __init__(self, n): self.rows = list(range(n))
    def __iter__(self): return iter(self.rows)
def stored(n): return Rows(n)
def spread(n): return range(n)
def opened(n): return open(__file__)

some, many, places = iter(range(120)), iter(range(300)), queue.Queue()
for place in range(50): places.put(place)
def take(): return next(some)
async def atake(): return next(some)
def taken(): return next(many)
def drawn(): return places.get_nowait()
jobs, ids, prices = list(range(70)), set(range(60)), {n: n for n in range(40)}
def popped(): return jobs.pop()
def unique(): return ids.pop()
def sold(): return prices.popitem()
async def sent(n): asyncio.create_task(asyncio.sleep(n))
def begun(n): threading.Thread(target=time.sleep, args=(n,), daemon=True).start()
pool = concurrent.futures.ThreadPoolExecutor(2)
def shared(n): return sum(pool.map(abs, range(n)))
kept = []
def grows(n):
    kept.extend(range(n))
    return sum(kept)
log = io.StringIO("a line\\n" * 9)
def line(): return log.readline()
def again():
    log.seek(0)
    return log.read()

"""


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(LAZY)
    return tmp_path


@pytest.mark.parametrize(
    ("function", "remedy"),
    [
        ("mapped", "return list(mapped(n))"),
        ("filtered", "return list(filtered(n))"),
        ("zipped", "return list(zipped(n))"),
        ("chained", "return list(chained(n))"),
        ("expression", "return list(expression(n))"),
        ("generator", "return list(generator(n))"),
        ("agenerator", "async def done(n): return [each async for each in agenerator(n)]"),
        ("coroutine", "async def done(n): return await coroutine(n)"),
        ("apromise", "async def done(n): return list(await apromise(n))"),
        ("unawaited", "async def done(n): return await (await unawaited(n))"),
        ("future", "return future(n).result()"),
        ("frame", "return frame(n).collect()"),
        ("closure", "return closure(n)()"),
        ("session", "with session(n) as value: return value"),
        ("partial", "return partial(n)()"),
        ("queried", "return list(queried(n))"),
    ],
)
def test_a_result_that_is_a_promise_is_refused_with_the_function_to_write(
    place: Path, function: str, remedy: str
) -> None:
    assert remedy in refused(place, f"mine:{function}", "n=9")


@pytest.mark.parametrize(
    ("function", "held"),
    [
        ("pair", "a tuple that holds a map, an iterator that nothing has read yet"),
        ("rows", "a dict that holds a generator, which nothing has read yet"),
        ("submitted", "a list that holds a Future, whose work goes on after the call"),
    ],
)
def test_a_promise_inside_of_a_result_is_refused(place: Path, function: str, held: str) -> None:
    assert f"mine:{function} returns {held}" in refused(place, f"mine:{function}", "n=9")


def test_a_dask_result_is_refused_until_it_is_computed(place: Path) -> None:
    pytest.importorskip("dask.array")
    (place / "mine.py").write_text("import dask.array\ndef summed(n): return dask.array.ones(n).sum()\n")
    assert "summed(n).compute()" in refused(place, "mine:summed", "n=9")


@pytest.mark.parametrize("function", ["spread", "opened", "stored"])
def test_a_range_an_open_file_and_a_collection_are_values(place: Path, function: str) -> None:
    assert piloted(f"mine:{function}", "n=9", cwd=place)["call"] == f"mine:{function}"


def ran(place: Path, call: str, *models: str) -> tuple[set[str], int]:
    """Return what the failures of a run say, and its status."""
    given = f"workload: {{call: 'mine:{call}}}\nmodels: [{', '.join(models)}]\n"
    (place / "a.yaml").write_text(given + "tasks: 20\nmeasure: {blocks: 1, rounds: 1}\n")
    done = orchestrator("run", "a.yaml", cwd=place)
    failed = [
        event["error"]
        for event in events(done.stderr[: done.stderr.rindex("orchestrator:")])
        if event["event"] == "trial.failed"
    ]
    return set(failed), done.returncode


@pytest.mark.long
def test_a_run_measures_no_promise_under_any_model(place: Path) -> None:
    said, status = ran(place, "expression', kwargs: {n: 9}", "sequential", "event_loop", "threads", "processes")
    (said_once,) = said
    assert said_once.startswith("mine:expression returns a generator")
    assert status == errors.FAILED


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("take", "mine:take: its source ended after 120 calls (StopIteration) (File "),
        ("atake", "mine:atake: its source ended after 120 calls (StopIteration) (File "),
        ("taken", "mine:taken: its source ended after 300 calls (StopIteration) (File "),
        ("drawn", "mine:drawn: its source ended after 50 calls (Empty) (File "),
        ("popped", "mine:popped: its source ended after 70 calls (IndexError: pop from empty list) (File "),
        ("unique", "mine:unique: its source ended after 60 calls (KeyError: 'pop from an empty set') (File "),
        ("sold", "mine:sold: its source ended after 40 calls (KeyError: 'popitem(): dictionary is empty') (File "),
    ],
)
def test_a_source_that_ends_is_said_with_its_calls(place: Path, function: str, said: str) -> None:
    assert said in refused(place, f"mine:{function}", status=errors.FAILED)


@pytest.mark.parametrize(
    ("function", "said"),
    [
        ("sent", "mine:sent starts a task in each call that goes on after it"),
        ("begun", "mine:begun starts a thread in each call that goes on after it"),
    ],
)
def test_work_that_a_call_leaves_behind_is_refused(place: Path, function: str, said: str) -> None:
    assert said in refused(place, f"mine:{function}", "n=1")


def test_threads_of_a_pool_that_calls_share_are_no_work_left_behind(place: Path) -> None:
    assert piloted("mine:shared", "n=9", cwd=place)["call"] == "mine:shared"


def test_calls_that_take_longer_each_time_are_said_to(place: Path) -> None:
    assert findings("mine:grows", "n=2000", cwd=place).startswith("Calls take longer and longer, the last ones ")


def test_a_file_that_was_read_to_its_end_is_refused(place: Path) -> None:
    assert "mine:line reads the file log of its module, and that is at its end" in refused(place, "mine:line")


def test_a_file_that_each_call_reads_anew_is_a_value(place: Path) -> None:
    assert piloted("mine:again", cwd=place)["call"] == "mine:again"


def test_a_source_that_ends_is_said_with_its_line(place: Path) -> None:
    line = LAZY.splitlines().index("def take(): return next(some)") + 1
    assert f'mine.py", line {line}, in take' in refused(place, "mine:take", status=errors.FAILED)


def test_a_source_that_ends_in_a_run_is_said_as_that(place: Path) -> None:
    assert ran(place, "taken'", "sequential") == ({"its source ended (StopIteration)"}, errors.FAILED)
