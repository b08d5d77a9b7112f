"""`run` of several specs: checked together, measured in turn, summed up in one table and one status."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import pytest

from orchestrator import errors
from orchestrator.engine.share import fair_s
from orchestrator.journal.read import Records, find, newest_first
from orchestrator.machine.host import effective_cores
from tests.support.command import events, in_process, orchestrator
from tests.support.event_schema import validators
from tests.support.place import WORKLOAD

SPEC = """
workload: {call: "mine:count"}
models: [sequential, {model: sequential, label: again}]
measure: {blocks: 1, rounds: 3, seed: 1}
"""
FAILING = SPEC.replace("count", "fails")
BROKEN = SPEC + "expect: [{of: again, metric: wall_ns, max: 1}]\n"
"""One block can decide nothing, so that this is undecided: status 4."""


def placed(directory: Path, **specs: str) -> Path:
    (directory / "mine.py").write_text(WORKLOAD + "\ndef fails(): raise ValueError('boom')\n")
    for name, text in specs.items():
        (directory / f"{name}.yaml").write_text(text)
    return directory


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, Any]:
    """A suite of which one experiment fails and one decides too little."""
    place = placed(tmp_path_factory.mktemp("suite"), good=SPEC, failing=FAILING, claims=BROKEN)
    return place, orchestrator("run", "good.yaml", "failing.yaml", "claims.yaml", "tasks=2", cwd=place)


def test_the_status_of_a_suite_is_the_worst_of_its_experiments(ran: tuple[Path, Any]) -> None:
    assert ran[1].returncode == errors.FAILED, ran[1].stderr


def test_the_last_line_names_the_experiment_that_the_status_stands_for(ran: tuple[Path, Any]) -> None:
    last = ran[1].stderr.splitlines()[-1]
    assert last.startswith("orchestrator: failing: 4 trials failed; the first: sequential at fails() x 2: ")
    assert last.endswith("; 2 of 3 experiments have a status other than 0")


def test_a_failing_experiment_does_not_keep_the_others_from_being_measured(ran: tuple[Path, Any]) -> None:
    found = [event["experiment"] for event in events(ran[1].stdout) if event["event"] == "run.finished"]
    assert found == ["good", "failing", "claims"]


def test_an_override_applies_to_every_spec(ran: tuple[Path, Any]) -> None:
    verdicts = [event for event in events(ran[1].stdout) if event["event"] == "verdict.reached"]
    assert [event["tasks"] for event in verdicts] == [2, 2, 2]


def test_a_suite_ends_with_a_line_for_each_experiment_and_one_for_all(ran: tuple[Path, Any]) -> None:
    *ends, suite = events(ran[1].stdout)[-4:]
    assert [(end["event"], end["experiment"], end["exit_status"], end["outcome"]) for end in ends] == [
        ("experiment.finished", "good", errors.OK, "undecided"),
        ("experiment.finished", "failing", errors.FAILED, "workload_failed"),
        ("experiment.finished", "claims", errors.UNDECIDED, "undecided"),
    ]
    assert (suite["event"], suite["experiments"], suite["failed"]) == ("suite.finished", 3, 2)
    assert (suite["exit_status"], suite["max_time_s"]) == (errors.FAILED, None)


def test_the_line_of_an_experiment_leads_to_its_run(ran: tuple[Path, Any]) -> None:
    place, done = ran
    ends = [event for event in events(done.stdout) if event["event"] == "experiment.finished"]
    assert [Path(end["directory"]) for end in ends] == [
        Path("runs", name, newest_first(place / "runs" / name)[0].name) for name in ("good", "failing", "claims")
    ]
    assert [end["run_id"] for end in ends] == [Path(end["directory"]).name for end in ends]


def test_the_lines_of_a_suite_have_the_fields_of_the_published_schema(ran: tuple[Path, Any]) -> None:
    known = validators()
    journals_only = ("'seq'", "'ts'", "'crc32'", "'run_id'")
    for line in events(ran[1].stdout)[-4:]:
        found = [error.message for error in known[line["event"]].iter_errors(line)]
        assert [message for message in found if not message.startswith(journals_only)] == []


def test_the_log_of_a_run_has_the_command_that_runs_it_alone(ran: tuple[Path, Any]) -> None:
    started = next(iter(Records(find(ran[0] / "runs" / "failing"))))
    assert started["command"] == ["orchestrator", "run", "failing.yaml", "tasks=2"]


def test_a_suite_that_came_to_its_end_leaves_no_record(ran: tuple[Path, Any]) -> None:
    assert sorted(path.name for path in (ran[0] / "runs").iterdir()) == ["claims", "failing", "good"]


@pytest.mark.long
def test_a_suite_that_came_to_its_end_is_measured_again(tmp_path: Path) -> None:
    place = placed(tmp_path, a=SPEC, b=SPEC)
    for _ in range(2):
        assert orchestrator("run", "a.yaml", "b.yaml", cwd=place).returncode == errors.OK
    assert [len(newest_first(place / "runs" / name)) for name in ("a", "b")] == [2, 2]


@pytest.mark.slow
def test_the_summary_for_people_is_a_table(tmp_path: Path) -> None:
    place = placed(tmp_path, a=SPEC, b=SPEC)
    done = orchestrator("run", "a.yaml", "b.yaml", "--format", "table", cwd=place, env={**os.environ, "COLUMNS": "160"})
    summary = done.stdout.rpartition("\n\n")[2].splitlines()
    assert summary[0].split() == ["experiment", "verdict", "expectations", "time", "status", "run"]
    assert [line.split()[0] for line in summary[1:]] == ["a", "b", "2"]
    assert re.fullmatch(r"2 experiments in \S+ s", summary[-1])


@pytest.mark.long
def test_limits_of_one_spec_do_not_bind_the_next(tmp_path: Path) -> None:
    cores = sorted(os.sched_getaffinity(0))
    place = placed(tmp_path, a=SPEC + f"limits: {{cpus: [{cores[0]}]}}\n", b=SPEC)
    assert orchestrator("run", "a.yaml", "b.yaml", cwd=place).returncode == errors.OK
    started = [next(iter(Records(find(place / "runs" / name))))["effective_cores"] for name in ("a", "b")]
    assert started == [1, effective_cores()]


@pytest.mark.slow
def test_a_quiet_suite_without_a_failure_prints_nothing(tmp_path: Path) -> None:
    place = placed(tmp_path, a=SPEC, b=SPEC)
    done = orchestrator("run", "a.yaml", "b.yaml", "--quiet", cwd=place)
    assert (done.returncode, done.stdout, done.stderr) == (errors.OK, "", "")


@pytest.mark.long
def test_a_quiet_suite_with_a_failure_prints_everything(tmp_path: Path) -> None:
    place = placed(tmp_path, a=SPEC, b=FAILING)
    done = orchestrator("run", "a.yaml", "b.yaml", "--quiet", cwd=place)
    assert done.returncode == errors.FAILED
    assert [event["experiment"] for event in events(done.stdout) if event["event"] == "run.finished"] == ["a", "b"]
    assert "trial.failed" in done.stderr


@pytest.mark.slow
def test_a_disk_that_fails_in_one_experiment_leaves_the_others(tmp_path: Path) -> None:
    place = placed(tmp_path, a=SPEC, b=SPEC)
    (place / "runs").mkdir()
    (place / "runs" / "a").write_text("where a directory belongs")
    done = orchestrator("run", "a.yaml", "b.yaml", cwd=place)
    assert done.returncode == errors.UNWRITABLE
    assert len(newest_first(place / "runs" / "b")) == 1
    first = next(event for event in events(done.stdout) if event["event"] == "experiment.finished")
    assert (first["outcome"], first["directory"]) == ("error", None)
    assert "cannot write" in first["error"]


# --- what is refused, before anything is measured


def refused(place: Path, *arguments: str) -> list[str]:
    """Return the lines on stderr of a suite that is refused."""
    done = in_process("run", *arguments, cwd=place)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    assert not list(place.glob("runs/*/*"))
    return [line.removeprefix("orchestrator: ") for line in done.stderr.splitlines()]


def test_the_problems_of_all_specs_are_named_and_nothing_is_measured(tmp_path: Path) -> None:
    place = placed(tmp_path, a=SPEC, b=SPEC.replace("seed", "sed"), c=SPEC + "task: 3\n")
    lines = refused(place, "a.yaml", "b.yaml", "c.yaml", "missing.yaml")
    assert [line.partition(":")[0] for line in lines] == ["b.yaml", "c.yaml", "missing.yaml"]


def test_the_workloads_of_all_specs_are_probed_before_the_first_is_measured(tmp_path: Path) -> None:
    place = placed(tmp_path, a=SPEC, b=SPEC.replace("count", "nothing"), c=SPEC.replace("mine", "yours"))
    lines = refused(place, "a.yaml", "b.yaml", "c.yaml")
    assert [line.partition(":")[0] for line in lines] == ["b.yaml", "c.yaml"]


def test_a_problem_of_an_override_is_named_once(tmp_path: Path) -> None:
    lines = refused(placed(tmp_path, a=SPEC, b=SPEC), "a.yaml", "b.yaml", "tasks=0")
    assert len(lines) == 1
    assert lines[0].startswith('override "tasks=0": tasks: ')


@pytest.mark.parametrize("other", ["a.yaml", "./a.yaml", "link.yaml"])
def test_a_spec_given_twice_is_refused(other: str, tmp_path: Path) -> None:
    place = placed(tmp_path, a=SPEC)
    (place / "link.yaml").symlink_to("a.yaml")
    (line,) = refused(place, "a.yaml", other)
    assert line.startswith(other.removeprefix("./"))
    assert line.endswith("; name each spec once")


def test_two_experiments_of_one_name_are_refused(tmp_path: Path) -> None:
    (line,) = refused(placed(tmp_path, a=SPEC, b=SPEC + "name: a\n"), "a.yaml", "b.yaml")
    assert line == 'b.yaml: name: "a" is also the name of a.yaml; give it another `name:`'


def test_overrides_without_a_spec_are_refused(tmp_path: Path) -> None:
    assert refused(tmp_path, "tasks=3") == ["CONFIG: no spec is given; name a YAML file, such as configs/cpu.yaml"]


def test_a_file_with_an_equals_sign_in_its_name_is_a_spec(tmp_path: Path) -> None:
    place = placed(tmp_path, **{"a": SPEC, "n=3": SPEC + "name: three\ntask: 3\n"})
    (line,) = refused(place, "a.yaml", "n=3.yaml")
    assert line.startswith("n=3.yaml:")


def test_a_time_in_which_not_every_experiment_fits_is_refused(tmp_path: Path) -> None:
    lines = refused(placed(tmp_path, a=SPEC, b=SPEC), "a.yaml", "b.yaml", "--max-time", "300ms")
    assert [re.sub(r"[\d.]+ s", "N s", line) for line in lines] == [
        f"{name}.yaml: --max-time: one block of the two quickest variants takes about N s, and N s are left for it; "
        "give more time, or fewer specs"
        for name in ("a", "b")
    ]


# --- the time for all


UNTIL_THE_END = SPEC.replace("blocks: 1", "tie: 0.01%, max_time: 1h")


@pytest.mark.long
def test_max_time_bounds_all_experiments_together(tmp_path: Path) -> None:
    place = placed(tmp_path, a=UNTIL_THE_END, b=UNTIL_THE_END)
    done = orchestrator("run", "a.yaml", "b.yaml", "--max-time", "12s", cwd=place)
    assert done.returncode == errors.OK, done.stderr
    shares = [next(iter(Records(find(place / "runs" / name))))["most_s"] for name in ("a", "b")]
    assert shares[0] == pytest.approx(6, abs=0.1)
    assert 0 < shares[1] < 12
    assert events(done.stdout)[-1]["max_time_s"] == 12.0


@pytest.mark.long
def test_max_time_bounds_a_single_experiment_too(tmp_path: Path) -> None:
    place = placed(tmp_path, a=UNTIL_THE_END)
    assert orchestrator("run", "a.yaml", "--max-time", "5s", cwd=place).returncode == errors.OK
    assert next(iter(Records(find(place / "runs" / "a"))))["most_s"] == 5.0


@pytest.mark.parametrize(
    ("left_s", "most_s", "each_s"),
    [
        (90, [100, 100, 100], 30),
        (90, [100, 10, 100], 40),
        (90, [10, 20, 100], 60),
        (90, [10, 20], float("inf")),
        (90, [10], float("inf")),
        (-5, [10, 20], -2.5),
    ],
)
def test_time_that_one_experiment_cannot_use_goes_to_the_others(
    left_s: float, most_s: list[float], each_s: float
) -> None:
    assert fair_s(left_s, most_s) == pytest.approx(each_s)
