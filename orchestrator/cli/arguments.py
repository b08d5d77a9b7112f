"""Parsing of arguments: a function, its keyword arguments, a duration, a percentage, a range."""

from __future__ import annotations

import math
import re
import shlex
from collections.abc import Collection, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import BadInput
from ..runner import names
from ..spec.document import quoted
from ..spec.load import plain_value
from ..spec.values import (
    KEYWORD,
    LATENCIES,
    NAME,
    PATTERNS,
    REFERENCE,
    SOURCES,
    parse_fraction,
    parse_items,
    parse_ns,
    parse_seconds,
    rate_in_range,
    read,
)

NOTEBOOK = ".ipynb"

SOURCE = rf"{names.FILE}|{names.MODULE}"

if TYPE_CHECKING:
    import typer

    from ..advice.question import Range


def reference(text: str, project: Path, where: str = "") -> str:
    """Return the one name of a function, as seen from the project's directory; raises BadInput."""
    _refuse_notebook(text, where)
    try:
        name = names.parse(text)
    except ValueError as error:
        what, remedy = PATTERNS[REFERENCE]
        source, _, function = text.strip().rpartition(":")
        source = source.rstrip(":").removesuffix("/")
        command = where or "orchestrator advise"
        if Path(f"{source}.py").is_file() and re.fullmatch(r"[^\W\d][\w.]*", function):
            remedy = f"name the file: {command} {shlex.quote(f'{source}.py:{function}')}"
        elif "." not in Path(source).name and Path(source).is_file():
            what = "names a file that can't be imported: its name does not end with .py"
            remedy = f"give it another name: ln -s {shlex.quote(Path(source).name)} {shlex.quote(f'{source}.py')}"
        elif re.fullmatch(SOURCE, source):
            meant = shlex.quote(f"{source}:{function}" if function else source)
            remedy = f"write one colon and a name: {command} {meant}"
        raise BadInput(f"{quoted(text)} {what}", where=where, remedy=remedy) from error
    return names.canonical(str(name._replace(source=_seen(name.source, project))), str(project.absolute()))


def source(text: str, project: Path) -> str | None:
    """Return the module or the file that a text names without a function, None if it names something else."""
    _refuse_notebook(text)
    return _seen(names.plain(text), project) if re.fullmatch(SOURCE, text) else None


def _refuse_notebook(text: str, where: str = "") -> None:
    """Raise BadInput for a function in a notebook, with the commands that make a script of it."""
    notebook, suffix, function = text.strip().partition(NOTEBOOK)
    if suffix and function[:1] in ("", ":"):
        script = shlex.quote(f"{notebook}.py{function}")
        convert = f"jupyter nbconvert --to script {shlex.quote(notebook + NOTEBOOK)}"
        what = f"{notebook}{NOTEBOOK} is a notebook, and its cells can't be imported"
        raise BadInput(
            what,
            where=where,
            remedy=f"use %advise in it, or make a script of it: {convert} && orchestrator advise {script}",
        )


def _seen(source: str, project: Path) -> str:
    """Return a source for the project's directory: a file that lies where it was typed keeps its place."""
    if names.is_file(source) and project.resolve() != Path.cwd() and Path(source).is_file():
        return str(Path(source).absolute())
    return source


def seconds(text: str | None, option: str) -> float | None:
    """Return a duration in seconds, None for none; raises BadInput."""
    return None if text is None else read(parse_seconds, text, option)


def rate(value: float | None) -> float | None:
    """Return the calls a second, None for none; raises BadInput."""
    if value is not None:
        read(rate_in_range, value, "--rate")
    return value


def objective(text: str | None) -> tuple[str, float] | None:
    """Return the metric and the latency in ns of `p99=50ms`, None for none; raises BadInput."""
    if text is None:
        return None
    metric, _, latency = text.partition("=")
    if metric not in LATENCIES:
        what = f"{quoted(text)} names no latency to hold"
        raise BadInput(what, where="--objective", remedy=f"write one of {', '.join(LATENCIES)}, such as p99=50ms")
    return metric, read(parse_ns, latency, "--objective")


def name(text: str) -> str:
    """Return the name of an experiment; raises BadInput when it is not a valid one."""
    what, remedy = PATTERNS[NAME]
    if not re.fullmatch(NAME, text):
        raise BadInput(f"{quoted(text)} {what}", where="NAME", remedy=remedy)
    return text


def percentage(text: str, option: str) -> float:
    """Return a percentage as a fraction; raises BadInput."""
    return read(parse_fraction, text, option)


def over(text: str | None, arguments: Mapping[str, object]) -> Range | None:
    """Return the range `name=low:high`, None for none; raises BadInput, also when `arguments` holds the name."""
    if text is None:
        return None
    # imported here, as they load numpy, and an error in the arguments is to be reported at once
    from ..advice.question import Range, log_grid
    from ..spec.axes import FEWEST_LEVELS

    name, low, high = _range_ends(text)
    if name in arguments:
        raise BadInput(f"{name} is also given as {name}=...", where="--over", remedy="keep one of them")
    levels = log_grid(low, high)
    if len(levels) < FEWEST_LEVELS:
        what = f"{quoted(text)} holds {len(levels)} levels, and the range needs at least {FEWEST_LEVELS}"
        raise BadInput(what, where="--over", remedy="move the ends apart")
    return Range(name, levels)


def _range_ends(text: str) -> tuple[str, int | float, int | float]:
    """Return the argument and the ends of a range, both above 0; raises BadInput."""
    remedy = "write name=low:high, such as n=10:10_000_000"
    name, equals, raw = text.partition("=")
    low_text, colon, high_text = raw.partition(":")
    if not (equals and colon) or not re.fullmatch(KEYWORD, name):
        raise BadInput(f"{quoted(text)} is not a range of an argument", where="--over", remedy=remedy)
    low, high = (plain_value(name, end, "--over") for end in (low_text, high_text))
    for end in (low, high):
        if isinstance(end, bool) or not isinstance(end, int | float) or not math.isfinite(end):
            raise BadInput(f"{quoted(text)} does not end in two numbers", where="--over", remedy=remedy)
        if end <= 0:
            what = f"{end} is not above 0, and the levels are spaced by a factor"
            raise BadInput(what, where="--over", remedy=remedy)
    assert isinstance(low, int | float) and isinstance(high, int | float)
    if low >= high:
        raise BadInput(f"{quoted(text)} does not begin below its end", where="--over", remedy=remedy)
    return name, low, high


def call_arguments(texts: Sequence[str]) -> tuple[list[object], dict[str, object]]:
    """Return the positional arguments and the keyword arguments `name=value`, read as YAML; raises BadInput."""
    args: list[object] = []
    keywords: dict[str, object] = {}
    for text in texts:
        where = f"argument {quoted(text)}"
        name, equals, raw = text.partition("=")
        if not equals or not re.fullmatch(KEYWORD, name):
            args.append(plain_value(f"args[{len(args)}]", text, where))
            continue
        if name in keywords:
            raise BadInput(f"{name} is given twice", where=where, remedy="keep one of them")
        keywords[name] = plain_value(name, raw, where)
    return args, keywords


def items(source: str | None, over: str | None, project: Path) -> str | None:
    """Return a source of items, None for none; raises BadInput, also beside `--over`."""
    if source is None:
        return None
    if over is not None:
        what = "items and a range of an argument can't be combined"
        raise BadInput(what, where="--items", remedy="keep one of --items and --over")
    found = read(parse_items, source, "--items")
    assert isinstance(found, str)
    is_function = found.partition(":")[0] not in SOURCES and re.fullmatch(REFERENCE, found)
    return reference(found, project, "--items") if is_function else found


def item(name: str | None, source: str | None) -> str | None:
    """Return the keyword that receives an item, None for the first argument; raises BadInput."""
    if name is not None and source is None:
        raise BadInput("no items to pass", where="--item", remedy="name their source with --items")
    if name is not None and not re.fullmatch(KEYWORD, name):
        raise BadInput(f"{quoted(name)} {PATTERNS[KEYWORD][0]}", where="--item", remedy=PATTERNS[KEYWORD][1])
    return name


def options(context: typer.Context, leaving_out: Collection[str]) -> list[str]:
    """Return the options that the command line gives, for another command; without those of some parameters."""
    found: list[str] = []
    for parameter in context.command.params:
        name = parameter.name or ""
        source = context.get_parameter_source(name)
        is_given = parameter.param_type_name == "option" and source is not None and source.name == "COMMANDLINE"
        if not is_given or name in leaving_out:
            continue
        value = context.params[name]
        if isinstance(value, bool):
            found.append(parameter.opts[0] if value else parameter.secondary_opts[0])
        else:
            found += [parameter.opts[0], str(value)]
    return found
