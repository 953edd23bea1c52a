"""Projects, and what they have."""

from __future__ import annotations

from octavia_tx.db.repository import Repository
from octavia_tx.db.selection import identified
from octavia_tx.db.transaction import Transaction
from octavia_tx.model.project import Holding


class _Projects(Repository[Holding]):
    """Those that have load balancers. Only read; an id is whatever keystone says."""

    async def get(self, tx: Transaction, id: str) -> Holding | None:
        found = await self.select(tx, identified(id))
        return found[0] if found else None


rows = _Projects("project", Holding, find="project.find")
get = rows.get
