"""`make bench`: what the product adds to the bare primitives, as ratios measured side by side in one run.

Each figure is the median over fresh processes of the median over paired, randomly ordered rounds. Nothing is asserted:
the goals stand beside the figures, for people to compare on their machine.
"""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from statistics import median
from typing import Any

from orchestrator.errors import BAD_INPUT, OK
from orchestrator.runner.registry import NAMES, unavailable
from orchestrator.supervisor.environment import RunnerEnvironment, runner_environment
from orchestrator.supervisor.group import RunnerGroup
from orchestrator.supervisor.interrupt import Interrupt
from orchestrator.supervisor.process import Command
from tests.support.paths import ROOT

STANDING = ("sequential", "event_loop", "threads", "processes")
WITH_OPTIONS = {
    "event_loop task_per=call": "gather",
    "event_loop loop=uvloop task_per=call": "uvloop",
    "event_loop loop=trio": "trio",
    "threads pool=futures": "run_in_executor",
    "threads pool=asyncio": "asyncio_to_thread",
    "processes pool=multiprocessing": "imap_unordered",
    "processes pool=anyio": "to_process",
    "processes_of_threads threads=4": "processes_of_threads",
    "threads_of_loops concurrency=16": "threads_of_loops",
    "interpreters_of_loops concurrency=16": "interpreters_of_loops",
    "processes_of_loops concurrency=16": "processes_of_loops",
}
LOOPS = {name: name for name in NAMES if name not in WITH_OPTIONS.values()} | WITH_OPTIONS
"""The bare loop that each way to run a batch is held to: a function of `bare`."""
SIZES = {"empty": 1000, "us100": 200, "ms1": 40}
GOALS = {"empty": 1.0, "us100": 1.05, "ms1": 1.05}
WORKERS = 2
ROUNDS = 15
PAIRS = 7


def main() -> None:
    """Print every section, or those named on the command line; `verdicts` takes arguments of its own."""
    if sys.argv[1:2] == ["verdicts"]:
        verdicts(sys.argv[2:])
        return
    sections: dict[str, Callable[[], None]] = {
        "models": models,
        "scaling": scaling,
        "startup": startup,
        "make": make_overhead,
        "token": token,
        "conductor": conductor,
        "servers": servers,
        "reports": reports,
        "queries": queries,
    }
    for name in sys.argv[1:] or sections:
        sections[name]()


def models() -> None:
    """Each model's batch against the bare loop around the same primitive."""
    print(f"batch time of each model / bare loop, {WORKERS} workers, {PAIRS} pairs of processes x {ROUNDS} rounds")
    print(f"{'model':38}{'task':8}{'us/task':>12}{'bare us/task':>15}{'ratio':>8}{'range of pairs':>18}{'goal':>8}")
    with runner_environment() as runner_env:
        for way, bare_loop in LOOPS.items():
            python = _python(way)
            if python is None:
                print(f"{way:38}not here")
                continue
            for size, most in SIZES.items():
                tasks = (
                    min(most, 100) if "per_task" in bare_loop else most
                )  # more processes at once would run out of pipes
                pairs = [_pair(runner_env, python, way, bare_loop, size, tasks) for _ in range(PAIRS)]
                ratios = sorted(pair[0] for pair in pairs)
                mine, bare = (median(pair[place] for pair in pairs) / tasks / 1e3 for place in (1, 2))
                spread = f"{ratios[0]:.3f}-{ratios[-1]:.3f}"
                goal = f"<= {GOALS[size]:.2f}"
                print(f"{way:38}{size:8}{mine:12.2f}{bare:15.2f}{median(ratios):8.3f}{spread:>18}{goal:>8}", flush=True)


def _python(way: str) -> str | None:
    """Return the interpreter to run a model with its options under."""
    model, options = _parts(way)
    return sys.executable if unavailable(model, options) is None else shutil.which("python3.14")


def _parts(way: str) -> tuple[str, dict[str, Any]]:
    model, *options = way.split()
    pairs = [option.partition("=") for option in options]
    return model, {name: int(value) if value.isdigit() else value for name, _, value in pairs}


def _pair(
    runner_env: RunnerEnvironment, python: str, way: str, bare_loop: str, size: str, tasks: int
) -> tuple[float, float, float]:
    """Return the ratio of the model to the bare loop in two fresh processes, and the median times of both."""
    name = f"{size}_async" if "_of_loops" in way or way.startswith("event_loop") else size
    command = [python, "-m", "tests.bench.bare", bare_loop, name, str(WORKERS), str(tasks)]
    with (
        _opened(runner_env, way, name, tasks, python) as runner_group,
        subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, cwd=ROOT) as bare,
    ):
        assert bare.stdin and bare.stdout
        bare.stdout.readline()
        times: dict[str, list[int]] = {"model": [], "bare": []}
        for _ in range(ROUNDS):
            for side in random.sample(("model", "bare"), 2):
                if side == "model":
                    times[side].append(_trial_ns(runner_group))
                else:
                    bare.stdin.write(b"\n")
                    bare.stdin.flush()
                    times[side].append(int(bare.stdout.readline()))
        bare.stdin.close()
    ratio = median(a / b for a, b in zip(times["model"], times["bare"], strict=True))
    return ratio, median(times["model"]), median(times["bare"])


def _trial_ns(runner_group: RunnerGroup) -> int:
    """Return how long one trial of one batch took."""
    runner_group.ask("runner", {"op": "arm", "repeats": 1}, 60)
    runner_group.ask("runner", 0, 300)
    wall_ns: int = runner_group.ask("runner", {"op": "trials"}, 60)["trials"][0]["wall_ns"]
    return wall_ns


@contextmanager
def _opened(
    runner_env: RunnerEnvironment, way: str, function: str, tasks: int, python: str = sys.executable
) -> Iterator[RunnerGroup]:
    """Yield a runner_group with one warmed-up runner called "runner"."""
    form = "async_call" if function.endswith("_async") else "call"
    model, options = _parts(way)
    order = {
        "model": model,
        "workers": WORKERS,
        "options": options,
        "tasks": tasks,
        "workload": {form: f"tests.bench.tasks:{function}"},
    }
    interrupt = Interrupt()
    try:
        with RunnerGroup(runner_env, interrupt) as runner_group:
            runner_group.start("runner", Command(python, preload=runner_env.shims.preload(python)))
            runner_group.ask("runner", {"op": "prepare", **order}, 60)
            runner_group.ask("runner", {"op": "open"}, 60)
            runner_group.ask("runner", {"op": "warm"}, 300)
            yield runner_group
    finally:
        interrupt.close()


def scaling() -> None:
    """The cost of an empty task from 10^3 to 10^5 in one batch, and the peak memory of the largest process."""
    print("\nempty tasks in one batch: us per task, and peak memory of the runner and its workers")
    print("goals: growth < 1.10, peak < 150 MB")
    print(f"{'model':12}{'10^3':>10}{'10^4':>10}{'10^5':>10}{'growth':>10}{'peak MB':>10}")
    with runner_environment() as runner_env:
        for model in STANDING:
            cost = {tasks: _cost_per_task(runner_env, model, tasks) for tasks in (1000, 10_000, 100_000)}
            peak = _peak_mb(runner_env, model)
            shown = "".join(f"{us:10.2f}" for us in cost.values())
            print(f"{model:12}{shown}{cost[100_000] / cost[1000]:10.3f}{peak:10.0f}", flush=True)


def _cost_per_task(runner_env: RunnerEnvironment, model: str, tasks: int) -> float:
    name = "empty_async" if model == "event_loop" else "empty"
    with _opened(runner_env, model, name, tasks) as runner_group:
        rounds = max(3, 30_000 // tasks)
        walls = [_trial_ns(runner_group) for _ in range(rounds)]
    return median(walls) / tasks / 1e3


def _peak_mb(runner_env: RunnerEnvironment, model: str) -> float:
    """Return the peak resident memory of a runner after a batch of 100,000 tasks, with its workers' summed."""
    name = "empty_async" if model == "event_loop" else "empty"
    with _opened(runner_env, model, name, 100_000) as runner_group:
        pids = {*runner_group.ask("runner", {"op": "prove"}, 60)["worker_pids"], runner_group.runners["runner"].pid}
        return sum(_high_water_kb(pid) for pid in pids) / 1024


def _high_water_kb(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def startup() -> None:
    """The program's and the runners' start against bare interpreters."""
    print("\nstart-up, ms (median of 15, alternating)")
    with tempfile.TemporaryDirectory() as directory, runner_environment() as runner_env:
        wrong = Path(directory) / "wrong.yaml"
        wrong.write_text("workload: {call: a:b}\nmodels: [sequental]\n")
        program = [sys.executable, "-m", "orchestrator"]
        times = _alternate(
            {
                "python -c pass": lambda: _wall_ms([sys.executable, "-c", "pass"]),
                "python -c 'import asyncio'": lambda: _wall_ms([sys.executable, "-c", "import asyncio"]),
                "orchestrator --help": lambda: _wall_ms([*program, "--help"]),
                "a spec error": lambda: _wall_ms([*program, "run", str(wrong)], status=BAD_INPUT),
                **{
                    f"ready: {model}": _ready(runner_env, model)
                    for model in (*STANDING, "thread_per_task", "process_per_task")
                },
            }
        )
    bare, loop = times["python -c pass"], times["python -c 'import asyncio'"]
    goals = dict.fromkeys(("orchestrator --help", "a spec error"), 4 * bare + 150)
    goals["ready: sequential"] = loop + 30
    goals |= dict.fromkeys(("ready: event_loop", "ready: threads"), 2.5 * loop)
    for name, taken in times.items():
        goal = f"   goal <= {goals[name]:.0f}" if name in goals else ""
        print(f"{name:28}{taken:8.1f}{goal}")


def _ready(runner_env: RunnerEnvironment, model: str) -> Callable[[], float]:
    def measure() -> float:
        begun = time.perf_counter()
        interrupt = Interrupt()
        with RunnerGroup(runner_env, interrupt) as runner_group:
            python = sys.executable
            runner_group.start("runner", Command(python, preload=runner_env.shims.preload(python)))
            workload = {"call": "tests.bench.tasks:empty"}
            order = {"model": model, "workers": WORKERS, "options": {}, "tasks": 1, "workload": workload}
            runner_group.ask("runner", {"op": "prepare", **order}, 60)
            runner_group.ask("runner", {"op": "open"}, 60)
            taken = time.perf_counter() - begun
        interrupt.close()
        return taken * 1e3

    return measure


def make_overhead() -> None:
    """What `make` adds to calling the program."""
    print("\nmake's overhead, ms (median of 15, alternating)")
    times = _alternate(
        {
            "orchestrator plan": lambda: _wall_ms([str(ROOT / ".venv/bin/orchestrator"), "plan", "configs/cpu.yaml"]),
            "make plan": lambda: _wall_ms(["make", "-s", "plan", "CONFIG=cpu.yaml"]),
        }
    )
    for name, taken in times.items():
        print(f"{name:28}{taken:8.1f}")
    print(f"{'added':28}{times['make plan'] - times['orchestrator plan']:8.1f}   goal <= 300")


def _alternate(sides: dict[str, Callable[[], float]]) -> dict[str, float]:
    times: dict[str, list[float]] = {name: [] for name in sides}
    for _ in range(15):
        for name in random.sample(list(sides), len(sides)):
            times[name].append(sides[name]())
    return {name: median(taken) for name, taken in times.items()}


def _wall_ms(command: list[str], status: int = OK) -> float:
    # where this is run by `make bench ARGS=...`, another make would take the ARGS, too
    env = {name: value for name, value in os.environ.items() if not name.startswith("MAKE") and name != "ARGS"}
    begun = time.perf_counter()
    done = subprocess.run(command, cwd=ROOT, env=env, capture_output=True, text=True, check=False)
    taken_ms = (time.perf_counter() - begun) * 1e3
    assert done.returncode == status, done.stderr
    return taken_ms


def token() -> None:
    """The time to pass the token: round trip minus trial, against a byte to and fro between bare processes.

    The bare one works as long in between: waking up a process after 4 ms of sleep takes longer than at once.
    """
    print("\nhanding over the token, us (medians of 400, alternating); goal: at most twice the bare ping-pong")
    code = (
        "import os, time\n"
        "while os.read(0, 1):\n"
        "  end = time.perf_counter_ns() + 4_000_000\n"
        "  while time.perf_counter_ns() < end: pass\n"
        "  os.write(1, b'!')"
    )
    with (
        runner_environment() as runner_env,
        _opened(runner_env, "sequential", "us100", 40) as runner_group,
        subprocess.Popen(
            [sys.executable, "-S", "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE, bufsize=0
        ) as bare,
    ):
        assert bare.stdin and bare.stdout
        taken: dict[str, list[float]] = {"token": [], "bare": []}
        runner_group.ask("runner", {"op": "arm", "repeats": 1}, 60)
        for turn in range(400):
            for side in random.sample(("token", "bare"), 2):
                time.sleep(0.004)  # as long as another variant holds the token
                begun = time.perf_counter_ns()
                if side == "token":
                    runner_group.ask("runner", turn, 60)
                else:
                    bare.stdin.write(b"!")
                    bare.stdout.read(1)
                taken[side].append((time.perf_counter_ns() - begun) / 1e3)
        bare.stdin.close()
        trials = runner_group.ask("runner", {"op": "trials"}, 60)["trials"]
    taken["bare"] = [us - 4_000 for us in taken["bare"]]
    taken["token"] = [us - trial["wall_ns"] / 1e3 for us, trial in zip(taken["token"], trials, strict=True)]
    for side, all_us in taken.items():
        print(f"{side:12}{median(all_us):8.0f}")
    print(f"{'ratio':12}{median(taken['token']) / median(taken['bare']):8.2f}")


def servers() -> None:
    """What the servers of the HTTP workloads can do: the project's own must not be what is measured."""
    from .servers import rates

    print("\nrequests on loopback, bodies of 1,000 bytes; goal: >= 5,000/s")
    for line in rates():
        print(line, flush=True)


def reports() -> None:
    """What a report takes where there are many trials."""
    from .archive import reports as lines

    print("\na run of 100 points, 4 variants, 100,000 trials; goals: html in < 3 s, < 3 MB")
    for line in lines():
        print(line, flush=True)


def queries() -> None:
    """What a query over many runs takes."""
    from .archive import queries as lines

    print("\n5,000,000 trials in 1,000 runs; goals for a group-by: < 3 s warm, < 1 GB")
    for line in lines():
        print(line, flush=True)


def verdicts(words: Sequence[str]) -> None:
    """How long a verdict takes, beside its goal: hours, so only if it is named."""
    from .verdicts import main as ask

    ask(words)


def conductor() -> None:
    """What the orchestrator itself takes of a core while it conducts a run."""
    print(
        "\nthe orchestrator's own CPU while it conducts, as a share of the time; goals: < 5 % at 5 ms, < 2 % at 20 ms"
    )
    for goal_ms, n in ((5, 120_000), (20, 480_000)):
        spec = (
            f"workload: {{call: experiments.cpu:sum_of_squares, kwargs: {{n: {n}}}}}\n"
            "models: [{model: sequential, label: a}, {model: sequential, label: b}]\n"
            "measure: {blocks: 12}\n"
        )
        with tempfile.TemporaryDirectory() as directory:
            (Path(directory) / "pair.yaml").write_text(spec)
            command = [sys.executable, "-m", "orchestrator", "run", f"{directory}/pair.yaml", "--runs", directory]
            done = subprocess.run(command, cwd=ROOT, check=True, capture_output=True, text=True)
        lines = [json.loads(line) for line in done.stdout.splitlines()]
        trial_ms = next(line["wall_ns"] for line in lines if line["event"] == "variant.compared") / 1e6
        ended = lines[-1]
        share = ended["conducting_cpu_s"] / ended["conducting_s"]
        start = f"with its start {ended['cpu_s']:.2f} s in all"
        print(f"about {goal_ms} ms: trials of {trial_ms:.1f} ms, {share * 100:.1f} %; {start}")


if __name__ == "__main__":
    os.chdir(ROOT)
    main()
