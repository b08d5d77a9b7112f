"""Pieces of YAML, and damaged specs."""

from __future__ import annotations

from hypothesis import strategies as st

from tests.support.configs import SHIPPED

SAMPLE = b"name: x\nmodels:\n  - threads\n  - {model: 'p', caf\xc3\xa9: 1, label: }\n"

FRAGMENTS = [
    b"a",
    b"1",
    b" ",
    b"  ",
    b"\n",
    b"\n- ",
    b": ",
    b"? ",
    b"[",
    b"]",
    b"{",
    b"}",
    b", ",
    b"#",
    b"&a ",
    b"*a",
]

FRAGMENTS += [
    b"!",
    b"!!int ",
    b"|",
    b">-",
    b"'",
    b'"',
    b"\\",
    b"%",
    b"---\n",
    b"...\n",
    b"<<",
    b"~",
    b"\t",
    b"\r",
    b"\0",
]

FRAGMENTS += [
    b"\xc3\xa9",
    b"\xe2\x80\xa8",
    b"\xff",
    b"0x",
    b"1e9",
    b"_",
    b".",
    b"@",
    b"`",
    b"=",
    b"\xef\xbb\xbf",
]


@st.composite
def mutated(draw: st.DrawFn) -> bytes:
    content = draw(st.sampled_from([SAMPLE, *(file.read_bytes() for file in SHIPPED)]))
    for _ in range(draw(st.integers(1, 5))):
        start = draw(st.integers(0, len(content)))
        end = min(len(content), start + draw(st.integers(0, 20)))
        content = content[:start] + draw(st.sampled_from(FRAGMENTS) | st.binary(max_size=4)) + content[end:]
    return content
