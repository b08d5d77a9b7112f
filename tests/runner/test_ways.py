"""That the conformance suite knows every option of a model."""

from __future__ import annotations

from orchestrator.runner.registry import NAMES, load
from tests.support.conformance.ways import ALONE, WAYS, parts

ELSEWHERE = {("processes", "max_tasks_per_child")} | {
    (f"processes_of_{kind}", "start_method") for kind in ("loops", "threads")
}
"""Options that `test_process_options.py` asks for."""


def test_every_option_of_a_model_is_among_the_ways() -> None:
    tried = {(model, option) for model, options in map(parts, WAYS) for option in options}
    tried |= {(model, option) for model, options in ALONE.items() for option in options}
    every = {(name, option) for name in NAMES for option in load(name).OPTIONS}
    assert every - tried - ELSEWHERE == set()
