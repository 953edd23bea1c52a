"""One request on its way through the API: what it may use, what it gives, and its answer."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from typing import Any

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from octavia_tx.api.codec import shown
from octavia_tx.api.identity import Caller, IIdentity
from octavia_tx.api.query import Arguments
from octavia_tx.db.database import Database
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import BodyTooLarge, InvalidInput, MalformedBody, MissingField, UnknownField
from octavia_tx.interfaces import INetworkDriver

LARGEST_BODY = 1024 * 1024
_DEEPEST = 12


@frozen
class Parts:
    """What verbs work with."""

    clock: IReactorTime
    database: Database
    providers: Providers
    network: INetworkDriver
    identity: IIdentity


@frozen
class Answer:
    """What a verb says: a JSON object, or nothing at all."""

    status: int
    body: dict[str, Any] | None = None


@frozen
class Call:
    """
    One request.

    @ivar origin: the scheme, host and port that the client used.
    @ivar ids: the path's ids, by their names in the route; UUIDs in their usual spelling.
    @ivar body: as it came.
    """

    parts: Parts
    caller: Caller
    request_id: str
    origin: str
    arguments: Arguments
    ids: dict[str, str]
    body: bytes = field(repr=False)

    def now(self) -> datetime:
        """This moment, for what the request makes."""
        return datetime.fromtimestamp(self.parts.clock.seconds(), UTC)

    def given(self, name: str) -> Any:
        """
        What stands in the body under the resource's name, and alone there.

        @raise MalformedBody: the body isn't a JSON object.
        """
        outer = parse(self.body)
        if not isinstance(outer, dict):
            raise MalformedBody(f'The body has to be a JSON object: {{"{name}": …}}.')
        for key in outer:
            if key != name:
                raise UnknownField(shown(key), (name,))
        if outer.get(name) is None:
            raise MissingField(name, f'a JSON object {{"{name}": …}}')
        return outer[name]


def parse(body: bytes) -> Any:
    """
    The body's JSON.

    @raise BodyTooLarge: more than C{LARGEST_BODY} bytes.
    @raise MalformedBody: no JSON, not UTF-8, nested deeper than any resource, or a number that JSON doesn't know.
    """
    if len(body) > LARGEST_BODY:
        raise BodyTooLarge(f"The body is larger than {LARGEST_BODY} bytes.")
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body isn't UTF-8: byte {error.start}.") from None
    if not text.strip():
        raise MalformedBody("The body is empty; a JSON object is expected.")
    try:
        value = json.loads(text, parse_constant=_no_such_number)
    except RecursionError:
        raise MalformedBody("The body is nested too deep.") from None
    except ValueError as error:
        raise MalformedBody(f"The body isn't valid JSON: {error}.") from None
    _shallow(value)
    return value


def _no_such_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _shallow(value: Any) -> None:
    level = [value]
    for _ in range(_DEEPEST):
        level = [
            inner
            for outer in level
            if isinstance(outer, dict | list)
            for inner in (outer.values() if isinstance(outer, dict) else outer)
        ]
        if not level:
            return
    raise MalformedBody(f"The body is nested deeper than {_DEEPEST} levels.")


def yes_or_no(where: str, given: str) -> bool:
    """A truth value in a query string."""
    words = {"true": True, "1": True, "yes": True, "false": False, "0": False, "no": False}
    if given.lower() not in words:
        raise InvalidInput(where, given, "true or false")
    return words[given.lower()]
