"""Numbers with their units, as people read them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Any

MORE_DECIMALS = 3  # of a figure that rounding would show on its limit, or beyond it

_UNITS = ((1e9, "s"), (1e6, "ms"), (1e3, "us"), (1.0, "ns"))


def utc_now(timespec: str = "seconds") -> str:
    """Return the time in UTC, such as `2026-11-25T03:15:00Z`; `timespec` as in `datetime.isoformat`."""
    return datetime.now(UTC).isoformat(timespec=timespec).replace("+00:00", "Z")


def day(timestamp: str) -> str:
    """Return the day of a time in the log, such as `2026-11-25`."""
    return timestamp[:10]


def minute(timestamp: str) -> str:
    """Return a time in the log to the minute, such as `2026-11-25 03:15`, in UTC as it is there."""
    return f"{timestamp[:10]} {timestamp[11:16]}"


def scale(ns: float) -> tuple[float, str]:
    """Return the divisor and the unit that show a time with one to three digits before the point."""
    return next(((divisor, unit) for divisor, unit in _UNITS if abs(ns) >= divisor), _UNITS[-1])


def duration(ns: float | None, limits_ns: Sequence[float] = ()) -> str:
    """Return a time with three significant digits, such as `20.4 ms`; with more to tell it from limits."""
    if ns is None:
        return "-"
    divisor, unit = scale(ns)
    limits = [limit / divisor for limit in limits_ns]
    return f"{beside(ns / divisor, significant(ns / divisor), limits)} {unit}"


def between(ns: Sequence[float | None], middle_ns: float | None, limits_ns: Sequence[float] = ()) -> str:
    """Return a pair of times in brackets, in the unit that `duration(middle_ns)` is shown in."""
    known = [value for value in ns if value is not None]
    if middle_ns is None or not known:
        return ""
    divisor, _ = scale(middle_ns)
    limits = [limit / divisor for limit in limits_ns]
    return f"[{', '.join(beside(value / divisor, significant(value / divisor), limits) for value in known)}]"


def significant(value: float) -> str:
    """Return a number with three significant digits, and all digits before the point."""
    return f"{value:.0f}" if abs(value) >= 100 else f"{value:.3g}"


def ratio(
    value: float | None, low: float | None = None, high: float | None = None, *, limits: Sequence[float] = ()
) -> str:
    """Return a ratio with its interval, such as `1.62 [1.48, 1.75]`.

    A third decimal is shown where two would hide on which side of 1 a bound is, and of the ratio itself where the
    interval lies on one side. Where rounding would hide on which side of one of the `limits` a figure is, it has more.
    """
    if value is None:
        return "-"
    if low is None or high is None:
        return beside(value, _beside_one(value), limits)
    shown = beside(value, _beside_one(value) if low > 1 or high < 1 else _factor(value), limits)
    return f"{shown} [{', '.join(beside(bound, _beside_one(bound), limits) for bound in (low, high))}]"


def beside(value: float, shown: str, limits: Sequence[float]) -> str:
    """Return a number as it is shown, with up to three more decimals where they tell on which side of limits it is."""
    decimals = len(shown.partition(".")[2])
    finer = (f"{value:.{decimals + more}f}" for more in range(1, MORE_DECIMALS + 1))
    return next((text for text in [shown, *finer] if _sides(float(text), limits) == _sides(value, limits)), shown)


def _sides(value: float, limits: Sequence[float]) -> list[tuple[bool, bool]]:
    return [(value < limit, value > limit) for limit in limits]


def _beside_one(value: float) -> str:
    """Return a factor, with a third decimal where it would be 1.00 without, and isn't with it."""
    shown, finer = _factor(value), f"{value:.3f}"
    return finer if shown == "1.00" and finer != "1.000" else shown


def _factor(value: float) -> str:
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.2f}" if value >= 0.1 else f"{value:.2g}"


def fitted(event: Mapping[str, Any], name: str, factor: float = 1, unit: str = "") -> str:
    """Return a figure of an event with its interval, such as `12 [8.1, 15] %`."""
    figures = [event[key] for key in (name, f"{name}_low", f"{name}_high")]
    value, low, high = ("-" if each is None else significant(each * factor) for each in figures)
    return f"{value}{unit}" if figures[1] is None and figures[2] is None else f"{value} [{low}, {high}]{unit}"


def count(number: int, noun: str) -> str:
    """Return a number of things, such as `1 batch` or `9 batches`."""
    plural = "es" if noun.endswith(("ch", "s")) else "s"
    return f"{number} {noun}{plural * (number != 1)}"


def number(value: float) -> str:
    """Return a number as it stands, whole ones with commas, such as `20,000`."""
    return f"{value:,}" if isinstance(value, int) else f"{value:g}"


def listed(names: Sequence[str]) -> str:
    """Return names as a sentence has them, such as `a, b and c`."""
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def size(number: float) -> str:
    """Return a number of bytes with three significant digits, such as `1.5 MiB`."""
    for unit in ("B", "KiB", "MiB"):
        if abs(number) < 1000:
            return f"{significant(number)} {unit}"
        number /= 1024
    return f"{significant(number)} GiB"


def percent(share: float | None) -> str:
    """Return a share as whole percent."""
    return "-" if share is None else f"{share * 100:.0f} %"
