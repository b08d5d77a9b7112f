"""`orchestrator ci`: the checked-out commit against its merge base, in the same blocks."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from .. import errors
from ..api.outcome import write_page
from ..errors import BadInput
from . import completion
from .app import KeepReport, Runs, Wait, app
from .output import NonzeroExit, write

if TYPE_CHECKING:
    from ..analysis.versions import SpecChecked
    from ..engine.suite import Planned
    from ..output.versions import Versions


@app.command(
    epilog="\b\nExamples:\n  orchestrator ci configs/cpu.yaml\n"
    "  orchestrator ci configs/*.yaml --base origin/main --max-time 10m   # see docs/ci.md\n"
    "  orchestrator ci configs/cpu.yaml 'models=[sequential]' --summary changes.md"
)
def ci(
    words: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="[CONFIG]... [KEY=VALUE]...",
            help="YAML specs, and overrides of all of them [default: `ci` of tool.orchestrator in pyproject.toml]",
            autocompletion=completion.specs,
        ),
    ] = None,
    base: Annotated[
        str | None,
        typer.Option(
            metavar="REF",
            help="branch or commit with which to find the merge base "
            "[default: origin/$GITHUB_BASE_REF, else origin/HEAD, else main, else origin/main]",
        ),
    ] = None,
    tolerance: Annotated[
        str, typer.Option(metavar="PERCENT", help="largest slowdown to ignore; a larger one exits with status 1")
    ] = "5%",
    summary: Annotated[
        Path | None,
        typer.Option(
            metavar="FILE", help="write the Markdown summary to FILE [default: $GITHUB_STEP_SUMMARY or stdout]"
        ),
    ] = None,
    max_time: Annotated[
        str | None, typer.Option(metavar="TIME", help="longest time of all specs together [default: that of each spec]")
    ] = None,
    runs: Runs = Path("runs"),
    wait: Wait = None,
    report: KeepReport = True,
) -> None:
    """Compare the checked-out commit with its merge base.

    Both run in the same blocks, each in a git worktree that is removed at the end.
    """
    from . import arguments as given
    from .run import configs_and_overrides

    tolerated, wait_s = given.percentage(tolerance, "--tolerance"), given.seconds(wait, "--wait") or 0.0
    max_time_s = given.seconds(max_time, "--max-time")
    if summary and not summary.parent.is_dir():
        raise BadInput(f"no directory {summary.parent}", where="--summary", remedy="create it first")
    jobs = _jobs(*configs_and_overrides(words or [], _listed()))
    from .. import units
    from ..engine.signals import exiting_on_signal
    from ..engine.versions import Setting, check
    from ..engine.worktrees import checked_out, commits
    from ..log import logger
    from ..machine import lock
    from ..output.versions import Versions

    try:
        with exiting_on_signal():
            found = commits(base)
            if found.changed:
                changes = f"changes in {units.count(found.changed, 'file')}"
                note = f"{changes} are in no commit and are not measured; commit them"
                logger().warning("changes.unmeasured", note=note)
            with lock.hold(wait_s) as set_holder, checked_out(found) as (head, before):
                on_end = write_page if report else lambda _: None
                checked = check(jobs, Setting(found, head, before, tolerated, runs, set_holder, on_end, max_time_s))
    except SystemExit as end:
        assert isinstance(end.code, int)
        raise NonzeroExit(f"ended by signal {end.code - 128}; no worktree is left", end.code) from None
    _publish(checked, Versions(found.head, found.base, found.about_base, tolerated), summary)


def _listed() -> Sequence[Path]:
    """Return the specs that the project lists."""
    from ..spec import project

    return project.read().ci


def _jobs(configs: Sequence[Path], overrides: list[str]) -> list[Planned]:
    """Return a job for each spec; raises BadInput with the problems of all of them."""
    from ..api.plans import load_plans
    from ..engine.suite import Planned

    plans, problems = load_plans(configs, overrides)
    if problems:
        raise BadInput("\n".join(dict.fromkeys(problems)))
    return [Planned(*each) for each in plans]


def _publish(checked: Sequence[SpecChecked], versions: Versions, summary: Path | None) -> None:
    """Write the summary, print what a log needs, and raise NonzeroExit where something is wrong."""
    from ..output import versions as output

    text = output.summary(checked, versions)
    of_step = os.environ.get("GITHUB_STEP_SUMMARY")
    if summary or of_step:
        write(output.log_lines(checked))
    else:
        write(text)
    if os.environ.get("GITHUB_ACTIONS"):
        write(output.as_annotations(checked, versions))
    if summary:
        _save(summary, text, "w", "--summary")
    elif of_step:
        _save(Path(of_step), text, "a", "GITHUB_STEP_SUMMARY")  # other steps of the job may have written there
    if status := errors.worst([status for spec in checked for status in spec.statuses()]):
        raise NonzeroExit(output.counted(checked), status)


def _save(file: Path, text: str, mode: str, where: str) -> None:
    try:
        with file.open(mode, encoding="utf-8") as out:
            out.write(text)
    except OSError as error:
        what = f"cannot write {file}: {error.strerror}"
        raise BadInput(what, where=where, remedy="name a file in a directory that exists") from error
