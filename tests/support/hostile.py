"""Texts that have broken readers, and a run that holds them wherever a user's text can stand."""

from __future__ import annotations

from typing import Any

from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.model import Experiment
from tests.support.synthetic import conducted

TEXTS = (
    "a|b",
    "</script><img src=x>",
    "../../x",
    "one\ntwo\r\tthree",
    "\x1b[2J\x07",
    "\u202etxt\u2028\u200b",
    "x" * 300,
    "@all #1 `rm` [y](javascript:z) **b** _i_ ~s~ &lt; \\",
    "  ",
)


def records() -> list[dict[str, Any]]:
    """Return the journal of a run with hostile arguments, labels, hostnames, executables and errors."""
    spec: dict[str, Any] = {
        "name": "x",
        "workload": {"call": "a:b"},
        "models": ["sequential", "threads"],
        "matrix": {"kwargs.text": [*TEXTS, "", None, 2.5, 2**62, {"deep": ["\n"]}], "python": list(TEXTS)},
        "measure": {"blocks": 2},
    }
    labels = [variant.label for variant in plan_experiment(Experiment.model_validate(spec), cores=2).variants]
    first, *others = conducted(dict.fromkeys(labels, 20), fails={labels[-1]: 1}, **spec).records()
    text = " ".join(TEXTS)
    context = {
        **{"event": "context.sampled", "ts": "then", "when": "start", "monotonic_ns": 0},
        **{"hostname": text, "cpu_model": "\n", "cores": 2},
    }
    hostile = {"runner.ready": {"executable": text, "runner_python": "\t"}, "trial.failed": {"error": text}}
    return [first, context, *({**event, **hostile.get(event["event"], {})} for event in others)]
