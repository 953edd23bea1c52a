"""What was measured, as one table."""

from __future__ import annotations

from collections.abc import Iterable

from attrs import frozen


@frozen(kw_only=True)
class Row:
    """
    One measurement.

    @ivar more_is_better: whether a ratio above 1 for us is C{ours / theirs} (rates) or C{theirs / ours} (times).
    @ivar theirs: of OpenStack Octavia in the same run; C{None} where it wasn't measured.
    """

    what: str
    ours: float
    unit: str
    more_is_better: bool
    theirs: float | None = None
    goal: str = ""

    def ratio(self) -> float | None:
        """How many times better than OpenStack Octavia."""
        if self.theirs is None:
            return None
        return self.ours / self.theirs if self.more_is_better else self.theirs / self.ours


def table(rows: Iterable[Row]) -> str:
    """A Markdown table."""
    lines = ["| what | Octavia-TX | OpenStack Octavia | ratio | goal |", "|---|---|---|---|---|"]
    for row in rows:
        theirs = f"{row.theirs:.4g} {row.unit}" if row.theirs is not None else "–"
        ratio = f"{row.ratio():.1f} ×" if row.theirs is not None else "–"
        lines.append(f"| {row.what} | {row.ours:.4g} {row.unit} | {theirs} | {ratio} | {row.goal or '–'} |")
    return "\n".join(lines)
