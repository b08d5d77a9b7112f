"""A plugin for pytest: the fixture `concurrency` compares models in a test, and a claim passes, fails or skips it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:  # nothing else is imported before a test uses the fixture
    from .api.testing import Concurrency

PROPERTY = "concurrency"
"""The property of a test that has its findings, as JSON: it comes along from the workers of xdist."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the options of the fixture."""
    group = parser.getgroup("concurrency", "concurrency models (orchestrator)")
    strict = "fail a test whose claim is undecided, instead of skipping it"
    group.addoption("--concurrency-strict", action="store_true", help=strict)
    group.addoption("--concurrency-json", metavar="PATH", help="write verdicts and claims of all tests to PATH")
    runs = "directory of the runs [default: in the cache of pytest]"
    group.addoption("--concurrency-runs", metavar="DIR", help=runs)


def pytest_configure(config: pytest.Config) -> None:
    """Collect findings where the reports of all tests arrive."""
    if not hasattr(config, "workerinput"):
        config.pluginmanager.register(_Findings(config), "orchestrator-findings")


@pytest.fixture
def concurrency(request: pytest.FixtureRequest) -> Iterator[Concurrency]:
    """Compare concurrency models: `concurrency.compare(func, ...)`, `.advise(func, ...)` and `.load(run)`.

    The `expect` of their results fails the test where a claim is broken, and skips it where the claim is undecided.
    """
    from .api.testing import Concurrency

    made = Concurrency(_runs(request.config), is_strict=request.config.getoption("--concurrency-strict"))
    yield made
    request.node.user_properties += [(PROPERTY, json.dumps(each.record())) for each in made.results]


def _runs(config: pytest.Config) -> Path:
    if given := config.getoption("--concurrency-runs"):
        return Path(given)
    cache = getattr(config, "cache", None)
    return Path(cache.mkdir("orchestrator")) if cache else Path("runs")


def _prepare(file: Path) -> None:
    """Make the directory of a file that is written at the end; raises UsageError where that will fail."""
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        if not file.exists():
            file.write_text("[]\n", encoding="utf-8")
    except OSError as error:
        raise pytest.UsageError(f"--concurrency-json: cannot write {file}: {error.strerror}") from error


class _Findings:
    """What all tests have found, for the table at the end of the session, and for a file."""

    def __init__(self, config: pytest.Config) -> None:
        self._file: str | None = config.getoption("--concurrency-json")
        if self._file:
            _prepare(Path(self._file))
        self._records: list[dict[str, Any]] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "teardown":
            found = [json.loads(str(value)) for name, value in report.user_properties if name == PROPERTY]
            self._records += [{"test": report.nodeid, **record} for record in found]

    def pytest_sessionfinish(self) -> None:
        if self._file:
            Path(self._file).write_text(json.dumps(self._records, indent=2) + "\n", encoding="utf-8")

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._records:
            return
        terminalreporter.write_sep("=", "concurrency")
        for record in self._records:
            terminalreporter.write_line(f"{record['test']}: {record['sentence']}")
            for claim in record["claims"]:
                markup = {"held": "green", "broken": "red"}.get(claim["outcome"], "yellow")
                terminalreporter.write_line(f"  {claim['outcome']}: {claim['text']}", **{markup: True})
