"""SQL over all runs, through the command that people type: what it reads, keeps, refuses, and prints."""

from __future__ import annotations

import csv
import io
import json
import os
import shutil
import stat
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.analysis.results import fold
from orchestrator.output import query
from orchestrator.output.columns import NAMES, tables
from tests.support.command import events, in_process, orchestrator
from tests.support.journals import journaled
from tests.support.place import damaged
from tests.support.processes import owned
from tests.support.synthetic import conducted
from tests.support.waiting import until

COUNT = "select variant, count(*) as n from trials group by all order by all"


@pytest.fixture(scope="module")
def records() -> list[dict[str, Any]]:
    return conducted(
        {"sequential": 20, "threads": 10}, observed={"observed_text": "=a,b"}, measure={"blocks": 8}
    ).records()


@pytest.fixture
def runs(tmp_path: Path, records: list[dict[str, Any]]) -> Path:
    """Two runs of one experiment, and one of another, with a column of text at its points that the others lack."""
    runs = tmp_path / "runs"
    for number in (1, 2):
        journaled(runs, number, records)
    other = conducted(
        {"sequential": 20, "event_loop": 10},
        workload={"call": "a:b", "kwargs": {"n": "text"}},
        name="y",
        measure={"blocks": 8},
    )
    journaled(runs, 3, other.records(), "y")
    return runs


def asked(runs: Path, sql: str, *options: str) -> Any:
    return in_process("query", sql, *options, cwd=runs.parent)


def test_a_query_reads_the_trials_of_all_runs(runs: Path) -> None:
    rows = events(asked(runs, COUNT, "--json").stdout)
    # 8 blocks of 5 rounds in each run
    assert rows == [
        {"variant": "event_loop", "n": 40},
        {"variant": "sequential", "n": 120},
        {"variant": "threads", "n": 80},
    ]


def test_columns_of_one_name_are_all_there_in_json(runs: Path) -> None:
    sql = "select 1 as n, 2 as n, 3 as n"
    assert events(asked(runs, sql, "--json").stdout) == [{"n": 1, "n_2": 2, "n_3": 3}]


@pytest.mark.parametrize("name", NAMES)
def test_every_table_of_a_run_is_a_view(runs: Path, records: list[dict[str, Any]], name: str) -> None:
    sql = f"select count(*) as n from {name} where experiment = 'x'"
    (found,) = events(in_process("query", sql, "--json", cwd=runs.parent).stdout)
    assert found["n"] == 2 * len(tables(fold(records))[name])


def test_a_verdict_in_sql_is_the_one_that_is_reported(runs: Path) -> None:
    (row,) = events(asked(runs, "select sentence from verdicts where run_id like '20261101%'", "--json").stdout)
    report = in_process("report", "runs/x/20261101T031500000Z-5a5a5a", "--format", "json", cwd=runs.parent).stdout
    assert row["sentence"] in [event.get("sentence") for event in events(report)]


def test_for_people_an_answer_is_a_table(runs: Path) -> None:
    done = asked(runs, COUNT)
    assert done.stdout == "variant       n\nevent_loop   40\nsequential  120\nthreads      80\n"
    assert (done.returncode, done.stderr) == (0, "")


def test_as_csv_an_answer_has_a_header_and_no_formula(runs: Path) -> None:
    done = asked(runs, "select observed_text, count(*) as n from trials where experiment = 'x' group by all", "--csv")
    assert list(csv.reader(io.StringIO(done.stdout))) == [["observed_text", "n"], ["'=a,b", "160"]]


def test_a_table_says_when_there_is_more_than_it_shows(runs: Path) -> None:
    lines = asked(runs, "select * from range(1001)").stdout.splitlines()
    assert len(lines) == 1 + 1000 + 1
    assert lines[-1] == "and more than these 1,000 rows: add LIMIT, or read them with --csv or --json"


def test_values_that_json_has_no_type_for_are_printed(runs: Path) -> None:
    sql = "select 2::hugeint ** 100 as huge, 'nan'::double as nan, date '2026-11-01' as day, 1.5::decimal(3,1) as half"
    (row,) = events(asked(runs, sql, "--json").stdout)
    assert (row["nan"], row["day"], row["half"]) == (None, "2026-11-01", 1.5)


def test_text_that_would_steer_a_terminal_is_escaped(runs: Path) -> None:
    assert "\x1b" not in asked(runs, "select chr(27) || '[31m' as red").stdout


@pytest.mark.parametrize("name", NAMES)
def test_a_view_has_no_column_that_its_table_never_fills(runs: Path, name: str) -> None:
    columns = {row["column_name"] for row in events(asked(runs, f"describe {name}", "--json").stdout)}
    assert not columns & {"event", "schema", "seq", "crc32", "hash_seed", "worker_pids", "worker_threads"}


def test_names_that_differ_in_case_alone_are_columns_of_their_own(tmp_path: Path) -> None:
    kwargs = {"call": "a:b", "kwargs": {"n": 3, "N": 2}}
    journaled(
        tmp_path / "runs",
        1,
        conducted({"sequential": 20, "threads": 10}, workload=kwargs, measure={"blocks": 8}).records(),
    )
    sql = "select distinct kwargs_n, kwargs_N_2 from trials"
    assert events(asked(tmp_path / "runs", sql, "--json").stdout) == [{"kwargs_n": 3, "kwargs_N_2": 2}]


def test_without_any_run_the_views_are_empty(tmp_path: Path) -> None:
    (tmp_path / "runs").mkdir()
    assert events(asked(tmp_path / "runs", "select count(*) as n from trials", "--json").stdout) == [{"n": 0}]


def test_a_column_has_its_declared_type_though_a_run_holds_nothing_in_it(runs: Path) -> None:
    sql = "select column_name, column_type from (describe trials) where column_name in ('core', 'wall_ns', 'counts')"
    types = {row["column_name"]: row["column_type"] for row in events(asked(runs, sql, "--json").stdout)}
    assert types == {"core": "BIGINT", "wall_ns": "BIGINT", "counts": "BOOLEAN"}


# --- what is kept


def kept(run: Path) -> list[Path]:
    return sorted((run / query.KEPT).glob("*/*.parquet"))


def test_what_is_kept_may_be_deleted_at_any_time(runs: Path) -> None:
    first = asked(runs, COUNT).stdout
    for run in runs.glob("*/*"):
        assert kept(run)
        shutil.rmtree(run / query.KEPT)
    assert asked(runs, COUNT).stdout == first


def test_what_is_kept_is_read_again_and_not_made_again(runs: Path) -> None:
    asked(runs, COUNT)
    before = {file: file.stat().st_mtime_ns for run in runs.glob("*/*") for file in kept(run)}
    asked(runs, COUNT)
    assert {file: file.stat().st_mtime_ns for run in runs.glob("*/*") for file in kept(run)} == before


def test_what_is_kept_and_broken_is_named_with_the_remedy(runs: Path) -> None:
    asked(runs, COUNT)
    broken = kept(next(runs.glob("x/*")))[-2]
    broken.write_bytes(b"")
    done = asked(runs, f"select count(*) from {broken.stem}")
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    assert done.stderr.endswith("; delete that .tables, which is made again from the journal\n")
    assert str(broken) in done.stderr


def test_a_journal_that_has_grown_is_read_anew(runs: Path, records: list[dict[str, Any]]) -> None:
    ends = [place for place, event in enumerate(records) if event["event"] == "block.finished"]
    run = journaled(runs, 4, records[: ends[2] + 1])
    sql = f"select count(*) as n from blocks where run_id = '{run.name}'"
    assert events(asked(runs, sql, "--json").stdout) == [{"n": 3 * 2}]
    shutil.rmtree(run)
    journaled(runs, 4, records)
    assert events(asked(runs, sql, "--json").stdout) == [{"n": 8 * 2}]


@pytest.mark.slow
def test_many_runs_are_read_by_several_processes_into_the_same_tables(
    runs: Path, records: list[dict[str, Any]]
) -> None:
    for number in range(4, 4 + query.FEW):
        journaled(runs, number, records)
    rows = events(asked(runs, "select count(distinct run_id) as runs from trials", "--json").stdout)
    assert rows == [{"runs": 3 + query.FEW}]


def has_processes(group: int) -> bool:
    try:
        os.killpg(group, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.long
@pytest.mark.slow
def test_a_query_that_is_killed_leaves_no_process_and_no_file(runs: Path, records: list[dict[str, Any]]) -> None:
    for number in range(4, 28):
        journaled(runs, number, records)
    temporary = runs.parent / "tmp"
    temporary.mkdir()
    command = [sys.executable, "-m", "orchestrator", "query", COUNT]
    environment = {**os.environ, "TMPDIR": str(temporary)}
    pipe = subprocess.PIPE
    asking = owned(subprocess.Popen(command, cwd=runs.parent, env=environment, start_new_session=True, stdout=pipe))
    until(lambda: list(runs.glob(f"*/*/{query.KEPT}/*.part")) or asking.poll() is not None, pause_s=0)
    assert asking.poll() is None
    asking.kill()
    asking.communicate()
    until(lambda: not has_processes(asking.pid))
    assert list(temporary.iterdir()) == []
    assert asked(runs, COUNT).returncode == 0


@pytest.fixture
def unwritable(runs: Path) -> Iterator[Path]:
    """Read-only runs, as in an archive; for root too, because a file is where the tables would be kept."""
    for run in runs.glob("*/*"):
        (run / query.KEPT).write_text("")
        run.chmod(stat.S_IRUSR | stat.S_IXUSR)
    yield runs
    for run in runs.glob("*/*"):
        run.chmod(stat.S_IRWXU)


def test_runs_that_can_not_be_written_to_are_asked_all_the_same(unwritable: Path) -> None:
    assert len(events(asked(unwritable, COUNT, "--json").stdout)) == 3


# --- what is no query, or no journal


@pytest.mark.parametrize(
    ("sql", "message"),
    [
        ("copy (select 1) to 'runs/x.csv'", "SQL: COPY is no SELECT, and queries only read; ask with one SELECT"),
        ("create table t (i int)", "SQL: CREATE is no SELECT"),
        ("explain analyze copy (select 1) to 'runs/x.csv'", "SQL: EXPLAIN is no SELECT"),
        ("attach 'other.db'", "SQL: ATTACH is no SELECT"),
        ("set enable_external_access = true", "SQL: SET is no SELECT"),
        ("install httpfs", "SQL: LOAD is no SELECT"),
        ("select 1; drop view trials", "SQL: 2 statements; ask with one SELECT"),
        ("", "SQL: 0 statements"),
        ("selec 1", 'SQL: Parser Error: syntax error at or near "selec"; correct it; the views are runs, trials,'),
        ("select nope from trials", 'SQL: Binder Error: Referenced column "nope" not found'),
        ("select * from nope", "SQL: Catalog Error: Table with name nope does not exist!"),
        ("select * from read_text('secret')", 'SQL: Permission Error: Cannot access file "secret"'),
        ("select * from read_text('runs/../secret')", "SQL: Permission Error: Cannot access file"),
        ("select * from read_csv('/etc/passwd')", "SQL: Permission Error: Cannot access file"),
        ("select * from glob('/etc/*')", "SQL: Permission Error: Cannot access file"),
        ("select * from query('drop view trials')", "SQL: Parser Error: Expected a single SELECT statement"),
    ],
)
def test_what_would_write_or_read_elsewhere_is_refused(runs: Path, sql: str, message: str) -> None:
    (runs.parent / "secret").write_text("secret")
    before = sorted(runs.parent.glob("*"))
    done = in_process("query", sql, cwd=runs.parent)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    assert done.stderr.startswith(f"orchestrator: {message}")
    assert len(done.stderr.splitlines()) == 1
    assert sorted(runs.parent.glob("*")) == before


def test_a_query_may_read_the_journals_themselves(runs: Path) -> None:
    pattern = runs / "x" / "*" / "events.jsonl"
    sql = f"select count(*) as n from read_json('{pattern}') where event = 'run.started'"
    assert events(asked(runs, sql, "--json").stdout) == [{"n": 2}]


def test_a_damaged_run_is_left_out_and_named(runs: Path) -> None:
    file = runs / "x" / "20261102T031500000Z-5a5a5a" / "events.jsonl"
    damaged(file)
    done = asked(runs, COUNT, "--json")
    assert {row["variant"]: row["n"] for row in events(done.stdout)} == {
        "event_loop": 40,
        "sequential": 80,
        "threads": 40,
    }
    assert done.returncode == errors.DAMAGED
    shown, last = done.stderr.splitlines()
    assert json.loads(shown)["event"] == "journal.damaged"
    assert last.startswith("orchestrator: 1 run left out; the first: ")
    assert f"{file}: byte " in last


def test_a_run_of_a_model_that_this_version_lacks_is_left_out_and_named(
    runs: Path, records: list[dict[str, Any]]
) -> None:
    first = {**records[0], "spec": records[0]["spec"].replace('"threads"', '"fibres"')}
    first["versions"] = {"orchestrator": "9.9"}
    run = journaled(runs, 9, [first, *records[1:]])
    why = f'run {run.name} of x: its spec is none that this program reads: unknown model "fibres"'
    done = asked(runs, COUNT)
    assert (done.returncode, done.stderr.splitlines()[-1].partition(why)[1]) == (errors.DAMAGED, why)
    done = in_process("report", str(run), cwd=runs.parent)
    remedy = "read it with the version that wrote it, 9.9"
    assert (done.returncode, done.stderr) == (errors.DAMAGED, f"orchestrator: {why}; {remedy}\n")


def test_a_run_that_has_written_nothing_yet_is_no_damage(runs: Path) -> None:
    run = runs / "x" / "20261109T031500000Z-5a5a5a"
    run.mkdir()
    (run / "events.jsonl").touch()
    assert asked(runs, COUNT).returncode == 0


def test_a_directory_that_is_not_there_is_reported(tmp_path: Path) -> None:
    done = in_process("query", "select 1", "--runs", "none", cwd=tmp_path)
    assert done.returncode == errors.BAD_INPUT
    assert "No such file or directory; name the directory that holds the runs" in done.stderr


def test_a_reader_that_goes_away_ends_a_query_quietly(runs: Path) -> None:
    command = f"{sys.executable} -m orchestrator query --csv 'from range(100000)' 2>&1 | head -1"
    done = subprocess.run(command, shell=True, cwd=runs.parent, capture_output=True, text=True, check=False)
    assert (done.stdout, done.stderr) == ("range\n", "")


# --- history


def history(runs: Path, *options: str) -> Any:
    return in_process("history", "x", *options, cwd=runs.parent)


def of_host(records: list[dict[str, Any]], host: str, commit: str) -> list[dict[str, Any]]:
    context: Mapping[str, Any] = {
        **{"event": "context.sampled", "when": "start", "monotonic_ns": 0, "hostname": host, "cpu_model": None},
        **{"cores": 2, "effective_cores": 2, "affinity": None, "governor": None, "load_1m": 0.0, "steal_ns": 0},
        **{"busy_ns": 0, "psi_cpu_some_us": 0},
    }
    first = {**records[0], "commit": commit}
    about = {key: first[key] for key in ("schema", "run_id", "ts")}
    return [{**record, "seq": seq} for seq, record in enumerate([first, {**about, **context}, *records[1:]])]


@pytest.fixture
def past(tmp_path: Path) -> Path:
    """Four runs on two machines, the second twice as slow; on the first one, threads have become slower with `bbb`."""
    runs = tmp_path / "runs"
    old, new, elsewhere = (
        conducted(
            {"sequential": 20 * factor, "threads": ms * factor}, reference_ms=3.0 * factor, measure={"blocks": 8}
        ).records()
        for factor, ms in ((1, 10), (1, 14), (2, 10))
    )
    for number, (what, host, commit) in enumerate(
        ((old, "here", "aaa"), (elsewhere, "there", "aaa"), (old, "here", "aaa-dirty"), (new, "here", "bbb")), 1
    ):
        journaled(runs, number, of_host(what, host, commit))
    return runs


def test_a_history_has_an_entry_for_each_variant_in_each_run_from_old_to_new(past: Path) -> None:
    entries = events(history(past, "--format", "json").stdout)
    assert [(entry["commit"], entry["hostname"], entry["variant"]) for entry in entries] == [
        (commit, host, variant)
        for commit, host in (("aaa", "here"), ("aaa", "there"), ("aaa-dirty", "here"), ("bbb", "here"))
        for variant in ("sequential", "threads")
    ]


def test_what_the_machine_did_to_all_cancels_out(past: Path) -> None:
    ratios = [entry["ratio"] for entry in events(history(past, "--format", "json").stdout)]
    assert ratios == pytest.approx([20 / 3, 10 / 3] * 3 + [20 / 3, 14 / 3], rel=0.01)


def test_a_change_is_reported_since_the_run_before_on_the_same_machine(past: Path) -> None:
    changes = [entry["change"] for entry in events(history(past, "--format", "json").stdout)]
    assert changes == [None, None, None, None, "same", "same", "same", "slower"]


def test_a_change_within_the_tolerance_is_none(past: Path) -> None:
    changes = [entry["change"] for entry in events(history(past, "--format", "json", "--tolerance", "60%").stdout)]
    assert "slower" not in changes


def test_for_people_a_history_is_a_table_with_a_row_for_each_variant_in_each_run(past: Path) -> None:
    wide = {**os.environ, "COLUMNS": "120"}
    done = orchestrator("history", "x", "--format", "table", cwd=past.parent, env=wide)
    lines = done.stdout.splitlines()
    assert lines[0] == "b() x 1"
    assert lines[1].split() == ["variant", "run", "machine", "commit", "times", "the", "loop", "per", "batch", "change"]
    assert [(line.split()[-8:-6], line.split()[-1]) for line in lines[6:10]] == [
        (["here", "aaa"], "-"),
        (["there", "aaa"], "-"),
        (["here", "aaa-dirty"], "same"),
        (["here", "bbb"], "slower"),
    ]


def test_a_change_that_is_undecided_for_few_blocks_says_how_to_get_more(past: Path, tmp_path: Path) -> None:
    short = tmp_path / "short" / "runs"
    for number in (1, 2):
        run = conducted({"sequential": 20, "threads": 10}, measure={"blocks": 4})
        journaled(short, number, of_host(run.records(), "here", "aaa"))
    assert "measure.blocks=8" in history(short, "--format", "table").stdout
    assert "measure.blocks=8" not in history(past, "--format", "table").stdout


def test_a_run_without_the_reference_loop_has_no_ratio(tmp_path: Path) -> None:
    journaled(tmp_path / "runs", 1, conducted({"sequential": 20, "threads": 10}, reference_ms=None).records())
    entries = events(history(tmp_path / "runs", "--format", "json").stdout)
    assert {entry["ratio"] for entry in entries} == {None}


@pytest.mark.parametrize(
    ("name", "status", "message"),
    [
        (
            "none",
            2,
            "orchestrator: runs/none holds no run with a finished block; name an experiment that has runs there",
        ),
        ("../x", 2, 'orchestrator: NAME: "../x" '),
    ],
)
def test_an_experiment_without_runs_is_reported(past: Path, name: str, status: int, message: str) -> None:
    done = in_process("history", name, cwd=past.parent)
    assert (done.returncode, done.stdout) == (status, "")
    assert done.stderr.startswith(message)
