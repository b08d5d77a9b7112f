"""The runner: a program that runs one variant's workload and answers requests, a JSON line each.

It imports only the standard library, anyio and its own package, on CPython 3.10 or newer. Requests come on stdin.
Answers go to a duplicate of stdout, so that output of the workload can't corrupt them: after the start, file
descriptor 0 is empty and 1 is stderr. The runner ends when the request pipe closes.

The token is a line that holds only the number of the round. The runner returns it as an empty line.
"""

from __future__ import annotations

import json
import os
import sys
import time
from collections.abc import Coroutine
from typing import Any

from . import exits, gil, imports, registry, workload
from .account import sensors
from .error_text import message, named

_spare: list[int] = []  # closed when no other descriptor is left: the report of that shortage opens files


class Link:
    """The two pipes to the conductor, on descriptors that the workload does not know."""

    def __init__(self) -> None:
        self._requests = os.fdopen(os.dup(0), "rb")
        self._answers = os.dup(1)
        empty = os.open(os.devnull, os.O_RDONLY)
        os.dup2(empty, 0)
        os.close(empty)
        os.dup2(2, 1)
        _spare.append(os.dup(0))

    def receive(self) -> Any:
        """Return the next request, or the round's number when it is the token; None at the end."""
        line = self._requests.readline()
        if not line:
            return None
        return json.loads(line) if line.startswith(b"{") else int(line)

    def return_token(self) -> None:
        """Return the token: one byte, since the times of the trial are sent after the rounds."""
        os.write(self._answers, b"\n")

    def send(self, answer: dict[str, Any]) -> None:
        """Send one answer; raises TypeError or ValueError for a value that JSON has no form for."""
        data = memoryview(json.dumps(answer, allow_nan=False).encode() + b"\n")  # items may be 64 MiB
        while data:
            data = data[os.write(self._answers, data) :]


def main() -> None:
    """Serve the first request: `probe`, `items`, `pilot`, `list`, `models`, `reference`, or a variant."""
    begun_ns = time.perf_counter_ns()
    link = Link()
    os.environ[sensors.RUNNER_PID] = str(os.getpid())
    sensors.dump_stacks_on_signal()
    first = link.receive()
    if first is None:
        return
    try:
        if first["op"] == "probe":
            from .fingerprint import identity

            with imports.watched():
                problems = [_probe(variant) for variant in first["variants"]]
            link.send({"event": "probed", "problems": problems, "identity": identity()})
        elif first["op"] == "items":
            with imports.watched():
                link.send(_items(first))
        elif first["op"] == "pilot":
            with imports.watched():
                link.send(_pilot(first))
        elif first["op"] == "list":
            with imports.watched():
                link.send(_listed(first["source"]))
        elif first["op"] == "models":
            reasons = {name: _reasons(name) for name in registry.NAMES}
            version = ".".join(map(str, sys.version_info[:3]))
            link.send({"event": "models", "version": version, "gil": gil.enabled(), "reasons": reasons})
        elif first["op"] == "reference":
            from . import reference

            reference.serve(link)
        else:
            _serve(link, first, begun_ns)
    except BaseException as error:
        link.send(_failure(error))


def _reasons(name: str) -> dict[str, dict[str, Any]]:
    """Return why a model can't run here, by the option that prevents it; "" is the model without options."""
    problem = registry.unavailable(name, {})
    if problem:
        return {"": problem.fields()}
    choices = [(option, choice) for option, about in registry.load(name).OPTIONS.items() for choice in about.choices]
    found = {f"{option}={choice}": registry.unavailable(name, {option: choice}) for option, choice in choices}
    return {choice: problem.fields() for choice, problem in found.items() if problem}


def _probe(variant: dict[str, Any]) -> dict[str, Any] | None:
    try:
        workload.probe(variant["model"], variant["options"], variant["workload"])
    except workload.Unusable as error:
        return error.fields()
    return None


def _items(asked: dict[str, Any]) -> dict[str, Any]:
    from . import items

    try:
        return {"event": "items", "batches": items.read(asked["source"], asked["tasks"])}
    except workload.Unusable as error:
        return {"event": "refused", **error.fields()}


def _pilot(asked: dict[str, Any]) -> dict[str, Any]:
    from .call_times import CallTimes
    from .first_calls import pilot
    from .pilot_progress import Progress

    measured = CallTimes(Progress(asked["progress"]))
    try:
        return pilot(asked["workload"], measured, asked["file"], asked["is_second"])
    except workload.Unusable as error:
        return {"event": "refused", **error.fields()}
    except BaseException as error:
        return {**_failure(error), "calls": measured.calls, "item": measured.shown_item}


def _listed(source: str) -> dict[str, Any]:
    from .listing import functions

    try:
        return {"event": "listed", "functions": functions(source)}
    except imports.Failed as failed:
        return {"event": "refused", "field": "call", **failed.problem.fields()}


def _serve(link: Link, order: dict[str, Any], begun_ns: int) -> None:
    from .serving import serve

    loop = registry.load(order["model"]).needs(order["options"]).loop
    if loop is None:
        _drive(serve(link, order, begun_ns))
        return
    from . import loops

    loops.run(loop, serve, link, order, begun_ns)


def _drive(coroutine: Coroutine[Any, Any, None]) -> None:
    """Run a coroutine that never waits: a model without a loop needs no import of one."""
    try:
        coroutine.send(None)
    except StopIteration:
        return
    raise RuntimeError("a model without an event loop awaited one")


def _failure(error: BaseException) -> dict[str, Any]:
    while _spare:
        os.close(_spare.pop())
    from . import last_words, soundness

    if type(error).__name__ == "BrokenProcessPool" and error.__cause__:  # the worker itself has not failed
        found, error = error, registry.Unreadable(last_words.of_cause(error))
        error.__cause__ = found
    end = soundness.ended(error)
    shown, parts = end or error, _parts(error, end)
    text = named(error, parts["message"])
    if end:
        text = f"{soundness.ENDED} ({parts['ended_by']})"
    elif isinstance(error, registry.WrongResults):  # its class is this program's
        text = parts["message"]
    elif "ends" in parts:
        text = f"{text}: the function ends the interpreter {parts['ends']}"
    return {
        "event": "failed",
        "cause": _cause(error),
        "kind": type(shown).__name__,
        "error": text[:2000],
        "parts": {name: part[:2000] for name, part in parts.items()},
        "traceback": _traceback(shown)[-16000:],
    }


def _parts(error: BaseException, end: BaseException | None) -> dict[str, str]:
    """Return what the text of a failure is made of, for messages that put it in other words.

    `message`: that of the exception; `ended_by`: `end`, by which a source ended; `ends`: where the interpreter would
    have ended, and `parser`: that of the command line which ends it; `unreadable`: why a result can't be unpickled;
    `unusable`: what is wrong with the workload, without the remedy.
    """
    parts = {"message": imports.text_of(error)}
    if end:
        parts["ended_by"] = named(end, imports.text_of(end))
    if isinstance(error, (SystemExit, exits.Ends)):
        from .last_words import place

        parser = imports.parser(error)
        by = parser or (message(error) if isinstance(error, exits.Ends) else "sys.exit")
        parts["ends"] = f"({by} at {place(_traceback(error)) or 'an unknown line'})"
        parts |= {"parser": parser} if parser else {}
    if isinstance(error, registry.Unreadable):
        parts["unreadable"] = str(error.args[0])
    if isinstance(error, workload.Unusable):
        parts["unusable"] = error.problem.what
    return parts


def _traceback(error: BaseException) -> str:
    import traceback

    return "".join(traceback.format_exception(type(error), error, error.__traceback__))


def _cause(error: BaseException) -> str:
    name = type(error).__name__
    # NotShareableError: a result, or an exception, that can't leave its interpreter
    if isinstance(error, registry.WrongResults) or name == "NotShareableError":
        return "result"
    if name == "BrokenProcessPool" or isinstance(error, registry.WorkerLost):
        return "worker_lost"
    return "memory" if isinstance(error, MemoryError) else "exception"


if __name__ == "__main__":
    main()
