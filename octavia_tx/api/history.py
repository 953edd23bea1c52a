"""What happened to an object, for operators: C{history}."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from attrs import asdict, fields

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.codec import instant
from octavia_tx.api.filters import Decode, yes_or_no
from octavia_tx.api.hub import EVENT, PLACE, shown
from octavia_tx.api.resource import Document, Route
from octavia_tx.api.shapes import LINK, Schema, a_list, an_object, attribute
from octavia_tx.db import events
from octavia_tx.errors import InvalidInput, NotFound
from octavia_tx.model.event import Event, Known, Place

_USUAL, _MOST = 1000, 10_000
_ARGUMENTS: Mapping[str, Decode | Schema] = {
    "below": yes_or_no,
    "limit": {"type": "integer", "minimum": 1, "maximum": 10**17 - 1},
    "marker": PLACE,
    "page_reverse": yes_or_no,
}
_error_at = instant("last_error_at")


async def _show(call: Call) -> Answer:
    """
    The newest last. C{below}: of a load balancer's whole tree. C{marker} is the id of the last event of the page
    before; with C{page_reverse} of the first one after it, and without a marker it gives the newest.
    """
    given = query.only(call.arguments, *_ARGUMENTS)
    limit = _limit(given.get("limit"))
    backwards = yes_or_no("page_reverse", given.get("page_reverse", "false"))
    behind = place("marker", given["marker"]) if "marker" in given else None
    async with call.parts.database.transaction(read_only=True) as tx:
        known = await events.known(tx, call.ids["id"])
        if known is None:
            raise NotFound("Object", call.ids["id"])
        below = yes_or_no("below", given.get("below", "false")) and known.kind == "load_balancer"
        found = await events.history(tx, known.id, below=below, behind=behind, limit=limit + 1, backwards=backwards)
    page = (found[1:] if backwards else found[:limit]) if len(found) > limit else found
    further = len(found) > limit
    links = _links(call, page, before=further if backwards else behind is not None, after=not backwards and further)
    history = {"object": _object(known), "events": [shown(event) for event in page]}
    return Answer(200, {"history": history, "history_links": links})


def place(where: str, given: str) -> Place:
    """
    An event's id.

    @raise InvalidInput: it is none.
    """
    found = Place.read(given)
    if found is None:
        raise InvalidInput(where, given, "the id of an event, such as 745-12")
    return found


def _limit(given: str | None) -> int:
    if given is None:
        return _USUAL
    if not (given.isascii() and given.isdecimal() and len(given) < 18 and int(given) > 0):
        raise InvalidInput("limit", given, "a whole number from 1 on")
    return min(int(given), _MOST)


def _object(known: Known) -> dict[str, Any]:
    return {**asdict(known), "last_error_at": _error_at.get(known)}


def _links(call: Call, page: tuple[Event, ...], *, before: bool, after: bool) -> list[dict[str, str]]:
    kept = [(name, value) for name, value in call.arguments if name not in ("marker", "page_reverse")]
    links = []
    if page and before:
        back = [*kept, ("marker", str(page[0].place)), ("page_reverse", "true")]
        links.append({"rel": "previous", "href": f"{call.url}?{urlencode(back)}"})
    if page and after:
        links.append({"rel": "next", "href": f"{call.url}?{urlencode([*kept, ('marker', str(page[-1].place))])}"})
    return links


_HISTORY = Document(
    summary="What happened to an object, and its last error.",
    arguments=_ARGUMENTS,
    shows=an_object(
        history=an_object(
            object=an_object(**{each.name: attribute(Known, each.name) for each in fields(Known)}),
            events=a_list(EVENT),
        ),
        history_links=a_list(LINK),
    ),
)
ROUTES = (Route("GET", "history/<id>", _show, _HISTORY),)
