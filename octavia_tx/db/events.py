"""Events: what changed its status, in an order in which nothing ever appears before what was read."""

from __future__ import annotations

from typing import Any

from attrs import frozen

from octavia_tx.db.rows import is_identifier
from octavia_tx.db.selection import Condition, Order, Selection, Shape
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.event import BEGINNING, Event, Known, Place

_SHAPE = Shape("event", (), ())
_ORDER = (Order("transaction"), Order("id"))


@frozen(kw_only=True)
class Filter:
    """
    Which events are asked for; C{None} asks nothing.

    @ivar kinds: of their objects.
    """

    project_id: str | None = None
    load_balancer_id: str | None = None
    kinds: frozenset[str] | None = None

    def admits(self, event: Event) -> bool:
        """Whether it is one of them."""
        return (
            self.project_id in (None, event.project_id)
            and self.load_balancer_id in (None, event.load_balancer_id)
            and (self.kinds is None or event.kind in self.kinds)
        )


ALL = Filter()


@frozen(kw_only=True)
class Batch:
    """
    Events behind a place, in their order.

    @ivar after: that place; C{upto}: up to where these are all of them.
    @ivar whole: whether there are no more yet.
    @ivar unsettled: whether some have happened that can't be told before an older transaction ends.
    """

    after: Place
    upto: Place
    events: tuple[Event, ...]
    whole: bool
    unsettled: bool


@frozen(kw_only=True)
class Start:
    """
    From where on a reader reads.

    @ivar early: transactions behind that place of which the reader wants to know nothing, for they had happened before
        it came.
    @ivar gap: whether events may be forgotten that the reader hasn't seen.
    """

    place: Place
    early: frozenset[int] = frozenset()
    gap: bool = False


async def after(tx: Transaction, place: Place, wanted: Filter, limit: int) -> Batch:
    """The next events behind a place, at most so many."""
    found = await tx.fetch(
        "event.after",
        transaction=place.transaction,
        id=place.number,
        project_id=wanted.project_id,
        load_balancer_id=wanted.load_balancer_id,
        kinds=None if wanted.kinds is None else sorted(wanted.kinds),
        limit=limit,
    )
    events = tuple(_event(row) for row in found if row["transaction"] is not None)
    whole = len(events) < limit
    upto = max(place, _edge(found[0])) if whole else events[-1].place
    return Batch(after=place, upto=upto, events=events, whole=whole, unsettled=found[0]["unsettled"])


async def start(tx: Transaction, seen: Place | None) -> Start:
    """
    Where to begin.

    @param seen: the place of the last event that the reader has; C{None}: it wants what happens from now on.
    """
    asked = BEGINNING if seen is None else seen
    row = await tx.fetch_one("event.start", transaction=asked.transaction, id=asked.number)
    assert row is not None
    edge, early = _edge(row), frozenset(map(int, row["early"]))
    if seen is None:
        return Start(place=edge, early=early)
    if row["known"] or (seen == BEGINNING and row["first"] in (None, 1)):
        return Start(place=seen)
    if seen > edge:  # of another database, or of one that was put back
        return Start(place=edge, early=early, gap=True)
    return Start(place=seen, gap=True)


async def history(
    tx: Transaction, object_id: str, *, below: bool, behind: Place | None, limit: int, backwards: bool
) -> tuple[Event, ...]:
    """
    What was told of an object, in order.

    @param below: of a whole load balancer's tree.
    @param behind: only what comes behind that place; C{backwards}: before it, the last ones.
    """
    selection = Selection(
        conditions=(Condition("equals", "load_balancer_id" if below else "object_id", object_id),),
        order=_ORDER,
        limit=limit,
        behind=None if behind is None else (str(behind.transaction), behind.number),
    )
    found = await tx.select("event.find", _SHAPE, selection.backwards() if backwards else selection)
    events = tuple(_event(row) for row in found)
    return events[::-1] if backwards else events


async def known(tx: Transaction, object_id: str) -> Known | None:
    """What is known of an object; C{None}: it never was, or is forgotten."""
    if not is_identifier(object_id):
        return None
    found = await tx.fetch_one("event.object", id=object_id)
    return None if found is None else Known(**found)


async def forget(tx: Transaction, seconds: float, most: int) -> int:
    """
    Delete the oldest of those that are older than this, at most so many; how many there were.

    Several may do so at once: none waits for another.
    """
    return await tx.execute("event.forget", seconds=seconds, most=most)


def _edge(row: dict[str, Any]) -> Place:
    if row["edge_transaction"] is None:
        return BEGINNING
    return Place(int(row["edge_transaction"]), row["edge_id"])


def _event(row: dict[str, Any]) -> Event:
    told = {name: value for name, value in row.items() if name not in ("transaction", "id", *_EDGE)}
    return Event(place=Place(int(row["transaction"]), row["id"]), **told)


_EDGE = ("edge_transaction", "edge_id", "unsettled")
