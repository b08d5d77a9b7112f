"""Names of functions as people type them: `module:function`, or a file as in `dir/script.py:Class.method`.

The one place that turns such a name into what is imported: entries of the import path, a module, and the path in it.
"""

from __future__ import annotations

import os
import re
import sys
from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

MODULE = r"[^\W\d][\w.]*"
FILE = r"[^\n]*[^\n/]\.py"
FUNCTION = rf"({FILE}|{MODULE}):[^\W\d][\w.]*"
"""The pattern of a name; a text that matches `FILE` is a file, since no module is called `py`."""

FIELDS = (
    "call",
    "async_call",
    "setup",
    "initializer",
    "async_initializer",
    "reset",
    "observe",
    "check",
    "unavailable",
    "items",
)
"""Fields of a workload that may hold such a name."""

_USED = (
    "abc array ast asyncio atexit base64 binascii bisect builtins bz2 calendar codecs collections concurrent contextlib"
    " contextvars copy copyreg csv ctypes dataclasses datetime decimal difflib dis email encodings enum errno fcntl"
    " fnmatch fractions functools gc genericpath hashlib heapq hmac importlib inspect io ipaddress itertools json"
    " keyword linecache locale logging lzma marshal math mmap multiprocessing numbers opcode operator os pathlib pickle"
    " pickletools posixpath queue quopri random re reprlib resource runpy secrets select selectors shutil signal site"
    " socket ssl stat statistics string struct subprocess sys sysconfig tempfile textwrap threading time token tokenize"
    " traceback types typing urllib warnings weakref zipfile zipimport zlib"
)
USED = frozenset(_USED.split())
"""The modules of the standard library that the runner and its models import: no file of the user may hide them."""


class Name(NamedTuple):
    """A module or a file, and the path of a function in it."""

    source: str
    function: str

    def __str__(self) -> str:
        return f"{self.source}:{self.function}"

    @property
    def is_file(self) -> bool:
        """Whether the source is a file."""
        return is_file(self.source)


class Located(NamedTuple):
    """What to import: an entry for the import path (None: as it is), the module, and its file if that is known."""

    entry: str | None
    module: str
    file: str | None = None


def is_file(source: str) -> bool:
    """Return whether a source names a file, and not a module."""
    return re.fullmatch(FILE, source) is not None


def parse(text: str) -> Name:
    """Return the name that a text holds; raises ValueError if it holds none."""
    if not re.fullmatch(FUNCTION, text):
        raise ValueError(f"{text!r} names no function")
    source, _, function = text.rpartition(":")
    return Name(plain(source), function)


def plain(source: str) -> str:
    """Return a source without `./`, doubled slashes and `~`; `..` stays, because links may be on the way."""
    if not is_file(source):
        return source
    path = os.path.expanduser(source)
    return "/" * path.startswith("/") + "/".join(part for part in path.split("/") if part not in ("", "."))


def locate(source: str, here: str) -> Located:
    """Return what to import for a module, or for a file that is seen from the directory `here`.

    A file in a package gets its dotted name and the directory above the package; a lone script its own name and
    directory, as if `import script` had been typed there.
    """
    if not is_file(source):
        return Located(None, source)
    file = os.path.abspath(os.path.join(here, source))
    root, parts = os.path.dirname(file), [os.path.basename(file)[: -len(".py")]]
    while os.path.isfile(os.path.join(root, "__init__.py")) and "." not in os.path.basename(root) and root != "/":
        parts.insert(0, os.path.basename(root))
        root = os.path.dirname(root)
    if parts[-1] == "__init__" and len(parts) > 1:
        parts.pop()
    return Located(root, ".".join(parts), file)


def canonical(text: str, here: str) -> str:
    """Return the one text for a name that can be typed in several ways; one that is no name is returned unchanged.

    A file that `here` can import becomes its module, so that both have the same history in the log.
    """
    try:
        name = parse(text)
    except ValueError:
        return text
    entry, module, file = locate(name.source, here)
    as_module = file and entry == os.path.abspath(here) and os.path.isfile(file)
    is_dotted = "." in os.path.basename(name.source).removesuffix(".py")  # which no module can be
    if as_module and not is_dotted and all(part.isidentifier() for part in module.split(".")):
        return f"{module}:{name.function}"
    below = os.path.abspath(here).rstrip("/") + "/"
    return str(name._replace(source=file[len(below) :]) if file and file.startswith(below) else name)


def entries(workload: Mapping[str, Any], here: str) -> tuple[str, ...]:
    """Return the directories that the files in a workload add to the import path."""
    texts = [workload[field] for field in FIELDS if isinstance(workload.get(field), str)]
    found = [locate(parse(text).source, here).entry for text in texts if re.fullmatch(FUNCTION, text)]
    return tuple(dict.fromkeys(entry for entry in found if entry is not None))


def hiding(directories: Iterable[str]) -> list[str]:
    """Return the files and packages there that hide a module that every runner needs.

    Those of the standard library itself, whose files can be named, too, hide nothing.
    """
    found = []
    for directory in dict.fromkeys(directories):
        try:
            names = sorted(os.listdir(directory))
        except OSError:
            continue
        if {"os.py", "encodings", "importlib"} <= set(names):
            continue
        for name in names:
            path = os.path.join(directory, name)
            package = os.path.join(path, "__init__.py")
            is_used = name.removesuffix(".py") in USED or name == "anyio.py"  # a directory may be the package itself
            if is_used and os.path.isfile(path if name.endswith(".py") else package):
                found.append(path)
    return found


def hidden_problem(file: str) -> tuple[str, str, str]:
    """Return code, text and remedy for a file that hides a module that every runner needs."""
    module = os.path.basename(file).removesuffix(".py")
    what = f"{file} hides the standard library's {module!r}, which Python's own modules import"
    if module not in USED:
        what = f"{file} hides the package {module!r}, which event loops and some pools need here"
    directory, suffix = os.path.dirname(file), ".py" if file.endswith(".py") else ""
    return "module_hidden", what, f"rename it: mv {file} {os.path.join(directory, f'my_{module}{suffix}')}"


def src_of(module: str, directories: Iterable[str]) -> str | None:
    """Return the `src` directory in one of `directories` that holds a module, None if none does."""
    top = module.partition(".")[0]
    for directory in directories:
        src = os.path.join(directory, "src")
        if os.path.isfile(os.path.join(src, f"{top}.py")) or os.path.isdir(os.path.join(src, top)):
            return src
    return None


def put_first(entry: str) -> None:
    """Put a directory first on the import path, behind the runner's own; workers inherit the path."""
    if sys.path[1:2] != [entry]:
        sys.path.insert(1, entry)
