"""The facts about this machine."""

from __future__ import annotations

import os

import pytest

from orchestrator.journal.raw_events import ContextSampled
from orchestrator.machine import host


def test_a_sample_is_a_valid_event() -> None:
    event = ContextSampled(when="start", **host.sample())
    assert event.effective_cores >= 1
    assert event.cores >= 1


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="needs Linux: elsewhere no affinity can be set")
def test_effective_cores_follow_the_affinity() -> None:
    allowed = os.sched_getaffinity(0)
    try:
        os.sched_setaffinity(0, {min(allowed)})
        assert host.effective_cores() == 1
        assert host.sample()["affinity"] == [min(allowed)]
    finally:
        os.sched_setaffinity(0, allowed)


@pytest.mark.parametrize(
    ("quota", "cores"), [("max 100000", 8), ("200000 100000", 2), ("50000 100000", 1), ("", 8), ("nonsense", 8)]
)
def test_effective_cores_follow_the_cgroup_quota(monkeypatch: pytest.MonkeyPatch, quota: str, cores: int) -> None:
    monkeypatch.setattr(host, "allowed_cpus", lambda: list(range(8)))
    monkeypatch.setattr(host, "_text", lambda file: quota if file.endswith("cpu.max") else "")
    assert host.effective_cores() == cores
