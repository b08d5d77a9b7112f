"""What runners are started with: an import path for any interpreter, scratch space, the reaper."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from .gil_shim import Shims
from .reaper import Reaper

BORROWED = ("anyio", "idna", "sniffio", "exceptiongroup", "typing_extensions")
"""The packages that an interpreter without anyio gets from this environment: anyio and its dependencies."""

BOOTSTRAP = (
    "import sys, os; _, runner, path, borrowed = sys.argv; del sys.argv[1:];"
    "theirs = [p for p in sys.path if p];"
    "has_anyio = any(f.find_spec('anyio', theirs) for f in sys.meta_path);"
    "sys.path[:] = [runner, *[path][:bool(path)], os.getcwd(), *[borrowed][has_anyio:], *theirs];"
    "from orchestrator_runner.__main__ import main; main()"
)
"""The program that a runner begins with, given `RunnerEnvironment.runner`, the variant's `path`, and `borrowed`."""


@dataclass(frozen=True)
class RunnerEnvironment:
    """The reaper, the directories for the runners' import path, and scratch space.

    `runner` holds the runner alone, and `borrowed` the packages that an interpreter may lack. `scratch` is deleted with
    the run; `temporary` in it is the runners' TMPDIR. `shims` are preloaded.
    """

    reaper: Reaper
    scratch: Path
    temporary: Path
    runner: Path
    borrowed: Path
    shims: Shims


@contextmanager
def runner_environment() -> Iterator[RunnerEnvironment]:
    """Yield the environment of runners; at the end, no process and no temporary file of theirs is left.

    The runner becomes a package of its own there, so that a workload may have an `orchestrator` package too. Nothing
    else of this environment is on a runner's import path.
    """
    with (
        tempfile.TemporaryDirectory(prefix="orchestrator-", ignore_cleanup_errors=True) as directory,
        Reaper(directory) as reaper,
    ):
        scratch = Path(directory)
        runner_env = RunnerEnvironment(
            reaper, scratch, scratch / "tmp", scratch / "runner", scratch / "borrowed", Shims(scratch)
        )
        for made in (runner_env.temporary, runner_env.runner, runner_env.borrowed):
            made.mkdir()
        for passed in (scratch, runner_env.temporary):
            passed.chmod(0o711)  # a server that a workload starts under another user can enter its own directory
        (runner_env.runner / "orchestrator_runner").symlink_to(Path(__file__).parent.parent / "runner")
        for name in BORROWED:
            spec = find_spec(name)
            if spec and spec.origin:
                origin = Path(spec.origin)
                origin = origin.parent if origin.name == "__init__.py" else origin
                (runner_env.borrowed / origin.name).symlink_to(origin)
        yield runner_env
