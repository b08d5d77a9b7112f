"""`orchestrator doctor`: what makes this machine noisy, and what to do about it."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from ..output.listings import ExaminedMachine, Finding, Machine, Settings, line
from .app import app, format_option
from .output import choose, write

if TYPE_CHECKING:
    from ..spec.project import Project

LOOK_S = 1.0  # how long the load of other processes is watched

NOTICEABLE = 0.02  # the smallest share of the time that is reported

LIKE_CORES = 0.9  # processes that do at least this part of the work of as many cores have a core each


@app.command(epilog="\b\nExample:\n  orchestrator doctor --format json | jq '.findings[].what'")
def doctor(
    format_: Annotated[str | None, format_option("text", "json")] = None,
) -> None:
    """Report what makes this machine noisy, and what to do about it."""
    from .. import jsonl
    from ..spec import project

    shown = choose(format_, ("text", "json"))
    settings = _settings(project.read())
    machine = examine()
    findings = list(diagnose(machine))
    examined = ExaminedMachine(**asdict(machine), findings=findings, settings=settings)
    write(render(machine, findings, settings) if shown == "text" else jsonl.lines([line(examined)]))


NO_SETTINGS = Settings()


def _settings(found: Project) -> Settings:
    """Return the settings of the project; raises BadInput with those that are wrong."""
    if found.measure:
        from ..spec.load import check_defaults

        check_defaults(found)
    runs = None if found.runs is None else str(found.runs)
    file = None if found.file is None else str(found.file)
    return Settings(file, runs, tuple(map(str, found.ci)), dict(found.measure))


def examine() -> Machine:
    """Return the state of this machine, and its load during `LOOK_S`."""
    from ..interpreters import environments, find
    from ..machine import host
    from ..machine.spin import spin_cores

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
    import tempfile

    from ..supervisor.gil_shim import Shims

    with tempfile.TemporaryDirectory() as scratch:
        shims = Shims(Path(scratch))
        shims.preload(sys.executable)
        return shims.reason(sys.executable)


def diagnose(machine: Machine) -> Iterator[Finding]:
    """Yield what makes measurements noisy, the worst first."""
    yield from _load(machine)
    yield from _hardware(machine)


def _load(machine: Machine) -> Iterator[Finding]:
    """Yield what takes cores away."""
    from ..machine.spin import MOST

    if machine.busy_cores is not None and machine.busy_cores > NOTICEABLE * machine.effective_cores:
        what = f"other processes use {machine.busy_cores:.2g} of {machine.effective_cores} cores"
        yield Finding(what, "end them, or measure at a quiet hour; `top` lists them")
    if machine.steal_share is not None and machine.steal_share > NOTICEABLE:
        what = f"the hypervisor takes {machine.steal_share * 100:.0f} % of the time"
        yield Finding(what, "use a machine with dedicated cores; nothing inside this one can help")
    spun = min(machine.effective_cores, MOST)
    if machine.spin_cores is not None and machine.spin_cores < LIKE_CORES * spun:
        what = f"{spun} processes do the work of {machine.spin_cores:.2g} cores"
        yield Finding(what, "expect no larger speedup from parallel code; shared hardware threads are a common cause")
    if machine.quota_cores is not None and machine.quota_cores < (len(machine.affinity or []) or machine.cores):
        what = f"a quota of {machine.quota_cores:.2g} cores throttles this cgroup"
        yield Finding(what, "raise cpu.max of the cgroup (docker: --cpus), or pin to whole cores (--cpuset-cpus)")


def _hardware(machine: Machine) -> Iterator[Finding]:
    """Yield what changes the clock, what shares the hardware, and what can't be measured here."""
    if machine.governor not in (None, "performance"):
        what = f"the clock follows the load (governor {machine.governor})"
        yield Finding(what, "as root: cpupower frequency-set -g performance")
    if machine.turbo:
        what = "the clock is higher while few cores are busy (turbo)"
        remedy = "as root: echo 1 > /sys/devices/system/cpu/intel_pstate/no_turbo"
        yield Finding(what, f"{remedy} (AMD: echo 0 > /sys/devices/system/cpu/cpufreq/boost)")
    if machine.smt:
        what = "two hardware threads share each core"
        yield Finding(what, "as root: echo off > /sys/devices/system/cpu/smt/control")
    if machine.virtual:
        what = "this is a virtual machine: others share its caches and cores, and only part of it shows as steal"
        yield Finding(what, "repeat important measurements on another day; a longer run covers more of the noise")
    if machine.pressure is None:
        what = "the kernel does not report how long processes wait for a core (no /proc/pressure/cpu)"
        yield Finding(what, "boot with psi=1; verdicts then report how they depend on the load")
    if machine.gil_unmeasured is not None:
        yield Finding(f"waits for the GIL are only estimated: {machine.gil_unmeasured}", "read them as estimates")


def render(machine: Machine, findings: list[Finding], settings: Settings = NO_SETTINGS) -> str:
    """Return the state and the findings as text."""
    from .. import units
    from ..interpreters import find

    facts = {
        "CPU": machine.cpu_model or "unknown",
        "cores": f"{machine.cores}, of which this process may use {machine.effective_cores}",
        "spin test": "unknown" if machine.spin_cores is None else f"{machine.spin_cores:.2f} cores",
        "load": "unknown" if machine.load_1m is None else f"{machine.load_1m:.2f} over a minute",
        "used by others": "unknown" if machine.busy_cores is None else f"{machine.busy_cores:.2f} cores",
        "taken by the hypervisor": _percent(machine.steal_share),
        "processes waited for a core": _percent(machine.pressure),
        "clock": f"governor {machine.governor or 'unknown'}, turbo {_known(machine.turbo)}",
        "hardware threads share cores": _known(machine.smt),
        "virtual": _known(machine.virtual),
        "waits for the GIL": "measured" if machine.gil_unmeasured is None else "estimated",
        "uv, for requirements": machine.uv or f"none; {find.how_to_get_uv()}",
        "environments kept": f"{machine.environments}, {units.size(machine.environments_bytes)}",
        "settings of the project": _shown(settings),
    }
    width = max(map(len, facts))
    lines = [f"{name:{width}}  {value}" for name, value in facts.items()]
    lines += ["", "Sources of noise:" if findings else "No source of noise was found."]
    lines += [line for found in findings for line in (f"- {found.what}", f"  {found.remedy}")]
    return "\n".join(lines) + "\n"


def _shown(settings: Settings) -> str:
    """Return the settings in one line."""
    if settings.file is None:
        return "none; see [tool.orchestrator] in docs/ci.md"
    given = [f"runs = {settings.runs}"] * (settings.runs is not None)
    given += [f"measure.{key} = {value}" for key, value in settings.measure.items()]
    given += [f"ci = {', '.join(settings.ci)}"] * bool(settings.ci)
    return f"{settings.file}: {'; '.join(given) or 'an empty table'}"


def _percent(share: float | None) -> str:
    return "unknown" if share is None else f"{share * 100:.1f} % of the time"


def _known(flag: bool | None) -> str:
    return "unknown" if flag is None else "yes" if flag else "no"
