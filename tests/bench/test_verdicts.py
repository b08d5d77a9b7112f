"""The table of times to a verdict, from given records and events."""

from __future__ import annotations

import json
from dataclasses import asdict, replace
from pathlib import Path
from typing import Any

import pytest

from tests.bench import free_threading, pairs, verdicts
from tests.bench.questions import QUESTIONS

CPU = verdicts.Record(
    question="cpu",
    workload="",
    tool="orchestrator",
    elapsed_s=10.0,
    answer="processes, 1.87 [1.70, 2.00] times as fast as sequential",
    floor_s=2.5,
    load_1m=0.1,
    sitting="2026-11-28T10:00:00Z",
    commit="abc",
    machine="a machine, 2 cores, Python 3.11.7",
)
PAIR = replace(
    CPU, question="plus5", workload="sort_list", decided_s=8.0, answer="fewer, 1.05 [1.03, 1.07] times as fast as more"
)


def test_the_table_has_a_row_for_each_question_of_its_last_sitting() -> None:
    before = replace(CPU, sitting="2026-11-27T10:00:00Z", elapsed_s=38.0)
    pair = [PAIR, replace(PAIR, elapsed_s=12), replace(PAIR, elapsed_s=11, answer="undecided after 8 blocks")]
    peer = replace(PAIR, tool="pyperf", elapsed_s=33.0, answer="", floor_s=None)
    assert verdicts.table([before, *pair, peer, CPU]).splitlines()[2:] == [
        f"| `cpu.yaml` | {CPU.answer} | 10.0 s |  | 12 s | 2.5 s | 4 |  |  |",
        "| a pair, 5 % more turns, four workloads | fewer 2 of 3, undecided 1 of 3 | 11.0 s, median of 3 "
        "| 8.0 s | 6 s, 1/6 of pyperf | 2.5 s | 4.4 | 33.0 s (3.0 times) |  |",
        "",
        "2026-11-28; a machine, 2 cores, Python 3.11.7, commit abc.",
    ]


def test_the_docs_show_the_kept_records(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    method = tmp_path / "method.md"
    method.write_text("before\n<!-- verdicts -->\n<!-- end -->\nafter\n")
    monkeypatch.setattr(verdicts, "METHOD", method)
    monkeypatch.setattr(verdicts, "RECORDS", tmp_path / "records.jsonl")
    verdicts.main(["--table"])
    assert "| `cpu.yaml` |" not in method.read_text()
    (tmp_path / "records.jsonl").write_text(json.dumps(asdict(CPU)) + "\n")
    verdicts.main(["--table"])
    assert "| `cpu.yaml` |" in method.read_text() and method.read_text().endswith("<!-- end -->\nafter\n")


def _trials(variant: str, *walls: int) -> list[dict[str, Any]]:
    of_point = {"point_id": "p", "variant": variant}
    return [{"event": "trial.finished", **of_point, "wall_ns": wall, "repeats": 2} for wall in walls]


@pytest.mark.parametrize(("verdict", "floor_s"), [("win", 4 * 2 * 3), ("undecided", 4 * 2 * 3), ("tie", 8 * 2 * 3)])
def test_the_floor_is_one_trial_a_block_of_each_variant_in_contention(verdict: str, floor_s: float) -> None:
    second = 10**9
    dropped = {"event": "variant.dropped", "point_id": "p"}
    events = [
        *_trials("quick", second, second, 9 * second),
        *_trials("rival", 2 * second),
        *_trials("slow", 50 * second),
        {**dropped, "variant": "slow", "blocks": 3},
        {**dropped, "variant": "rival", "blocks": 8},
        {"event": "verdict.reached", "point_id": "p", "verdict": verdict, "blocks": 8},
    ]
    assert verdicts.floor_s(events) == floor_s
    assert verdicts.floor_s(events[:-1]) is None


def test_a_crossover_ends_with_the_width_of_its_interval() -> None:
    located = {"event": "crossover.located", "decision": "found", "low": 5_000, "high": 20_000}
    pair = {"from_variant": "sequential", "to_variant": "processes"}
    assert verdicts.answer([{**located, **pair}]) == "5,000 to 20,000, a factor of 4"
    assert verdicts.answer([{**located, **pair, "decision": "undecided"}]).startswith("undecided: 5,000")


def test_several_points_end_with_the_number_of_decisions() -> None:
    events = [{"event": "verdict.reached", "verdict": verdict} for verdict in ("win", "tie", "undecided")]
    assert verdicts.answer(events) == "2 of 3 decided"


def test_pairs_take_turns() -> None:
    order = [(turn, name, ask.workload) for turn, name, ask in verdicts._order(["plus5", "same", "io"], 2)]
    assert order[:3] == [(0, "io", ""), (0, "plus5", "parse_json"), (0, "same", "parse_json")]
    assert len(order) == 1 + 2 * 8


def test_a_table_is_not_renewed_with_shortened_runs(capsys: pytest.CaptureFixture[str]) -> None:
    for words, said in ((["cpu", "--update", "--max-time", "8s"], "--update"), (["cpus"], "no question cpus")):
        with pytest.raises(SystemExit):
            verdicts.main(words)
        assert said in capsys.readouterr().err


def test_the_functions_give_the_same_result_for_any_number_of_turns() -> None:
    assert [getattr(pairs, name)(5) for name in pairs.TURNS] == [getattr(pairs, name)(9) for name in pairs.TURNS]
    assert len(free_threading.ALL) == 7


def test_every_shipped_config_of_a_question_exists() -> None:
    named = {word for question in QUESTIONS.values() for ask in question.asks for word in ask.words if "yaml" in word}
    assert not [word for word in named if not (Path(__file__).parents[2] / word).exists()]


def test_a_verdict_is_known_when_its_last_rival_is_dropped_though_looks_go_on_for_an_expectation() -> None:
    at = "2026-11-29T07:59:{}Z".format
    events = [
        {"event": "run.started", "ts": at("04.5")},
        {"event": "variant.dropped", "point_id": "p", "ts": at("34.8")},
        {"event": "look.taken", "point_id": "p", "ts": at("59.1")},
        {"event": "verdict.reached", "point_id": "p", "verdict": "win"},
    ]
    assert verdicts.decided_s(events) == 30.3
    assert verdicts.decided_s([*events, {**events[3], "verdict": "undecided"}]) is None
