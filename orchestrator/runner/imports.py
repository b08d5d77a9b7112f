"""Import the user's modules, and say with file and line why an import fails, ends the program or never ends."""

from __future__ import annotations

import importlib
import importlib.util
import os
import signal
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType, ModuleType
from typing import Any

from . import exits, names, standard_input
from .changes import SETS_VARIABLES, Changes
from .error_text import message, named
from .last_words import last_words, relative
from .problem import Problem

HERE = os.getcwd()
"""The working directory at the start: a workload may change it later."""

PATIENCE = "ORCHESTRATOR_IMPORT_S"
"""The variable that overrides how long an import may load no further module."""

PATIENCE_S = 7.0

WAITING_S = 4.0  # the same where the import has started processes, which probably wait for it

GUARD = 'put it under `if __name__ == "__main__":`, or into a function'


class Failed(Exception):
    """A module that can't be imported, with the reason and the remedy."""

    def __init__(self, problem: Problem) -> None:
        super().__init__(problem.what)
        self.problem = problem


class Endless(BaseException):
    """An import that has not loaded anything for a long time; the text is the place."""


_patience: list[float] = []  # holds the patience while imports are watched
_importing: list[str] = []
_changes: list[Changes] = []  # holds what the user's code changes for its process, while that is watched
_forks: list[str] = []  # holds the line that started a process during the import


@contextmanager
def watched() -> Iterator[None]:
    """Bound the time for which an import in the `with` block loads no further module: for questions before a run."""
    try:
        patience_s = float(os.environ.get(PATIENCE, PATIENCE_S))
    except ValueError:
        patience_s = PATIENCE_S
    _patience.append(patience_s)
    sys.addaudithook(_note_events)
    _changes[:] = [Changes(their_line, lambda frame: not _is_ours(frame))]
    try:
        with exits.raised(), _changes[0].watched(), standard_input.noted(_changes[0].note_read):
            yield
    finally:
        _patience.clear()
        _changes.clear()


def changed(importing: bool) -> list[str]:
    """Return what the user's imports, or its calls, have changed for the whole process, while they are watched."""
    return _changes[0].found(importing) if _changes else []


def wanders() -> bool:
    """Return whether calls go from one working directory to another while they are watched."""
    return bool(_changes) and _changes[0].wanders


def reads_input(name: str) -> Problem | None:
    """Return the problem of a call that has read its standard input while it was watched; None if it has not."""
    read = _changes[0].read if _changes else None
    return standard_input.problem(name, brief(read[0]), read[1]) if read else None


def _outside_of_os(frame: FrameType) -> FrameType:
    while frame.f_back is not None and (
        frame.f_globals.get("__name__") == "os" or frame.f_code is _note_events.__code__
    ):
        frame = frame.f_back
    return frame


def _note_events(event: str, about: tuple[Any, ...]) -> None:
    """Keep the line of the user's code that forks first during an import, or that opens standard input."""
    if event == "os.fork" and _importing and not _forks and (at := their_line(sys._getframe())):
        _forks.append(at)
    if event == "os.putenv" and _changes:
        _changes[0].note(SETS_VARIABLES, _outside_of_os(sys._getframe()))
    if event == "open" and _changes and about[0] in standard_input.PATHS and their_line(sys._getframe()):
        _changes[0].note_read(sys._getframe())


def load(source: str) -> ModuleType:
    """Return the module that a file or a module's name stands for; raises Failed."""
    entry, name, file = names.locate(source, HERE)
    if file is not None:
        _check_file(source, file)
    if entry is not None:
        names.put_first(entry)
    elif (src := _src(name)) is not None:
        names.put_first(src)
    module = _imported(name)
    if file is not None and not _is_from(module, file):
        what = f"{name} is another module: {getattr(module, '__file__', None) or 'a part of Python'}, not {file}"
        raise Failed(Problem("module_other", what, f"rename {os.path.basename(file)}"))
    return module


def _check_file(source: str, file: str) -> None:
    import difflib

    if not os.path.isfile(file):
        directory, base = os.path.split(file)
        there = sorted(os.listdir(directory)) if os.path.isdir(directory) else []
        near = difflib.get_close_matches(base, [each for each in there if each.endswith(".py")], 1)
        found = os.path.join(os.path.dirname(source), near[0]) if near else ""
        remedy = f"did you mean {found!r}?" if found else "check the path"
        raise Failed(Problem("file_missing", f"no file {source!r} in {HERE}", remedy, (found,) if found else ()))
    base = os.path.basename(file)[: -len(".py")]
    if "." in base:
        to = os.path.join(os.path.dirname(source), base.replace(".", "_") + ".py")
        what = f"{source} can't be imported by workers: a dot in a module's name stands for a package"
        raise Failed(Problem("file_dotted", what, f"give it another name: ln -s {base}.py {to}, then name {to}"))


def _src(name: str) -> str | None:
    """Return the directory `src` of a project, when a module is in it and is not found otherwise."""
    top = name.partition(".")[0]
    try:
        is_found = top in sys.modules or importlib.util.find_spec(top) is not None
    except (ImportError, ValueError):
        is_found = True
    return None if is_found else names.src_of(name, [path for path in sys.path[1:3] if path] + [HERE])


def _is_from(module: ModuleType, file: str) -> bool:
    origin = getattr(module, "__file__", None)
    try:
        return origin is not None and os.path.samefile(origin, file)
    except OSError:
        return False


def _imported(name: str) -> ModuleType:
    texts: list[str] = []
    try:
        with _alarmed(), _importing_now(name), exits.printed() as texts:
            return importlib.import_module(name)
    except ModuleNotFoundError as error:
        if error.name is None or not (name + ".").startswith(error.name + "."):
            raise Failed(_problem(name, error)) from error
        what = f"no module named {error.name!r}"
        remedy = f"run from the directory that holds it, or set `path`; looked in {', '.join(sys.path[1:4])}, ..."
        raise Failed(Problem("module_missing", what, remedy)) from error
    except (SystemExit, exits.Ends) as error:
        raise Failed(_ending(name, error, "".join(texts))) from error
    except BaseException as error:
        raise Failed(_problem(name, error)) from error


def _ending(name: str, error: SystemExit | exits.Ends, output: str) -> Problem:
    """Return the problem of an import that ends the program, with the reason that it has given for that."""
    at = f" ({place})" if (place := place_of(error)) else ""
    if which := parser(error):
        return Problem("import_exits", f"importing {name} parses the command line ({which}){at}", GUARD)
    by, reason = str(error) if isinstance(error, exits.Ends) else "sys.exit", last_words(output)
    if isinstance(error, SystemExit) and isinstance(error.code, str):
        reason = last_words(error.code)  # Python would have printed it
    what = f"importing {name} ends the program ({by}){at}"
    if not reason:
        return Problem("import_exits", what, GUARD)
    return Problem("import_exits", f"{what}: {reason}", f"see to that, or {GUARD}")


@contextmanager
def _importing_now(name: str) -> Iterator[None]:
    _importing.append(name)
    for changes in _changes:
        changes.is_importing = True
    try:
        yield
    finally:
        _importing.clear()
        for changes in _changes:
            changes.is_importing = False


def _problem(name: str, error: BaseException) -> Problem:
    """Return why an import has failed, with the line of the user's code that it came to."""
    place = str(error) if isinstance(error, Endless) else place_of(error)
    at = f" ({place})" if place else ""
    if isinstance(error, Endless) and _has_started():
        at = f" ({_forks[0]})" if _forks else at
        what = f"importing {name} starts processes and waits for them, and they wait for the import{at}"
        return Problem("import_starts_processes", what, GUARD)
    if isinstance(error, Endless):
        what = f"importing {name} does not end: nothing loaded for {_patience[0]:g} s{at}"
        remedy = f"{GUARD}; if it only takes long, set {PATIENCE}=60"
        return Problem("import_endless", what, remedy)
    if isinstance(error, EOFError):
        return Problem("import_reads", f"importing {name} reads standard input, which is empty here{at}", GUARD)
    if isinstance(error, (IndexError, ValueError)) and "argv" in _code_of(error):
        return Problem("import_argv", f"importing {name} takes its arguments from the command line{at}", GUARD)
    # the text of a SyntaxError has the place, too
    text = f"{type(error).__name__}: {error.msg}" if isinstance(error, SyntaxError) else named(error)
    what = f"importing {name} failed: {text}{at}"
    if isinstance(error, SyntaxError):
        version = ".".join(map(str, sys.version_info[:2]))
        remedy = f"correct it, or use the Python version that it is written for (this is {version})"
        return Problem("import_syntax", what, remedy)
    if isinstance(error, ImportError) and "no known parent package" in message(error):
        file = getattr(error.__traceback__, "tb_frame", None) and place.partition(", line ")[0]
        directory = os.path.dirname(file or "") or "."
        return Problem("import_relative", what, f"make its directory a package: touch {directory}/__init__.py")
    if hidden := _hidden():
        return Problem("module_hidden", f"{what}; {hidden} hides a module of the standard library", "rename it")
    return Problem("import_failed", what, f"make `python -c 'import {name}'` work under {sys.executable}")


def _hidden() -> str | None:
    """Return a file on the import path that was imported instead of a module of the standard library."""
    for name in sorted(sys.stdlib_module_names & set(sys.modules)):
        file = getattr(sys.modules[name], "__file__", None)
        if file and any(os.path.dirname(file) == path for path in (HERE, *sys.path[1:3])):
            return str(file)
    return None


def parser(error: BaseException) -> str | None:
    """Return which parser of the command line an exception came from, None if from no known one."""
    passed = {frame.f_globals.get("__name__", "").partition(".")[0] for frame, _ in _frames(error)}
    return next((name for name in ("argparse", "optparse", "typer", "click", "docopt", "fire") if name in passed), None)


def _frames(error: BaseException) -> list[tuple[FrameType, int]]:
    found, trace = [], error.__traceback__
    while trace is not None:
        found.append((trace.tb_frame, trace.tb_lineno))
        trace = trace.tb_next
    return found


def place_of(error: BaseException) -> str:
    """Return the file and line of the user's code where an exception came from, "" where there is none."""
    if isinstance(error, SyntaxError) and error.filename:
        return f"{shown(error.filename)}, line {error.lineno}"
    theirs = [(frame, line) for frame, line in _frames(error) if _is_theirs(frame)]
    return f"{shown(theirs[-1][0].f_code.co_filename)}, line {theirs[-1][1]}" if theirs else ""


def brief(place: str) -> str:
    """Return a place, such as `app.py, line 3`, as `app.py:3`."""
    return place.replace(", line ", ":")


def placed(error: BaseException) -> str:
    """Return an exception with the line of the user's code that it came from."""
    place = brief(place_of(error))
    return f"{named(error, text_of(error))}{f' at {place}' if place else ''}"


def text_of(error: BaseException) -> str:
    """Return the message of an exception; that of a group has its exceptions, each with its line."""
    text = message(error)
    held = getattr(error, "exceptions", None)  # of an ExceptionGroup of Python, or of its backport
    held = [each for each in held if isinstance(each, BaseException)] if isinstance(held, (tuple, list)) else []
    return f"{text}: {'; '.join(map(placed, held))}" if held else text


def _code_of(error: BaseException) -> str:
    """Return the line of the user's code where an exception came from, as it is written; "" where there is none."""
    import linecache

    theirs = [(frame, line) for frame, line in _frames(error) if _is_theirs(frame)]
    return linecache.getline(theirs[-1][0].f_code.co_filename, theirs[-1][1]) if theirs else ""


def their_line(frame: FrameType | None) -> str:
    """Return the innermost line of the user's code from a frame on, "" if there is none."""
    while frame is not None and not _is_theirs(frame):
        frame = frame.f_back
    return f"{shown(frame.f_code.co_filename)}, line {frame.f_lineno}" if frame else ""


def _has_started() -> bool:
    """Return whether the import has forked, or has processes of multiprocessing that still run."""
    process = sys.modules.get("multiprocessing.process")
    return bool(_forks or (process and process.active_children()))


def _is_theirs(frame: FrameType) -> bool:
    return is_their_file(frame.f_code.co_filename)


def _is_ours(frame: FrameType) -> bool:
    return _is_our_file(frame.f_code.co_filename)


def is_their_file(file: str) -> bool:
    """Return whether a file of code is the user's own."""
    return not _is_our_file(file) and "site-packages" not in file


def _is_our_file(file: str) -> bool:
    """Return whether code belongs to the runner or to the standard library."""
    ours, stdlib = os.path.dirname(os.path.abspath(__file__)), os.path.dirname(os.__file__)
    return file.startswith(("<", ours + os.sep)) or (file.startswith(stdlib + os.sep) and "site-packages" not in file)


def shown(file: str) -> str:
    """Return a path relative to the working directory, where it is below that."""
    return relative(file, HERE)


@contextmanager
def _alarmed() -> Iterator[None]:
    """Raise Endless in the `with` block, where imports are watched, once no module was loaded for a while."""
    if not _patience or signal.getsignal(signal.SIGALRM) is not signal.SIG_DFL:
        yield
        return
    seen = [len(sys.modules), time.monotonic()]

    def look(_: int, frame: FrameType | None) -> None:
        if len(sys.modules) != seen[0]:
            seen[:] = [len(sys.modules), time.monotonic()]
        elif time.monotonic() - seen[1] >= (min(WAITING_S, _patience[0]) if _has_started() else _patience[0]):
            raise Endless(their_line(frame))

    signal.signal(signal.SIGALRM, look)
    signal.setitimer(signal.ITIMER_REAL, 0.5, 0.5)
    try:
        yield
    finally:
        if signal.getsignal(signal.SIGALRM) is look:  # else the module has a handler and a timer of its own
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, signal.SIG_DFL)
