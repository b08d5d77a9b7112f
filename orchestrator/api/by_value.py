"""Functions and arguments as a spec has them: by name where a runner can import them, else by value, in a file.

By value means that a runner gets a copy of the function, with all that it refers to: changes of globals don't come
back. The copy is written below the directory of runs, as a generated module with a name by the hash of its code, so
that the same function has the same name in the log. A spec names it like any other file, and can be run again.
"""

from __future__ import annotations

import functools
import io
import keyword
import pickle
import re
import sys
import sysconfig
import time
import types
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cloudpickle

from ..errors import BadInput, Unwritable
from ..files import replace_file
from ..journal.read import SPEC_FILE, experiments, newest_first
from ..runner import names, references
from ..runner.by_value import SUFFIX
from ..spec.document import quoted
from ..spec.values import PATTERNS, REFERENCE
from .code_hash import code_hash, has_finder, is_importable

DIRECTORY = ".functions"  # below that of the runs; no experiment can have this name

DAY_S = 24 * 60 * 60

MOST_BYTES = 64 * 2**20  # of a pickle, which every runner and each of its workers reads at its start
MOST_PARTS, MOST_CHARACTERS = 64, 1000  # an argument that is larger would make a spec unreadable

SHARED = (
    "_thread",
    "threading",
    "_queue",
    "queue",
    "_contextvars",
    "concurrent",
    "multiprocessing",
    "_multiprocessing",
)
"""The packages of locks, queues and executors: calls share such an object, so that one for each call is of no use."""

UNNAMED = "<dynamic-code>"  # what cloudpickle has in the place of the file of code

_MODULE = '''\
"""{name}, sent by value: written and read by the orchestrator."""

from orchestrator_runner import by_value as _by_value

{name} = _by_value.load(__file__, __name__, {name!r}, {version!r}, {path!r})
'''


@dataclass(frozen=True)
class Given:
    """What is asked about, as a spec has it; `shown` is what the user calls the function."""

    call: str
    shown: str
    args: Sequence[Any]
    kwargs: Mapping[str, Any]
    items: str | list[Any] | None
    is_by_value: bool


def given(
    function: Callable[..., Any] | str,
    args: Sequence[Any],
    kwargs: Mapping[str, Any],
    items: str | Iterable[Any] | None,
    item: str | None,
    runs: Path,
) -> Given:
    """Return a function with its arguments as a spec has them; writes what has to be sent by value below `runs`.

    Raises BadInput for what can't be sent, with the name of the variable, and Unwritable.
    """
    source = items if items is None or isinstance(items, str) else _items(items, runs)
    if isinstance(function, str):
        if unfit := [name for name, value in _named(args, kwargs) if not is_plain(value)]:
            what = f"the argument {unfit[0]} can't be written into a spec, and {function} is given by its name"
            raise BadInput(what, where="func", remedy="give the function itself")
        return Given(_reference(function), function, args, kwargs, source, is_by_value=False)
    shown = called(function)
    bound_args = () if all(map(is_plain, args)) else tuple(args)
    bound = {name: value for name, value in kwargs.items() if not is_plain(value)}
    if bound_args and source is not None and item is None:
        what = "an item is the first positional argument, before others that can't be written into a spec"
        raise BadInput(what, where="args", remedy="give those by keyword, or the item by name in item=")
    reference = None if bound_args or bound else importable(function)
    if reference:
        return Given(reference, shown, args, kwargs, source, is_by_value=False)
    sent = _unbound(function)
    if bound_args or bound:
        sent = functools.partial(sent, *bound_args, **bound)
    plain = {name: value for name, value in kwargs.items() if name not in bound}
    call = _written(sent, shown, runs)
    return Given(call, shown, () if bound_args else args, plain, source, is_by_value=True)


def _named(args: Sequence[Any], kwargs: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    yield from ((str(place), value) for place, value in enumerate(args))
    yield from kwargs.items()


def _reference(text: str) -> str:
    """Return the one name of a function that is given by name; raises BadInput."""
    try:
        names.parse(text)
    except ValueError as error:
        what, remedy = PATTERNS[REFERENCE]
        raise BadInput(f"{quoted(text)} {what}", where="func", remedy=remedy) from error
    return names.canonical(text, str(Path.cwd()))


def called(function: Any) -> str:
    """Return what a function is called, as a name in a module."""
    while isinstance(function, functools.partial):
        function = function.func
    name = getattr(function, "__name__", None) or type(function).__name__
    name = re.sub(r"\W", "_", name.strip("<>")) or "function"
    return f"{name}_" if keyword.iskeyword(name) or not name.isidentifier() else name


def importable(function: Any) -> str | None:
    """Return the name by which a runner can import a function, None where there is none."""
    module, path = getattr(function, "__module__", None), getattr(function, "__qualname__", None)
    if not isinstance(module, str) or not isinstance(path, str):
        return None
    found: Any = sys.modules.get(module)
    for part in path.split("."):
        found = getattr(found, part, None)
    is_same = found is function or (isinstance(found, types.MethodType) and found == function)
    name = f"{module}:{path}"
    if not has_finder(module) or not is_same or not re.fullmatch(REFERENCE, name):
        return None
    file = getattr(sys.modules[module], "__file__", None)
    if not file or not file.endswith(".py") or _is_installed(file):
        return name
    here = str(Path.cwd())
    by_file = names.canonical(f"{file}:{path}", here)
    is_found = re.fullmatch(REFERENCE, by_file) and names.locate(names.parse(by_file).source, here).module == module
    return by_file if is_found else name


def _is_installed(file: str) -> bool:
    """Return whether a file belongs to Python or to its packages, which runners have on their import path."""
    paths = sysconfig.get_paths()
    homes = {str(Path(paths[key]).resolve()) for key in ("stdlib", "platstdlib", "purelib", "platlib")}
    resolved = Path(file).resolve()
    return "site-packages" in resolved.parts or any(resolved.is_relative_to(home) for home in homes)


def is_plain(value: Any) -> bool:
    """Return whether a value is small and is the same once it was written into a spec and read from it."""
    return _size(value) <= MOST_PARTS


def _size(value: Any) -> float:
    """Return the number of values in plain data; infinite where some of it is not plain."""
    if value is None or type(value) is bool:
        return 1
    if type(value) is int:
        return 1 if -(2**63) <= value < 2**63 else float("inf")
    if type(value) is float:
        return 1 if value - value == 0 else float("inf")
    if type(value) is str:
        is_shown = len(value) <= MOST_CHARACTERS and all(char.isprintable() or char in "\n\t" for char in value)
        return 1 if is_shown else float("inf")
    if type(value) is list and len(value) <= MOST_PARTS:
        return 1 + sum(map(_size, value))
    if type(value) is dict and len(value) <= MOST_PARTS and all(type(key) is str for key in value):
        return 1 + sum(map(_size, value)) + sum(map(_size, value.values()))
    return float("inf")


def _items(items: Iterable[Any], runs: Path) -> str | list[Any]:
    """Return items as a spec has them: as a list if it is short, else by the name of a file with them."""
    found = list(items)
    if not found:
        raise BadInput("there are no items", where="items", remedy="give one or more")
    return found if is_plain(found) else _written(found, "items", runs)


def _unbound(function: Callable[..., Any]) -> Callable[..., Any]:
    """Return a method of an object as its function with the object as an argument, and others unchanged.

    A worker then gets the object with each call, as it would from a pool.
    """
    if isinstance(function, types.MethodType) and not isinstance(function.__self__, type):
        return functools.partial(function.__func__, function.__self__)
    own = getattr(type(function), "__call__", None)  # noqa: B004  # that of its class
    if isinstance(own, types.FunctionType) and not hasattr(function, "__code__"):
        return functools.partial(own, function)
    return function


# --- the files


def _written(value: Any, name: str, runs: Path) -> str:
    """Write a value as a generated module below `runs`, and return its name there; raises BadInput and Unwritable."""
    data = _pickled(value, name)
    file = runs.absolute() / DIRECTORY / f"{name}_{code_hash(value)}.py"
    text = _MODULE.format(name=name, version=sys.version_info[:2], path=_import_path())
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        replace_file(file.with_suffix(SUFFIX), data)
        replace_file(file, text.encode())
    except OSError as error:
        what = f"cannot write {file}: {error.strerror}"
        raise Unwritable(what, remedy="make room, or name another directory in runs=") from error
    return names.canonical(f"{file}:{name}", str(Path.cwd()))


def unused(runs: Path, removed: Collection[Path]) -> list[Path]:
    """Return the files of generated modules that no run below `runs` names; runs in `removed` are ignored.

    Files of the last day are left out, since a run that is about to start may need them. Raises BadInput when a spec
    can't be read.
    """
    written = [file for file in sorted((runs / DIRECTORY).glob("*.py")) if time.time() - file.stat().st_mtime > DAY_S]
    kept = [run for experiment in experiments(runs) for run in newest_first(experiment) if run not in removed]
    specs = [file for run in kept if (file := run / SPEC_FILE).is_file()] if written else []
    try:
        named = "".join(file.read_text(encoding="utf-8") for file in specs)
    except OSError as error:
        what = f"cannot read {error.filename}: {error.strerror}"
        raise BadInput(what, remedy="make it readable with chmod u+r") from error
    return [part for file in written if file.stem not in named for part in (file, file.with_suffix(SUFFIX))]


def _import_path() -> tuple[str, ...]:
    """Return the directories on the import path that this program has put there, which a runner does not have."""
    homes = {sys.prefix, sys.base_prefix, sys.exec_prefix, sys.base_exec_prefix}
    here = str(Path.cwd())
    return tuple(
        entry
        for entry in dict.fromkeys(sys.path)
        if entry not in ("", here) and Path(entry).is_dir() and not any(Path(entry).is_relative_to(at) for at in homes)
    )


def _pickled(value: Any, name: str) -> bytes:
    """Return a value and the classes of `__main__` that it uses, pickled; raises BadInput."""
    pickler, error = _attempt(value)
    if error is None:
        pickler, error = _attempt((value, dict(pickler.defined)))
    if error is not None:
        raise _refusal(value, name, error)
    data = pickler.file.getvalue()
    if len(data) > MOST_BYTES:
        what = f"{name} with all that it refers to takes {len(data) >> 20} MiB, more than {MOST_BYTES >> 20} MiB"
        raise BadInput(what, remedy="let the function load its data, or give it as items")
    return data


class _Pickler(cloudpickle.Pickler):  # type: ignore[misc]  # cloudpickle has no types
    """Also keeps the classes of `__main__`, pickles caches, and refuses open files, of which it would copy some."""

    def __init__(self) -> None:
        self.file = io.BytesIO()
        super().__init__(self.file, protocol=4)
        self.defined: dict[str, type] = {}
        self._seen = {"__main__", *cloudpickle.list_registry_pickle_by_value()}
        self._modules: list[types.ModuleType] = []

    def dump(self, obj: Any) -> None:
        try:
            super().dump(obj)
        finally:
            for module in self._modules:
                cloudpickle.unregister_pickle_by_value(module)

    def _register(self, name: str) -> None:
        """Let what a module holds be sent by value if only this process has it, as pytest makes some."""
        module = sys.modules.get(name)
        if name not in self._seen and module is not None and not has_finder(name):
            cloudpickle.register_pickle_by_value(module)
            self._modules.append(module)
        self._seen.add(name)

    def reducer_override(self, obj: Any) -> Any:
        if isinstance(obj, io.IOBase) and not isinstance(obj, io.BytesIO | io.StringIO):
            raise pickle.PicklingError("an open file")
        if isinstance(obj, types.CodeType):
            make, parts = self.dispatch_table[types.CodeType](obj)
            return make, tuple(_source(obj) if part == UNNAMED else part for part in parts)
        if isinstance(obj, functools._lru_cache_wrapper) and not is_importable(obj):
            asked = obj.cache_parameters()
            made = (obj.__wrapped__, asked["maxsize"], asked["typed"], functools._CacheInfo)
            return functools._lru_cache_wrapper, made, dict(vars(obj))
        if isinstance(obj, type | types.FunctionType) and isinstance(obj.__module__, str):
            self._register(obj.__module__)
        if isinstance(obj, type) and obj.__module__ == "__main__" and "." not in obj.__qualname__:
            self.defined[obj.__qualname__] = obj
        return super().reducer_override(obj)


def _source(code: types.CodeType) -> str:
    """Return the file of some code, or its cell, such as `cell 3`, where IPython knows one."""
    shell = ipython.get_ipython() if (ipython := sys.modules.get("IPython")) else None
    named = shell.compile.format_code_name(code.co_filename) if shell else None
    return f"cell {re.sub('[^0-9]', '', named[1])}" if named else code.co_filename


def _attempt(value: Any) -> tuple[_Pickler, Exception | None]:
    """Return the pickler that has pickled a value, and what went wrong."""
    pickler = _Pickler()
    try:
        pickler.dump(value)
    except Exception as error:  # whatever the objects do
        return pickler, error
    return pickler, None


# --- what can't be sent


def _refusal(value: Any, name: str, error: Exception) -> BadInput:
    """Return why a value can't be sent, with the name of what is to blame if that is found."""
    blamed = _blamed(value, name, set())
    if blamed is None:
        what = f"{name} can't be sent to other processes: {type(error).__name__}: {error}"
        return BadInput(what, remedy="define the function in a module, and import it from there")
    holder, kind, found, reason = blamed
    is_file = isinstance(found, io.IOBase)
    remedy = f"{'open' if is_file else 'make'} it in the function"
    if type(found).__module__.partition(".")[0] in SHARED:
        remedy = (
            f"put the {type(found).__name__} and the functions that use it into a module, and give the function by "
            f'name, as in "app:work"; a {type(found).__name__} made in the function would be another one for each call'
        )
    described = f"an open file ({type(found).__name__})" if is_file else f"a {type(found).__name__}"
    because = "" if is_file else f" ({reason})"
    what = f"{holder} uses {kind}, {described}, which can't be sent to other processes{because}"
    return BadInput(what, remedy=remedy)


Blamed = tuple[str, str, Any, Exception]


def _blamed(value: Any, name: str, seen: set[int]) -> Blamed | None:
    """Return what in a value can't be pickled: the function that uses it, how, the object, and why."""
    if id(value) in seen:
        return None
    seen.add(id(value))
    for kind, found in _parts(value):
        _, error = _attempt(found)
        if error is None:
            continue
        holder = called(value) if callable(value) else name
        return _blamed(found, holder, seen) or (holder, kind, found, error)
    return None


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    """Yield what a value refers to, each with its name."""
    if isinstance(value, functools.partial):
        yield "the function", value.func
        yield from ((f"the argument {name}", found) for name, found in _named(value.args, value.keywords))
    elif isinstance(value, types.MethodType):
        yield "its object", value.__self__
    elif isinstance(value, types.FunctionType):
        if not is_importable(value):
            yield from ((f"the {kind} {name!r}", found) for kind, name, found in references.of(value))
        if wrapped := getattr(value, "__wrapped__", None):
            yield "the function", wrapped
    elif isinstance(value, list | tuple):
        yield from ((f"item {place}", found) for place, found in enumerate(value))
    elif isinstance(value, dict):
        yield from ((f"the value of {key!r}", found) for key, found in value.items())
    elif not isinstance(value, type | types.ModuleType) and hasattr(value, "__dict__"):
        yield from ((f"the attribute {name!r}", found) for name, found in vars(value).items())
