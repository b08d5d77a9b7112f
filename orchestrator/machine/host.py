"""The machine: how many cores this process may use, and how busy they were."""

from __future__ import annotations

import os
import time
from collections.abc import Collection, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_TICK_NS = 1_000_000_000 // os.sysconf("SC_CLK_TCK")


def allowed_cpus() -> list[int] | None:
    """Return the processors that this process may run on; None if the system does not report it."""
    return sorted(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else None


def keep_to(processors: Collection[int]) -> list[int]:
    """Bind this process and its future children to processors; bind nothing and return those it may not use, if any."""
    missing = sorted(set(processors) - set(allowed_cpus() or ()))
    if not missing:
        os.sched_setaffinity(0, processors)
    return missing


@contextmanager
def affinity_kept() -> Iterator[None]:
    """Bind this process, after the block, to the processors of before."""
    allowed = allowed_cpus()
    try:
        yield
    finally:
        if allowed and allowed != allowed_cpus():
            os.sched_setaffinity(0, allowed)


def effective_cores() -> int:
    """Return how many cores the workers can use: those of the affinity, or fewer with a quota."""
    allowed = allowed_cpus()
    count = len(allowed) if allowed else os.cpu_count() or 1
    quota = quota_cores()
    return count if quota is None else max(1, min(count, round(quota)))


def quota_cores() -> float | None:
    """Return the CPU quota of the cgroup in cores; None without a quota."""
    quota, _, period = _text("/sys/fs/cgroup/cpu.max").partition(" ")
    if not quota:
        quota, period = (_text(f"/sys/fs/cgroup/cpu/cpu.cfs_{name}_us") for name in ("quota", "period"))
    return int(quota) / int(period) if quota.isdigit() and period.strip().isdigit() else None


@dataclass(frozen=True)
class Usage:
    """The load of all programs on the machine between two samples; None if the system does not report it."""

    elapsed_ns: int
    busy_cores: float | None
    stolen_cores: float | None
    steal_share: float | None  # the share of the cores' time that the hypervisor gave to other virtual machines
    pressure: float | None  # the share of the time in which some process waited for a core


def usage(begun: Mapping[str, Any], ended: Mapping[str, Any]) -> Usage:
    """Return the load between two samples (see `sample`)."""
    elapsed_ns = max(1, ended["monotonic_ns"] - begun["monotonic_ns"])

    def grown(key: str) -> float | None:
        return None if begun[key] is None or ended[key] is None else (ended[key] - begun[key]) / elapsed_ns

    stolen, pressure = grown("steal_ns"), grown("psi_cpu_some_us")
    return Usage(
        elapsed_ns,
        grown("busy_ns"),
        stolen,
        None if stolen is None else round(stolen / max(1, len(ended["affinity"] or [0])), 4),
        None if pressure is None else round(min(1.0, pressure * 1e3), 4),
    )


def sample() -> dict[str, Any]:
    """Return the fields of `context.sampled` for this machine, now."""
    model, some = _line("/proc/cpuinfo", "model name"), _line("/proc/pressure/cpu", "some ")
    steal_ns, busy_ns = _processor_times()
    return {
        "monotonic_ns": time.monotonic_ns(),
        "hostname": os.uname().nodename,
        "cpu_model": model and model.partition(":")[2].strip(),
        "cores": os.cpu_count() or 1,
        "effective_cores": effective_cores(),
        "affinity": allowed_cpus(),
        "quota_cores": quota_cores(),
        "governor": _text("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor") or None,
        "turbo": _turbo(),
        "load_1m": os.getloadavg()[0],
        "steal_ns": steal_ns,
        "busy_ns": busy_ns,
        "psi_cpu_some_us": some and int(some.rpartition("total=")[2]),
    }


def oom_kills() -> int | None:
    """Return how many processes the system has killed since boot when out of memory; None if unknown."""
    counts = dict(line.split() for line in _text("/proc/vmstat").splitlines())
    return int(counts["oom_kill"]) if "oom_kill" in counts else None


def is_virtual() -> bool | None:
    """Return whether this machine is virtual; None if the system does not report it."""
    flags = _line("/proc/cpuinfo", "flags")
    return None if flags is None else "hypervisor" in flags.split()


def has_smt() -> bool | None:
    """Return whether hardware threads share cores; None if unknown."""
    return {"0": False, "1": True}.get(_text("/sys/devices/system/cpu/smt/active"))


def _turbo() -> bool | None:
    """Return whether the clock may rise above its base (kernel: admin-guide/pm/intel_pstate, cpufreq)."""
    if off := _text("/sys/devices/system/cpu/intel_pstate/no_turbo"):
        return off == "0"
    return {"0": False, "1": True}.get(_text("/sys/devices/system/cpu/cpufreq/boost"))


def _processor_times() -> tuple[int | None, int | None]:
    """Return (steal, busy) of the allowed processors, in ns since boot (proc_stat(5); ticks)."""
    allowed = {f"cpu{number}" for number in allowed_cpus() or ()}
    steal = busy = 0
    found = False
    for line in _text("/proc/stat").splitlines():
        name, *ticks = line.split()
        if name in allowed and len(ticks) >= 8:
            found = True
            user, nice, system, _, _, irq, softirq, stolen = map(int, ticks[:8])
            steal += stolen
            busy += user + nice + system + irq + softirq
    return (steal * _TICK_NS, busy * _TICK_NS) if found else (None, None)


def _line(file: str, start: str) -> str | None:
    """Return the first line of a file that begins with `start`."""
    return next((line for line in _text(file).splitlines() if line.startswith(start)), None)


def _text(file: str) -> str:
    try:
        return Path(file).read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return ""
