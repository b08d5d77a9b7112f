"""What all tests of the contract of the models use."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from orchestrator.supervisor.environment import RunnerEnvironment, runner_environment
from tests.support.conformance.pythons import find_python, prefix_of


@pytest.fixture(scope="module")
def runner_env() -> Iterator[RunnerEnvironment]:
    with runner_environment() as found:
        yield found


@pytest.fixture(autouse=True)
def cwd(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Runners inherit the working directory, and calls leave their marks there."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
def python(request: pytest.FixtureRequest) -> str:
    found = find_python(request.param)
    if found is None:
        pytest.skip(f"no Python {request.param} on PATH or under pyenv")
    if prefix_of(found) == sys.prefix:
        pytest.skip(f"Python {request.param} here is the one that runs these tests, which the other tests cover")
    return found
