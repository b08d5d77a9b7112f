"""`make verify-accounts`: accounts of workloads of which it is known where their time goes, and what instruments cost.

Run it with nothing else on the machine. Two accounts are taken in each of some fresh processes. The table goes to
docs/method.md.
"""

from __future__ import annotations

import argparse
import random
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, field
from statistics import median
from typing import Any

from orchestrator.runner.account.figures import SHARES
from orchestrator.supervisor.environment import RunnerEnvironment, runner_environment
from orchestrator.supervisor.group import RunnerGroup
from orchestrator.supervisor.interrupt import Interrupt
from orchestrator.supervisor.process import Command, default_python
from tests.support.paths import ROOT

from . import advice, contention, figures

METHOD = ROOT / "docs/method.md"
FRESH, SMALL_ROUNDS, REPEATS = 6, 12, 4
FOR_COST = 4  # the cost of instruments needs this many times as many processes: medians of six differ by 0.05
POINTS = 0.05


@dataclass(frozen=True)
class Control:
    """A workload under a model, and the shares that it must have; run-queue time is expected where nothing else is."""

    what: str
    model: str
    call: str
    kwargs: Mapping[str, Any]
    truth: Mapping[str, float]
    tasks: int = 8
    workers: int = 2
    python: str | None = None
    item: str | None = None
    form: str = "call"
    options: Mapping[str, Any] = field(default_factory=dict)


SPIN = {"cpu_s": 0.04}
LOCKED = {"blocked": 8 / 16, "lock": 7 / 16, "idle": 1 / 16}
# with 4 workers the last call begins when 4 are left, and the workers of the other 3 end one after the other
LOCKED_4 = {"blocked": 8 / 32, "lock": 18 / 32, "idle": 6 / 32}
CONTROLS = (
    Control("a loop alone", "sequential", "spin", SPIN, {"on_core": 1.0}),
    Control("a sleep alone", "sequential", "sleep", {"seconds": 0.02}, {"blocked": 1.0}),
    Control("a loop in 2 threads", "threads", "spin", SPIN, {"on_core": 0.5, "gil": 0.5}, 16),
    Control("the same on 3.13t", "threads", "spin", SPIN, {"on_core": 1.0}, python="python3.13t"),
    # of 16 calls, the last one ran alone for up to 6 % of the time, while the other thread was idle
    Control("the same on 3.14", "threads", "spin", SPIN, {"on_core": 0.5, "gil": 0.5}, 48, python="python3.14"),
    Control("a loop in 4 threads", "threads", "spin", SPIN, {"on_core": 0.25, "gil": 0.75}, 48, 4),
    Control("a loop in 2 processes", "processes", "spin", SPIN, {"on_core": 1.0}, 16),
    Control("4 processes on 2 cores", "processes", "spin", SPIN, {"on_core": 0.5, "run_queue": 0.5}, 32, 4),
    Control("a sleep in 4 threads", "threads", "sleep", {"seconds": 0.04}, {"blocked": 1.0}, workers=4),
    Control(
        "a sleep with one lock for 2 threads",
        "threads",
        "locked",
        {"seconds": 0.02},
        LOCKED,
    ),
    Control("the same for 4 threads", "threads", "locked", {"seconds": 0.02}, LOCKED_4, workers=4),
    Control("the same on 3.13t, 2 threads", "threads", "locked", {"seconds": 0.02}, LOCKED, python="python3.13t"),
    Control(
        "the same on 3.13t, 4 threads",
        "threads",
        "locked",
        {"seconds": 0.02},
        LOCKED_4,
        workers=4,
        python="python3.13t",
    ),
    Control("the same on 3.14, 2 threads", "threads", "locked", {"seconds": 0.02}, LOCKED, python="python3.14"),
    Control("a slow handler of logging, 2 threads", "threads", "logged", {"seconds": 0.02}, LOCKED),
    Control("cached_property of 3.11, 2 threads", "threads", "kept", {"seconds": 0.02}, LOCKED, python="python3.11"),
    Control(
        "14 coroutines in an executor of 4",
        "event_loop",
        "in_thread",
        {"seconds": 0.04},
        {"executor": 3 / 4, "waiting": 1 / 4},
        tasks=14,
        workers=14,
        form="async_call",
    ),
    Control(
        "2 calls of 40 and 80 ms in 2 processes",
        "processes",
        "uneven",
        {"cpu_s": 0.04},
        {"on_core": 3 / 4, "idle": 1 / 4},
        tasks=2,
        item="item",
    ),
    Control(
        "pickling as long as the work, 1 process",
        "processes",
        "slowly_pickled",
        {"cpu_s": 0.02},
        {"on_core": 0.5, "serialisation": 0.5},
        workers=1,
    ),
    Control("a plain sleep in an event loop", "event_loop", "sleep", {"seconds": 0.02}, {"blocked": 1.0}, workers=1),
    Control(
        "a coroutine that waits, then blocks",
        "event_loop",
        "wait_then_block",
        {"seconds": 0.02},
        {"waiting": 0.5, "blocked": 0.5},
        workers=1,
        form="async_call",
    ),
    # a thread that starts another one waits for the GIL once, for up to an interval of 5 ms
    Control("a thread of the call's own", "sequential", "own_thread", {"cpu_s": 0.2}, {"lock": 1.0}, tasks=2),
)
SIZES = (1 << 10, 1 << 15, 1 << 20, 10 << 20)


def main() -> int:
    """Run what the command line names, all without, print the tables, and put them into the documentation."""
    parser = argparse.ArgumentParser(prog="python -m tests.verify.accounts", description=__doc__)
    parser.add_argument("tables", nargs="*", metavar="TABLE", help="accounts, advice or contention [default: all]")
    parser.add_argument("--smoke", action="store_true", help="one process of each control, and no documentation")
    given = parser.parse_args()
    asked, smoke = set(given.tables), given.smoke
    tables: dict[str, Callable[[], Iterable[str]]] = {
        "accounts": lambda: _accounts(1 if smoke else FRESH),
        "advice": advice.rows,
        "contention": lambda: _contention(1 if smoke else contention.FRESH),
    }
    if unknown := asked - tables.keys():
        parser.error(f"no table {', '.join(sorted(unknown))}; there are {', '.join(tables)}")
    for name, rows in tables.items():
        if name in asked or not asked:
            text = "\n".join(rows()) + "\n"
            print(text)
            if not smoke:
                METHOD.write_text(figures.replace(METHOD.read_text(), name, text))
    return 0


def _accounts(fresh: int) -> Iterator[str]:
    with runner_environment() as runner_env:
        yield (
            "| control | share | known | account, median | furthest | two of one process differ by, median "
            "| by the other way |"
        )
        yield "|---|---|---|---|---|---|---|"
        for control in CONTROLS:
            if control.python is None or shutil.which(control.python):
                yield from _shares(runner_env, control, fresh)
        yield from ("", "| pickled | sent back | known share | account |", "|---|---|---|---|")
        yield from (_pickling(runner_env, size, fresh) for size in SIZES)
        yield from ("", "| instruments | a batch takes |", "|---|---|")
        yield from (
            _cost(runner_env, model, FOR_COST * fresh) for model in ("sequential", "event_loop", "threads", "processes")
        )


def _shares(runner_env: RunnerEnvironment, control: Control, fresh: int) -> Iterator[str]:
    pairs = [_pair(runner_env, control) for _ in range(fresh)]
    for name in SHARES:
        known = control.truth.get(name, 0.0)
        seen = [account[f"{name}_share"] for pair in pairs for account in pair]
        furthest = max(seen, key=lambda share: abs(share - known))
        if not known and median(seen) < 0.01:
            continue
        apart = median(abs(pair[0][f"{name}_share"] - pair[1][f"{name}_share"]) for pair in pairs)
        other = [account["gil_share_estimated"] for pair in pairs for account in pair]
        estimated = f"{median(other) * 100:.1f} %" if name == "gil" else ""
        mark = "" if abs(median(seen) - known) <= POINTS else " (!)"
        print(control.what, name, known, [round(share, 3) for share in seen], flush=True)
        yield (
            f"| {control.what} | {name.replace('_', ' ')} | {known * 100:.0f} % | {median(seen) * 100:.1f} %{mark} | "
            f"{furthest * 100:.1f} % | {apart * 100:.1f} | {estimated} |"
        )


def _pair(runner_env: RunnerEnvironment, control: Control) -> tuple[dict[str, Any], dict[str, Any]]:
    with opened(runner_env, control) as runner_group:
        first, second = (runner_group.ask("runner", {"op": "account", "repeats": 1}, 60) for _ in range(2))
        return first, second


def _contention(fresh: int) -> Iterator[str]:
    """Compare the part of the CPU time that is contention with that of bare threads, in turn."""
    middles = "by hand, median (half of them) | account, median (half of them)"
    yield from (f"| control | {middles} | machine | shared |", "|---|---|---|---|---|")
    with runner_environment() as runner_env:
        for what, python, call, count in contention.CONTROLS:
            if python and not shutil.which(python):
                continue
            control = Control(what, "threads", call, {"n": count}, {}, 16, python=python)
            by_hand: list[float] = []
            accounts: list[dict[str, Any]] = []
            for _ in range(fresh):
                by_hand.append(contention.by_hand(shutil.which(python or "") or default_python(), call, count))
                accounts += _pair(runner_env, control)
            yield contention.row(what, by_hand, accounts)


def _pickling(runner_env: RunnerEnvironment, size: int, fresh: int) -> str:
    """Compare the share with what pickling and unpickling such results by hand takes; one call at a time."""
    count = size // 3
    control = Control("", "processes", "numbers", {"count": count}, {}, tasks=1, workers=1)
    by_hand: list[int] = []
    accounts: list[dict[str, Any]] = []
    for _ in range(fresh):
        by_hand += _pickled_by_hand(count)
        with opened(runner_env, control) as runner_group:
            accounts.append(runner_group.ask("runner", {"op": "account", "repeats": REPEATS}, 60))
    known = median(by_hand) / median(account["wall_ns"] for account in accounts)
    found = median(account["serialisation_share"] for account in accounts)
    back = accounts[0]["result_bytes"]
    return f"| {count:,} numbers | {back:,} bytes | {known * 100:.1f} % | {found * 100:.1f} % |"


SENT_BACK = """
import multiprocessing, pickle, sys, time
from multiprocessing.reduction import ForkingPickler
from tests.verify import controls

def send(pipe, count):
    while pipe.recv():
        value = controls.numbers(count)
        begun = time.perf_counter_ns()
        sent = ForkingPickler.dumps(value)
        dump_ns = time.perf_counter_ns() - begun
        pipe.send_bytes(sent)
        pipe.send(dump_ns)

here, there = multiprocessing.Pipe()
multiprocessing.get_context("fork").Process(target=send, args=(there, int(sys.argv[1])), daemon=True).start()
there.close()
for more in [True] * int(sys.argv[2]):
    here.send(more)
    sent = here.recv_bytes()
    begun = time.perf_counter_ns()
    loaded = pickle.loads(sent)
    load_ns = time.perf_counter_ns() - begun
    del loaded, sent
    print(here.recv() + load_ns)
here.send(False)
"""


def _pickled_by_hand(count: int) -> list[int]:
    """Return how long results took to be pickled in one process and unpickled in another, in ns, without the first."""
    command = [default_python(), "-c", SENT_BACK, str(count), str(1 + REPEATS)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    return [int(line) for line in done.stdout.split()[1:]]


def _cost(runner_env: RunnerEnvironment, model: str, fresh: int) -> str:
    """Compare instrumented batches of calls of 100 us with others of the same process, in random order."""
    control = Control("", model, "small", {}, {}, tasks=200)
    ratios = []
    for _ in range(fresh):
        with opened(runner_env, control) as runner_group:
            times: dict[str, list[int]] = {"plain": [], "instrumented": []}
            for _ in range(SMALL_ROUNDS):
                for kind in random.sample(sorted(times), 2):
                    if kind == "plain":
                        runner_group.ask("runner", {"op": "arm", "repeats": 1}, 60)
                        runner_group.ask("runner", 0, 60)
                        times[kind].append(runner_group.ask("runner", {"op": "trials"}, 60)["trials"][0]["wall_ns"])
                    else:
                        times[kind].append(runner_group.ask("runner", {"op": "account", "repeats": 1}, 60)["wall_ns"])
            ratios.append(median(times["instrumented"]) / median(times["plain"]))
    spread = f"{min(ratios):.3f} to {max(ratios):.3f}"
    return f"| 200 calls of 100 us, {model} | {median(ratios):.3f} times as long ({spread}) |"


@contextmanager
def opened(runner_env: RunnerEnvironment, control: Control) -> Iterator[RunnerGroup]:
    python = shutil.which(control.python or "") or default_python()
    order = {
        "model": control.model,
        "workers": control.workers,
        "options": dict(control.options),
        "tasks": control.tasks,
        "workload": {
            control.form: f"tests.verify.{control.call if ':' in control.call else 'controls:' + control.call}",
            "kwargs": dict(control.kwargs),
            "item": control.item,
        },
    }
    with closing(Interrupt()) as interrupt, RunnerGroup(runner_env, interrupt) as runner_group:
        runner_group.start("runner", Command(python, path=str(ROOT), preload=runner_env.shims.preload(python)))
        for request in ({"op": "prepare", **order}, {"op": "open"}, {"op": "warm"}):
            runner_group.ask("runner", request, 60)
        yield runner_group


if __name__ == "__main__":
    sys.exit(main())
