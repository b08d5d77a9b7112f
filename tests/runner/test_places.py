"""The words for a line of the workload."""

from __future__ import annotations

import json
import sys
from collections import Counter
from typing import Any

from orchestrator.runner.account.places import LEAST_SEEN, Place, most, place


def here() -> Place | None:
    return place(sys._getframe())


def test_a_line_is_named_with_its_function_and_file() -> None:
    found = here()
    assert found is not None
    assert most(Counter({found: LEAST_SEEN})) == f"here at test_places.py:{here.__code__.co_firstlineno + 1}"


def test_a_library_is_named_beside_the_line_that_called_it() -> None:
    found: list[Place | None] = []

    def look(_: Any) -> Any:
        found.append(place(sys._getframe().f_back))
        return ""

    json.dumps(object(), default=look)
    assert found[0] is not None
    assert (found[0].function, found[0].library) == (
        "test_a_library_is_named_beside_the_line_that_called_it",
        "encoder",
    )


def test_generated_code_is_no_line_of_the_workload() -> None:
    scope: dict[str, Any] = {"look": lambda: place(sys._getframe(1))}
    exec(compile("def made(): return look()", "<attrs generated init app.Row>", "exec"), scope)
    found = scope["made"]()
    assert found.function == "test_generated_code_is_no_line_of_the_workload"
    assert found.library == "<attrs generated init app.Row>"


def test_code_that_a_user_has_typed_is_a_line_of_the_workload() -> None:
    scope: dict[str, Any] = {"look": lambda: place(sys._getframe(1))}
    exec(compile("def made(): return look()", "<stdin>", "exec"), scope)
    assert scope["made"]() == Place("made", "<stdin>", 1)


def test_native_code_has_no_place() -> None:
    assert place(sys._getframe(), [sys._getframe().f_code]) is None


def test_a_line_seen_less_than_half_of_the_time_gives_way_to_its_function() -> None:
    seen = Counter({Place("parse", "app.py", line): 3 for line in range(4)})
    assert most(seen) == "parse at app.py"


def test_without_a_line_or_function_seen_most_nothing_is_named() -> None:
    assert most(Counter({Place(name, "app.py", 1): 3 for name in "abc"})) is None


def test_too_few_looks_name_nothing() -> None:
    assert most(Counter({Place("parse", "app.py", 1): LEAST_SEEN - 1})) is None


def test_native_code_that_a_call_is_says_that_it_has_no_lines() -> None:
    assert most(Counter({Place("time.sleep", "", 0): LEAST_SEEN})) == "time.sleep, native code without lines"
