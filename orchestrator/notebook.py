"""The magics `%advise` and `%%compare` of a notebook, with progress in the output of the cell."""

from __future__ import annotations

import ast
import io
import re
import shlex
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from functools import partial
from typing import Any

from .api import public
from .api.options import OPTIONS, Options
from .api.result import Result
from .api.threads import show_with
from .errors import BadInput

WIDTH, HEIGHT = 100, 24  # of the progress, in characters

MOST_OF_NAME = 40  # characters of an expression

ONE_CALL = "write one call, such as f(1, n=2); options go behind %%compare, with the call in the line below"


def register(shell: Any) -> None:
    """Add the magics to a shell of IPython, and show the progress of each run in its cell."""
    show_with(progress)
    shell.register_magic_function(partial(_advise, shell), "line", "advise")
    shell.register_magic_function(partial(_compare, shell), "cell", "compare")


def _advise(shell: Any, line: str) -> Result:
    """Return the advice on one call, such as `%advise parse(path="a.json")`."""
    function, args, kwargs = parse_call(line, shell.user_ns, "%advise")
    return public.advise(function, *args, **kwargs)


def _compare(shell: Any, line: str, cell: str) -> Result:
    """Return how the lines of a cell compare, each an expression; with a single one, how models compare for it.

    Behind `%%compare` stand models to run them under, and options such as `max_time=60s`.
    """
    options = parse_options(line)
    lines = [text.strip() for text in cell.splitlines() if text.strip() and not text.lstrip().startswith("#")]
    if not lines:
        raise BadInput("the cell is empty", where="%%compare", remedy="write an expression on each line, such as f(1)")
    functions = {text: as_function(text, shell.user_ns) for text in lines}
    return public.compare(functions if len(functions) > 1 else functions[lines[0]], **options)


def as_function(text: str, scope: dict[str, Any]) -> Callable[[], Any]:
    """Return a function that evaluates an expression; raises BadInput for what is none."""
    try:
        has_await = any(isinstance(node, ast.Await) for node in ast.walk(ast.parse(text, mode="eval")))
    except SyntaxError as error:
        what = f"{text!r} is no expression: {error.msg}"
        raise BadInput(what, where="%%compare", remedy="write one on each line, such as f(1)") from None
    made: dict[str, Any] = {}
    exec(compile(f"{'async ' * has_await}def cell(): return (\n{text}\n)", "%%compare", "exec"), scope, made)
    function: Callable[[], Any] = made["cell"]
    function.__name__ = re.sub(r"\W+", "_", text).strip("_")[:MOST_OF_NAME] or "cell"  # what tables call it
    return function


def parse_call(text: str, scope: Mapping[str, Any], where: str) -> tuple[Any, tuple[Any, ...], dict[str, Any]]:
    """Return the function and the arguments of a call; they are evaluated, and the call is not made.

    Raises BadInput for what is no call.
    """
    try:
        call = ast.parse(text.strip(), mode="eval").body
    except SyntaxError as error:
        raise BadInput(f"{text.strip()!r} is no call: {error.msg}", where=where, remedy=ONE_CALL) from None
    if not isinstance(call, ast.Call):
        raise BadInput(f"{text.strip()!r} is no call", where=where, remedy=ONE_CALL)
    given = ast.Call(ast.Name("__given__", ast.Load()), call.args, call.keywords)
    scope = {**scope, "__given__": lambda *args, **kwargs: (args, kwargs)}
    try:
        function, (args, kwargs) = (
            eval(compile(ast.fix_missing_locations(ast.Expression(each)), where, "eval"), scope)
            for each in (call.func, given)
        )
    except NameError as error:
        raise BadInput(
            f"{text.strip()!r}: {error}", where=where, remedy="run the cell that defines it first"
        ) from error
    return function, args, kwargs


def parse_options(line: str) -> Options:
    """Return the models and the options behind `%%compare`; raises BadInput."""
    words = shlex.split(line.replace(",", " "))
    options: Any = Options()
    if models := [word for word in words if "=" not in word]:
        options["models"] = models
    readers = {name: option.from_text for name, option in OPTIONS.items() if option.from_text}
    for name, _, text in (word.partition("=") for word in words if "=" in word):
        if name not in readers:
            raise BadInput(f"no option {name!r}", where="%%compare", remedy=f"name one of {', '.join(readers)}")
        try:
            options[name] = readers[name](text)
        except ValueError:
            raise BadInput(f"{name}={text} is no number", where="%%compare", remedy=f"write {name}=4") from None
    found: Options = options  # the names are checked above
    return found


# --- progress


class _Screen:
    """Shows what the display of a terminal would, in the output of a cell that is replaced."""

    def __init__(self, handle: Any) -> None:
        from rich.console import Console

        self.console = Console(file=io.StringIO(), width=WIDTH, height=HEIGHT, color_system=None, force_jupyter=False)
        self._handle = handle

    def update(self, drawn: Any, *, refresh: bool = False) -> None:
        with self.console.capture() as captured:
            self.console.print(drawn)
        self._handle.update({"text/plain": captured.get()}, raw=True)


@contextmanager
def progress() -> Iterator[None]:
    """Show how far a run in the `with` block is; nothing is left of it at the end."""
    from IPython.display import display

    from .engine.progress import Progress, shown_by

    handle = display({"text/plain": ""}, raw=True, display_id=True)
    if handle is None:  # outside of IPython
        yield
        return
    try:
        with shown_by(lambda: Progress(_Screen(handle))):
            yield
    finally:
        handle.update({"text/plain": ""}, raw=True)
