"""Where the code of a spec lies in a worktree: what an entry overrides to run it there, and what is not there."""

from __future__ import annotations

from pathlib import Path

import pytest

from orchestrator.engine.placing import Placed, defined_at, placed
from orchestrator.engine.worktrees import Tree
from orchestrator.spec.expand import plan_experiment
from orchestrator.spec.load import loads
from orchestrator.spec.plan import Plan
from orchestrator.spec.problem import SpecProblem

FUNCTION = "\n\ndef work():\n    pass\n\n\nclass Shop:\n    def sell(self):\n        pass\n"


@pytest.fixture
def top(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The top of a checkout, with the working directory `here` below it."""
    (tmp_path / "checkout" / "here").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "checkout" / "here")
    return tmp_path / "checkout"


@pytest.fixture
def tree(tmp_path: Path) -> Tree:
    """A worktree with modules in several places."""
    top = tmp_path / "tree"
    for name in ("here/flat.py", "here/src/packed/__init__.py", "here/tools/script.py", "lib/beside.py"):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        (top / name).write_text(FUNCTION)
    return Tree(top, top / "here")


def planned(call: str, models: str = "[sequential]", more: str = "") -> Plan:
    spec = f"name: x\nworkload: {{call: '{call}'{more}}}\nmodels: {models}\n"
    return plan_experiment(loads(spec, "x.yaml")[0], cores=2)


@pytest.mark.parametrize(
    ("module", "directory"), [("flat", "here"), ("packed", "here/src"), ("packed.deep", "here/src")]
)
def test_a_module_is_found_below_the_working_directory_or_its_src(
    module: str, directory: str, tree: Tree, top: Path
) -> None:
    assert placed(planned(f"{module}:work"), tree, top) == [Placed({"path": str(tree.top / directory)})]


def test_a_file_is_that_of_the_worktree(tree: Tree, top: Path) -> None:
    (found,) = placed(planned("tools/script.py:work"), tree, top)
    assert found.overrides == {"path": str(tree.here), "call": f"{tree.here}/tools/script.py:work"}


def test_a_coroutine_function_stays_beside_a_file(tree: Tree, top: Path) -> None:
    """An entry that overrides `call` alone would drop it."""
    (found,) = placed(planned("tools/script.py:work", more=", async_call: 'flat:work'"), tree, top)
    assert found.overrides["async_call"] == "flat:work"


def test_the_path_of_an_entry_is_that_of_the_worktree(tree: Tree, top: Path) -> None:
    (found,) = placed(planned("beside:work", "[{model: sequential, path: ../lib}]"), tree, top)
    assert found.overrides == {"path": str(tree.top / "lib")}


def test_an_entry_with_a_path_outside_the_repository_is_left_as_it_is(tree: Tree, top: Path) -> None:
    assert placed(planned("beside:work", "[{model: sequential, path: /usr/lib}]"), tree, top) == [Placed()]


@pytest.mark.parametrize(
    ("call", "lacks"), [("missing:work", "no module missing"), ("missing.py:work", "no file here/missing.py")]
)
def test_what_a_worktree_lacks_is_named(call: str, lacks: str, tree: Tree, top: Path) -> None:
    (found,) = placed(planned(call), tree, top)
    assert found.lacks == (lacks,)


def test_modules_in_several_directories_are_refused(tree: Tree, top: Path) -> None:
    with pytest.raises(SpecProblem) as caught:
        placed(planned("flat:work", more=", async_call: 'packed:work'"), tree, top)
    assert caught.value.path == ("models", 0)
    assert caught.value.problem.what == "its modules are in here and here/src"


@pytest.mark.parametrize(
    ("call", "place"),
    [
        ("flat:work", ("here/flat.py", 3)),
        ("flat:Shop.sell", ("here/flat.py", 8)),
        ("packed:work", ("here/src/packed/__init__.py", 3)),
        ("tools/script.py:work", ("here/tools/script.py", 3)),
        ("flat:imported", None),
    ],
)
def test_the_line_of_a_function_is_that_of_its_definition(
    call: str, place: tuple[str, int] | None, tree: Tree, top: Path
) -> None:
    assert defined_at(planned(call), "sequential", tree, top) == place
