"""What `ci` prints: the words for a ratio, the counts, and the commands of GitHub."""

from __future__ import annotations

import pytest

from orchestrator import errors
from orchestrator.analysis.results import fold
from orchestrator.analysis.stats import Ratio
from orchestrator.analysis.versions import Place, SpecChecked, VersionChange, changes, version_change
from orchestrator.output.versions import Versions, as_annotations, counted, summary
from tests.support.synthetic import conducted

COMMITS = Versions("a" * 40, "b" * 40, "the merge base with origin/main", 0.05)


def ratio(low: float | None, high: float | None, *, is_ranked: bool = True) -> Ratio:
    return Ratio(1.0, low, high, blocks=8, agreeing=8, is_ranked=is_ranked)


@pytest.mark.parametrize(
    ("found", "word"),
    [
        (ratio(1.06, 1.2), "slower"),
        (ratio(0.8, 0.95), "faster"),
        (ratio(0.96, 1.04), "same"),
        (ratio(0.96, 1.04, is_ranked=False), "no slower"),
        (ratio(0.9, 1.04), "no slower"),
        (ratio(1.01, 1.06), "undecided"),
        (ratio(0.97, 1.2), "undecided"),
        (ratio(None, None), "undecided"),
    ],
)
def test_a_word_holds_for_the_whole_interval(found: Ratio, word: str) -> None:
    assert version_change(found, 0.05) == word


def spec(*words: str) -> SpecChecked:
    changes = [VersionChange("f(n=1) x 4", f"v{n}", word, ratio(1.1, 1.2)) for n, word in enumerate(words)]  # type: ignore[arg-type]
    return SpecChecked("cpu", changes, places={f"v{n}": Place("a,b.py", 7) for n in range(len(words))})


def test_the_gravest_change_is_counted_first() -> None:
    assert counted([spec("same", "slower"), spec("same", "faster")]) == "1 slower, 1 faster, 2 same"


def test_nothing_to_compare_is_said() -> None:
    assert counted([SpecChecked("cpu", notes=["the base has no module x"])]) == "nothing was compared"


@pytest.mark.parametrize(("word", "statuses"), [("slower", [errors.BROKEN]), ("undecided", []), ("not compared", [])])
def test_only_what_is_slower_has_a_status(word: str, statuses: list[int]) -> None:
    assert spec(word).statuses() == statuses


def test_an_annotation_is_escaped_as_the_toolkit_of_github_does() -> None:
    (line,) = as_annotations([spec("slower")], COMMITS).splitlines()
    assert line.startswith("::error file=a%2Cb.py,line=7,title=Slower::cpu: v0 at f(n=1) x 4 takes 1.00 [1.10, 1.20]")


def test_what_is_the_same_has_no_annotation() -> None:
    assert as_annotations([spec("same", "faster", "no slower")], COMMITS) == ""


def test_a_percent_sign_is_escaped_in_an_annotation() -> None:
    assert "100%25" in as_annotations([SpecChecked("cpu", notes=["100%"])], COMMITS)


def test_the_summary_names_both_commits() -> None:
    assert "Commit `aaaaaaaaaaaa` against `bbbbbbbbbbbb`, the merge base with origin/main." in summary([], COMMITS)


def test_a_mention_in_a_summary_is_none() -> None:
    assert "@&#8203;team" in summary([SpecChecked("cpu", notes=["ask @team"])], COMMITS)


def test_a_percentile_of_latency_is_compared_where_calls_arrive_at_a_rate() -> None:
    run = conducted(
        {"threads": 10, "event_loop": 20}, arrivals={"rate": 200}, measure={"metric": "p90", "max_time": "1h"}
    )
    (found,) = changes(fold(run.records()), {"event_loop": "threads"}, 0.05)
    assert (found.point, found.change) == ("b() at 200/s, p90", "slower")
    assert found.ratio is not None and round(found.ratio.value, 1) == 2.0
