"""One request on its way through the API: what it may use, what it gives, and its answer."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from contextlib import AbstractAsyncContextManager
from datetime import UTC, datetime
from typing import Any

from attrs import field, frozen
from twisted.internet.interfaces import IReactorTime

from octavia_tx.api.codec import shown
from octavia_tx.api.hub import Hub
from octavia_tx.api.policy import Rule
from octavia_tx.api.query import Arguments
from octavia_tx.api.rehearsal import Rehearsal
from octavia_tx.api.stream import Feed
from octavia_tx.db.database import Database
from octavia_tx.db.transaction import Transaction
from octavia_tx.db.vault import Vault
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import Forbidden, InvalidInput, MalformedBody, MissingField, UnknownField
from octavia_tx.interfaces import ICertificateManager, IIdentity, INetworkDriver, IPreview
from octavia_tx.model.bounds import Bounds
from octavia_tx.model.caller import Caller

LARGEST_BODY = 8 * 1024 * 1024
_DEEPEST = 12
_MOST_DIGITS = 4300  # what Python reads at all
_TAG = re.compile(r'(?:W/)?"[^"]+"')
_REVISION = re.compile(r'"([0-9]{1,19})(?:-[0-9a-f]+)?"')


@frozen(kw_only=True)
class Parts:
    """
    What verbs work with.

    @ivar base_uri: how clients reach the API, for links; empty: as the request itself tells.
    @ivar preview: what controllers would make of a load balancer.
    @ivar certificates: who keeps those that tenants refer to; C{None}: references aren't looked at.
    @ivar vault: what tenants keep here, where nobody else does.
    @ivar quotas: how many objects of each kind a project may have that has no limits of its own; -1: any number.
    @ivar bounds: what the operator leaves tenants to choose.
    @ivar hub: events as they happen.
    """

    clock: IReactorTime
    database: Database
    providers: Providers
    network: INetworkDriver
    identity: IIdentity
    preview: IPreview
    certificates: ICertificateManager | None = None
    vault: Vault | None = None
    base_uri: str = ""
    quotas: Mapping[str, int] = field(factory=dict)
    bounds: Bounds = Bounds()
    hub: Hub = field(init=False)

    @hub.default
    def _events(self) -> Hub:
        return Hub(self.clock, self.database)


@frozen
class Answer:
    """
    What a verb says: a JSON object, or nothing at all.

    @ivar revision: of the object that is shown, for C{ETag}, and so for C{If-Match}.
    @ivar headers: further ones of the answer.
    @ivar raw: what isn't JSON, in place of a body; C{headers} say what it is.
    @ivar feed: for an answer that goes on, in place of a body.
    """

    status: int
    body: dict[str, Any] | None = None
    revision: int | None = None
    headers: dict[str, str] = field(factory=dict)
    raw: bytes | None = field(default=None, repr=False)
    feed: Feed | None = None


@frozen(kw_only=True)
class Call:
    """
    One request.

    @ivar rule: what its route asks of the caller.
    @ivar origin: the scheme, host and port that the client used; C{path}: the path, as it wrote it.
    @ivar ids: the path's ids, by their names in the route; UUIDs in their usual spelling.
    @ivar expected: the revisions of which C{If-Match} wants one; C{None}: it wants nothing.
    @ivar last_event: what C{Last-Event-ID} says.
    @ivar rehearsal: where nothing shall be written, takes what would be.
    @ivar body: as it came; C{media}: what the client calls it; C{coding}: how it is encoded, if it is.
    """

    parts: Parts
    caller: Caller
    rule: Rule
    request_id: str
    origin: str
    path: str
    arguments: Arguments
    ids: dict[str, str]
    expected: frozenset[int] | None = None
    last_event: str | None = None
    rehearsal: Rehearsal | None = None
    media: str | None = None
    coding: str | None = None
    body: bytes = field(repr=False)

    def now(self) -> datetime:
        """This moment, for what the request makes."""
        return datetime.fromtimestamp(self.parts.clock.seconds(), UTC)

    @property
    def url(self) -> str:
        """As the client wrote it, without the query string."""
        return self.origin + self.path

    def writing(self, load_balancer_id: str | None = None) -> AbstractAsyncContextManager[Transaction]:
        """
        A transaction that changes anything; of a rehearsal, one that leaves everything as it was.

        @param load_balancer_id: the load balancer that is changed, or something of its; C{None}: none is.
        """
        database = self.parts.database
        if self.rehearsal is None:
            return database.transaction()
        return self.rehearsal.transaction(database, load_balancer_id)

    def permit(self, project_id: str | None) -> None:
        """
        Let the caller go on with an object of that project.

        @raise Forbidden: they may not.
        """
        self.rule.permit(self.caller, project_id)

    def may(self, project_id: str | None) -> bool:
        """Whether the caller may go on with an object of that project."""
        try:
            self.permit(project_id)
        except Forbidden:
            return False
        return True

    def project(self, named: str | None, where: str) -> str:
        """
        The project that a new object belongs to: the one named, else the caller's own.

        @raise Forbidden: it isn't the caller's to write to.
        @raise MissingField: none is named, and the caller has none.
        """
        project_id = named or self.caller.project_id
        if project_id is None:
            raise MissingField(f"{where}.project_id", "a project's id, for the token is for no project")
        self.permit(project_id)
        return project_id

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

    @raise MalformedBody: no JSON, not UTF-8, nested deeper than any resource, a key twice in one object, or a number
        that JSON doesn't know, or is longer than any that means something.
    """
    try:
        text = body.decode("utf-8")
    except UnicodeDecodeError as error:
        raise MalformedBody(f"The body isn't UTF-8: byte {error.start}.") from None
    if not text.strip():
        raise MalformedBody("The body is empty; a JSON object is expected.")
    try:
        value = json.loads(text, parse_constant=_no_such_number, parse_int=_integer, object_pairs_hook=_object)
    except RecursionError:
        raise MalformedBody("The body is nested too deep.") from None
    except ValueError as error:
        raise MalformedBody(f"The body isn't valid JSON: {error}.") from None
    _shallow(value)
    return value


def _no_such_number(name: str) -> Any:
    raise ValueError(f"{name} is no JSON number")


def _integer(digits: str) -> int:
    if len(digits) > _MOST_DIGITS:
        raise ValueError(f"a number has {len(digits)} digits, more than {_MOST_DIGITS}")
    return int(digits)


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    made = dict(pairs)
    if len(made) < len(pairs):
        seen: set[str] = set()
        twice = next(key for key, _ in pairs if key in seen or seen.add(key))  # type: ignore[func-returns-value]
        raise ValueError(f"the key '{shown(twice)}' stands twice in one object")
    return made


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


def revisions(header: str | None) -> frozenset[int] | None:
    """
    The revisions of which C{If-Match} (RFC 9110, 13.1.1) wants one; C{None} where any will do. A weak tag is none.

    @raise InvalidInput: the header isn't one that an C{ETag} of ours could have led to.
    """
    if header is None or header.strip() == "*":
        return None
    tags = [tag.strip() for tag in header.split(",") if tag.strip()]
    if not tags or not all(map(_TAG.fullmatch, tags)):
        raise InvalidInput("header If-Match", header, 'an ETag as it was answered, such as "7-0123456789abcdef", or *')
    return frozenset(int(known[1]) for known in map(_REVISION.fullmatch, tags) if known is not None)
