"""What every test has in common."""

from __future__ import annotations

import compileall
import os
import signal
import socket
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

from orchestrator.cli.main import register
from orchestrator.runner.items import sample
from tests.support.processes import end_owned

# no example fails because the machine is busy, and none is kept for a later run; other runs have other examples
settings.register_profile(
    "steady", max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow], database=None
)
settings.load_profile("steady")

pytest.register_assert_rewrite("tests.support.golden")  # which shows what differs

register()  # as in the help: some tests use the commands without `main`


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add the short form of the suite."""
    parser.addoption("--cases", type=int, metavar="N", help="of each test, run N of its cases at most, evenly spread")


@pytest.hookimpl(trylast=True)  # after the choice by markers
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leave out further cases of each test in the short form."""
    most = config.getoption("--cases")
    if not most:
        return
    cases: dict[str, list[pytest.Item]] = {}
    for item in items:
        cases.setdefault(item.nodeid.partition("[")[0], []).append(item)
    kept = {item for own in cases.values() for item in sample(own, most)}
    config.hook.pytest_deselected(items=[item for item in items if item not in kept])
    items[:] = [item for item in items if item in kept]


def pytest_configure(config: pytest.Config) -> None:
    """Let the tests of each process lock a machine of their own: they run beside each other."""
    directory = Path(tempfile.mkdtemp(prefix="orchestrator-tests-"))
    config.add_cleanup(lambda: _clear(directory))
    os.environ["ORCHESTRATOR_LOCK"] = str(directory / "lock")
    # every command of a test is a fresh process: they read what is compiled here, and write nothing, since a fault that
    # is meant for a journal would hit a module as well
    if not hasattr(config, "workerinput"):
        compileall.compile_dir(Path(__file__).parents[1] / "orchestrator", quiet=2)
    os.environ["PYTHONDONTWRITEBYTECODE"] = "1"
    os.environ["ORCHESTRATOR_REPORT"] = "no"  # it takes a second of each of the many runs; the tests of it ask for it
    for number in (signal.SIGINT, signal.SIGHUP):  # ignored under nohup, and by all that is started from there
        if signal.getsignal(number) is signal.SIG_IGN:
            signal.signal(number, signal.SIG_DFL)


def _clear(directory: Path) -> None:
    (directory / "lock").unlink(missing_ok=True)
    directory.rmdir()


@pytest.fixture(autouse=True)
def _no_process_outlives_its_test() -> Iterator[None]:
    yield
    end_owned()


@pytest.fixture
def taken_port() -> Iterator[int]:
    """A port of the loopback interface on which another socket listens."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        yield other.getsockname()[1]
