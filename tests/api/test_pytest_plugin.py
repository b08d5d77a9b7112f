"""The pytest plugin: claims pass, fail or skip a test, and what all tests have found is shown and written."""

from __future__ import annotations

import json
from importlib.metadata import entry_points
from pathlib import Path

import pytest

from tests.support.journals import journaled
from tests.support.synthetic import conducted

pytest_plugins = ("pytester",)

# an environment that was installed before the plugin was written does not have its entry point
IS_INSTALLED = bool(entry_points(group="pytest11", name="orchestrator"))
PLUGIN = () if IS_INSTALLED else ("-p", "orchestrator.pytest_plugin")

TESTS = """
def test_holds(concurrency):
    concurrency.load({run!r}).expect(of="processes", min=1.5)

def test_is_broken(concurrency):
    concurrency.load({run!r}).expect(of="threads", min=1.5)

def test_is_undecided(concurrency):
    result = concurrency.load({run!r})
    result.expect(of="processes", min=float(result.ratio))
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The directory of a run in which processes win, and threads don't."""
    accounts = {"sequential": {"on_core": 1.0}, "threads": {"gil": 0.4, "on_core": 0.6}}
    records = conducted({"sequential": 20, "threads": 19.9, "processes": 11}, accounts=accounts).records()
    return journaled(tmp_path_factory.mktemp("place"), 1, records)


def ran(pytester: pytest.Pytester, run: Path, *options: str) -> pytest.RunResult:
    pytester.makepyfile(TESTS.format(run=str(run)))
    return pytester.runpytest(*PLUGIN, *options)


def test_claims_pass_fail_and_skip(pytester: pytest.Pytester, run: Path) -> None:
    ran(pytester, run).assert_outcomes(passed=1, failed=1, skipped=1)


def test_the_plugin_can_be_named_where_none_is_loaded_by_itself(
    pytester: pytest.Pytester, run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    pytester.makepyfile(TESTS.format(run=str(run)))
    pytester.runpytest_subprocess("-p", "orchestrator.pytest_plugin").assert_outcomes(passed=1, failed=1, skipped=1)


def test_a_broken_claim_shows_the_interval_and_the_cause(pytester: pytest.Pytester, run: Path) -> None:
    ran(pytester, run).stdout.fnmatch_lines(
        ["E *Broken: broken: speedup of threads against sequential at least 1.5; found 1* [[]*", "E *threads: *GIL*"]
    )


def test_advise_asks_for_advice_and_compare_for_a_comparison(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import pytest
        from orchestrator import BadInput
        from orchestrator.api import advising

        def refuse(question, answering, set_holder):
            raise BadInput(" ".join(answering.command))

        def test_names(concurrency, monkeypatch):
            monkeypatch.setattr(advising, "answer", refuse)
            with pytest.raises(BadInput, match="/advise-json.dumps"):
                concurrency.advise("json:dumps", 1)
            with pytest.raises(BadInput, match="/compare-json.dumps"):
                concurrency.compare("json:dumps", args=[1])
    """)
    pytester.runpytest(*PLUGIN).assert_outcomes(passed=1)


def test_an_undecided_claim_is_skipped_with_the_reason_at_the_test(pytester: pytest.Pytester, run: Path) -> None:
    where = "test_an_undecided_claim_is_skipped_with_the_reason_at_the_test.py:*"
    ran(pytester, run, "-rs").stdout.fnmatch_lines([f"SKIPPED * {where} undecided: speedup of processes *"])


def test_strict_fails_what_is_undecided(pytester: pytest.Pytester, run: Path) -> None:
    ran(pytester, run, "--concurrency-strict").assert_outcomes(passed=1, failed=2)


def test_the_session_ends_with_the_verdicts_and_claims(pytester: pytest.Pytester, run: Path) -> None:
    ran(pytester, run).stdout.fnmatch_lines(
        [
            "=* concurrency =*",
            "*::test_holds: b() x 1: processes wins*",
            "  held: speedup of processes*",
            "*::test_is_broken: *",
            "  broken: speedup of threads*",
        ]
    )


def test_verdicts_and_claims_are_written_as_json(pytester: pytest.Pytester, run: Path) -> None:
    ran(pytester, run, "--concurrency-json", "found.json")
    records = json.loads((pytester.path / "found.json").read_text())
    assert [record["test"].rpartition("::")[2] for record in records] == [
        "test_holds",
        "test_is_broken",
        "test_is_undecided",
    ]
    assert [record["claims"][0]["outcome"] for record in records] == ["held", "broken", "undecided"]
    assert records[0]["winners"] == [["processes"]] and records[0]["run"] == str(run)


def test_the_directory_of_the_json_is_made(pytester: pytest.Pytester, run: Path) -> None:
    ran(pytester, run, "--concurrency-json", "no/such/found.json")
    assert len(json.loads((pytester.path / "no/such/found.json").read_text())) == 3


def test_a_file_that_can_not_be_written_is_refused_at_the_start(pytester: pytest.Pytester) -> None:
    done = pytester.runpytest_subprocess("--concurrency-json", "/dev/null/found.json")
    assert done.ret == pytest.ExitCode.USAGE_ERROR
    done.stderr.fnmatch_lines(["ERROR: --concurrency-json: cannot write /dev/null/found.json: *"])


@pytest.mark.long
def test_the_workers_of_xdist_report_what_they_found(pytester: pytest.Pytester, run: Path) -> None:
    result = ran(pytester, run, "-n", "1", "--concurrency-json", "found.json")
    result.stdout.fnmatch_lines(["=* concurrency =*"])
    assert len(json.loads((pytester.path / "found.json").read_text())) == 3


@pytest.mark.slow
def test_tests_without_the_fixture_import_nothing_of_it(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import sys
        def test_modules():
            assert not [name for name in sys.modules if name.startswith("orchestrator.api") or name == "numpy"]
    """)
    result = pytester.runpytest_subprocess(*PLUGIN)
    result.assert_outcomes(passed=1)
    assert "concurrency" not in result.stdout.str()


def test_the_plugin_can_be_blocked(pytester: pytest.Pytester, run: Path) -> None:
    pytester.makepyfile(TESTS.format(run=str(run)))
    result = pytester.runpytest("-p", "no:orchestrator")
    result.assert_outcomes(errors=3)
    result.stdout.fnmatch_lines(["*fixture 'concurrency' not found"])


@pytest.mark.long
def test_a_function_is_measured_with_its_runs_in_the_cache(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("""
        import time
        def test_waits(concurrency):
            claim = {"of": "threads", "min": 1.2}
            result = concurrency.compare(lambda: time.sleep(0.005), models=["sequential", "threads"], expect=claim)
            result.expect(**claim)
            assert ".pytest_cache" in str(result.directory)
    """)
    pytester.runpytest(*PLUGIN).assert_outcomes(passed=1)
