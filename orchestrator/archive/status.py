"""`status.json` beside an experiment's runs: the state of the latest one, for monitoring."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from ..analysis.results import Results
from ..errors import BUG, Failure
from ..files import replace_file
from ..jsonl import dumps
from ..units import utc_now

FILE = "status.json"


@contextmanager
def recorded(directory: Path) -> Iterator[Callable[[Results], None]]:
    """Record that the run of `directory` is in progress, then how it ended; yields a setter for its results.

    A run that was killed stays `running`, with the `pid` of a process that no longer exists.
    """
    about = {"experiment": directory.parent.name, "run_id": directory.name, "pid": os.getpid(), "since": utc_now()}

    def ended(results: Results) -> None:
        finished = results.finished
        sentences = [sentence for event in results.derived if (sentence := getattr(event, "sentence", None))]
        ending = {key: getattr(finished, key, None) for key in ("outcome", "exit_status", "elapsed_s")}
        _write(directory, {**about, "state": "ended", "until": utc_now(), **ending, "sentences": sentences})

    _write(directory, {**about, "state": "running"})
    try:
        yield ended
    except Exception as error:
        status = error.status if isinstance(error, Failure) else BUG
        failed = {"outcome": "error", "exit_status": status, "error": str(error)}
        _write(directory, {**about, "state": "ended", "until": utc_now(), **failed})
        raise


def _write(directory: Path, about: dict[str, Any]) -> None:
    with suppress(OSError):  # most likely a full disk, which the run itself reports
        replace_file(directory.parent / FILE, dumps(about) + b"\n")
