"""
Statements that leave room: for a table's columns, for which of its rows, for their order and from where on.

A statement names such room in double braces, and what is put there comes from C{sql/condition.sql} and from names of
columns, which are checked as such; values go their own way. Paging goes by the values of the last row seen (I{keyset}):
what is inserted or deleted meanwhile neither repeats nor hides another row.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from functools import lru_cache
from typing import Any

from attrs import evolve, frozen

from octavia_tx.db.statements import Statement

_COLUMN = re.compile(r"[a-z][a-z0-9_]*")


@frozen
class Condition:
    """
    One thing that must hold of a row.

    @ivar how: a fragment's name in C{sql/condition.sql}, without the prefix.
    """

    how: str
    column: str
    value: Any = None


@frozen
class Order:
    """One column to sort by."""

    column: str
    descending: bool = False


USUAL = (Order("created_at"), Order("id"))
_USUAL_BACKWARDS = (Order("created_at", True), Order("id", True))


@frozen(kw_only=True)
class Selection:
    """
    @ivar order: ends with C{id}, so that no two rows are alike.
    @ivar limit: rows at most; C{None} for all.
    @ivar behind: values of the order's columns; only rows that come after such a row.
    """

    conditions: tuple[Condition, ...] = ()
    order: tuple[Order, ...] = USUAL
    limit: int | None = None
    behind: tuple[Any, ...] | None = None

    def backwards(self) -> Selection:
        """The same rows from the other end."""
        return evolve(self, order=tuple(Order(o.column, not o.descending) for o in self.order))


def where(**equal: Any) -> Selection:
    """The rows whose columns have these values; C{None} asks nothing."""
    return Selection(conditions=tuple(Condition("equals", c, v) for c, v in equal.items() if v is not None))


def identified(id: str) -> Selection:
    """The one row of that id."""
    return Selection(conditions=(Condition("equals", "id", id),), order=(Order("id"),))


@frozen
class Shape:
    """
    A table, as far as statements need to know it.

    @ivar columns: all that are read and inserted; C{writable}: those that an update writes.
    """

    table: str
    columns: tuple[str, ...]
    writable: tuple[str, ...]


@lru_cache(maxsize=512)
def shaped(statement: Statement, shape: Shape) -> Statement:
    """A statement with the names of a table and its columns put into it."""
    text = statement.text.replace("{{table}}", _column(shape.table))
    text = text.replace("{{columns}}", ", ".join(map(_column, shape.columns)))
    text = text.replace("{{own_columns}}", ", ".join(f"t.{_column(c)}" for c in shape.columns))
    text = text.replace("{{assignments}}", ", ".join(f"{_column(c)} = n.{_column(c)}" for c in shape.writable))
    return evolve(statement, text=text)


def selected(
    statements: Mapping[str, Statement], statement: Statement, selection: Selection
) -> tuple[Statement, dict[str, Any]]:
    """A statement with a selection put into it, and the selection's values."""
    values = {f"c{at}": condition.value for at, condition in enumerate(selection.conditions)}
    nulls: tuple[bool, ...] | None = None
    if selection.behind is not None:
        nulls = tuple(value is None for value in selection.behind)
        values |= {f"o{at}": value for at, value in enumerate(selection.behind)}
        values |= {order.column: value for order, value in zip(selection.order, selection.behind, strict=True)}
    values["limit"] = selection.limit
    conditions = tuple((c.how, c.column) for c in selection.conditions)
    return _Fragments(statements).put_into(statement, conditions, selection.order, nulls), values


def _column(name: str) -> str:
    if not _COLUMN.fullmatch(name):
        raise ValueError(f"Not a column's name: {name!r}.")
    return name


class _Fragments:
    """The fragments of one set of statements. Two over the same set are equal, so that what they put is remembered."""

    def __init__(self, statements: Mapping[str, Statement]) -> None:
        self._statements = statements

    def __eq__(self, other: object) -> bool:
        return isinstance(other, _Fragments) and other._statements is self._statements

    def __hash__(self) -> int:
        return id(self._statements)

    def _fragment(self, how: str, column: str, value: str = "") -> str:
        text = self._statements[f"condition.{how}"].text
        return text.replace("{{column}}", _column(column)).replace("{{value}}", value)

    @lru_cache(maxsize=4096)  # noqa: B019  as many as there are kinds of lists; statements live as long as the process
    def put_into(
        self,
        statement: Statement,
        conditions: tuple[tuple[str, str], ...],
        order: tuple[Order, ...],
        nulls: tuple[bool, ...] | None,
    ) -> Statement:
        parts = [self._fragment(how, column, f"c{at}") for at, (how, column) in enumerate(conditions)]
        if nulls is not None:
            parts.append(self._behind(order, nulls))
        text = statement.text.replace("{{conditions}}", "\nAND ".join(parts) or "true")
        sorting = ", ".join(self._fragment("descending" if o.descending else "ascending", o.column) for o in order)
        return evolve(statement, text=text.replace("{{order}}", sorting))

    def _behind(self, order: tuple[Order, ...], nulls: tuple[bool, ...]) -> str:
        if order in (USUAL, _USUAL_BACKWARDS) and not any(nulls):
            return self._fragment("after" if order == USUAL else "before", "id")
        return "(" + "\nOR ".join(self._ladder(order, nulls)) + ")"

    def _ladder(self, order: tuple[Order, ...], nulls: tuple[bool, ...]) -> Iterator[str]:
        """Behind in the first column; or the same in the first and behind in the second; and so on."""
        same: list[str] = []
        for at, (each, null) in enumerate(zip(order, nulls, strict=True)):
            how = ("below" if each.descending else "above") + ("_null" if null else "")
            yield "(" + " AND ".join([*same, self._fragment(how, each.column, f"o{at}")]) + ")"
            same.append(self._fragment("same", each.column, f"o{at}"))
