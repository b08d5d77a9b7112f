"""What makes this machine noisy, and what can be done about it."""

from __future__ import annotations

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from .. import units
from ..interpreters import environments, find
from ..machine import host
from ..machine.spin import spin_cores
from ..supervisor.gil_shim import Shims

LOOK_S = 1.0
"""For so long others are watched."""

NOTICEABLE = 0.02
"""A share of the time that is worth a word."""

LIKE_CORES = 0.9
"""Processes that get done this part of what as many cores would are given a core each."""


@dataclass(frozen=True)
class Finding:
    """Something that blurs measurements, and what to do about it."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Machine:
    """What was found out; the names are those of `context.sampled`, shares are of `LOOK_S`."""

    cpu_model: str | None
    cores: int
    affinity: list[int] | None
    effective_cores: int
    quota_cores: float | None
    spin_cores: float | None
    virtual: bool | None
    smt: bool | None
    governor: str | None
    turbo: bool | None
    load_1m: float | None
    busy_cores: float | None
    steal_share: float | None
    pressure: float | None
    gil_unmeasured: str | None
    """Why waits for the GIL can only be estimated here; None where they are measured."""
    uv: str | None
    """The program that builds environments for `requirements`; None where there is none."""
    environments: int
    environments_bytes: int
    """Those that are kept for later runs."""


def examine() -> Machine:
    """Return what this machine is, and what others did on it for `LOOK_S`; takes somewhat longer."""
    begun = host.sample()
    time.sleep(LOOK_S)
    ended = host.sample()
    used = host.usage(begun, ended)
    keys = ("cpu_model", "cores", "affinity", "effective_cores", "quota_cores", "governor", "turbo", "load_1m")
    return Machine(
        **{key: ended[key] for key in keys},
        spin_cores=spin_cores(ended["effective_cores"]),
        virtual=host.is_virtual(),
        smt=host.has_smt(),
        busy_cores=None if used.busy_cores is None else round(used.busy_cores, 3),
        steal_share=used.steal_share,
        pressure=used.pressure,
        gil_unmeasured=_gil_unmeasured(),
        uv=find.uv(),
        environments=len(environments.kept()),
        environments_bytes=environments.kept_bytes(),
    )


def _gil_unmeasured() -> str | None:
    with tempfile.TemporaryDirectory() as scratch:
        shims = Shims(Path(scratch))
        shims.preload(sys.executable)
        return shims.reason(sys.executable)


def diagnose(machine: Machine) -> Iterator[Finding]:
    """Yield what of it makes measurements noisy, the worst first."""
    if machine.busy_cores is not None and machine.busy_cores > NOTICEABLE * machine.effective_cores:
        what = f"others keep {machine.busy_cores:.2g} of {machine.effective_cores} cores busy"
        yield Finding(what, "end them, or measure at a quiet hour; `top` names them")
    if machine.steal_share is not None and machine.steal_share > NOTICEABLE:
        what = f"the hypervisor takes {machine.steal_share * 100:.0f} % of the time"
        yield Finding(what, "move to a machine with cores of its own: nothing inside this one can help")
    if machine.spin_cores is not None and machine.spin_cores < LIKE_CORES * machine.effective_cores:
        what = f"{machine.effective_cores} processes get done what {machine.spin_cores:.2g} cores would"
        yield Finding(what, "expect no more from parallel code; hardware threads that share a core look like this")
    if machine.quota_cores is not None and machine.quota_cores < (len(machine.affinity or []) or machine.cores):
        what = f"a quota of {machine.quota_cores:.2g} cores stops this group in the midst of its work"
        yield Finding(what, "raise cpu.max of the cgroup (docker: --cpus), or pin to whole cores (--cpuset-cpus)")
    if machine.governor not in (None, "performance"):
        what = f"the clock follows the load (governor {machine.governor})"
        yield Finding(what, "as root: cpupower frequency-set -g performance")
    if machine.turbo:
        what = "the clock is higher while few cores are busy (turbo)"
        remedy = "as root: echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo"
        yield Finding(what, f"{remedy} (AMD: echo 0 > /sys/devices/system/cpu/cpufreq/boost)")
    if machine.smt:
        yield Finding(
            "cores are shared by two hardware threads", "as root: echo off > /sys/devices/system/cpu/smt/control"
        )
    if machine.virtual:
        what = "it is a virtual machine: neighbours share its caches and cores, and not all of it shows as steal"
        yield Finding(what, "repeat what matters on another day; blocks spread over a longer time see more of it")
    if machine.pressure is None:
        what = "the kernel does not tell who waits for a core (no /proc/pressure/cpu)"
        yield Finding(what, "boot with psi=1: then a verdict can say how it follows the load")
    if machine.gil_unmeasured is not None:
        what, _, remedy = machine.gil_unmeasured.partition("; ")
        known = "what is said of them is called estimated"
        yield Finding(f"waits for the GIL can't be measured, only estimated: {what}", remedy or known)


def render(machine: Machine, findings: list[Finding]) -> str:
    """Return both as text for people."""
    facts = {
        "CPU": machine.cpu_model or "unknown",
        "cores": f"{machine.cores}, of which this process may use {machine.effective_cores}",
        "as a spin test has it": "unknown" if machine.spin_cores is None else f"{machine.spin_cores:.2f} cores",
        "load": "unknown" if machine.load_1m is None else f"{machine.load_1m:.2f} over a minute",
        "busy by others": "unknown" if machine.busy_cores is None else f"{machine.busy_cores:.2f} cores",
        "taken by the hypervisor": _percent(machine.steal_share),
        "somebody waited for a core": _percent(machine.pressure),
        "clock": f"governor {machine.governor or 'unknown'}, turbo {_known(machine.turbo)}",
        "hardware threads share cores": _known(machine.smt),
        "virtual": _known(machine.virtual),
        "waits for the GIL": "measured" if machine.gil_unmeasured is None else "estimated",
        "uv, for requirements": machine.uv or f"none; {find.how_to_get_uv()}",
        "environments kept": f"{machine.environments}, {units.size(machine.environments_bytes)}",
    }
    width = max(map(len, facts))
    lines = [f"{name:{width}}  {value}" for name, value in facts.items()]
    lines += ["", "What makes it noisy:" if findings else "Nothing here makes measurements noisy."]
    lines += [line for found in findings for line in (f"- {found.what}", f"  {found.remedy}")]
    return "\n".join(lines) + "\n"


def as_json(machine: Machine, findings: list[Finding]) -> str:
    """Return both as one JSON line for tools."""
    event = {"event": "machine.examined", **asdict(machine), "findings": [asdict(found) for found in findings]}
    return json.dumps(event, ensure_ascii=False) + "\n"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share * 100:.1f} % of a second"


def _known(flag: bool | None) -> str:
    return "unknown" if flag is None else "yes" if flag else "no"
