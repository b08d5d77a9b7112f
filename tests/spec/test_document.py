"""What the reader of YAML promises: plain values with positions, or one BadInput with place and remedy."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from orchestrator.errors import BadInput
from orchestrator.spec import document
from orchestrator.spec.document import MAX_BYTES, MAX_DEPTH, MAX_SHOWN, KeyPath, Position
from tests.support.yaml_fuzz import FRAGMENTS, SAMPLE, mutated

quiet = settings(max_examples=120)

LOADERS = [yaml.SafeLoader, *([yaml.CSafeLoader] if yaml.__with_libyaml__ else [])]


@pytest.fixture(params=LOADERS, ids=lambda loader: str(loader.__name__))
def loader(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> Iterator[object]:
    """Both parsers of PyYAML: which one is at hand depends on how it was built."""
    monkeypatch.setattr(document, "_LOADER", request.param)
    yield request.param


def parsed(text: str) -> dict[str, object]:
    return document.parse(text.encode(), "a.yaml").value


def refusal(content: str | bytes) -> str:
    with pytest.raises(BadInput) as caught:
        document.parse(content.encode() if isinstance(content, str) else content, "a.yaml")
    assert caught.value.remedy
    assert str(caught.value).isprintable()
    return str(caught.value)


def refused_file(file: Path) -> str:
    with pytest.raises(BadInput) as caught:
        document.read(file)
    return str(caught.value)


# values


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("", None),
        ("~", None),
        ("null", None),
        ("Null", None),
        ("NULL", None),
        ("nUll", "nUll"),
        ("true", True),
        ("True", True),
        ("TRUE", True),
        ("false", False),
        ("False", False),
        ("FALSE", False),
        ("NO", "NO"),
        ("no", "no"),
        ("yes", "yes"),
        ("on", "on"),
        ("Off", "Off"),
        ("y", "y"),
        ("0", 0),
        ("-0", 0),
        ("7", 7),
        ("+7", 7),
        ("-7", -7),
        ("20_000", 20_000),
        ("1_2_3", 123),
        ("1__0", "1__0"),
        ("_1", "_1"),
        ("1_", "1_"),
        ("0o17", 15),
        ("0x1F", 31),
        ("0x0000000000000000000000000000001f", 31),
        ("-0x1F", "-0x1F"),
        ("0b11", "0b11"),
        ("0o8", "0o8"),
        (str(2**63 - 1), 2**63 - 1),
        (str(1 - 2**63), 1 - 2**63),
        ("0x7FFFFFFFFFFFFFFF", 2**63 - 1),
        ("1.5", 1.5),
        ("-1.5", -1.5),
        ("3.10", 3.1),
        ("1.", 1.0),
        (".5", 0.5),
        ("-.5", -0.5),
        ("1e3", 1000.0),
        ("1E-3", 0.001),
        ("1.5e+3", 1500.0),
        ("1_000.5", 1000.5),
        ("1e", "1e"),
        (".", "."),
        ("-", "-"),
        ("e3", "e3"),
        ("inf", "inf"),
        ("nan", "nan"),
        ("12:30:00", "12:30:00"),
        ("2026-01-01", "2026-01-01"),
        ("1.2.3", "1.2.3"),
        ("2%", "2%"),
        ("60s", "60s"),
        ("٣", "٣"),
        ("1 2", "1 2"),
    ],
)
def test_unquoted_text_follows_the_core_schema(text: str, value: object) -> None:
    read = document.scalar(text)
    assert read == value
    assert type(read) is type(value)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("010", '"010" is ambiguous (octal or decimal); drop the zero or quote it'),
        ("-010", '"-010" is ambiguous (octal or decimal); drop the zero or quote it'),
        ("08", '"08" is ambiguous (octal or decimal); drop the zero or quote it'),
        ("0_1", '"0_1" is ambiguous (octal or decimal); drop the zero or quote it'),
        (".inf", '".inf" is not a finite number; write a finite one or quote it'),
        ("-.INF", '"-.INF" is not a finite number; write a finite one or quote it'),
        (".NaN", '".NaN" is not a finite number; write a finite one or quote it'),
        ("1e999", '"1e999" is too large a number; write a smaller one or quote it'),
        (str(2**63), '"9223372036854775808" does not fit into 64 bits; write a smaller number or quote it'),
        (
            str(-(2**63)),
            '"-9223372036854775808" does not fit into 64 bits; write a smaller number or quote it',
        ),
        (
            "0x8000000000000000",
            '"0x8000000000000000" does not fit into 64 bits; write a smaller number or quote it',
        ),
        ("0o" + "7" * 22, f'"0o{"7" * 22}" does not fit into 64 bits; write a smaller number or quote it'),
        ("a\x1bb", '"a\\x1bb" holds the hidden character U+001B; delete the character'),
        ("\ud800", '"\\ud800" holds the hidden character U+D800; delete the character'),
    ],
)
def test_unquoted_text_that_misleads_is_refused_with_the_remedy(text: str, message: str) -> None:
    with pytest.raises(document.Unreadable) as caught:
        document.scalar(text)
    problem = caught.value.problem
    assert f"{problem.what}; {problem.remedy}" == message


@pytest.mark.parametrize("text", ["9" * 200_000, "0x" + "f" * 200_000, "1e" + "9" * 200_000, "-" + "9_9" * 50_000])
def test_a_huge_number_is_refused(text: str) -> None:
    with pytest.raises(document.Unreadable) as caught:
        document.scalar(text)
    assert caught.value.problem.code == "number_too_large"


@pytest.mark.parametrize("text", ["NO", "yes", "3.10", "010", "1e3", "12:30:00", ".inf", "~", "", "0x1F"])
@pytest.mark.parametrize("quote", ["'", '"'])
def test_quoted_text_stays_text(text: str, quote: str) -> None:
    assert parsed(f"a: {quote}{text}{quote}") == {"a": text}


@pytest.mark.parametrize(("block", "value"), [("|\n  010\n", "010\n"), (">-\n  1\n  2\n", "1 2"), ("|-\n  ~", "~")])
def test_a_block_of_text_stays_text(block: str, value: str) -> None:
    assert parsed(f"a: {block}") == {"a": value}


def test_collections_nest(loader: object) -> None:
    text = "a: [1, {b: ~, c: [x, []]}, {}]\nd:\n- e: true\n  f: 1.5\n- [g: h]\n"
    assert parsed(text) == {
        "a": [1, {"b": None, "c": ["x", []]}, {}],
        "d": [{"e": True, "f": 1.5}, [{"g": "h"}]],
    }


def test_keys_that_only_look_like_other_things_are_text() -> None:
    assert parsed("no: 1\non: 2\n12:30: 3\n'1': 4\n\"\": 5\n'<<': 6\n? g\n: 7") == {
        "no": 1,
        "on": 2,
        "12:30": 3,
        "1": 4,
        "": 5,
        "<<": 6,
        "g": 7,
    }


@pytest.mark.parametrize("breaks", ["\n", "\r\n", "\r"])
def test_every_line_break_counts_as_one(breaks: str, loader: object) -> None:
    read = document.parse(f"a: 1{breaks}b:{breaks}- c".encode(), "f")
    assert read.values[("b", 0)] == Position(3, 3)


def test_a_byte_order_mark_is_no_column() -> None:
    assert document.parse(b"\xef\xbb\xbfa: 1", "f").keys == {("a",): Position(1, 1)}


def test_a_declared_version_1_2_is_accepted(loader: object) -> None:
    assert parsed("%YAML 1.2\n---\na: 1\n...\n") == {"a": 1}


# positions


def test_keys_and_values_have_positions_that_start_at_one(loader: object) -> None:
    read = document.parse(SAMPLE, "f")
    assert read.keys == {
        ("name",): Position(1, 1),
        ("models",): Position(2, 1),
        ("models", 1, "model"): Position(4, 6),
        ("models", 1, "café"): Position(4, 18),
        ("models", 1, "label"): Position(4, 27),
    }
    # Where an empty value stands is the parser's choice; the line is the same.
    empty = read.values[("models", 1, "label")]
    assert {path: at for path, at in read.values.items() if path != ("models", 1, "label")} == {
        (): Position(1, 1),
        ("name",): Position(1, 7),
        ("models",): Position(3, 3),
        ("models", 0): Position(3, 5),
        ("models", 1): Position(4, 5),
        ("models", 1, "model"): Position(4, 13),
        ("models", 1, "café"): Position(4, 24),
    }
    assert empty.line == 4


@pytest.mark.parametrize(
    ("path", "key", "where"),
    [
        (("name",), False, "c.yaml:1:7"),
        (("name",), True, "c.yaml:1:1"),
        (("models", 1, "model"), False, "c.yaml:4:13"),
        (("models", 1, "model"), True, "c.yaml:4:6"),
        (("models", 1, "gone", "deeper"), False, "c.yaml:4:5"),
        (("models", 9), False, "c.yaml:3:3"),
        (("models", 9), True, "c.yaml:2:1"),
        (("gone",), False, "c.yaml:1:1"),
        ((), True, "c.yaml:1:1"),
    ],
)
def test_a_problem_is_placed_at_the_nearest_known_position(path: KeyPath, key: bool, where: str) -> None:
    assert document.parse(SAMPLE, "c.yaml").where(path, key=key) == where


@pytest.mark.parametrize(
    ("path", "text"),
    [
        ((), ""),
        (("models", 2, "label"), "models[2].label"),
        (("matrix", "kwargs.n"), "matrix.kwargs.n"),
        ((0, 1, "a"), "[0][1].a"),
        (("a b", "c"), '["a b"].c'),
        (("a", "\x1b[1m"), 'a["\\x1b[1m"]'),
        (("a", ""), 'a[""]'),
    ],
)
def test_a_path_reads_as_people_write_it(path: KeyPath, text: str) -> None:
    assert document.key_path(path) == text


@pytest.mark.parametrize(
    ("text", "escaped"),
    [
        ("threads", '"threads"'),
        ('a"b\\c', '"a\\"b\\\\c"'),
        ("it's", '"it\'s"'),
        ("a\nb\u202e\u2028", '"a\\nb\\u202e\\u2028"'),
        ("x" * 58, f'"{"x" * 58}"'),
        ("x" * 59, f'"{"x" * 55}..."'),
        ("", '""'),
    ],
)
def test_shown_text_is_quoted_escaped_and_cut(text: str, escaped: str) -> None:
    assert document.quoted(text) == escaped


@given(st.text(st.characters(), max_size=100))
@quiet
def test_shown_text_is_short_and_printable_whatever_it_was(text: str) -> None:
    assert document.quoted(text).isprintable()
    assert len(document.quoted(text)) <= MAX_SHOWN


# refusals, word for word


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("x: 1\ny: 2\n'x': 3", 'a.yaml:3:1: duplicate key "x", first given on line 1; keep one of them'),
        (
            "m:\n- 1\n- x: 1\n  x: 2",
            'a.yaml:4:3: m[1]: duplicate key "x", first given on line 3; keep one of them',
        ),
        ("a: !!int 3", 'a.yaml:1:4: a: tag "tag:yaml.org,2002:int" is not allowed; delete the tag'),
        ("a: !x {b: 1}", 'a.yaml:1:4: a: tag "!x" is not allowed; delete the tag'),
        ("a: [1, ! 2]", 'a.yaml:1:8: a[1]: tag "!" is not allowed; delete the tag'),
        ("!!str a: 1", 'a.yaml:1:1: tag "tag:yaml.org,2002:str" is not allowed; delete the tag'),
        ("a: &x 1", 'a.yaml:1:4: a: anchor "&x" is not allowed; write the value out'),
        ("a: 1\nb: [*x]", 'a.yaml:2:5: b[0]: alias "*x" is not allowed; write the value out'),
        ("a:\n  <<: {b: 1}", 'a.yaml:2:3: a: merge key "<<" is not allowed; write the keys out'),
        ("1: a", 'a.yaml:1:1: the key "1" is read as a number; quote it'),
        ("a: {1.5: a}", 'a.yaml:1:5: a: the key "1.5" is read as a number; quote it'),
        ("true: a", 'a.yaml:1:1: the key "true" is read as true or false; quote it'),
        ("~: a", 'a.yaml:1:1: the key "~" is read as null; quote it'),
        ("?\n: a", 'a.yaml:1:2: the key "" is read as null; quote it'),
        ("010: a", 'a.yaml:1:1: the key "010" is not read as text; quote it'),
        ("? [a]\n: b", "a.yaml:1:3: a list or a mapping as a key; quote it if it is meant as text"),
        ("a: {{b}: c}", "a.yaml:1:5: a: a list or a mapping as a key; quote it if it is meant as text"),
        ("a: 1\n---\nb: 2", "a.yaml:2:1: a second document is not allowed; keep one of them"),
        (
            "%YAML 1.1\n---\na: no",
            "a.yaml:1:1: a directive other than %YAML 1.2 is not allowed; delete the line",
        ),
        (
            "%TAG ! !x\n---\na: 1",
            "a.yaml:1:1: a directive other than %YAML 1.2 is not allowed; delete the line",
        ),
        ("", 'a.yaml: the file is empty; write "key: value" lines'),
        ("# only a comment\n", 'a.yaml: the file is empty; write "key: value" lines'),
        ("- a", 'a.yaml:1:1: the top level is a list, not a mapping; write "key: value" lines'),
        ("hello", 'a.yaml:1:1: the top level is text, not a mapping; write "key: value" lines'),
        ("\n 3.5", 'a.yaml:2:2: the top level is a number, not a mapping; write "key: value" lines'),
        ("false", 'a.yaml:1:1: the top level is true or false, not a mapping; write "key: value" lines'),
        ("null", 'a.yaml:1:1: the top level is null, not a mapping; write "key: value" lines'),
        ("a: [1, 010]", 'a.yaml:1:8: a[1]: "010" is ambiguous (octal or decimal); drop the zero or quote it'),
        ("a: 1\nb: \x1b", "a.yaml:2:4: hidden character U+001B; delete the character"),
        (
            "a: 1\r\nb: é\u202e",
            "a.yaml:2:5: hidden character U+202E (RIGHT-TO-LEFT OVERRIDE); delete the character",
        ),
        (
            "\ufeff\ufeffa: 1",
            "a.yaml:1:1: hidden character U+FEFF (ZERO WIDTH NO-BREAK SPACE); delete the character",
        ),
        ('a:\n  b: "x\\0"', "a.yaml:2:6: a.b: hidden character U+0000; delete the character"),
        ('"\\e": 1', "a.yaml:1:1: hidden character U+001B; delete the character"),
        ("a:\n\t- b", None),
    ],
)
def test_a_refusal_says_where_what_and_the_remedy(text: str, message: str | None, loader: object) -> None:
    if message is None:
        assert refusal(text).startswith("a.yaml:2:1: not YAML: found character")
        assert refusal(text).endswith("; indent with spaces, not tabs")
    else:
        assert refusal(text) == message


@pytest.mark.parametrize("char", ["\x00", "\x07", "\x0b", "\x7f", "\x85", "\x9b", "\u200b", "\u200f", "\u2028"])
def test_a_hidden_character_is_refused_raw(char: str) -> None:
    assert f"hidden character U+{ord(char):04X}" in refusal(f"a: x{char}")


@pytest.mark.parametrize("escape", ["x00", "x1b", "x7F", "N", "L", "u200B", "u202e", "u2066", "uFEFF", "U0000202A"])
def test_a_hidden_character_is_refused_escaped(escape: str, loader: object) -> None:
    assert refusal(f'a: ["\\{escape}"]').startswith("a.yaml:1:5: a[0]: hidden character U+")


@pytest.mark.parametrize("escape", ["uD800", "uDFFF", "uD83D\\uDE00", "UFFFFFFFF", "U00110000"])
def test_an_escape_that_is_no_character_is_refused(escape: str, loader: object) -> None:
    assert "a.yaml" in refusal(f'a: "\\{escape}"')


def test_tab_and_line_feed_from_escapes_are_accepted() -> None:
    assert parsed('a: "\\t\\n\\r"') == {"a": "\t\n\r"}


def test_what_is_not_utf_8_is_refused_with_its_offset() -> None:
    assert refusal(b"\xef\xbb\xbfa: \xff") == "a.yaml: not UTF-8: byte 0xff at offset 6; save it as UTF-8"


@pytest.mark.parametrize("encoding", ["utf-16", "utf-32"])
def test_utf_16_and_utf_32_are_refused(encoding: str) -> None:
    content = b"\xff\xfe" + "a: 1".encode(encoding + "-le")
    assert refusal(content) == "a.yaml: UTF-16 or UTF-32, not UTF-8; save it as UTF-8"


def test_the_largest_size_is_accepted() -> None:
    assert parsed("a: " + "x" * (MAX_BYTES - 3))


def test_one_byte_more_is_refused() -> None:
    assert refusal("a: " + "x" * (MAX_BYTES - 2)) == "a.yaml: larger than 256 KiB; move data to its own file"


def test_the_deepest_nesting_is_accepted() -> None:
    assert parsed("a: " + "[" * (MAX_DEPTH - 1) + "]" * (MAX_DEPTH - 1))


def test_one_level_more_is_refused(loader: object) -> None:
    message = refusal("a: " + "[" * MAX_DEPTH + "]" * MAX_DEPTH)
    assert message == f"a.yaml:1:{3 + MAX_DEPTH}: nested deeper than 32 levels; make it flatter"


@pytest.mark.parametrize(
    ("text", "where"),
    [
        ("a: [1, 2\nb: 3", "a.yaml:2:2: a"),
        ('a:\n  b: "x', "a.yaml:2:8: a"),
        ("a: b: c", "a.yaml:1:5: "),
        ("a: 1\n  b: 2", "a.yaml:2:4: "),
        ("a: @x", "a.yaml:1:4: "),
        ("a: {b", "a.yaml:2:1: a"),
    ],
)
def test_a_syntax_error_is_one_line_with_its_place(text: str, where: str) -> None:
    message = refusal(text)
    assert message.startswith(where)
    assert "not YAML: " in message
    assert message.endswith("; check indentation, quotes and brackets")


def test_a_syntax_error_says_where_its_context_starts() -> None:
    assert "while parsing a flow sequence that starts on line 2;" in refusal("a:\n - [1,\n   2\nb: 3")


def test_a_file_name_cannot_break_the_line() -> None:
    with pytest.raises(BadInput) as caught:
        document.parse(b"", "a\x1b\n.yaml")
    assert str(caught.value).startswith('"a\\x1b\\n.yaml": the file is empty')


# files


def test_a_file_is_read_and_named_as_the_user_named_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.yaml").write_text("b: 1")
    monkeypatch.chdir(tmp_path)
    read = document.read(Path("a.yaml"))
    assert (read.source, read.value) == ("a.yaml", {"b": 1})


@pytest.mark.parametrize("wrong", ["cpuu.yaml", "cpu", "cpu.yml"])
def test_a_missing_file_suggests_its_neighbour(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "cpu.yaml").touch()
    (tmp_path / "other.yaml").touch()
    file = tmp_path / wrong
    assert refused_file(file) == f'{file}: no such file; did you mean "cpu.yaml"?'


@pytest.mark.parametrize("wrong", ["gone/a.yaml", "zzzzzz", "cpu.yaml/a.yaml"])
def test_a_missing_file_without_a_similar_neighbour_asks_for_the_path(wrong: str, tmp_path: Path) -> None:
    (tmp_path / "cpu.yaml").touch()
    assert refused_file(tmp_path / wrong) == f"{tmp_path / wrong}: no such file; check the path"


def test_a_directory_is_refused(tmp_path: Path) -> None:
    assert refused_file(tmp_path) == f"{tmp_path}: a directory, not a file; name a YAML file in it"


def test_a_fifo_is_refused_without_waiting(tmp_path: Path) -> None:
    file = tmp_path / "fifo"
    os.mkfifo(file)
    assert refused_file(file) == f"{file}: not a regular file; save the YAML in a regular file"


def test_an_endless_device_is_refused() -> None:
    assert refused_file(Path("/dev/zero")) == "/dev/zero: not a regular file; save the YAML in a regular file"


def test_a_file_without_permission_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # Root may read everything, so the refusal is played.
    def refuse(*_: object) -> None:
        raise PermissionError(13, "Permission denied")

    file = tmp_path / "a.yaml"
    file.touch()
    monkeypatch.setattr(Path, "open", refuse)
    assert refused_file(file) == f"{file}: no permission to read it; grant it with chmod u+r"


@pytest.mark.parametrize("name", ["a\0b", "x" * 300, "\ud800"])
def test_a_name_that_no_file_can_have_is_refused(name: str, tmp_path: Path) -> None:
    assert "cannot be read: " in refused_file(tmp_path / name)


def test_a_link_to_itself_is_refused(tmp_path: Path) -> None:
    (tmp_path / "loop").symlink_to("loop")
    assert "cannot be read: " in refused_file(tmp_path / "loop")


def test_a_huge_file_is_not_read_to_its_end(tmp_path: Path) -> None:
    file = tmp_path / "huge"
    with file.open("wb") as stream:
        stream.truncate(2**40)
    assert refused_file(file) == f"{file}: larger than 256 KiB; move data to its own file"


# the hostile corpus

HOSTILE: dict[str, bytes] = {
    "nothing": b"",
    "spaces": b" " * MAX_BYTES,
    "line feeds": b"\n" * MAX_BYTES,
    "carriage returns": b"\r" * MAX_BYTES,
    "tabs": b"\t" * MAX_BYTES,
    "comment": b"#" * MAX_BYTES,
    "NULs": b"\0" * MAX_BYTES,
    "one NUL": b"a: \0",
    "0xff": b"\xff" * MAX_BYTES,
    "cut UTF-8": b"a: \xe2\x82",
    "overlong UTF-8": b"a: \xc0\xaf",
    "surrogate in UTF-8": b"a: \xed\xa0\x80",
    "UTF-16 LE": "a: 1".encode("utf-16"),
    "UTF-16 BE": b"\xfe\xff\0a\0:\0 \x001",
    "UTF-16 without mark": "a: 1".encode("utf-16-le"),
    "mark only": b"\xef\xbb\xbf",
    "two marks": b"\xef\xbb\xbf\xef\xbb\xbfa: 1",
    "noncharacter": "a: \uffff".encode(),
    "last plane": "a: \U0010ffff".encode(),
    "escape sequence": b"a: \x1b[2J",
    "bidi": "a: \u202eb".encode(),
    "bidi key": "\u2066a: b".encode(),
    "zero width": "a\u200b: b".encode(),
    "line separator": "a: b\u2028c: d".encode(),
    "next line": "a: b\x85c: d".encode(),
    "escaped NUL": b'a: "\\0"',
    "escaped surrogate": b'a: "\\ud800"',
    "escape beyond Unicode": b'a: "\\UFFFFFFFF"',
    "cut escape": b'a: "\\x1',
    "many escapes": b'a: "' + b"\\x41" * 60_000 + b'"',
    "brackets": b"[" * 100_000,
    "braces": b"{" * 100_000,
    "nested brackets": b"a: " + b"[" * 100_000,
    "nested braces": b"a: " + b"{" * 100_000,
    "nested pairs": b"{a: " * 60_000,
    "balanced": b"a: " + b"[" * 100_000 + b"]" * 100_000,
    "brackets on lines": b"a: " + b"[\n" * 100_000,
    "closing brackets": b"]" * 100_000,
    "dashes": b"- " * (MAX_BYTES // 2),
    "dashes in a key": b"a:\n  " + b"- " * 100_000,
    "dashes without spaces": b"-" * MAX_BYTES,
    "question marks": b"? " * (MAX_BYTES // 2),
    "colons": b": " * (MAX_BYTES // 2),
    "mappings in one line": b"a: " * 80_000,
    "staircase": b"".join(b" " * depth + b"a:\n" for depth in range(500)),
    "documents": b"---\n" * 60_000,
    "document ends": b"...\n" * 60_000,
    "exclamation marks": b"a: " + b"!" * 100_000,
    "ampersands": b"&" * 100_000,
    "asterisks": b"*" * 100_000,
    "commas": b"a: [" + b"," * 100_000,
    "percents": b"%" * 100_000,
    "long list": b"a:\n" + b"-\n" * 131_000,
    "long flow list": b"a: [" + b"1," * 130_000 + b"]",
    "many empty lists": b"a: [" + b"[]," * 80_000 + b"]",
    "many pairs": b"a: [" + b"a: ," * 60_000 + b"]",
    "many keys": b"".join(b"%x:\n" % (0xA0000000 + n) for n in range(20_000)),
    "same key often": b"a: 1\n" * 50_000,
    "long key": b"x" * 200_000 + b": 1",
    "long quoted key": b'"' + b"x" * 200_000 + b'": 1',
    "open quote": b'a: "' + b"x" * 200_000,
    "open single quote": b"a: '" + b"'" * 200_001,
    "folded lines": b"a: >\n" + b" x\n" * 80_000,
    "plain lines": b"a: x" + b"\n x" * 80_000,
    "big indentation": b"a: |9\n x",
    "huge int": b"a: " + b"9" * 200_000,
    "huge hex": b"a: 0x" + b"f" * 200_000,
    "huge float": b"a: 1e" + b"9" * 200_000,
    "long float": b"a: 0." + b"1" * 200_000,
    "underscores": b"a: 1" + b"_1" * 100_000 + b"x",
    "almost a float": b"a: " + b"1" * 100_000 + b"." + b"1" * 100_000 + b"x",
    "billion laughs": b"a: &a [x]\nb: &b [*a, *a]\nc: [*b, *b]",
    "self reference": b"a: &a [*a]",
    "merge": b"a: {b: 1}\nc:\n  <<: {d: 1}",
    "merge list": b"<<: [{a: 1}, {b: 1}]",
    "python object": b"a: !!python/object/apply:os.system [id]",
    "python name": b"!!python/name:os.system",
    "binary": b"a: !!binary aGk=",
    "set": b"a: !!set {b, c}",
    "verbatim tag": b"a: !<tag:yaml.org,2002:int> 3",
    "unknown handle": b"a: !e!x 3",
    "long handle": b"a: !" + b"e" * 100_000 + b"! 3",
    "tag directive": b"%TAG ! tag:x,2000:\n---\na: !b c",
    "version": b"%YAML 9.9\n---\na: 1",
    "huge version": b"%YAML 1." + b"9" * 10_000 + b"\n---\na: 1",
    "two versions": b"%YAML 1.2\n%YAML 1.2\n---\na: 1",
    "unknown directive": b"%FOO\n---\na: 1",
    "number key": b"1: a",
    "truth key": b"true: a",
    "null key": b": a",
    "list key": b"? [a, b]\n: c",
    "mapping key": b"? {a: b}\n: c",
    "date": b"a: 2026-13-45",
    "sexagesimal": b"a: 190:20:30",
    "octal": b"a: 0777",
    "infinity": b"a: .inf",
    "value tag": b"=: =",
    "reserved": b"a: `x`",
    "tab indentation": b"a:\n\tb: 1",
    "bad dedent": b"a:\n   b: 1\n  c: 2",
    "JSON": b'{"a": [1, 2.5e3, null, true, "\\u00e9\\/"]}',
    "script": b"a: <script>alert(1)</script>",
    "ELF": b"\x7fELF\x02\x01\x01\x00",
    "gzip": b"\x1f\x8b\x08\x00",
    "too large": b"a" * (MAX_BYTES + 1),
}


def outcome(content: bytes) -> document.Document | BadInput:
    try:
        return document.parse(content, "a.yaml")
    except BadInput as error:
        assert str(error).isprintable()
        assert len(str(error)) < 1000
        return error


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
@pytest.mark.timeout(60)
def test_hostile_input_is_read_or_refused(content: bytes) -> None:
    """Each took up to 0.84 s, and 1 s is promised; what takes more than linear time takes minutes."""
    outcome(content)


@pytest.mark.parametrize("content", HOSTILE.values(), ids=HOSTILE)
def test_hostile_input_is_read_or_refused_without_libyaml(content: bytes, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "_LOADER", yaml.SafeLoader)
    outcome(content[:20_000])


@pytest.mark.parametrize("name", ["brackets", "braces", "nested brackets", "dashes in a key", "staircase"])
def test_deep_or_broken_nesting_is_refused(name: str) -> None:
    assert isinstance(outcome(HOSTILE[name]), BadInput)


# properties


@given(st.binary(max_size=200) | st.text(max_size=100).map(lambda text: text.encode("utf-8", "surrogatepass")))
@quiet
def test_arbitrary_bytes_are_read_or_refused(content: bytes) -> None:
    outcome(content)


@given(st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join))
@quiet
def test_pieces_of_yaml_are_read_or_refused(content: bytes) -> None:
    outcome(content)


@given(mutated())
@quiet
def test_a_damaged_config_is_read_or_refused(content: bytes) -> None:
    outcome(content)


@given(st.text(st.sampled_from("0123456789abefox_-+.eE~ "), max_size=30) | st.text(max_size=30))
@quiet
def test_any_unquoted_text_is_a_plain_value_or_a_problem(text: str) -> None:
    try:
        value = document.scalar(text)
    except document.Unreadable as error:
        assert error.problem.what.isprintable()
        assert error.problem.remedy
    else:
        assert value is None or isinstance(value, bool | int | float | str)


class Dumper(yaml.SafeDumper):
    """A dumper that writes equal values out instead of making aliases of them."""

    def ignore_aliases(self, data: object) -> bool:
        return True


def means_itself(text: str) -> bool:
    """Whether PyYAML, which quotes what YAML 1.1 would misread, may leave it unquoted for YAML 1.2, too."""
    try:
        return document.scalar(text) == text or text in ("", "~")
    except document.Unreadable:
        return False


letters = st.characters(exclude_categories=["Cc", "Cf", "Cs", "Zl", "Zp", "Cn", "Co"]) | st.sampled_from(
    "\n\t :#-'\"\\"
)
texts = st.text(letters, max_size=40).filter(means_itself)
plain = st.none() | st.booleans() | st.integers(1 - 2**63, 2**63 - 1) | st.floats(allow_nan=False, allow_infinity=False)
keys = st.text(letters, min_size=1, max_size=20).filter(means_itself)
nested: Callable[[st.SearchStrategy[object]], st.SearchStrategy[object]] = lambda inner: (  # noqa: E731
    st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=4)
)
trees = st.dictionaries(keys, st.recursive(plain | texts, nested, max_leaves=15), min_size=1, max_size=5)
styles = st.fixed_dictionaries(
    {"default_flow_style": st.sampled_from([None, True, False]), "width": st.sampled_from([20, 80, 10_000])}
)


def marks(root: yaml.Node) -> tuple[dict[KeyPath, Position], dict[KeyPath, Position]]:
    """Where PyYAML's own composer finds the keys and the values of a tree."""
    found: tuple[dict[KeyPath, Position], dict[KeyPath, Position]] = ({}, {})
    waiting: list[tuple[KeyPath, yaml.Node]] = [((), root)]
    while waiting:
        path, node = waiting.pop()
        found[1][path] = Position(node.start_mark.line + 1, node.start_mark.column + 1)
        if isinstance(node, yaml.SequenceNode):
            waiting += [((*path, index), item) for index, item in enumerate(node.value)]
        elif isinstance(node, yaml.MappingNode):
            for key, item in node.value:
                inner = (*path, str(key.value))
                found[0][inner] = Position(key.start_mark.line + 1, key.start_mark.column + 1)
                waiting.append((inner, item))
    return found


@given(trees, styles)
@quiet
def test_what_pyyaml_writes_is_read_back_equal(tree: dict[str, object], style: dict[str, object]) -> None:
    assert parsed(yaml.dump(tree, Dumper=Dumper, allow_unicode=True, **style)) == tree  # type: ignore[call-overload]


@given(trees, styles)
@quiet
def test_positions_are_those_of_pyyamls_composer(tree: dict[str, object], style: dict[str, object]) -> None:
    text = yaml.dump(tree, Dumper=Dumper, allow_unicode=True, **style)  # type: ignore[call-overload]
    read = document.parse(text.encode(), "a.yaml")
    root = yaml.compose(text, Loader=yaml.SafeLoader)
    assert root is not None
    assert (read.keys, read.values) == marks(root)


@given(trees, styles)
@quiet
def test_every_position_points_at_its_text(tree: dict[str, object], style: dict[str, object]) -> None:
    text = yaml.dump(tree, Dumper=Dumper, allow_unicode=True, **style)  # type: ignore[call-overload]
    read = document.parse(text.encode(), "a.yaml")
    lines = text.split("\n")
    for path, at in read.keys.items():
        rest = lines[at.line - 1][at.column - 1 :]
        assert rest.startswith(("'", '"', str(path[-1])[:1]))
