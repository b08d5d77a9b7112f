"""The program as users run it: real processes and real runs in a directory of their own."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import Any

import pytest
import typer

from orchestrator import errors
from orchestrator.cli.app import app
from orchestrator.cli.main import COMMANDS
from orchestrator.journal.read import EVENTS_FILE, Records
from orchestrator.machine import lock
from tests.support.command import GOOD, WORKLOADS, events, in_process, logged, orchestrator
from tests.support.loaded_modules import loaded
from tests.support.paths import ROOT
from tests.support.processes import owned
from tests.support.waiting import PATIENCE_S, until


@pytest.fixture
def place(tmp_path: Path) -> Path:
    (tmp_path / "mine.py").write_text(WORKLOADS)
    return tmp_path


# --- a run, read in many ways


class Ran:
    """One finished run with its directory."""

    def __init__(self, place: Path) -> None:
        (place / "mine.py").write_text(WORKLOADS)
        (place / "good.yaml").write_text(GOOD + "measure: {rounds: 5}\n")
        self.place = place
        self.done = orchestrator("run", "good.yaml", cwd=place)
        self.directory = place / "runs" / "good" / "latest"


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    return Ran(tmp_path_factory.mktemp("ran"))


def test_a_run_that_goes_well_exits_zero_and_says_nothing_on_stderr(ran: Ran) -> None:
    assert (ran.done.returncode, ran.done.stderr) == (errors.OK, "")


def test_stdout_that_is_no_terminal_carries_the_derived_events_as_json_lines(ran: Ran) -> None:
    names = [event["event"] for event in events(ran.done.stdout)]
    variants = ["variant.compared"] * 2 + ["variant.explained"] * 2
    assert names == [*variants, "verdict.reached", "run.finished"]


def test_the_verdict_is_a_sentence(ran: Ran) -> None:
    verdict = next(event for event in events(ran.done.stdout) if event["event"] == "verdict.reached")
    assert verdict["winners"] == ["sequential"]
    # "at this load" where others were busy
    assert re.match(r"double\(n=21\) x 4: sequential wins(?: at this load)?: ", verdict["sentence"])


def test_a_report_prints_the_bytes_of_the_run(ran: Ran) -> None:
    again = orchestrator("report", "runs/good/latest", cwd=ran.place)
    assert (again.stdout, again.stderr, again.returncode) == (ran.done.stdout, "", 0)


def test_a_report_needs_the_journal_alone(ran: Ran, tmp_path: Path) -> None:
    copy = tmp_path / "copy.jsonl"
    copy.write_bytes((ran.directory / EVENTS_FILE).read_bytes())
    assert in_process("report", str(copy), cwd=tmp_path).stdout == ran.done.stdout


def test_a_report_can_be_a_table(ran: Ran) -> None:
    table = in_process("report", "runs/good", "--format", "table", cwd=ran.place).stdout
    assert table.startswith("double(n=21) x 4: ")
    assert "\x1b" not in table


def test_the_journal_begins_and_ends_with_the_run_and_is_whole(ran: Ran) -> None:
    records = Records(ran.directory / EVENTS_FILE)
    names = [record["event"] for record in records]
    assert records.torn_at is None
    assert (names[0], names[-1]) == ("run.started", "run.finished")


def test_every_trial_carries_the_parts_of_its_point_and_variant(ran: Ran) -> None:
    records = list(Records(ran.directory / EVENTS_FILE))
    trial = next(record for record in records if record["event"] == "trial.finished")
    assert {"tasks", "kwargs_n", "model", "workers", "python"} <= trial.keys()


def test_the_spec_beside_the_journal_runs_again(ran: Ran) -> None:
    planned = in_process("plan", str(ran.directory / "spec.yaml"), cwd=ran.place)
    assert planned.returncode == 0
    assert "double(n=21) x 4" in planned.stdout


def test_an_override_of_the_spec_beside_the_journal_varies_an_option_that_no_entry_sets(tmp_path: Path) -> None:
    (tmp_path / "mine.py").write_text(WORKLOADS)
    (tmp_path / "x.yaml").write_text(GOOD + "measure: {blocks: 1, rounds: 2}\n")
    assert orchestrator("run", "x.yaml", "models=[sequential, processes]", "--no-report", cwd=tmp_path).returncode != 2
    spec = str(next((tmp_path / "runs").glob("*/latest/spec.yaml")))
    planned = in_process("plan", spec, "matrix.chunksize=[1, 2]", cwd=tmp_path).stdout
    assert "processes(chunksize=1)" in planned and "processes(chunksize=2)" in planned


def test_a_plan_knows_the_times_of_the_latest_run(ran: Ran) -> None:
    assert "as in the latest run" in in_process("plan", "good.yaml", cwd=ran.place).stdout


def test_a_torn_tail_is_left_out_of_the_report_with_a_warning(ran: Ran, tmp_path: Path) -> None:
    torn = tmp_path / "torn.jsonl"
    torn.write_bytes((ran.directory / EVENTS_FILE).read_bytes()[:-40])
    done = in_process("report", str(torn), cwd=tmp_path)
    assert done.returncode == 0
    assert events(done.stderr)[0]["event"] == "journal.torn"
    assert events(done.stdout)[-1]["event"] == "verdict.reached"


def test_a_damaged_journal_is_refused(ran: Ran, tmp_path: Path) -> None:
    content = bytearray((ran.directory / EVENTS_FILE).read_bytes())
    content[len(content) // 2] ^= 1
    (tmp_path / "damaged.jsonl").write_bytes(content)
    done = in_process("report", "damaged.jsonl", cwd=tmp_path)
    assert done.returncode == errors.DAMAGED
    assert "is no record, but records follow it" in done.stderr


# --- exit statuses


def test_a_broken_expectation_exits_one_with_a_plain_last_line(place: Path) -> None:
    (place / "x.yaml").write_text(GOOD + "measure: {blocks: 4, rounds: 2}\nexpect: [{of: threads, min: 5}]\n")
    done = orchestrator("run", "x.yaml", cwd=place)
    assert done.returncode == errors.BROKEN
    assert done.stderr.splitlines()[-1] == "orchestrator: expectation broken: speedup of threads at double(n=21) x 4"


def test_an_expectation_without_enough_blocks_exits_four(place: Path) -> None:
    (place / "x.yaml").write_text(GOOD + "measure: {blocks: 3, rounds: 1}\nexpect: [{of: threads, max: 5}]\n")
    done = orchestrator("run", "x.yaml", cwd=place)
    assert done.returncode == errors.UNDECIDED
    assert "expectation undecided: speedup of threads at double(n=21) x 4: too few blocks" in done.stderr


def test_a_workload_that_raises_exits_three_with_its_traceback_in_the_journal(place: Path) -> None:
    (place / "x.yaml").write_text("workload: {call: 'mine:fails'}\nmodels: [sequential, threads, processes]\n")
    done = orchestrator("run", "x.yaml", cwd=place)
    assert done.returncode == errors.FAILED
    assert "Traceback" not in done.stderr
    records = list(Records(place / "runs/x/latest" / EVENTS_FILE))
    failed = [record for record in records if record["event"] == "trial.failed"]
    assert {record["variant"] for record in failed} == {"sequential", "threads", "processes"}
    assert all('in fails\n    def fails(): raise ValueError("boom")' in record["traceback"] for record in failed)


@pytest.mark.parametrize(
    ("call", "failing"), [("lock", "processes"), pytest.param("differs", "threads", marks=pytest.mark.long)]
)
def test_a_variant_with_wrong_results_fails_and_the_others_go_on(place: Path, call: str, failing: str) -> None:
    models = f"[sequential, {failing}, event_loop]"
    spec = f"workload: {{call: 'mine:{call}'}}\nmodels: {models}\nmeasure: {{blocks: 1, rounds: 2}}\n"
    (place / "x.yaml").write_text(spec)
    done = orchestrator("run", "x.yaml", cwd=place)
    assert done.returncode == errors.FAILED
    compared = {event["variant"]: event for event in events(done.stdout) if event["event"] == "variant.compared"}
    assert [variant for variant, event in compared.items() if event["excluded"]] == [failing]
    assert compared["event_loop"]["speedup"] is not None


def test_an_interrupt_ends_the_run_with_all_its_processes_and_names_the_whole_command_to_resume(place: Path) -> None:
    (place / "x.yaml").write_text("workload: {call: 'mine:wait'}\ntasks: 4\nmodels: [sequential, processes]\n")
    marker = f"MARK_{os.getpid()}_{time.monotonic_ns()}"
    command = [sys.executable, "-m", "orchestrator", "run", "x.yaml", "--fresh", "--runs", "my runs", "--no-report"]
    running = owned(
        subprocess.Popen(
            command,
            cwd=place,
            env={**os.environ, marker: "1"},
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
    )
    journals = "my runs/x/2*/events.jsonl"
    until(lambda: any(b"trial.finished" in file.read_bytes() for file in place.glob(journals)), running)
    running.send_signal(signal.SIGINT)
    out, err = running.communicate(timeout=PATIENCE_S)
    assert running.returncode == 128 + signal.SIGINT
    to_resume = "orchestrator run x.yaml --runs 'my runs' --no-report --resume"
    assert err.splitlines()[-1] == f"orchestrator: ended by signal 2; to resume: {to_resume}"
    assert events(out)[-1]["outcome"] == "interrupted"
    assert not [pid for pid in Path("/proc").glob("[0-9]*") if marker.encode() in environment(pid)]


def environment(process: Path) -> bytes:
    try:
        return (process / "environ").read_bytes()
    except OSError:
        return b""


@pytest.mark.slow
def test_a_failure_of_several_lines_is_reported_in_one(place: Path) -> None:
    (place / "x.yaml").write_text("workload: {call: 'mine:fails_at_length'}\nmodels: [sequential]\n")
    done = orchestrator("run", "x.yaml", cwd=place)
    last = "orchestrator: 2 trials failed; the first: sequential at fails_at_length() x 1: ValueError: one two"
    assert done.stderr.splitlines()[-1] == last


@pytest.mark.slow
def test_the_status_stands_when_the_reader_goes_away(place: Path) -> None:
    (place / "x.yaml").write_text("workload: {call: 'mine:fails'}\nmodels: [sequential]\n")
    command = f"set -o pipefail; {sys.executable} -m orchestrator run x.yaml | true"
    done = subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == errors.FAILED
    assert "BrokenPipe" not in done.stderr


@pytest.mark.parametrize(
    "closed", [*(pytest.param(each, marks=pytest.mark.long) for each in ("<&-", ">&-", "2>&-")), "<&- >&- 2>&-"]
)
def test_closed_streams_leave_the_journal_whole(place: Path, closed: str) -> None:
    (place / "x.yaml").write_text(GOOD)
    command = f"{sys.executable} -m orchestrator run x.yaml measure.max_time=500ms {closed}"
    done = subprocess.run(["bash", "-c", command], cwd=place, check=False)
    has_results = " >&-" not in f" {closed}"  # else they have nowhere to go
    assert done.returncode in ((errors.OK, errors.UNDECIDED) if has_results else (errors.UNWRITABLE,))
    records = Records(place / "runs/x/latest" / EVENTS_FILE)
    assert list(records)
    assert records.torn_at is None


def test_an_interrupt_while_the_program_loads_shows_no_traceback(tmp_path: Path) -> None:
    (tmp_path / "typer.py").write_text("import pathlib, time\npathlib.Path('loads').touch()\ntime.sleep(60)\n")
    command = [sys.executable, "-m", "orchestrator", "--help"]
    with subprocess.Popen(command, cwd=tmp_path, stderr=subprocess.PIPE, text=True) as process:
        until((tmp_path / "loads").exists)
        process.send_signal(signal.SIGINT)
        _, stderr = process.communicate()
    assert (process.returncode, stderr) == (-signal.SIGINT, "")


def test_a_full_output_is_reported(place: Path) -> None:
    command = f"{sys.executable} -m orchestrator schema spec > /dev/full"
    done = subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (
        errors.UNWRITABLE,
        "orchestrator: cannot write to standard output: No space left on device; make room\n",
    )


def test_a_full_output_is_reported_of_a_help_text_too(place: Path) -> None:
    command = f"{sys.executable} -m orchestrator --help > /dev/full"
    done = subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == errors.UNWRITABLE
    assert done.stderr.startswith("orchestrator: cannot write: No space left on device; make room\n")


def test_a_working_directory_that_was_deleted_is_named(place: Path) -> None:
    command = f"mkdir gone; cd gone; rmdir ../gone; {sys.executable} -m orchestrator history x"
    done = subprocess.run(["bash", "-c", command], cwd=place, capture_output=True, text=True, check=False)
    said = "orchestrator: the working directory no longer exists; change to another one with cd\n"
    assert (done.returncode, done.stderr) == (errors.BAD_INPUT, said)


@pytest.mark.parametrize("target", ["nothing", "loop"])
@pytest.mark.parametrize(
    ("command", "status"),
    [
        (("history", "x"), errors.BAD_INPUT),
        (("query", "select 1"), errors.BAD_INPUT),
        (("run", "x.yaml", "--wait", "1h"), errors.UNWRITABLE),
    ],
    ids=["history", "query", "run"],
)
def test_a_link_to_nothing_in_the_place_of_the_runs_is_named(
    place: Path, target: str, command: tuple[str, ...], status: int
) -> None:
    (place / "x.yaml").write_text(GOOD)
    (place / "loop").symlink_to(target)
    done = in_process(*command, "--runs", "loop", cwd=place)
    assert done.returncode == status
    assert any(name in done.stderr.splitlines()[-1] for name in ("/loop", " loop", f"/{target}"))


def test_a_run_that_waits_names_the_one_that_holds_the_machine(place: Path) -> None:
    (place / "x.yaml").write_text(GOOD)
    with lock.hold() as set_holder:
        set_holder("runs/other/1")
        done = in_process("run", "x.yaml", "--wait", "300ms", cwd=place)
    assert done.returncode == errors.BUSY
    (waited,) = logged(done, "machine.awaited")
    assert re.search(r"pid \d+, since .*, run runs/other/1; waiting for \d+ ms at most", waited["note"])


def test_a_config_that_is_a_link_to_nothing_is_named(place: Path) -> None:
    (place / "x.yaml").symlink_to("nothing.yaml")
    said = "orchestrator: x.yaml: a symbolic link to nothing; check where it points\n"
    assert in_process("run", "x.yaml", cwd=place).stderr == said


@pytest.mark.slow
def test_a_run_continues_when_its_messages_have_no_reader(place: Path) -> None:
    (place / "x.yaml").write_text("workload: {call: 'mine:fails'}\nmodels: [sequential, threads]\n")
    command = f"set -o pipefail; {sys.executable} -m orchestrator run x.yaml 2>&1 | true"
    assert subprocess.run(["bash", "-c", command], cwd=place, check=False).returncode == errors.FAILED


# --- the command line


def test_a_plan_shows_points_variants_and_times_and_writes_nothing(place: Path) -> None:
    (place / "x.yaml").write_text(GOOD)
    done = orchestrator("plan", "x.yaml", "matrix.kwargs.n=[1,2]", "matrix.workers=[1,2]", cwd=place)
    assert (done.returncode, done.stderr) == (0, "")
    lines = done.stdout.splitlines()
    assert lines[0] == "x: 2 points x 3 variants"
    assert [line.split(maxsplit=1)[1] for line in lines[2:4]] == ["double(n=1) x 4", "double(n=2) x 4"]
    assert [line.split(maxsplit=1)[1] for line in lines[5:8]] == [
        "sequential (1 worker) baseline",
        "threads(workers=1) (1 worker)",
        "threads(workers=2) (2 workers)",
    ]
    assert [line[:7] for line in lines[9:]] == ["a win: ", "a tie: ", "at most"]
    assert not (place / "runs").exists()


def test_the_help_shows_the_verbs_and_examples(tmp_path: Path) -> None:
    done = in_process("--help", cwd=tmp_path)
    assert done.returncode == 0
    assert all(f"\n  {verb} " in done.stdout for verb in ("run", "plan", "report", "schema"))
    assert "orchestrator run configs/cpu.yaml tasks=8" in done.stdout


def test_the_help_lists_the_commands_in_the_order_of_their_use(tmp_path: Path) -> None:
    commands = in_process("--help", cwd=tmp_path).stdout.partition("Commands:")[2].partition("Examples:")[0]
    order = [
        "run",
        "advise",
        "plan",
        "report",
        "compare",
        "ci",
        "export",
        "history",
        "query",
        "verify",
        "doctor",
        "prune",
    ]
    assert [line.split()[0] for line in commands.splitlines() if line[:3].strip()] == [*order, "models", "schema"]


def test_the_version_is_that_of_the_package_with_the_commit_of_the_checkout(tmp_path: Path) -> None:
    done = orchestrator("--version", cwd=tmp_path)
    version, _, checked_out = done.stdout.partition("+g")
    assert (done.returncode, version) == (errors.OK, f"orchestrator {metadata.version('orchestrator')}")
    head = subprocess.run(["git", "rev-parse", "HEAD"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    assert head.startswith(checked_out.removesuffix("\n").removesuffix(".dirty"))


def test_the_help_shows_every_summary_in_full_on_80_columns(tmp_path: Path) -> None:
    done = orchestrator("--help", cwd=tmp_path, env={**os.environ, "COLUMNS": "80"})
    assert "..." not in done.stdout.partition("Commands:")[2].partition("Examples:")[0]


def test_the_help_loads_nothing_heavy(tmp_path: Path) -> None:
    heavy = {"numpy", "duckdb", "altair", "structlog", "pydantic", "yaml", "asyncio", "anyio", "rich", "orjson"}
    assert not heavy & loaded("--help", cwd=tmp_path)


def test_an_error_in_a_spec_is_reported_before_anything_heavy_is_loaded(place: Path) -> None:
    (place / "wrong.yaml").write_text(GOOD.replace("models: [", "models: [sequental, ", 1))
    heavy = {"numpy", "duckdb", "altair", "structlog", "rich", "asyncio", "anyio"}
    assert not heavy & loaded("run", "wrong.yaml", cwd=place, status=errors.BAD_INPUT)


def test_a_command_loads_no_other(place: Path) -> None:
    (place / "x.yaml").write_text(GOOD)
    commands = {name for name in loaded("plan", "x.yaml", cwd=place) if name.startswith("orchestrator.cli.")}
    assert not commands & {f"orchestrator.cli.{name}" for name in COMMANDS if name != "plan"}


def test_a_plan_loads_nothing_that_only_a_run_needs(place: Path) -> None:
    (place / "x.yaml").write_text(GOOD)
    heavy = {"numpy", "duckdb", "altair", "jinja2", "structlog", "rich", "asyncio", "anyio"}
    assert not heavy & loaded("plan", "x.yaml", cwd=place)


def test_a_probe_begins_before_what_is_needed_later_is_loaded() -> None:
    heavy = {"numpy", "structlog", "rich", "jinja2"}
    before = "import sys, orchestrator.engine.session; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", before], capture_output=True, text=True, check=True)
    assert not heavy & set(done.stdout.split())


def test_a_report_as_text_loads_no_page(ran: Ran) -> None:
    heavy = {"duckdb", "altair", "jinja2", "structlog", "asyncio", "anyio"}
    assert not heavy & loaded("report", "runs/good", "--format", "table", cwd=ran.place)


def test_a_reader_that_goes_away_sees_no_traceback(ran: Ran) -> None:
    command = f"{sys.executable} -m orchestrator schema events | head -1"
    done = subprocess.run(["bash", "-c", command], cwd=ran.place, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("{\n", "")


def test_an_unexpected_error_is_called_a_bug_of_this_program(place: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (place / "x.yaml").write_text(GOOD)

    def broken(*_: object) -> None:
        raise ZeroDivisionError("no parts")

    monkeypatch.setattr("orchestrator.cli.plan._lines", broken)
    done = in_process("plan", "x.yaml", cwd=place)
    assert (done.returncode, done.stdout) == (errors.BUG, "")
    assert done.stderr.startswith("orchestrator: internal error: ZeroDivisionError: no parts; in ")
    assert done.stderr.endswith("; please report it\n")


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("run", "x.yaml", "--resume", "--fresh"), "--resume and --fresh contradict each other; keep one of them"),
        (("query", "select 1", "--json", "--csv"), "--json and --csv contradict each other; keep one of them"),
    ],
)
def test_options_that_contradict_each_other_are_refused(place: Path, arguments: tuple[str, ...], message: str) -> None:
    (place / "x.yaml").write_text(GOOD)
    done = in_process(*arguments, cwd=place)
    assert (done.returncode, done.stderr) == (errors.BAD_INPUT, f"orchestrator: {message}\n")


def test_the_docs_list_each_variable_of_an_option_of_run() -> None:
    text = (ROOT / "docs/cron.md").read_text()
    listed = text.partition("These options can also be set by environment variables: ")[2].partition(".\n")[0]
    command: Any = typer.main.get_command(app)
    known = {parameter.envvar for parameter in command.commands["run"].params if parameter.envvar}
    assert set(re.findall(r"ORCHESTRATOR_\w+", listed)) == known


def test_variables_make_a_run_quiet_and_name_its_log_file(place: Path) -> None:
    (place / "x.yaml").write_text(f"{CALL}{MODELS}measure: {{blocks: 1, rounds: 2}}\n")
    env = {**os.environ, "ORCHESTRATOR_QUIET": "1", "ORCHESTRATOR_LOG_FILE": "x.log"}
    done = orchestrator("run", "x.yaml", cwd=place, env=env)
    assert (done.returncode, done.stdout, done.stderr) == (errors.OK, "", "")
    assert (place / "x.log").exists()


def test_an_environment_variable_moves_the_runs(place: Path) -> None:
    (place / "x.yaml").write_text(GOOD)
    env = {**os.environ, "ORCHESTRATOR_RUNS": "elsewhere"}
    orchestrator("run", "x.yaml", "measure.max_time=500ms", cwd=place, env=env)
    assert (place / "elsewhere" / "x" / "latest").is_dir()
    assert not (place / "runs").exists()


@pytest.mark.slow
def test_an_empty_environment_and_the_c_locale_are_enough(place: Path) -> None:
    (place / "x.yaml").write_text(GOOD + "description: naïve 漢字\n", encoding="utf-8")
    kept = {name: value for name in ("PYTHONPATH", "ORCHESTRATOR_LOCK") if (value := os.environ.get(name))}
    env = {"LC_ALL": "C", "PYTHONUTF8": "0"} | kept
    done = orchestrator("run", "x.yaml", "measure.max_time=4s", cwd=place, env=env)
    said = {json.loads(line)["event"] for line in done.stderr.splitlines()}
    assert (done.returncode, said - {"budget.short"}) == (0, set())  # the time may suffice, or not
    assert "naïve 漢字" in (place / "runs/x/latest/spec.yaml").read_text(encoding="utf-8")


# --- bad input: exit 2, the place and the remedy, nothing written

MODELS = "\nmodels: [sequential, threads]\n"
CALL = "workload: {call: 'mine:double', kwargs: {n: 1}}"
BAD = {
    "unknown key": (f"{CALL}{MODELS}task: 3\n", 'x.yaml:3:1: task: unknown key "task"; did you mean "tasks"?'),
    "wrong type": (f"{CALL}{MODELS}tasks: many\n", 'x.yaml:3:8: tasks: expected a whole number; got "many"'),
    "negative number": (f"{CALL}{MODELS}tasks: -1\n", "x.yaml:3:8: tasks: "),
    "unknown model": (
        f"{CALL}\nmodels: [sequential, thread]\n",
        'x.yaml:2:22: models[1]: unknown model "thread"; did you mean "threads"?',
    ),
    "unknown option": (
        f"{CALL}\nmodels: [{{model: processes, chunks: 2}}]\n",
        'x.yaml:2:29: models[0].chunks: unknown key "chunks"; did you mean "chunksize"?',
    ),
    "duration": (
        f"{CALL}{MODELS}measure: {{timeout: 10 parsecs}}\n",
        'x.yaml:3:20: measure.timeout: "10 parsecs" is not a duration from 1ms to 500h; write a number',
    ),
    "no such module": (
        f"workload: {{call: 'nowhere:f'}}{MODELS}",
        "x.yaml:1:18: workload.call: no module named 'nowhere'; run from the directory that holds it",
    ),
    "no such function": (
        f"workload: {{call: 'mine:doubel', kwargs: {{n: 1}}}}{MODELS}",
        "x.yaml:1:18: workload.call: mine has no function 'doubel'; did you mean 'double'?",
    ),
    "not a function": (
        f"workload: {{call: 'mine:number'}}{MODELS}",
        "x.yaml:1:18: workload.call: mine:number is an int, not a function; name a callable",
    ),
    "wrong kwargs": (
        f"workload: {{call: 'mine:double', kwargs: {{m: 1}}}}{MODELS}",
        "x.yaml:1:41: workload.kwargs: mine:double(n) does not take these kwargs: "
        "got an unexpected keyword argument 'm'",
    ),
    "a generator": (
        f"workload: {{call: 'mine:generator'}}{MODELS}",
        "x.yaml:1:18: workload.call: mine:generator is a generator function: calling it runs nothing",
    ),
    "only a coroutine for threads": (
        f"workload: {{async_call: 'mine:adouble', kwargs: {{n: 1}}}}{MODELS}",
        "x.yaml:1:24: workload.async_call: ",
    ),
    "a lambda for processes": (
        "workload: {call: 'mine:anonymous'}\nmodels: [processes]\n",
        "x.yaml:1:18: workload.call: mine:anonymous can't be sent to a worker of processes: ",
    ),
    "empty matrix": (f"{CALL}{MODELS}matrix: {{workers: []}}\n", "x.yaml:3:19: matrix.workers: "),
    "unknown axis": (
        f"{CALL}{MODELS}matrix: {{colour: [1]}}\n",
        'x.yaml:3:10: matrix.colour: no model of this experiment knows "colour"; known: tasks, arrivals.rate',
    ),
    "duplicate labels": (
        f"{CALL}\nmodels: [{{model: threads, label: a}}, {{model: processes, label: a}}]\n",
        'x.yaml:2:64: models[1].label: models[0] is called "a" too; give each a label of its own',
    ),
    "an expectation of an unknown model": (
        f"{CALL}{MODELS}expect: [{{of: processes, min: 1}}]\n",
        'x.yaml:3:15: expect[0].of: no model or label "processes" in this experiment; known: sequential, threads',
    ),
    "an expectation that matches nothing": (
        f"{CALL}{MODELS}expect: [{{of: threads, where: {{workers: 99}}, min: 1}}]\n",
        "x.yaml:3:41: expect[0].where.workers: matches no point and variant of threads; there is ",
    ),
    "an unquoted version": (
        f"{CALL}\nmodels: [{{model: threads, python: 3.10}}]\n",
        "x.yaml:2:35: models[0].python: a version without quotes is a number, and 3.10 the same as 3.1; quote it",
    ),
    "an interpreter that is not here": (
        f'{CALL}\nmodels: [{{model: threads, python: "9.9"}}]\n',
        'x.yaml:2:35: models[0].python: no interpreter "9.9" here, only',
    ),
    "empty": ("", "x.yaml: the file is empty; "),
    "a list": ("- 1\n", "x.yaml:1:1: "),
    "duplicate key": (
        f"{CALL}\n{CALL}{MODELS}",
        'x.yaml:2:1: duplicate key "workload", first given on line 1; keep one of them',
    ),
    "a tag": (f"{CALL}{MODELS}tasks: !!python/name:os.system 1\n", "x.yaml:3:8: tasks: "),
    "an alias": (f"{CALL}{MODELS}tasks: *a\n", "x.yaml:3:8: tasks: "),
}


@pytest.mark.parametrize("name", BAD)
def test_bad_input_exits_two_with_its_place_and_a_remedy_and_writes_nothing(place: Path, name: str) -> None:
    spec, message = BAD[name]
    (place / "x.yaml").write_text(spec)
    before = {path.name for path in place.iterdir()}
    done = in_process("run", "x.yaml", cwd=place)
    assert done.stdout == ""
    assert done.stderr.startswith(f"orchestrator: {message}")
    assert all(line.startswith("orchestrator: ") and "; " in line for line in done.stderr.splitlines())
    assert done.returncode == errors.BAD_INPUT
    assert {path.name for path in place.iterdir()} - before <= {"__pycache__"}


def test_every_refusal_of_an_interpreter_is_reported_at_its_place(place: Path) -> None:
    (place / "x.yaml").write_text(
        "workload: {call: 'mine:double', observe: 'mine:missing'}\n"
        "models:\n"
        "- sequential\n"
        "- {model: sequential, label: a, call: 'mine:anonymous'}\n"
        "- {model: sequential, label: b, kwargs: {z: 1}}\n"
        "- {model: sequential, label: c, path: nowhere}\n"
        "- {model: sequential, label: d, python: /bin/true}\n"
        "- {model: sequential, label: e, call: 'mine:nothing'}\n"
        "matrix:\n"
        "  kwargs.n: [1]\n"
    )
    done = in_process("run", "x.yaml", cwd=place)
    reported = [line.removeprefix("orchestrator: ").partition("; ")[0] for line in done.stderr.splitlines()]
    assert done.returncode == errors.BAD_INPUT
    assert reported == [
        'x.yaml:6:39: models[3].path: "nowhere" is no directory here',
        "x.yaml:1:42: workload.observe: mine has no function 'missing'",
        "x.yaml:10:13: matrix.kwargs.n: mine:anonymous() does not take these kwargs: "
        "got an unexpected keyword argument 'n'",
        "x.yaml:5:41: models[2].kwargs: mine:double(n) does not take these kwargs: "
        "got an unexpected keyword argument 'z'",
        "x.yaml:8:39: models[5].call: mine has no function 'nothing'",
        "x.yaml:7:41: models[4].python: /bin/true is no Python interpreter",
    ]


def test_a_function_of_the_matrix_is_refused_in_the_matrix(place: Path) -> None:
    (place / "x.yaml").write_text(
        "workload: {call: 'mine:double'}\nmodels: [threads]\nmatrix: {workload.call: ['mine:number', 'mine:missing']}\n"
    )
    done = in_process("run", "x.yaml", cwd=place)
    assert "x.yaml:3:41: matrix.workload.call[1]: mine has no function 'missing'" in done.stderr
    assert "x.yaml:3:26: matrix.workload.call[0]: mine:number is an int" in done.stderr


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["run", "none.yaml"], "none.yaml: no such file"),
        (["run", "."], ".: a directory, not a file"),
        (["run", "x.yaml", "tasks"], '"tasks" is neither a file nor an override; write key.sub=value, such as tasks=8'),
        (["run", "x.yaml", "tasks=0"], 'override "tasks=0": tasks: '),
        (["run", "x.yaml", "--format", "html"], '--format: no format "html"; name one of table, advice, json'),
        (["schema", "log"], 'no schema "log"; name one of spec, events, listings'),
    ],
)
def test_a_wrong_command_line_exits_two(place: Path, arguments: list[str], message: str) -> None:
    (place / "x.yaml").write_text(GOOD)
    done = in_process(*arguments, cwd=place)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    assert done.stderr.startswith(f"orchestrator: {message}")


def test_a_report_of_a_missing_run_is_refused_with_a_remedy(tmp_path: Path) -> None:
    done = in_process("report", "runs/none", cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert done.stderr == ("orchestrator: runs/none is not there; name a run directory, such as runs/cpu/latest\n")
