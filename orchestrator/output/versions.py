"""What `ci` found between two commits: a summary in Markdown, lines for a log, and GitHub's annotations."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from .. import units
from ..analysis.versions import Change, Place, SpecChecked, VersionChange
from ..journal.raw_events import TrialFailed
from . import lines
from .export import markdown
from .grid import Grid

WORDS: tuple[Change, ...] = ("slower", "undecided", "not compared", "faster", "no slower", "same")
"""The changes, in the order in which they are counted."""


@dataclass(frozen=True)
class Versions:
    """The commits that were compared, as they are shown."""

    head: str
    base: str
    about_base: str
    tolerance: float


def counted(checked: Sequence[SpecChecked]) -> str:
    """Return how many variants changed in which way, the gravest first, such as "1 slower, 3 same"."""
    found = Counter(each.change for spec in checked for each in spec.changes)
    parts = [f"{found[word]} {word}" for word in WORDS if found[word]]
    outcomes = Counter(event.outcome for spec in checked for event, _ in spec.expectations)
    wrong = [(outcomes["broken"], "broken"), (outcomes["undecided"], "undecided")]
    parts += [f"{units.count(number, 'expectation')} {word}" for number, word in wrong if number]
    failed = sum(len(spec.failures) for spec in checked)
    parts += [f"{units.count(failed, 'trial')} failed"] * bool(failed)
    missing = sum(spec.error is not None for spec in checked)
    parts += [f"{units.count(missing, 'spec')} not run"] * bool(missing)
    return ", ".join(parts) or "nothing was compared"


def summary(checked: Sequence[SpecChecked], versions: Versions) -> str:
    """Return the summary in Markdown."""
    return "".join(f"{line}\n" for line in _summary(checked, versions))


def _summary(checked: Sequence[SpecChecked], versions: Versions) -> Iterator[str]:
    yield f"## Concurrency: {markdown.text(counted(checked))}"
    yield ""
    yield f"Commit `{versions.head[:12]}` against `{versions.base[:12]}`, {markdown.text(versions.about_base)}."
    if any(spec.changes for spec in checked):
        yield from markdown.table(_grid(checked))
    notes = [note for spec in checked for note in _notes(spec)]
    if notes:
        yield ""
    yield from markdown.items(notes)
    yield ""
    yield f"Above 1 is slower; up to {versions.tolerance * 100:.3g} % is no change. Both ran in the same blocks."


def _grid(checked: Sequence[SpecChecked]) -> Grid:
    headers = ("spec", "point", "variant", "base", "now", "now / base", "change")
    rows = [
        [
            spec.experiment,
            each.point,
            each.variant,
            units.duration(each.wall_ns_base),
            units.duration(each.wall_ns),
            _ratio(each),
            each.change,
        ]
        for spec in checked
        for each in spec.changes
    ]
    return Grid(headers, rows, right=("base", "now"))


def _ratio(change: VersionChange) -> str:
    ratio = change.ratio
    return units.ratio(ratio.value, ratio.low, ratio.high) if ratio else "-"


def _notes(spec: SpecChecked) -> Iterator[str]:
    """Yield what the table does not say: reasons, failures, and every expectation."""
    yield from (f"{spec.experiment}: {note}" for note in (*spec.notes, *_error(spec)))
    for each in spec.changes:
        if each.reason:
            yield f"{_where(spec, each)} {each.change}: {each.reason}"
    yield from (_failed(spec, event) for event in _firsts(spec.failures))
    several = len({event.point for event, _ in spec.expectations}) > 1
    for event, _ in spec.expectations:
        yield f"{spec.experiment}: expectation {event.outcome}: {lines.claim(event, several_points=several)}"


def _error(spec: SpecChecked) -> list[str]:
    return [] if spec.error is None else [f"not run: {spec.error}"]


def _where(spec: SpecChecked, change: VersionChange) -> str:
    return f"{spec.experiment}: {change.variant} at {change.point}:"


def _firsts(failures: Iterable[TrialFailed]) -> list[TrialFailed]:
    """Return the first failure of each variant at each point."""
    found: dict[tuple[str, str], TrialFailed] = {}
    for event in failures:
        found.setdefault((event.variant, event.point_id), event)
    return list(found.values())


def _failed(spec: SpecChecked, event: TrialFailed) -> str:
    return f"{spec.experiment}: {event.variant} at {event.point} failed: {' '.join(event.error.split())}"


def log_lines(checked: Sequence[SpecChecked]) -> str:
    """Return a line for each finding, for a log beside which the summary is shown."""
    found = []
    for spec in checked:
        compared = [each for each in spec.changes if each.reason is None]
        found += [f"{_where(spec, each)} {each.change}, {_ratio(each)} times as long" for each in compared]
        found += _notes(spec)
    return "".join(f"{' '.join(line.split())}\n" for line in found)


def as_annotations(checked: Sequence[SpecChecked], versions: Versions) -> str:
    """Return the commands by which a job on GitHub shows findings beside the lines that they are about."""
    return "".join(f"{line}\n" for spec in checked for line in _annotations(spec, versions))


def _annotations(spec: SpecChecked, versions: Versions) -> Iterator[str]:
    places = spec.places or {}
    for each in spec.changes:
        what = f"{_where(spec, each)[:-1]}"
        if each.change == "slower":
            text = f"{what} takes {_ratio(each)} times as long as at {versions.base[:12]}"
            yield _command("error", places.get(each.variant), "Slower", text)
        elif each.change in ("undecided", "not compared"):
            text = f"{what}: {each.reason or f'{_ratio(each)} times as long as the base, so a change is not excluded'}"
            yield _command("notice", places.get(each.variant), each.change.capitalize(), text)
    for failure in _firsts(spec.failures):
        yield _command("error", places.get(failure.variant), "Failed", _failed(spec, failure))
    for event, place in spec.expectations:
        if event.outcome != "held":
            text = f"{spec.experiment}: {lines.claim(event, several_points=True)}"
            yield _command("error", place, f"Expectation {event.outcome}", text)
    yield from (_command("error", None, "Not run", f"{spec.experiment}: {error}") for error in _error(spec))
    yield from (_command("notice", None, "Not compared", f"{spec.experiment}: {note}") for note in spec.notes)


def _command(level: str, place: Place | None, title: str, text: str) -> str:
    """Return a workflow command; the escapes are those of GitHub's own toolkit."""
    at = f"file={_property(place.file)},line={place.line}," if place else ""
    return f"::{level} {at}title={_property(title)}::{_data(' '.join(text.split()))}"


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
