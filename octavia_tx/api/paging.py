"""
Pages of a list: which objects are on one, and the links to those beside it.

A page is told by the object that it comes after. Where that stood, the link's C{marker_position} says, for by the time
the next page is asked for it may have changed, or be gone: a client may delete what it lists.
"""

from __future__ import annotations

import base64
import binascii
import json
from collections.abc import Mapping
from datetime import datetime
from typing import Any, Generic, TypeVar
from urllib.parse import urlencode

from attrs import frozen

from octavia_tx.api.call import Call
from octavia_tx.api.filters import Filter
from octavia_tx.api.query import Query
from octavia_tx.db.repository import Repository
from octavia_tx.db.selection import USUAL, Condition, Order, Selection
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import InvalidInput

Value = TypeVar("Value")
_LINKED = ("marker", "marker_position", "page_reverse")


@frozen
class Page(Generic[Value]):
    """
    Objects in their order.

    @ivar before, after: whether there are further ones on either side.
    @ivar order: by which they are sorted.
    """

    values: tuple[Value, ...]
    before: bool
    after: bool
    order: tuple[Order, ...]


async def page(
    tx: Transaction, rows: Repository[Any], asked: Query, within: tuple[Condition, ...], filters: Mapping[str, Filter]
) -> Page[Any]:
    """
    The page that a query asks for.

    @param within: conditions beside the query's own.
    @raise InvalidInput: its marker is no object's id, and nothing says where that stood.
    """
    order = _complete(asked.order, rows)
    if asked.marker is None and asked.marker_position is not None:
        # A client that reads markers from objects without an id has none after the last page, and asks for one more.
        return Page((), before=False, after=False, order=order)
    behind = None if asked.marker is None else await _behind(tx, rows, asked, order, filters)
    selection = Selection(
        conditions=(*within, *asked.conditions),
        order=order,
        limit=None if asked.limit is None else asked.limit + 1,
        behind=behind,
    )
    found = await rows.select(tx, selection.backwards() if asked.reverse else selection)
    more = asked.limit is not None and len(found) > asked.limit
    values = found[: asked.limit] if more else found
    if asked.reverse:
        return Page(values[::-1], before=more, after=asked.marker is not None, order=order)
    return Page(values, before=asked.marker is not None, after=more, order=order)


def links(call: Call, asked: Page[Any]) -> list[dict[str, str]]:
    """The links beside a page; an empty page has none."""
    found = []
    if asked.values:
        if asked.before:
            found.append(_link(call, "previous", asked.values[0], asked.order, page_reverse="True"))
        if asked.after:
            found.append(_link(call, "next", asked.values[-1], asked.order))
    return found


def _link(call: Call, relation: str, value: Any, order: tuple[Order, ...], **further: str) -> dict[str, str]:
    kept = [(name, given) for name, given in call.arguments if name not in _LINKED]
    where = {"marker": value.id, "marker_position": _position(value, order), **further}
    return {"rel": relation, "href": f"{call.url}?{urlencode([*kept, *where.items()])}"}


def _complete(order: tuple[Order, ...], rows: Repository[Any]) -> tuple[Order, ...]:
    """An order in which no two rows are alike: what the client asks for, and then the usual one."""
    asked = {each.column for each in order}
    return (*order, *(each for each in USUAL if each.column not in asked and each.column in rows.shape.columns))


def _position(value: Any, order: tuple[Order, ...]) -> str:
    plain = [_plain(getattr(value, each.column)) for each in order]
    return base64.urlsafe_b64encode(json.dumps(plain, ensure_ascii=False).encode()).decode()


def _plain(value: Any) -> Any:
    return value.isoformat() if isinstance(value, datetime) else value


async def _behind(
    tx: Transaction, rows: Repository[Any], asked: Query, order: tuple[Order, ...], filters: Mapping[str, Filter]
) -> tuple[Any, ...]:
    """
    Where the page before ended: as its link says, for the marker may have changed since, or be gone. Clients that put
    their own marker into our link have the marker's word.
    """
    marker = str(asked.marker)
    said = _said(asked, order, filters)
    if said is not None and said[[each.column for each in order].index("id")] == marker:
        return said
    seen = await rows.get(tx, marker)
    if seen is None:
        raise InvalidInput("marker", marker, "the id of an object that is there")
    return tuple(getattr(seen, each.column) for each in order)


def _said(asked: Query, order: tuple[Order, ...], filters: Mapping[str, Filter]) -> tuple[Any, ...] | None:
    """What a link says of a position; each value is read as its column's filter would, for anyone can write one."""
    if asked.marker_position is None:
        return None
    by_column = {known.column: known.position or known.decode for known in filters.values() if known.sorts}
    try:
        values = json.loads(base64.urlsafe_b64decode(asked.marker_position.encode("ascii")))
        if len(values) != len(order):
            raise ValueError("another order")
        return tuple(
            None if value is None else by_column[each.column]("marker_position", _spelled(value))
            for each, value in zip(order, values, strict=True)
        )
    except (ValueError, TypeError, KeyError, binascii.Error, RecursionError):
        raise InvalidInput(
            "marker_position", asked.marker_position, "what a link of this API said, with the same order"
        ) from None


def _spelled(value: Any) -> str:
    if not isinstance(value, str | int | float):
        raise ValueError("no plain value")
    return str(value)
