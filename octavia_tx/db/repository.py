"""
What the repositories of all kinds of objects have in common: rows of one table as values of one class.

A class's fields are its table's columns, by the same names. So a field that is added to the class and to the schema is
read, inserted and updated from then on; only fields marked as derived have a statement that tells how they are found.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Generic, TypeVar

from attrs import AttrsInstance, fields, frozen

from octavia_tx.db.rows import is_identifier, rows
from octavia_tx.db.selection import Selection, Shape, identified, where
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.resources import DERIVED

Value = TypeVar("Value", bound=AttrsInstance)

_FOR_GOOD = frozenset({"id", "project_id", "load_balancer_id", "created_at", "operating_status"})
"""What no update writes: what never changes, and what amphorae report."""


@frozen
class Owner:
    """
    The load balancer of whose tree an object is part.

    @ivar id: its own; C{project_id} and C{provider}: who asked for it, and who provides it.
    """

    id: str
    project_id: str
    provider: str


class Repository(Generic[Value]):
    """
    One table.

    @ivar shape: its name and columns.
    @param find: the statement that finds its rows, where it has to tell of derived fields.
    @param delete: the statement that sends them on their way out, where others go with them.
    @param touch: the statement that has them applied again, where others are with them.
    @param applied: the statement that tells that they are applied, where no amphora reports on them.
    @param keeps: further columns that no update writes.
    """

    def __init__(
        self,
        table: str,
        model: type[Value],
        *,
        find: str = "row.find",
        delete: str = "row.delete",
        touch: str = "row.touch",
        applied: str = "row.applied",
        keeps: frozenset[str] = frozenset(),
    ) -> None:
        columns = tuple(a.name for a in fields(model) if DERIVED not in a.metadata)
        writable = tuple(c for c in columns if c not in _FOR_GOOD | keeps)
        self.shape = Shape(table, columns, writable)
        self.model = model
        self._find = find
        self._delete = delete
        self._touch = touch
        self._applied = applied

    async def owner(self, tx: Transaction, id: str) -> Owner | None:
        """Whose an object of a load balancer's tree is; C{None} where there's none of that id."""
        found = await tx.fetch_one("row.owner", self.shape, id=id) if is_identifier(id) else None
        return None if found is None else Owner(**found)

    async def insert(self, tx: Transaction, *values: Value) -> None:
        """
        Write new rows, in one round trip.

        @raise Conflict: one contradicts what exists.
        """
        if values:
            await tx.execute("row.insert", self.shape, rows=rows(values))

    async def get(self, tx: Transaction, id: str) -> Value | None:
        """One value by its id."""
        if not is_identifier(id):
            return None
        found = await self.select(tx, identified(id))
        return found[0] if found else None

    async def find(self, tx: Transaction, **equal: Any) -> tuple[Value, ...]:
        """Those whose columns have these values, the oldest first; those being deleted too, until they are gone."""
        return await self.select(tx, where(**equal))

    async def those(self, tx: Transaction, ids: Iterable[str]) -> tuple[Value, ...]:
        """Those of some ids, in no order."""
        wanted = [id for id in ids if is_identifier(id)]
        found = await tx.fetch("row.those", self.shape, ids=wanted) if wanted else []
        return tuple(self.model(**each) for each in found)

    async def select(self, tx: Transaction, selection: Selection) -> tuple[Value, ...]:
        """Those of a selection, in its order."""
        found = await tx.select(self._find, self.shape, selection)
        return tuple(self.model(**each) for each in found)

    async def update(self, tx: Transaction, *values: Value) -> None:
        """
        Write what may change of rows, in one round trip.

        @raise Conflict: one contradicts what exists.
        """
        if values:
            await tx.execute("row.update", self.shape, rows=rows(values))

    async def delete(self, tx: Transaction, ids: Iterable[str] | str, revision: int) -> None:
        """Ask for the deletion of objects of a load balancer's tree, and of what hangs on them, at a revision."""
        await self._mark(tx, self._delete, ids, revision=revision)

    async def touch(self, tx: Transaction, ids: Iterable[str], revision: int) -> None:
        """Objects of a load balancer's tree have to be applied again, because of what they use."""
        await self._mark(tx, self._touch, ids, revision=revision)

    async def applied(self, tx: Transaction, ids: Iterable[str], revision: int) -> None:
        """Objects of a load balancer's tree are served now, unless they have changed after this revision of it."""
        await self._mark(tx, self._applied, ids, revision=revision)

    async def silence(self, tx: Transaction, ids: Iterable[str]) -> None:
        """Objects of a load balancer's tree aren't served any more: they are C{OFFLINE}."""
        await self._mark(tx, "row.silence", ids)

    async def lock(self, tx: Transaction, *ids: str) -> None:
        """Keep others from changing rows, and from beginning to refer to them, until the transaction ends."""
        if ids:
            await tx.fetch("row.lock", self.shape, ids=list(ids))

    async def remove(self, tx: Transaction, *ids: str) -> None:
        """Delete rows that nothing waits for. None there: no error."""
        await self._mark(tx, "row.remove", ids)

    async def _mark(self, tx: Transaction, statement: str, ids: Iterable[str] | str, **values: Any) -> None:
        identifiers = [ids] if isinstance(ids, str) else list(ids)
        if identifiers:
            await tx.execute(statement, self.shape, ids=identifiers, **values)
