"""What all resources have in common: their routes, and how one is found, shown and listed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Any, Generic, TypeVar

from attrs import AttrsInstance, evolve, field, frozen

from octavia_tx.api import paging, query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.codec import Encoder, Fields
from octavia_tx.api.filters import Decode, Filter, filters_of
from octavia_tx.api.policy import Rule
from octavia_tx.api.shapes import Schema
from octavia_tx.db.repository import Repository
from octavia_tx.db.selection import Condition, Order
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import NotFound

Object = TypeVar("Object", bound=AttrsInstance)
Verb = Callable[[Call], Awaitable[Answer]]


@frozen(kw_only=True)
class Document:
    """
    What a route takes and gives, for those who read about it.

    @ivar takes: the body's fields, and whether it describes a new object; C{None}: no body.
    @ivar many: whether the body is a list of those; C{bare}: whether it is such an object itself, without its name.
    @ivar raw: what the body is, where it isn't JSON: any of these media types.
    @ivar arguments: what else the query string may hold, and how that is read, or its JSON schema where that is read in
        a way of its own; lists have filters, too.
    @ivar headers: what headers of the request are looked at beside the usual ones, and their JSON schemas.
    @ivar gives: what an answer shows: one object or, where C{listed}, many of them.
    @ivar shows: the answer's JSON schema, where it shows something else; C{media}: what it is, where it isn't JSON.
    @ivar faults: what else the body of a refusal may be.
    @ivar selects: the keys among which C{fields} chooses, where C{gives} doesn't say it.
    """

    summary: str
    status: int = 200
    takes: Fields | None = None
    creates: bool = False
    many: bool = False
    bare: bool = False
    raw: tuple[str, ...] = ()
    arguments: Mapping[str, Decode | Schema] = field(factory=dict)
    headers: Mapping[str, Schema] = field(factory=dict)
    gives: Resource[Any] | None = None
    listed: bool = False
    shows: Schema | None = None
    media: str = "application/json"
    faults: Schema | None = None
    selects: frozenset[str] = frozenset()


@frozen
class Route:
    """
    A path below the API's root, one of its methods, and the verb that answers.

    @ivar path: with ids in angle brackets, as in C{pools/<pool_id>/members/<id>}.
    """

    method: str
    path: str
    verb: Verb
    document: Document | None = None


@frozen
class Served:
    """
    A route where it is served, and what it asks of callers.

    @ivar revised: whether it is about an object that has revisions.
    """

    path: str
    route: Route
    rule: Rule
    revised: bool = False

    @property
    def writes(self) -> bool:
        """Whether it changes anything, and so can be tried without doing so."""
        return self.route.method != "GET"

    @property
    def conditional(self) -> bool:
        """Whether C{If-Match} is looked at: where something that is there is changed or goes."""
        return self.revised and self.route.method in ("PUT", "DELETE")


@frozen(kw_only=True)
class Resource(Generic[Object]):
    """
    One kind of object.

    @ivar name: in the singular, as in a body; C{plural}: in paths and lists; C{kind}: in sentences.
    @ivar path: of the collection; C{key}: the path's id of one of them.
    @ivar links: the key of a list's links.
    @ivar owned: whether objects belong to projects.
    @ivar further: further arguments of a list: those that are called otherwise than the attribute.
    @ivar order: of a list, where the client asks for none; else the oldest come first.
    @ivar parent: the path's id of what these hang on, which is the attribute of that name too; C{below} makes sure that
        it is there, and the caller's to see.
    """

    name: str
    plural: str
    kind: str
    path: str
    encode: Encoder
    rows: Repository[Object]
    fields: Fields
    key: str = "id"
    links: str = field()
    owned: bool = True
    further: Mapping[str, Filter] = field(factory=dict)
    order: tuple[Order, ...] = ()
    parent: str | None = None
    below: Callable[[Transaction, Call], Awaitable[object]] | None = None
    filters: dict[str, Filter] = field(init=False)

    @links.default
    def _beside_a_list(self) -> str:
        return f"{self.plural}_links"

    @filters.default
    def _filterable(self) -> dict[str, Filter]:
        return filters_of(self.rows.model, self.encode.keys, self.further)

    async def found(self, tx: Transaction, call: Call) -> Object:
        """
        The object that the path names.

        @raise NotFound: it isn't there.
        @raise Forbidden: it isn't the caller's.
        """
        identifier = call.ids[self.key]
        value = await self.rows.get(tx, identifier)
        if value is None or (self.parent is not None and getattr(value, self.parent) != call.ids[self.parent]):
            raise NotFound(self.kind, identifier)
        if self.owned:
            call.permit(getattr(value, "project_id"))  # noqa: B009  not every value has one
        return value

    def answer(self, value: Object, status: int = 200) -> Answer:
        """An answer that shows one object."""
        return Answer(status, {self.name: self.encode(value)}, getattr(value, "revision", None))

    async def show(self, call: Call) -> Answer:
        """C{GET} of one."""
        asked = query.shown_fields(call.arguments, self.encode.keys)
        async with call.parts.database.transaction(read_only=True) as tx:
            value = await self.found(tx, call)
        shown = self.answer(value)
        assert shown.body is not None
        return Answer(200, {self.name: asked.project(shown.body[self.name])}, shown.revision)

    async def list(self, call: Call) -> Answer:
        """C{GET} of many."""
        tagged = "tags" in self.encode.keys
        asked = query.read(call.arguments, self.filters, self.encode.keys, tagged=tagged)
        asked = evolve(asked, order=asked.order or self.order)
        async with call.parts.database.transaction(read_only=True) as tx:
            within = (*await self._of_parent(tx, call), *self._of_project(call, asked))
            page = await paging.page(tx, self.rows, asked, within, self.filters)
        shown = [asked.project(self.encode(value)) for value in page.values]
        return Answer(200, {self.plural: shown, self.links: paging.links(call, page)})

    async def _of_parent(self, tx: Transaction, call: Call) -> tuple[Condition, ...]:
        if self.parent is None or self.below is None:
            return ()
        await self.below(tx, call)
        return (Condition("equals", self.parent, call.ids[self.parent]),)

    def _of_project(self, call: Call, asked: query.Query) -> tuple[Condition, ...]:
        """Those of the project asked for; of the caller's own, where they may see no other."""
        if not self.owned:
            return ()
        project = asked.project_id
        if not call.rule.everywhere(call.caller):
            project = call.caller.project_id if project is None else project
            call.permit(project)
        return () if project is None else (Condition("equals", "project_id", project),)

    def shape(self) -> Schema:
        """The JSON schema of an object, as answers show it."""
        return self.encode.shape(self.rows.model)

    def routes(
        self,
        *,
        create: Verb | None = None,
        change: Verb | None = None,
        delete: Verb,
        deleting: Mapping[str, Decode] | None = None,
    ) -> tuple[Route, ...]:
        """
        The usual routes; what isn't given isn't served.

        @param deleting: the arguments that a deletion takes.
        """
        one, kind = f"{self.path}/<{self.key}>", self.kind
        described = Document(summary=f"{kind}s, by pages.", gives=self, listed=True)
        found = [Route("GET", self.path, self.list, described)]
        if create is not None:
            made = Document(summary=f"A new {kind}.", status=201, takes=self.fields, creates=True, gives=self)
            found.append(Route("POST", self.path, create, made))
        found.append(Route("GET", one, self.show, Document(summary=f"One {kind}.", gives=self)))
        if change is not None:
            changed = Document(summary=f"Change a {kind}.", takes=self.fields, gives=self)
            found.append(Route("PUT", one, change, changed))
        gone = Document(summary=f"Delete a {kind}.", status=204, arguments=deleting or {})
        found.append(Route("DELETE", one, delete, gone))
        return tuple(found)
