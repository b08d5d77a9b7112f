"""The magics of a notebook: how their lines are read, and a notebook that is executed."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import orchestrator
from orchestrator import BadInput
from orchestrator.notebook import as_function, parse_call, parse_options


def parse(path: str, depth: int = 1) -> int:
    return len(path) * depth


SCOPE: dict[str, Any] = {"parse": parse, "data": ["a.json"], "more": {"depth": 2}}


def test_a_call_is_read_and_not_made() -> None:
    assert parse_call("parse(data[0], **more)", SCOPE, "%advise") == (parse, ("a.json",), {"depth": 2})


def test_the_function_may_be_an_expression() -> None:
    function, args, _ = parse_call("'a,b'.split(',')", SCOPE, "%advise")
    assert function(*args) == ["a", "b"]


@pytest.mark.parametrize("text", ["parse", "1 +", "", "x = parse(1)"])
def test_another_text_is_refused_with_an_example(text: str) -> None:
    with pytest.raises(BadInput, match=r"%advise: .* is no call.*; write one call, such as f\(1, n=2\);"):
        parse_call(text, SCOPE, "%advise")


def test_a_line_becomes_a_function_of_the_whole_expression() -> None:
    assert as_function("sum(map(len, data)) + depth", {**SCOPE, "depth": 3})() == 9
    assert inspect.iscoroutinefunction(as_function("await parse(1)", dict(SCOPE)))


def test_a_line_that_is_a_statement_is_refused() -> None:
    with pytest.raises(BadInput, match=r"%%compare: .x = 1. is no expression: .*; write one on each line"):
        as_function("x = 1", {})


def test_models_and_options_follow_the_magic() -> None:
    assert parse_options("sequential, threads max_time=30s workers=2") == {
        "models": ["sequential", "threads"],
        "max_time": "30s",
        "workers": 2,
    }


@pytest.mark.parametrize(
    ("line", "message"), [("speed=3", "no option 'speed'; name one of"), ("tasks=many", "tasks=many is no number")]
)
def test_a_wrong_option_is_named(line: str, message: str) -> None:
    with pytest.raises(BadInput, match=message):
        parse_options(line)


def test_the_extension_adds_two_magics() -> None:
    class Shell:
        def __init__(self) -> None:
            self.added: list[tuple[str, str]] = []

        def register_magic_function(self, _: object, kind: str, name: str) -> None:
            self.added.append((kind, name))

    shell = Shell()
    orchestrator.load_ipython_extension(shell)
    assert shell.added == [("line", "advise"), ("cell", "compare")]


CELLS = (
    "%load_ext orchestrator\nimport time\npause = 0.004",
    "def wait(by=1):\n    time.sleep(pause * by)\n    return by",
    "%%compare sequential threads max_time=15s\nwait(by=1)",
    "result = _\nprint(result)\nresult.winner",
    "%advise wait",
    'import orchestrator\norchestrator.compare(wait, models=["sequential", "threads"], max_time="4s").verdict',
)


@pytest.fixture(scope="module")
def executed(tmp_path_factory: pytest.TempPathFactory) -> Any:
    """The cells of a notebook, executed in a kernel."""
    nbclient = pytest.importorskip("nbclient")
    nbformat = pytest.importorskip("nbformat")
    pytest.importorskip("ipykernel")
    notebook = nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell(source) for source in CELLS])
    place = tmp_path_factory.mktemp("notebook")
    client = nbclient.NotebookClient(notebook, timeout=120, allow_errors=True, resources={"metadata": {"path": place}})
    client.execute()
    assert isinstance(place, Path)
    return notebook.cells


@pytest.mark.slow
def test_a_cell_shows_the_result_as_html_and_as_text(executed: Any) -> None:
    (shown,) = [output for output in executed[2].outputs if output.output_type == "execute_result"]
    assert "threads wins" in shown.data["text/html"] and "threads wins" in shown.data["text/plain"]


@pytest.mark.slow
@pytest.mark.parametrize("cell", [2, 5], ids=["a magic", "a function"])
def test_a_run_shows_how_far_it_is_in_its_cell(executed: Any, cell: int) -> None:
    assert "display_data" in {output.output_type for output in executed[cell].outputs}


@pytest.mark.slow
def test_the_result_is_a_value_of_the_notebook(executed: Any) -> None:
    printed, value = executed[3].outputs
    assert "threads wins" in printed.text and value.data["text/plain"] == "'threads'"


@pytest.mark.slow
def test_a_refusal_is_shown_without_a_traceback(executed: Any) -> None:
    (error,) = executed[4].outputs
    (line,) = error.traceback
    assert line.startswith("BadInput: %advise: 'wait' is no call; write one call, such as f(1, n=2); ")
