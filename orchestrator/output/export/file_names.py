"""Names of files, made from labels that may hold anything: none leads out of its directory, no two are one file."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from ...spec.plan import Point, Variant, canonical

_LONGEST = 80  # far below the 255 bytes that file systems allow, with room for an id and a suffix


def of_variants(variants: Iterable[Variant]) -> dict[str, str]:
    """Return a name for each variant, by its label, such as `threads-workers-2`."""
    found = list(variants)
    names = _distinct({variant.id: variant.label for variant in found})
    return {variant.label: names[variant.id] for variant in found}


def of_points(points: Sequence[Point]) -> dict[str, str]:
    """Return a name for each point, by its id: what distinguishes it from the others, such as `tasks-4-n-2000`."""
    columns = dict.fromkeys(name for point in points for name in point.columns)
    telling = [name for name in columns if len({canonical(point.columns.get(name)) for point in points}) > 1]
    return _distinct({point.id: _named_by(point, telling) for point in points})


def _named_by(point: Point, columns: Iterable[str]) -> str:
    parts = []
    for name in columns:
        if name in point.columns:
            value = point.columns[name]
            text = value if isinstance(value, str) else canonical(value)
            parts.append(f"{name.removeprefix('kwargs_').removeprefix('workload_')}-{text}")
    return "-".join(parts) or point.label


def _distinct(labels: Mapping[str, str]) -> dict[str, str]:
    """Return a name for each id; those that would be one file, also where case does not count, get their id too."""
    names = {id_: _safe(label) or id_ for id_, label in labels.items()}
    seen = Counter(name.casefold() for name in names.values())
    return {id_: name if seen[name.casefold()] == 1 else f"{name}-{id_}" for id_, name in names.items()}


def _safe(label: str) -> str:
    # no dot in front: it would be hidden, or the directory above
    return re.sub(r"[^A-Za-z0-9._-]+", "-", label).strip("-.")[:_LONGEST].rstrip("-.")
