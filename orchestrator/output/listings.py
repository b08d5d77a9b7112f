"""What commands list that measure nothing, as JSON lines: `models`, `doctor`, and `advise` of a module."""

from __future__ import annotations

from dataclasses import asdict, dataclass, field
from typing import Any, ClassVar


@dataclass(frozen=True)
class ListedModel:
    """A model under an interpreter; `reason` and `remedy` are null where it can run."""

    EVENT: ClassVar[str] = "model.listed"
    model: str
    summary: str
    runs: list[str]
    workers: str
    options: list[str]
    python: str
    version: str
    gil: bool
    reason: str | None
    remedy: str | None
    without: dict[str, dict[str, str]]
    """The reason and the remedy for each option that is unavailable there."""


@dataclass(frozen=True)
class ListedFunction:
    """A function of a module or a file, and the command that asks which model runs it best."""

    EVENT: ClassVar[str] = "function.listed"
    function: str
    signature: str
    is_async: bool
    command: str


@dataclass(frozen=True)
class Finding:
    """A source of noise, and its remedy."""

    what: str
    remedy: str


@dataclass(frozen=True)
class Settings:
    """The settings of the project."""

    file: str | None = None
    """The pyproject.toml that has them; None where none has."""
    runs: str | None = None
    ci: tuple[str, ...] = ()
    measure: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Machine:
    """The state of this machine; the names are those of `context.sampled`, shares are of the time it was watched."""

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
    """Why waits for the GIL can only be estimated, and the remedy; None where they are measured."""
    uv: str | None
    """The path of uv, which builds environments for `requirements`; None where it is not installed."""
    environments: int
    """The number of environments that are kept for later runs."""
    environments_bytes: int


@dataclass(frozen=True)
class ExaminedMachine(Machine):
    """A machine with what makes it noisy, and the settings of the project."""

    EVENT: ClassVar[str] = "machine.examined"
    findings: list[Finding]
    settings: Settings


Listing = ListedModel | ListedFunction | ExaminedMachine

KINDS: tuple[type[Listing], ...] = (ListedModel, ListedFunction, ExaminedMachine)


def line(listing: Listing) -> dict[str, Any]:
    """Return a listing as plain data, for one line."""
    return {"event": listing.EVENT, **asdict(listing)}
