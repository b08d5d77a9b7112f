"""What a run comes to: its results, recomputed from its journal, and its page."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from ..analysis.results import Results
    from ..engine.session import RunOutcome


def recompute(run: Path) -> Results:
    """Return the results of a run, computed from its journal; an incomplete last record is left out, with a warning."""
    from ..analysis.results import fold
    from ..journal.read import Records, find
    from ..log import logger

    records = Records(find(run))
    results = fold(records)
    if records.torn_at is not None:
        note = "the last record is incomplete and was left out"
        logger().warning("journal.torn", file=str(records.file), offset=records.torn_at, note=note)
    return results


def write_page(outcome: RunOutcome, *, index: bool = True) -> Path | None:
    """Write the run's page beside its journal, and return it; renew the index of all runs where `index`.

    None if the run was interrupted, since it has to end soon, if the packages for pages are missing, or if the page
    can't be written, which is a warning: the measurements and the exit status stand.
    """
    from ..files import replace_file
    from ..log import logger
    from ..output.formats import PAGE, files, pages_lack

    finished = outcome.results.finished
    if finished and finished.outcome == "interrupted":
        return None
    if lack := pages_lack():
        logger().info("report.left_out", note=f"{PAGE} needs {lack}, or turn it off: --no-report")
        return None
    file = outcome.directory / PAGE
    try:
        (content,) = files("html", outcome.results).values()
        replace_file(file, content)
    except Exception as error:  # whatever it is
        logger().warning("report.unwritten", file=str(file), error=str(error))
        return None
    if index:
        write_index(outcome.directory.parent.parent)
    return file


def write_index(runs: Path) -> None:
    """Renew the page that lists all experiments, where the packages of pages are installed."""
    from ..files import replace_file
    from ..log import logger
    from ..output.formats import pages_lack

    if pages_lack():
        return
    from ..output.html import index_page

    try:
        replace_file(runs / index_page.FILE, index_page.render(runs))
    except Exception as error:  # whatever it is: the measurements and the exit status stand
        logger().warning("index.unwritten", directory=str(runs), error=str(error))
