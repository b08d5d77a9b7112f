"""What is wrong, as one value: in a spec, in a workload, with a model, under an interpreter."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple


class Problem(NamedTuple):
    """A code for programs, and two texts for people: what is wrong, and the remedy.

    Programs branch on `code` and `arguments`, never on a text. A named tuple, since importing `dataclasses` would make
    every runner start later.
    """

    code: str
    what: str
    remedy: str
    arguments: tuple[str, ...] = ()
    """What would work instead, by the code.

    Where arguments are missing or wrong: the parameters to give. Where another function is meant: its path. Where an
    object is needed: the `setup` that makes one.
    """

    def fields(self) -> dict[str, Any]:
        """Return the problem as fields for JSON, which `read` takes back."""
        return self._asdict()


def read(fields: Mapping[str, Any]) -> Problem:
    """Return the problem that `fields` hold, among others."""
    return Problem(fields["code"], fields["what"], fields["remedy"], tuple(fields["arguments"]))
