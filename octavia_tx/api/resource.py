"""What all resources have in common: how one is found, shown and listed."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from typing import Generic, TypeVar

from attrs import field, frozen

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.codec import Encoder
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import NotFound
from octavia_tx.model.resources import HealthMonitor, Listener, LoadBalancer, Member, Pool

Object = TypeVar("Object", LoadBalancer, Listener, Pool, Member, HealthMonitor)


@frozen
class Route:
    """
    A path below the API's root, one of its methods, and the verb that answers.

    @ivar path: with ids in angle brackets, as in C{pools/<pool_id>/members/<id>}.
    """

    method: str
    path: str
    verb: Callable[[Call], Awaitable[Answer]]


@frozen
class Resource(Generic[Object]):
    """
    One kind of object.

    @ivar name: in the singular, as in a body; C{plural}: in paths and lists; C{kind}: in sentences.
    @ivar get: by its id; C{find}: those of a project, or all.
    @ivar filters: further arguments of a list, and the attributes that they mean.
    """

    name: str
    plural: str
    kind: str
    encode: Encoder
    get: Callable[[Transaction, str], Awaitable[Object | None]]
    find: Callable[[Transaction, Call, str | None], Awaitable[tuple[Object, ...]]]
    filters: Mapping[str, str] = field(factory=dict)
    _attributes: dict[str, str] = field(init=False)

    @_attributes.default
    def _filterable(self) -> dict[str, str]:
        plain = {name: name for name in self.encode.plain if name not in ("project_id", "tags")}
        return {**plain, **self.filters}

    async def found(self, tx: Transaction, call: Call) -> Object:
        """
        The object that the path names.

        @raise NotFound: it isn't there, or isn't the caller's to see.
        """
        identifier = call.ids["id"]
        value = await self.get(tx, identifier)
        if value is None or not call.caller.sees(value.project_id):
            raise NotFound(self.kind, identifier)
        return value

    def answer(self, value: Object, status: int = 200) -> Answer:
        """An answer that shows one object."""
        return Answer(status, {self.name: self.encode(value)})

    async def show(self, call: Call) -> Answer:
        """C{GET} of one."""
        asked = query.shown_fields(call.arguments, self.encode.keys)
        async with call.parts.database.transaction(read_only=True) as tx:
            value = await self.found(tx, call)
        return Answer(200, {self.name: asked.project(self.encode(value))})

    async def list(self, call: Call) -> Answer:
        """C{GET} of many."""
        asked = query.read(call.arguments, self._attributes, self.encode.keys)
        project = asked.project_id if call.caller.everywhere else call.caller.project_id
        async with call.parts.database.transaction(read_only=True) as tx:
            values = await self.find(tx, call, project)
        return Answer(200, {self.plural: [asked.project(self.encode(v)) for v in asked.select(values)]})
