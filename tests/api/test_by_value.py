"""Functions and arguments as a spec has them: by name, by value, or refused with the name of the variable."""

from __future__ import annotations

import contextvars
import dataclasses
import functools
import importlib
import json
import pickle
import queue
import socket
import subprocess
import sys
import threading
import types
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from orchestrator import Failure
from orchestrator.api.by_value import Given, given, is_plain
from orchestrator.runner import names

READ = """
import json, sys
from orchestrator_runner import by_value, imports, workload
found = workload.find(sys.argv[1], "call")
result = found(*json.loads(sys.argv[2]))
print(json.dumps([repr(result), found.__module__ != "__main__"]))
"""


def top_level(n: int) -> int:
    return n


@dataclasses.dataclass
class Box:
    value: int

    def grown(self, by: int) -> int:
        return self.value + by

    def __call__(self, by: int) -> int:
        return self.value * by

    @classmethod
    def made(cls, n: int) -> int:
        return n


def of(function: Callable[..., Any] | str, *args: Any, place: Path, items: Any = None, **kwargs: Any) -> Given:
    return given(function, args, kwargs, items, None, place / "runs")


def in_runner(call: str, place: Path, *args: Any) -> tuple[str, bool]:
    """Return what a runner gets from a function by its name in a spec, and whether it can be pickled by that name."""
    runner = place / "lib"
    runner.mkdir(exist_ok=True)
    link = runner / "orchestrator_runner"
    if not link.exists():
        link.symlink_to(Path(names.__file__).parent)
    command = [sys.executable, "-c", f"import sys; sys.path.insert(0, {str(runner)!r})\n{READ}", call, json.dumps(args)]
    done = subprocess.run(command, cwd=place, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    result, is_named = json.loads(done.stdout)
    return result, is_named


def test_a_function_of_a_module_is_given_by_its_name(tmp_path: Path) -> None:
    found = of(json.dumps, [1], place=tmp_path, indent=2)
    assert (found.call, found.args, found.kwargs, found.is_by_value) == ("json:dumps", ([1],), {"indent": 2}, False)
    assert not (tmp_path / "runs").exists()


def test_a_function_below_the_working_directory_has_the_name_that_the_command_line_gives(tmp_path: Path) -> None:
    assert of(top_level, place=tmp_path).call == "tests.api.test_by_value:top_level"
    assert of(Box.made, place=tmp_path).call == "tests.api.test_by_value:Box.made"


def test_a_function_of_another_directory_is_named_by_its_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "elsewhere.py").write_text("def work(): return 1\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    import elsewhere  # type: ignore[import-not-found]  # written above

    assert of(elsewhere.work, place=tmp_path).call == f"{tmp_path}/elsewhere.py:work"


def test_a_name_is_taken_as_it_is(tmp_path: Path) -> None:
    assert of("json:dumps", place=tmp_path).call == "json:dumps"


def test_a_text_that_is_no_name_is_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match=r'func: "json.dumps" names no function; write module:function'):
        of("json.dumps", place=tmp_path)


@pytest.mark.parametrize(
    ("function", "expected"),
    [
        (lambda n: n + 1, "8"),
        (functools.partial(lambda by, n: by * n, 3), "21"),
        (functools.wraps(top_level)(lambda n: -n), "-7"),
        (functools.lru_cache(lambda n: n), "7"),
    ],
    ids=["lambda", "partial", "decorated", "cached"],
)
def test_a_function_that_no_module_has_is_sent_by_value(
    function: Callable[..., Any], expected: str, tmp_path: Path
) -> None:
    found = of(function, 7, place=tmp_path)
    assert found.is_by_value
    assert in_runner(found.call, tmp_path, 7) == (expected, True)


def file_of(function: Callable[..., Any], place: Path) -> str:
    """Return the file that the code of a function has after it was sent by value."""
    of(function, 1, place=place)
    (written,) = place.rglob("*.pickle")
    sent, _ = pickle.loads(written.read_bytes())
    return str(sent.__code__.co_filename)


def test_a_function_sent_by_value_keeps_the_name_of_its_file(tmp_path: Path) -> None:
    assert file_of(lambda n: n, tmp_path) == __file__


def test_a_function_of_a_notebook_has_the_number_of_its_cell_as_its_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    compilerop = pytest.importorskip("IPython.core.compilerop")
    compiler, text, made = compilerop.CachingCompiler(), "def summarise(n): return n", {"__name__": "__main__"}
    exec(compile(text, compiler.cache(text, 3), "exec"), made)
    shell = types.SimpleNamespace(compile=compiler)
    monkeypatch.setitem(sys.modules, "IPython", types.SimpleNamespace(get_ipython=lambda: shell))
    function: Any = made["summarise"]
    assert file_of(function, tmp_path) == "cell 3"


def test_a_bound_method_gets_its_object_as_an_argument(tmp_path: Path) -> None:
    found = of(Box(5).grown, 7, place=tmp_path)
    assert in_runner(found.call, tmp_path, 7)[0] == "12" and found.shown == "grown"


def test_an_object_that_can_be_called_is_sent_with_it(tmp_path: Path) -> None:
    assert in_runner(of(Box(5), 7, place=tmp_path).call, tmp_path, 7)[0] == "35"


def test_a_closure_takes_its_variables_along(tmp_path: Path) -> None:
    def made(by: int) -> Callable[[int], int]:
        return lambda n: n * by

    assert in_runner(of(made(6), 7, place=tmp_path).call, tmp_path, 7)[0] == "42"


def test_arguments_that_a_spec_cannot_hold_are_sent_with_the_function(tmp_path: Path) -> None:
    found = of(top_level, place=tmp_path, n=(1, 2))
    assert found.is_by_value and not found.kwargs
    assert in_runner(found.call, tmp_path)[0] == "(1, 2)"


def test_small_plain_arguments_stay_in_the_spec(tmp_path: Path) -> None:
    found = of(lambda n, path: n, place=tmp_path, n=1, path=Path("a"))
    assert found.kwargs == {"n": 1}


@pytest.mark.parametrize("value", [1, 1.5, "text", None, True, [1, "a"], {"a": [1]}])
def test_plain_values_are_written_into_a_spec(value: object) -> None:
    assert is_plain(value)


@pytest.mark.parametrize(
    "value", [(1,), {1: 2}, float("nan"), 2**70, "\x1b", "x" * 2000, list(range(100)), b"a", Path("a"), {"a": (1,)}]
)
def test_others_are_not(value: object) -> None:
    assert not is_plain(value)


def test_the_same_code_has_the_same_name_and_other_code_another(tmp_path: Path) -> None:
    def version(by: int) -> str:
        return of(lambda n: n * by, place=tmp_path).call

    assert version(1) == version(1) != version(2)


def test_the_name_is_below_the_runs_and_says_what_the_function_is_called(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)

    def parse() -> None: ...

    call = of(parse, place=tmp_path).call
    assert call.startswith("runs/.functions/parse_") and call.endswith(".py:parse")


def test_an_open_file_in_a_closure_is_refused_by_its_name(tmp_path: Path) -> None:
    with (tmp_path / "a").open("w+") as log:
        with pytest.raises(
            Failure,
            match=r"lambda_? uses the variable 'log', an open file \(TextIOWrapper\).*; open it in the function",
        ):
            of(lambda: log.write("a"), place=tmp_path)


def test_a_lock_is_refused_by_the_name_of_the_function_that_uses_it(tmp_path: Path) -> None:
    lock = threading.Lock()

    def helper() -> None:
        lock.acquire()

    def work() -> None:
        helper()

    with pytest.raises(Failure, match=r"helper uses the variable 'lock', a lock, which can't be sent"):
        of(work, place=tmp_path)


@pytest.mark.parametrize(
    "shared",
    [threading.Lock(), threading.Semaphore(2), queue.SimpleQueue(), contextvars.ContextVar("x")],
    ids=["lock", "semaphore", "queue", "context variable"],
)
def test_what_calls_share_is_to_be_put_into_a_module_with_the_function(tmp_path: Path, shared: Any) -> None:
    scope: dict[str, Any] = {"__name__": "__main__", "SHARED": shared}
    exec("def work(): return SHARED", scope)
    expected = r"; put the \w+ and the functions that use it into a module, and give the function by name"
    with pytest.raises(Failure, match=expected):
        of(scope["work"], place=tmp_path)


def test_a_connection_is_to_be_made_in_the_function(tmp_path: Path) -> None:
    with socket.socket() as connection, pytest.raises(Failure, match=r"a socket, which.*; make it in the function$"):
        of(lambda: connection.fileno(), place=tmp_path)


def test_a_function_in_a_module_with_its_lock_is_given_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    source = "import threading\nLOCK = threading.Lock()\ndef work():\n    with LOCK:\n        return 1\n"
    (tmp_path / "with_a_lock.py").write_text(source)
    made = of(importlib.import_module("with_a_lock").work, place=tmp_path)
    assert not made.is_by_value and made.call == "with_a_lock:work"


def test_a_global_and_an_argument_are_refused_by_name_too(tmp_path: Path) -> None:
    scope: dict[str, Any] = {"__name__": "__main__", "gate": threading.Lock()}
    exec("def work(): return gate", scope)
    with pytest.raises(Failure, match="work uses the global 'gate'"):
        of(scope["work"], place=tmp_path)
    with pytest.raises(Failure, match="top_level uses the argument n"):
        of(top_level, place=tmp_path, n=threading.Lock())


def test_short_items_stay_in_the_spec_and_others_go_to_a_file(tmp_path: Path) -> None:
    assert of(top_level, place=tmp_path, items=[1, 2]).items == [1, 2]
    items = of(top_level, place=tmp_path, items=range(1000)).items
    assert isinstance(items, str) and items.endswith(".py:items")
    assert pickle.loads(Path(items.partition(".py:")[0] + ".pickle").read_bytes())[0] == list(range(1000))


def test_no_items_are_refused(tmp_path: Path) -> None:
    with pytest.raises(Failure, match="items: there are no items"):
        of(top_level, place=tmp_path, items=[])


def test_a_spec_can_name_such_a_function(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    call = of(lambda n: n, place=tmp_path).call
    assert names.canonical(call, str(tmp_path)) == call


def test_a_function_of_a_module_that_only_this_process_has_is_sent_by_value(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = types.ModuleType("made_here")
    exec("def helper(n): return n + 1\ndef work(n): return helper(n)", made.__dict__)
    monkeypatch.setitem(sys.modules, "made_here", made)
    found = of(made.work, 7, place=tmp_path)
    assert found.is_by_value and in_runner(found.call, tmp_path, 7)[0] == "8"
