"""
What operators offer, and how they change it: flavors, availability zones and their profiles.

No controller has to do with them, so that they are written at once. A profile's options are shown to its provider
before that, outside of any transaction.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Generic, TypeVar
from uuid import uuid4

from attrs import evolve, frozen

from octavia_tx.api import query
from octavia_tx.api.call import Answer, Call
from octavia_tx.api.resource import Resource, Route
from octavia_tx.db.transaction import Transaction
from octavia_tx.errors import Conflict
from octavia_tx.model.flavor import AvailabilityZone, AvailabilityZoneProfile, Flavor, FlavorProfile

Entry = TypeVar("Entry", Flavor, FlavorProfile, AvailabilityZone, AvailabilityZoneProfile)

_Judge = Callable[[Call, Entry | None, Entry], Awaitable[None]]
_Allow = Callable[[Transaction, Entry | None, Entry], Awaitable[None]]


@frozen
class Catalogue(Generic[Entry]):
    """
    The entries of one kind.

    @ivar allow: what else must hold when an entry is written, asked in the transaction: what was there before, if
        anything was, and what shall be.
    @ivar judge: the same, asked of others before the transaction.
    """

    resource: Resource[Entry]
    allow: _Allow[Entry]
    judge: _Judge[Entry] | None = None

    def routes(self) -> tuple[Route, ...]:
        """The usual ones."""
        return self.resource.routes(create=self._create, change=self._change, delete=self._delete)

    async def _create(self, call: Call) -> Answer:
        query.only(call.arguments)
        values = self.resource.fields.create(call.given(self.resource.name))
        entry = self.resource.rows.model(id=str(uuid4()), created_at=call.now(), **values)
        if self.judge is not None:
            await self.judge(call, None, entry)
        async with call.writing() as tx:
            await self.allow(tx, None, entry)
            await self.resource.rows.insert(tx, entry)
        return self.resource.answer(entry, 201)

    async def _change(self, call: Call) -> Answer:
        query.only(call.arguments)
        values = self.resource.fields.change(call.given(self.resource.name))
        judged = None
        if self.judge is not None:
            async with call.parts.database.transaction(read_only=True) as tx:
                judged = await self.resource.found(tx, call)
            await self.judge(call, judged, evolve(judged, **values))
        async with call.writing() as tx:
            await self.resource.rows.lock(tx, (await self.resource.found(tx, call)).id)
            before = await self.resource.found(tx, call)
            if judged is not None and before != judged:
                raise Conflict(f"{self.resource.kind} {call.ids[self.resource.key]} was changed meanwhile. Try again.")
            entry = evolve(before, updated_at=call.now(), **values)
            await self.allow(tx, before, entry)
            await self.resource.rows.update(tx, entry)
        return self.resource.answer(entry)

    async def _delete(self, call: Call) -> Answer:
        """What is in use is refused by the database."""
        query.only(call.arguments)
        async with call.writing() as tx:
            entry = await self.resource.found(tx, call)
            await self.resource.rows.remove(tx, entry.id)
        return Answer(204)
