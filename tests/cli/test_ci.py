"""`orchestrator ci` in real repositories: what it finds, where it says so, and what it leaves behind."""

from __future__ import annotations

import signal
import subprocess
from dataclasses import dataclass
from pathlib import Path

import pytest

from orchestrator import errors
from orchestrator.engine.worktrees import commits
from tests.support.command import in_process
from tests.support.repository import OF_GITHUB, PRICES, SLOWER, SPEC, Repository
from tests.support.waiting import until

QUICK = ("measure.blocks=1", "measure.rounds=1")
"""Too little to decide, for what does not depend on the times."""


@pytest.fixture
def repository(tmp_path: Path) -> Repository:
    """A repository with one commit on its branch `main`, and a branch `change` that is checked out."""
    found = Repository(tmp_path / "shop")
    found.commit(prices_py=PRICES, prices_yaml=SPEC)
    found.git("checkout", "--quiet", "-b", "change")
    return found


@dataclass(frozen=True)
class Ran:
    """One comparison under the variables that GitHub sets, and what it left."""

    repository: Repository
    done: subprocess.CompletedProcess[str]
    summary: str
    left: list[str]

    def annotation(self, *parts: str) -> str:
        """Return the one annotation that has these parts."""
        lines = [line for line in self.done.stdout.splitlines() if line.startswith("::")]
        (found,) = [line for line in lines if all(part in line for part in parts)]
        return found

    def row(self, spec: str) -> str:
        """Return the one row of a spec in the table."""
        (found,) = [line for line in self.summary.splitlines() if line.startswith(f"| {spec} |")]
        return found


@pytest.fixture(scope="module")
def slower(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A clone in which a function takes several times as long as on `main`."""
    place = tmp_path_factory.mktemp("slower")
    repository = Repository(place / "origin")
    repository.commit(prices_py=PRICES, prices_yaml=SPEC)
    repository.git("checkout", "--quiet", "-b", "change")
    claims = "expect:\n  - {of: sequential, metric: wall_ns, min: 1}\n  - {of: sequential, metric: wall_ns, max: 1}\n"
    repository.commit(prices_py=SLOWER, prices_yaml=SPEC + claims)
    clone = Repository(place / "clone")
    clone.git("pull", "--quiet", str(repository.directory), "change")
    clone.git("fetch", "--quiet", str(repository.directory), "main:refs/remotes/origin/main")
    summary = place / "summary.md"
    summary.write_text("of another step\n")
    env = {"GITHUB_ACTIONS": "true", "GITHUB_BASE_REF": "main", "GITHUB_STEP_SUMMARY": str(summary)}
    done = clone.run("ci", "prices.yaml", GITHUB_WORKSPACE=str(place), **env)
    return Ran(clone, done, summary.read_text(), clone.worktrees())


ARRIVING = """\
workload: {call: "prices:total", kwargs: {items: 5_000}}
models: [sequential]
arrivals: {rate: 40, process: constant, window: 600ms}
measure: {metric: p50, blocks: 6, rounds: 1, seed: 1}
"""


@pytest.mark.long
def test_latencies_are_compared_where_calls_arrive_at_a_rate(repository: Repository) -> None:
    repository.commit(prices_py=SLOWER, prices_yaml=ARRIVING)
    done = repository.run("ci", "prices.yaml", "--base", "main")
    assert done.returncode == errors.BROKEN, done.stderr
    assert "| prices | total(items=5000) at 40/s, constant, p50 | sequential |" in done.stdout
    assert done.stdout.count("| slower |") == 1


@pytest.mark.slow
def test_a_regression_ends_with_status_1_and_a_count(slower: Ran) -> None:
    assert slower.done.returncode == errors.BROKEN, slower.done.stderr
    assert slower.done.stderr.splitlines()[-1] == "orchestrator: 1 slower, 1 expectation broken"


@pytest.mark.slow
def test_the_summary_of_a_step_gets_a_table_behind_what_is_there(slower: Ran) -> None:
    assert slower.summary.startswith("of another step\n## Concurrency: 1 slower")
    assert slower.row("prices").endswith("| slower |")
    assert "| total(items=5000) x 1 | sequential |" in slower.row("prices")


@pytest.mark.slow
def test_a_regression_is_annotated_where_the_function_is_defined(slower: Ran) -> None:
    found = slower.annotation("title=Slower")
    assert found.startswith("::error file=clone/prices.py,line=5,title=Slower::prices: sequential at total(items=5000)")


@pytest.mark.slow
def test_a_broken_expectation_is_annotated_at_its_line_of_the_spec(slower: Ran) -> None:
    found = slower.annotation("Expectation")
    assert found.startswith("::error file=clone/prices.yaml,line=6,title=Expectation broken::prices: wall_ns of")


@pytest.mark.slow
def test_nothing_is_left_of_the_worktrees(slower: Ran) -> None:
    assert slower.left == []
    assert slower.repository.git("status", "--porcelain") == "?? runs/\n"


@pytest.mark.slow
def test_the_run_is_in_the_runs_with_both_versions(slower: Ran) -> None:
    shown = in_process("report", "runs/prices-ci/latest", "--format", "table", cwd=slower.repository.directory)
    assert "base sequential" in shown.stdout


# --- findings other than a regression, each in a spec of its own

MARKED = PRICES.replace("    return", "    import mark\n\n    return")
SEEN = "import sys\ndef seen(results, initargs): return {'marked': 'mark' in sys.modules}\n"
LATER = """\
workload: {{call: "{call}", kwargs: {{items: 50}}{more}}}
models: [sequential]
measure: {{blocks: 1, rounds: 1, seed: 1}}
"""
SPECS = {
    "same": LATER.format(call="prices:total", more=""),
    "function": LATER.format(call="prices:tax", more=""),
    "module": LATER.format(call="taxes:total", more=""),
    "promised": LATER.format(call="taxes:total", more=", observe: 'seen:seen'")
    + "expect: [{of: sequential, metric: observed.marked, equals: true}]\n",
    "results": LATER.format(call="cart:total", more=""),
    "script": LATER.format(call="tools/cart.py:total", more=""),
    "gone": LATER.format(call="prices:gone", more=""),
    "claimed": LATER.format(call="marked:total", more=", observe: 'seen:seen'")
    + "expect: [{of: sequential, metric: observed.marked, equals: true}]\n",
}


@pytest.fixture(scope="module")
def various(tmp_path_factory: pytest.TempPathFactory) -> Ran:
    """A branch with several changes since `main`, and a spec for each: in no commit, and listed in pyproject.toml."""
    place = tmp_path_factory.mktemp("various")
    repository = Repository(place / "shop")
    for name in ("src", "tools"):
        (repository.directory / name).mkdir()
    repository.commit(prices_py=PRICES, src__cart_py=PRICES, tools__cart_py=PRICES, marked_py=PRICES, seen_py=SEEN)
    repository.git("checkout", "--quiet", "-b", "change")
    other = PRICES.replace("99", "98")
    repository.commit(
        prices_py=PRICES + "\n\ndef tax(items):\n    return items\n",
        taxes_py=PRICES,
        src__cart_py=other,
        tools__cart_py=other,
        marked_py=MARKED,
        mark_py="",
    )
    (repository.directory / "prices.py").write_text("broken, but in no commit")
    for name, text in SPECS.items():
        (repository.directory / f"{name}.yaml").write_text(text)
    listed = [f"{name}.yaml" for name in SPECS]
    (repository.directory / "pyproject.toml").write_text(f"[tool.orchestrator]\nci = {listed}\n")
    done = repository.run("ci", "--summary", "s.md", GITHUB_ACTIONS="true")
    return Ran(repository, done, (repository.directory / "s.md").read_text(), repository.worktrees())


@pytest.mark.slow
def test_what_is_undecided_has_no_status_of_its_own(various: Ran) -> None:
    assert various.row("same").endswith("| undecided |")
    assert various.done.stderr.splitlines()[-1].endswith("1 expectation broken, 1 spec not run")


@pytest.mark.slow
def test_a_spec_that_cannot_run_has_the_gravest_status_and_leaves_the_others(various: Ran) -> None:
    assert various.done.returncode == errors.BAD_INPUT, various.done.stderr
    assert "'gone'" in various.annotation("::error title=Not run::gone: not run: gone.yaml:1:")


@pytest.mark.slow
def test_a_function_that_the_base_lacks_is_a_finding(various: Ran) -> None:
    found = various.annotation("Not compared", "function: ")
    assert "the base can't run it, so there is nothing to compare with: " in found
    assert "'tax'" in found


@pytest.mark.slow
def test_a_module_that_the_base_lacks_is_a_finding_and_not_taken_from_the_working_directory(various: Ran) -> None:
    text = "module: the base has no module taxes, so there is nothing to compare with"
    assert various.annotation("module: ") == f"::notice title=Not compared::{text}"


@pytest.mark.slow
def test_expectations_are_checked_where_the_base_lacks_the_function(various: Ran) -> None:
    assert "- promised: expectation broken: " in various.summary


@pytest.mark.slow
@pytest.mark.parametrize("spec", ["results", "script"], ids=["a module in src", "a script in another directory"])
def test_a_version_that_returns_something_else_is_a_finding(various: Ran, spec: str) -> None:
    assert various.row(spec).endswith("| not compared |")
    assert "the base returns something else: result 0 is " in various.annotation(f"::{spec}: ")


@pytest.mark.slow
def test_an_expectation_is_about_the_checked_out_version_only(various: Ran) -> None:
    """A model means the entries of both versions, so without care the base would have to keep the promise too."""
    assert "- claimed: expectation held: " in various.summary


@pytest.mark.slow
def test_a_file_named_for_the_summary_gets_it_and_the_log_a_line_for_each_finding(various: Ran) -> None:
    assert various.summary.startswith("## Concurrency: ")
    assert various.done.stdout.startswith("same: sequential at total(items=50) x 1: undecided, ")


@pytest.mark.slow
def test_what_is_in_no_commit_is_neither_measured_nor_kept_silent(various: Ran) -> None:
    assert "changes in 1 file are in no commit and are not measured" in various.done.stderr


# --- which commits


def test_the_same_code_is_no_regression(repository: Repository) -> None:
    done = repository.run("ci", "prices.yaml", "--base", "HEAD", *QUICK)
    assert done.returncode == errors.OK, done.stderr
    assert done.stdout.startswith("## Concurrency: 1 undecided\n")
    assert done.stderr == ""


def test_on_the_branch_itself_the_base_is_the_first_parent(
    repository: Repository, monkeypatch: pytest.MonkeyPatch
) -> None:
    repository.commit(prices_py=PRICES + "\n")
    repository.git("branch", "--force", "main")
    monkeypatch.chdir(repository.directory)
    monkeypatch.delenv("GITHUB_BASE_REF", raising=False)
    found = commits(None)
    assert found.base == repository.git("rev-parse", "HEAD^").strip()
    assert found.about_base == "the first parent, as main holds this commit already"


def refused(repository: Repository, *arguments: str, **env: str) -> str:
    """Return what a call says that is refused; it leaves nothing behind."""
    with pytest.MonkeyPatch.context() as patched:
        for name in OF_GITHUB:
            patched.delenv(name, raising=False)
        for name, value in {"TMPDIR": str(repository.temporary), **env}.items():
            patched.setenv(name, value)
        done = in_process("ci", *arguments, cwd=repository.directory)
    assert (done.returncode, done.stdout) == (errors.BAD_INPUT, "")
    assert not list(repository.temporary.iterdir())
    return done.stderr.removeprefix("orchestrator: ")


def test_a_shallow_clone_without_the_base_names_the_remedy(repository: Repository, tmp_path: Path) -> None:
    repository.commit(prices_py=PRICES + "\n")
    shallow = Repository(tmp_path / "shallow")
    shallow.git("fetch", "--quiet", "--depth=1", f"file://{repository.directory}", "change")
    shallow.git("checkout", "--quiet", "--detach", "FETCH_HEAD")
    said = refused(shallow, "prices.yaml", GITHUB_BASE_REF="main")
    assert said.startswith("--base: this clone has no commit origin/main; fetch the history: `fetch-depth: 0` for ")


def test_outside_of_a_repository_the_reason_is_that_of_git(tmp_path: Path) -> None:
    found = Repository(tmp_path / "shop")
    (found.directory / ".git").rename(tmp_path / "elsewhere")
    (found.directory / "prices.yaml").write_text(SPEC)
    said = refused(found, "prices.yaml", GIT_CEILING_DIRECTORIES=str(tmp_path))
    assert said.startswith("no commit to measure: fatal: not a git repository")


@pytest.mark.parametrize("name", ["nothing", "--all"])
def test_an_unknown_base_is_refused(name: str, repository: Repository) -> None:
    said = refused(repository, "prices.yaml", f"--base={name}")
    assert said == f"--base: this clone has no commit {name}; fetch it, or name another with --base\n"


def test_the_first_commit_has_nothing_to_be_compared_with(repository: Repository) -> None:
    said = refused(repository, "prices.yaml")
    assert said.startswith("--base: the checked-out commit has no parent here to compare it with; name another commit")


def test_a_function_outside_the_repository_is_refused_at_its_place(repository: Repository) -> None:
    said = refused(repository, "prices.yaml", "workload.call=json:dumps", "--base", "HEAD")
    assert said.startswith("prices.yaml:1:11: workload: the checked-out commit has no module json; commit it; if it is")


def test_a_function_that_the_commit_lacks_is_refused_as_by_a_run(repository: Repository) -> None:
    said = refused(repository, "prices.yaml", "workload.call=prices:tax", "--base", "HEAD")
    assert "workload.call: " in said
    assert "'tax'" in said


def test_an_objective_is_refused_with_what_compares_both_versions(repository: Repository) -> None:
    repository.commit(prices_yaml=SPEC + "arrivals: {rate: 1000, window: 1s}\nobjective: {p90: 50ms}\n")
    said = refused(repository, "prices.yaml")
    assert said.startswith("prices.yaml:5:1: objective: an objective is searched for each version by itself")
    assert "delete it: without it, their latencies are compared at `arrivals.rate`" in said


def test_a_directory_of_the_summary_that_is_missing_is_refused_before_anything_is_measured(
    repository: Repository,
) -> None:
    assert refused(repository, "prices.yaml", "--summary", "no/s.md") == "--summary: no directory no; create it first\n"


def test_without_any_spec_the_remedy_is_named(repository: Repository) -> None:
    assert "no spec is given" in refused(repository)


# --- what is left behind


@pytest.mark.slow
@pytest.mark.parametrize("number", [pytest.param(signal.SIGINT, marks=pytest.mark.long), signal.SIGTERM])
def test_a_signal_leaves_no_worktree(number: int, repository: Repository) -> None:
    process = repository.start("ci", "prices.yaml", "--base", "HEAD", "measure.blocks=64", "measure.rounds=40")
    until(lambda: any(repository.directory.glob("runs/prices-ci/2*/events.jsonl")), process)
    assert repository.worktrees() != []
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    assert process.returncode == 128 + number
    assert stderr.splitlines()[-1] == f"orchestrator: ended by signal {number}; no worktree is left"
    assert repository.worktrees() == []


@pytest.mark.slow
def test_what_a_killed_process_left_is_removed_by_the_next(repository: Repository) -> None:
    process = repository.start("ci", "prices.yaml", "--base", "HEAD", "measure.blocks=64", "measure.rounds=40")
    until(lambda: any(repository.temporary.glob("orchestrator-ci-*/base/prices.py")), process)
    process.kill()
    process.communicate(timeout=60)
    assert repository.worktrees() != []
    repository.run("ci", "prices.yaml", "--base", "HEAD", "workload.call=json:dumps", "--wait", "30s")
    assert repository.worktrees() == []


def test_a_time_without_room_for_one_block_is_refused_as_for_a_run(repository: Repository) -> None:
    repository.commit(prices_py=SLOWER)
    done = repository.run("ci", "prices.yaml", "--max-time", "100ms")
    assert done.returncode == errors.BAD_INPUT
    assert "--max-time: one block of the two quickest variants takes about " in done.stderr
    assert not (repository.directory / "runs").exists()
