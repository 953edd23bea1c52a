"""What was measured, as one table."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen

Times = tuple[float, float]
"""Milliseconds: the median, and the 99th percentile."""


@frozen(kw_only=True)
class Row:
    """
    One measurement.

    @ivar more_is_better: whether a ratio above 1 for us is C{ours / theirs} (rates) or C{theirs / ours} (times).
    @ivar theirs: of what it is compared with, in the same run; C{None} where that wasn't measured.
    @ivar our_times, their_times: how long each of them took, where a rate was measured.
    """

    what: str
    ours: float
    unit: str
    more_is_better: bool
    theirs: float | None = None
    our_times: Times | None = None
    their_times: Times | None = None
    goal: str = ""

    def ratio(self) -> float | None:
        """How many times better than what it is compared with."""
        if self.theirs is None:
            return None
        return self.ours / self.theirs if self.more_is_better else self.theirs / self.ours

    def cells(self) -> tuple[str, str, str]:
        """Ours, theirs and the ratio, for people."""
        ratio = self.ratio()
        return (
            _cell(self.ours, self.unit, self.our_times),
            _cell(self.theirs, self.unit, self.their_times),
            "–" if ratio is None else f"{ratio:.3g} ×",
        )


def _cell(value: float | None, unit: str, times: Times | None) -> str:
    if value is None:
        return "–"
    told = f"{value:,.4g} {unit}" if value < 10000 else f"{value:,.0f} {unit}"
    return told if times is None else f"{told} ({times[0]:.3g} / {times[1]:.3g} ms)"


def table(rows: Iterable[Row], ours: str = "Octavia-TX", theirs: str = "OpenStack Octavia") -> str:
    """A Markdown table; where times stand beside rates, they are the median and the 99th percentile."""
    lines = [f"| what | {ours} | {theirs} | ratio | goal |", "|---|---|---|---|---|"]
    for row in rows:
        mine, other, ratio = row.cells()
        lines.append(f"| {row.what} | {mine} | {other} | {ratio} | {row.goal or '–'} |")
    return "\n".join(lines)
