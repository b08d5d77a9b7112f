"""A YAML file read strictly: its plain values, and the position of each."""

from __future__ import annotations

import math
import re
import stat
import unicodedata
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NoReturn, TypeAlias

import yaml

from ..errors import BadInput
from ..files import closest_match
from ..runner.problem import Problem
from ..text import HIDDEN

KeyPath: TypeAlias = tuple[str | int, ...]

MAX_BYTES = 256 * 1024
MAX_DEPTH = 32
MAX_SHOWN = 60

_LOADER: type[yaml.CSafeLoader | yaml.SafeLoader] = yaml.CSafeLoader if yaml.__with_libyaml__ else yaml.SafeLoader

# Characters that are invisible or that control a terminal. U+2028 and U+2029 are line breaks to YAML 1.1, not to 1.2.
_HIDDEN = re.compile(f"[{HIDDEN}]")
_BARE_KEY = re.compile(r"[A-Za-z0-9_.-]{1,60}")

_DIGITS = "[0-9]+(?:_[0-9]+)*"
_DECIMAL = re.compile(f"[-+]?({_DIGITS})")
_BASED = re.compile("0o(?P<octal>[0-7]+)|0x(?P<hex>[0-9a-fA-F]+)")
_FLOAT = re.compile(rf"[-+]?(?:\.{_DIGITS}|{_DIGITS}(?:\.(?:{_DIGITS})?)?)(?:[eE][-+]?{_DIGITS})?")
_NOT_FINITE = re.compile(r"[-+]?\.(?:inf|Inf|INF)|\.(?:nan|NaN|NAN)")
_CONSTANTS: dict[str, bool | None] = {
    **dict.fromkeys(("", "~", "null", "Null", "NULL")),
    **dict.fromkeys(("true", "True", "TRUE"), True),
    **dict.fromkeys(("false", "False", "FALSE"), False),
}


@dataclass(frozen=True, slots=True)
class Position:
    """A place in a file; both numbers start at 1."""

    line: int
    column: int


class Unreadable(ValueError):
    """Text that is no value of a spec: the problem, with the path to it and its position where they are known."""

    def __init__(self, problem: Problem, path: KeyPath = (), position: Position | None = None) -> None:
        super().__init__(problem.what)
        self.problem = problem
        self.path = path
        self.position = position


@dataclass(frozen=True)
class Document:
    """The values of a file, and the position of each."""

    source: str
    value: dict[str, object]
    keys: Mapping[KeyPath, Position]
    values: Mapping[KeyPath, Position]

    def where(self, path: KeyPath, *, key: bool = False) -> str:
        """Return `file:line:column` of the value (or the key) at `path`, or of the nearest parent in the file."""
        return _place(self.source, self.position(path, key=key))

    def position(self, path: KeyPath, *, key: bool = False) -> Position | None:
        """Return where the value (or the key) at `path` is, or the nearest parent in the file; None without any."""
        for end in range(len(path), -1, -1):
            position = (self.keys.get(path[:end]) if key else None) or self.values.get(path[:end])
            if position is not None:
                return position
        return None


def read(file: Path) -> Document:
    """Return the document in `file`; raises BadInput."""
    where = _place(str(file))
    try:
        # Ask before opening: opening a FIFO blocks.
        mode = file.stat().st_mode
        if stat.S_ISDIR(mode):
            raise BadInput("a directory, not a file", where=where, remedy="name a YAML file in it")
        if not stat.S_ISREG(mode):
            raise BadInput("not a regular file", where=where, remedy="save the YAML in a regular file")
        with file.open("rb") as stream:
            content = stream.read(MAX_BYTES + 1)
    except (FileNotFoundError, NotADirectoryError) as error:
        meant = closest_match(file)
        remedy = f"did you mean {quoted(meant)}?" if meant else "check the path"
        if file.is_symlink():
            raise BadInput("a symbolic link to nothing", where=where, remedy="check where it points") from error
        raise BadInput("no such file", where=where, remedy=remedy) from error
    except PermissionError as error:
        raise BadInput("no permission to read it", where=where, remedy="grant it with chmod u+r") from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise BadInput(f"cannot be read: {reason}", where=where, remedy="check the path") from error
    return parse(content, str(file))


def parse(content: bytes, source: str) -> Document:
    """Return the document that `content` holds, positions named after `source`; raises BadInput."""
    try:
        return read_text(content, source)
    except Unreadable as error:
        shown = f"{key_path(error.path)}: {error.problem.what}" if error.path else error.problem.what
        raise BadInput(shown, where=_place(source, error.position), remedy=error.problem.remedy) from error


def read_text(content: bytes, source: str) -> Document:
    """Return the document that `content` holds, as `parse` does, but raises Unreadable."""
    text = _decoded(content)
    tree = _Tree(text)
    try:
        for event in _events(text):
            tree.take(event)
    except yaml.YAMLError as error:
        raise tree.unreadable(error) from error
    if tree.root is None:
        raise _misread("file_empty", "the file is empty", 'write "key: value" lines')
    return Document(source, tree.root, tree.keys, tree.values)


def scalar(text: str) -> object:
    """Return the value of unquoted text by the core schema of YAML 1.2; raises Unreadable."""
    if hidden := _HIDDEN.search(text):
        raise _misread("hidden_character", f"{quoted(text)} holds the {_named(hidden[0])}", "delete the character")
    if text in _CONSTANTS:
        return _CONSTANTS[text]
    if match := _DECIMAL.fullmatch(text):
        digits = match[1].replace("_", "")
        if digits[0] == "0" and digits != "0":
            what = f"{quoted(text)} is ambiguous (octal or decimal)"
            raise _misread("number_ambiguous", what, "drop the zero or quote it")
        return _bounded(text, digits, 10)
    if match := _BASED.fullmatch(text):
        return _bounded(text, match["octal"], 8) if match["octal"] else _bounded(text, match["hex"], 16)
    if _FLOAT.fullmatch(text):
        if math.isinf(float(text)):
            raise _misread(
                "number_too_large", f"{quoted(text)} is too large a number", "write a smaller one or quote it"
            )
        return float(text)
    if _NOT_FINITE.fullmatch(text):
        raise _misread("number_not_finite", f"{quoted(text)} is not a finite number", "write a finite one or quote it")
    return text


def _misread(code: str, what: str, remedy: str) -> Unreadable:
    return Unreadable(Problem(code, what, remedy))


def key_path(path: KeyPath, start: str = "") -> str:
    """Return a path as people write it, such as `models[2].label`, below `start`."""
    parts = start
    for part in path:
        if isinstance(part, int):
            parts += f"[{part}]"
        elif _BARE_KEY.fullmatch(part):
            parts += f".{part}" if parts else part
        else:
            parts += f"[{quoted(part)}]"
    return parts


def quoted(text: str) -> str:
    """Return text in double quotes, its unprintable characters escaped, in at most MAX_SHOWN characters."""
    pieces = [_escaped(char) for char in text[:MAX_SHOWN]]
    if len(text) > MAX_SHOWN or sum(map(len, pieces)) > MAX_SHOWN - 2:
        while sum(map(len, pieces)) > MAX_SHOWN - 5:
            pieces.pop()
        pieces.append("...")
    return f'"{"".join(pieces)}"'


def described(given: object) -> str:
    """Return any value of a spec in a few words, for a message."""
    names = {dict: "a mapping", list: "a list", tuple: "a list", type(None): "nothing"}
    if isinstance(given, str):
        return quoted(given)
    return names.get(type(given)) or (str(given).lower() if isinstance(given, bool) else str(given)[:60])


def _escaped(char: str) -> str:
    return '\\"' if char == '"' else repr(char)[1:-1]


def _bounded(text: str, digits: str, base: int) -> int:
    digits = digits.lstrip("0") or "0"
    # The length first: int() takes quadratic time for long text, and has a limit of its own.
    value = int(digits, base) if len(digits) <= 22 else 2**63
    if value >= 2**63:
        what = f"{quoted(text)} does not fit into 64 bits"
        raise _misread("number_too_large", what, "write a smaller number or quote it")
    return -value if text[0] == "-" else value


def _named(char: str) -> str:
    name = unicodedata.name(char, "")
    return f"hidden character U+{ord(char):04X}{f' ({name})' if name else ''}"


def _kind(value: object) -> str:
    kinds = {type(None): "null", bool: "true or false", int: "a number", float: "a number", list: "a list"}
    return kinds.get(type(value), "text")


def _place(source: str, position: Position | None = None) -> str:
    name = source if source.isprintable() else f'"{"".join(map(_escaped, source))}"'
    return f"{name}:{position.line}:{position.column}" if position else name


def _decoded(content: bytes) -> str:
    if len(content) > MAX_BYTES:
        raise _misread("file_too_large", f"larger than {MAX_BYTES // 1024} KiB", "move data to its own file")
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise _misread("not_utf8", "UTF-16 or UTF-32, not UTF-8", "save it as UTF-8")
    try:
        text = content.decode("utf-8").removeprefix("\ufeff")
    except UnicodeDecodeError as error:
        what = f"not UTF-8: byte 0x{content[error.start]:02x} at offset {error.start}"
        raise _misread("not_utf8", what, "save it as UTF-8") from error
    if hidden := _HIDDEN.search(text):
        before = text[: hidden.start()].replace("\r\n", "\n").replace("\r", "\n")
        position = Position(before.count("\n") + 1, len(before) - before.rfind("\n"))
        problem = Problem("hidden_character", _named(hidden[0]), "delete the character")
        raise Unreadable(problem, (), position)
    return text


def _events(text: str) -> Iterator[yaml.Event]:
    try:
        yield from yaml.parse(text, Loader=_LOADER)
    except (ValueError, OverflowError) as error:
        # PyYAML without libyaml passes any number of an escape or a %YAML line to chr() and int().
        raise yaml.YAMLError("a number in an escape or a directive is out of range") from error


@dataclass(slots=True)
class _Open:
    """A collection that is still being read; `key` waits for its value."""

    path: KeyPath
    items: dict[str, object] | list[object]
    key: str | None = None


@dataclass
class _Tree:
    """The values so far, with an explicit stack: deep nesting can't exhaust Python's own."""

    text: str
    root: dict[str, object] | None = None
    stack: list[_Open] = field(default_factory=list)
    keys: dict[KeyPath, Position] = field(default_factory=dict)
    values: dict[KeyPath, Position] = field(default_factory=dict)

    def take(self, event: yaml.Event) -> None:
        if isinstance(event, yaml.NodeEvent):
            self._take_node(event)
        elif isinstance(event, yaml.CollectionEndEvent):
            self.stack.pop()
        elif isinstance(event, yaml.DocumentStartEvent):
            if self.root is not None:
                self._refuse(event, (), "a second document is not allowed", "keep one of them")
            if event.tags or event.version not in (None, (1, 2)):
                self._refuse(event, (), "a directive other than %YAML 1.2 is not allowed", "delete the line")

    def unreadable(self, error: yaml.YAMLError) -> Unreadable:
        if not isinstance(error, yaml.MarkedYAMLError):
            return _misread("not_yaml", f"not YAML: {' '.join(str(error).split())[:120]}", "correct or quote it")
        mark = error.problem_mark or error.context_mark
        what = f"not YAML: {(error.problem or '')[:120]}"
        if error.context:
            what += f" {error.context}"
            if error.context_mark and mark and error.context_mark.line != mark.line:
                what += f" that starts on line {error.context_mark.line + 1}"
        tab = mark is not None and self.text.startswith("\t", mark.index)
        remedy = "indent with spaces, not tabs" if tab else "check indentation, quotes and brackets"
        position = Position(mark.line + 1, mark.column + 1) if mark else None
        return Unreadable(Problem("not_yaml", what, remedy), self.stack[-1].path if self.stack else (), position)

    def _take_node(self, event: yaml.NodeEvent) -> None:
        top = self.stack[-1] if self.stack else None
        is_key = top is not None and isinstance(top.items, dict) and top.key is None
        path: KeyPath = ()
        if top is not None:
            path = top.path if is_key else (*top.path, len(top.items) if top.key is None else top.key)
        self._refuse_decoration(event, path)
        if top is not None and is_key:
            self._take_key(top, event)
        else:
            self._take_value(top, path, event)

    def _refuse_decoration(self, event: yaml.NodeEvent, path: KeyPath) -> None:
        if isinstance(event, yaml.AliasEvent):
            self._refuse(event, path, f"alias {quoted(f'*{event.anchor}')} is not allowed", "write the value out")
        if event.anchor is not None:
            self._refuse(event, path, f"anchor {quoted(f'&{event.anchor}')} is not allowed", "write the value out")
        tag = event.tag if isinstance(event, yaml.ScalarEvent | yaml.CollectionStartEvent) else None
        if isinstance(event, yaml.ScalarEvent):
            # Only an escape can hold one here: others were found before parsing.
            if event.style == '"' and (hidden := _HIDDEN.search(event.value)):
                self._refuse(event, path, _named(hidden[0]), "delete the character")
            # Some versions of libyaml drop the tag `!` of a scalar.
            if event.start_mark and self.text.startswith("!", event.start_mark.index):
                tag = tag or "!"
        if tag is not None:
            self._refuse(event, path, f"tag {quoted(tag)} is not allowed", "delete the tag")

    def _take_key(self, top: _Open, event: yaml.NodeEvent) -> None:
        if not isinstance(event, yaml.ScalarEvent):
            self._refuse(event, top.path, "a list or a mapping as a key", "quote it if it is meant as text")
        key = event.value
        if not event.style:
            try:
                meaning = scalar(key)
            except Unreadable:
                self._refuse(event, top.path, f"the key {quoted(key)} is not read as text", "quote it")
            if not isinstance(meaning, str):
                self._refuse(event, top.path, f"the key {quoted(key)} is read as {_kind(meaning)}", "quote it")
            if key == "<<":
                self._refuse(event, top.path, 'merge key "<<" is not allowed', "write the keys out")
        path = (*top.path, key)
        if path in self.keys:
            what = f"duplicate key {quoted(key)}, first given on line {self.keys[path].line}"
            self._refuse(event, top.path, what, "keep one of them")
        self.keys[path] = _position(event)
        top.key = key

    def _take_value(self, top: _Open | None, path: KeyPath, event: yaml.NodeEvent) -> None:
        value: Any
        if isinstance(event, yaml.ScalarEvent):
            try:
                value = event.value if event.style else scalar(event.value)
            except Unreadable as error:
                raise Unreadable(error.problem, path, _position(event)) from error
        else:
            value = {} if isinstance(event, yaml.MappingStartEvent) else []
            self.stack.append(_Open(path, value))
        if len(self.stack) > MAX_DEPTH:
            self._refuse(event, (), f"nested deeper than {MAX_DEPTH} levels", "make it flatter")
        if top is None:
            if not isinstance(value, dict):
                self._refuse(event, (), f"the top level is {_kind(value)}, not a mapping", 'write "key: value" lines')
            self.root = value
        elif isinstance(top.items, list):
            top.items.append(value)
        elif top.key is not None:
            top.items[top.key] = value
            top.key = None
        self.values[path] = _position(event)

    def _refuse(self, event: yaml.Event, path: KeyPath, what: str, remedy: str) -> NoReturn:
        raise Unreadable(Problem("yaml_refused", what, remedy), path, _position(event))


def _position(event: yaml.Event) -> Position:
    mark = event.start_mark
    return Position(mark.line + 1, mark.column + 1) if mark else Position(1, 1)


def dump(value: object, *, flow: bool = False) -> str:
    """Return plain data as YAML that `parse` reads back unchanged; on one line, without a line break, if `flow`."""
    if not flow:
        return yaml.dump(value, Dumper=_Plain, sort_keys=False, allow_unicode=True)
    text = yaml.dump([value], Dumper=_Plain, sort_keys=False, allow_unicode=True, default_flow_style=True, width=10**9)
    return text.strip()[1:-1]


class _Plain(yaml.SafeDumper):
    def ignore_aliases(self, data: object) -> bool:
        return True


def _represent_text(dumper: yaml.SafeDumper, value: str) -> yaml.Node:
    # PyYAML quotes what YAML 1.1 would misread; our reader follows 1.2, where `1e3` is a number
    style: str | None = "'"
    with suppress(Unreadable):
        style = None if isinstance(scalar(value), str) else "'"
    if "\n" in value or "\r" in value:
        style = '"'  # escapes keep a line break in the line
    return dumper.represent_scalar("tag:yaml.org,2002:str", value, style=style)


_Plain.add_representer(str, _represent_text)
