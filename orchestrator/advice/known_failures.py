"""Remedies for failures of a call that are often reported, found by what the exception says."""

from __future__ import annotations

import ast
import re
from pathlib import Path

from ..supervisor.process import RunnerFailed

LOCAL = re.compile(r"[Cc]an't (?:pickle|get) local object '?(?:.*<locals>\.)?(?P<name>[\w<>]+)'?")

FORKS_BESIDE_THREADS = "its import starts threads, and a forked worker has a copy of their locks, but not of them"
"""Why forked workers hang where an import has left threads running."""

SPAWN = "start workers with `start_method: spawn`, or the threads in a function"

UNSET = re.compile(r"name '(?P<name>\w+)' is not defined")

IN_EACH_WORKER = "open one in each worker, by `initializer` (see docs/your-own-code.md)"

HINTS = (
    (
        r"database is locked",
        "SQLite has one writer at a time: connect with a longer `timeout=`, or write in one worker",
    ),
    (r"SQLite objects created in a thread", f"a connection belongs to its thread: {IN_EACH_WORKER}"),
    (r"'_thread\._local' object has no attribute", f"it was set in the main thread only: {IN_EACH_WORKER}"),
    (
        r"calls at once fail \(File(?:NotFound|Exists)Error",
        "calls at once use the same file: let each make one of its own, by `tempfile`",
    ),
    (
        r"results can't be pickled \(RecursionError",
        "return it flat, such as a list of rows: pickle can't follow what is nested so deeply",
    ),
    (r"results can't be pickled", "return what can be pickled: text, numbers, or a dict of them"),
    (r"CannotSendRequest|ResponseNotReady|Request-sent", f"threads must not share a connection: {IN_EACH_WORKER}"),
)
"""What to do where the text of a failure has a pattern."""


def hinted(why: str) -> str:
    """Return why a model fails, with what to do about it where that is known."""
    hint = next((hint for pattern, hint in HINTS if re.search(pattern, why)), None)
    return f"{why}; {hint}" if hint else why


def remedy(call: str, error: RunnerFailed) -> str | None:
    """Return what to do about a failure that is known, None for another."""
    function, text = call.rpartition(":")[2], error.error
    if error.kind == "NameError" and (unset := UNSET.search(text)):
        return _guarded(unset["name"], error) or f"define or import {unset['name']} where {function} is defined"
    if found := LOCAL.search(text):
        name = "the lambda" if found["name"] == "<lambda>" else found["name"]
        return f"processes get functions by name: move {name} to the level of its module"
    if error.kind and error.kind.endswith("Warning"):
        return (
            'a filter (warnings.simplefilter("error"), -W error) raises the warning: follow it, or leave the filter out'
        )
    if "cannot be called from a running event loop" in text or "This event loop is already running" in text:
        return "it runs in an event loop already: await the coroutine in the place of running it"
    if error.kind == "TypeError" and "unhashable type" in text and "lru_cache" not in text and _is_at_call(error):
        own = f"`def fresh(given): return {function}(tuple(given))`"
        return f"if it keeps its results (functools.lru_cache), its arguments must be hashable; name {own}"
    return next((hint for pattern, hint in HINTS if re.search(pattern, text)), None)


def _is_at_call(error: RunnerFailed) -> bool:
    """Return whether no line of the user's code has run: a cache looks its arguments up before that."""
    lines = [line for line in (error.traceback or "").splitlines() if line.startswith("  File ")]
    return bool(lines) and "orchestrator_runner" in lines[-1]


def _guarded(name: str, error: RunnerFailed) -> str | None:
    """Return the remedy where a module sets a name only when it is run as a program."""
    files = re.findall(r'^  File "([^"]+)"', error.traceback or "", re.MULTILINE)
    try:
        tree = ast.parse(Path(files[-1]).read_text(encoding="utf-8"))
    except (IndexError, OSError, ValueError, SyntaxError):
        return None
    guards = [each for each in tree.body if isinstance(each, ast.If) and "__name__" in ast.unparse(each.test)]
    lines = [line for guard in guards for each in ast.walk(guard) if (line := _sets(each, name))]
    if not lines:
        return None
    where = f'under `if __name__ == "__main__":` (line {lines[0]})'
    return f"{name} is set only {where}, which no import runs: set it at the level of the module, or pass it"


def _sets(node: ast.AST, name: str) -> int | None:
    """Return the line of a statement that gives a name its value, None for other nodes."""
    is_stored = isinstance(node, ast.Name) and node.id == name and isinstance(node.ctx, ast.Store)
    is_defined = isinstance(node, (ast.FunctionDef, ast.ClassDef)) and node.name == name
    if isinstance(node, (ast.Import, ast.ImportFrom)):
        is_defined = any((each.asname or each.name) == name for each in node.names)
    return getattr(node, "lineno", None) if is_stored or is_defined else None


def one_line(text: str) -> str:
    """Return a text in one line, without a full stop at its end."""
    return " ".join(text.split()).rstrip(".")
