"""Text from elsewhere, made safe to show."""

from __future__ import annotations

import re

HIDDEN = (
    "\x00-\x08\x0b\x0c\x0e-\x1f\x7f-\x9f\u061c\u200b-\u200f\u2028-\u202e\u2060-\u2069\ud800-\udfff\ufeff\ufffe\uffff"
)
"""Control, bidirectional, zero-width and broken characters, as ranges of a regular expression."""

_UNPRINTABLE = re.compile(f"[\r{HIDDEN}]")


def printable(text: str) -> str:
    """Return text that can't steer a terminal: control, bidirectional and broken characters are escaped."""
    return _UNPRINTABLE.sub(lambda match: match[0].encode("unicode_escape").decode(), text)
