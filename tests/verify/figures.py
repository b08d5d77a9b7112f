"""The table and the plot of docs/method.md, made from the records alone."""

from __future__ import annotations

import math
from collections.abc import Sequence
from pathlib import Path

from .records import Record, Summary, opposites, summaries


def table(records: Sequence[Record]) -> str:
    """Return the Markdown table: a row for each control and load."""
    counted = ("runs", "right", "undecided", "false", "interval holds the truth", "at this load")
    names = ("control", "load", *counted, "time, median", "longest")
    head = [f"| {' | '.join(names)} |", "|" + "---|" * len(names)]
    return "\n".join([*head, *(_row(found) for found in summaries(records))]) + "\n"


def _row(found: Summary) -> str:
    covers = f"{found.covered} of {found.bounded}" if found.bounded else "-"
    cells = [
        found.case.what,
        str(found.load),
        str(found.runs),
        _share(found.right, found.runs),
        _share(found.undecided, found.runs),
        _share(found.false, found.runs),
        covers,
        str(found.qualified),
        f"{found.median_s:.1f} s",
        f"{found.longest_s:.0f} s",
    ]
    return f"| {' | '.join(cells)} |"


def _share(count: int, runs: int) -> str:
    return f"{count} ({count / runs * 100:.0f} %)" if count else "0"


def crossover(records: Sequence[Record]) -> str:
    """Return a sentence on the runs that sit on a crossover."""
    own = [record for record in records if record.case == "crossover"]
    wins = [record for record in own if record.verdict == "win"]
    unqualified = [record for record in wins if not record.at_this_load]
    return (
        f"Of {len(own)} runs on the crossover {len(wins)} ended in a win, {len(wins) - len(unqualified)} of them "
        f'qualified by "at this load"; opposite unqualified wins: {opposites(own)}.\n'
    )


def plot(records: Sequence[Record], file: Path) -> None:
    """Write the intervals of all runs beside the truth, as SVG."""
    import altair as alt
    import vl_convert

    rows = [row for found in summaries(records) for row in _rows(found, records)]
    data = alt.Data(values=rows)  # type: ignore[no-untyped-call]
    base = alt.Chart().encode(
        y=alt.Y("place:O", axis=None, title=None),
        color=alt.Color("verdict:N", scale=alt.Scale(domain=["tie", "win", "undecided"])),
    )
    scale = alt.Scale(zero=False, clamp=True, domain=[0.85, 1.15])
    low = alt.X("low:Q", title="how many times as fast, against the truth", scale=scale)
    bars = base.mark_rule(opacity=0.6).encode(x=low, x2="high:Q")
    points = base.mark_tick(thickness=2, height=3).encode(x="ratio:Q")
    true = alt.Chart().mark_rule(strokeDash=[4, 2]).encode(x=alt.datum(1.0))
    chart = (
        alt.layer(bars, points, true)
        .properties(width=170, height=140)
        .facet(facet=alt.Facet("control:N", title=None), columns=4, data=data)
        .resolve_scale(y="independent")
    )
    file.write_text(vl_convert.vegalite_to_svg(chart.to_dict()))


def _rows(found: Summary, records: Sequence[Record]) -> list[dict[str, object]]:
    truth = found.truth
    own = [r for r in records if (r.case, r.load) == (found.case.name, found.load) and r.low and r.high and r.ratio]
    if truth is None:
        return []
    own.sort(key=lambda record: record.ratio or math.nan)
    name = f"{found.case.name}, load {found.load}"
    return [
        {
            "control": name,
            "place": place,
            "ratio": (record.ratio or 0) / truth,
            "low": (record.low or 0) / truth,
            "high": (record.high or 0) / truth,
            "verdict": record.verdict,
        }
        for place, record in enumerate(own)
    ]


def replace(text: str, mark: str, content: str) -> str:
    """Return a text with what stands between `<!-- mark -->` and `<!-- end -->` replaced; raises ValueError without."""
    begin, end = f"<!-- {mark} -->\n", "<!-- end -->"
    start = text.index(begin) + len(begin)
    return text[:start] + content + text[text.index(end, start) :]
