"""
Notice that the content of a certificate changed where it is kept, and that one is used no more.

What amphorae run of each reference was written down when it was pushed. Where it is another content now, the load
balancer gets a new revision, and with it the new content. Any number of controllers may look: one push too many does no
harm.
"""

from __future__ import annotations

from collections.abc import Iterable
from itertools import groupby

from twisted.logger import Logger

from octavia_tx.controller.secrets import digests, secrets_of
from octavia_tx.db import certificates, load_balancers
from octavia_tx.db.certificates import CertificateUse
from octavia_tx.db.database import Database
from octavia_tx.errors import BeingDeleted, CloudError, NotFound, RequestError
from octavia_tx.interfaces import ICertificateManager
from octavia_tx.model.references import Consumer

_log = Logger()


class Rotation:
    """@param manager: who keeps the certificates."""

    def __init__(self, database: Database, manager: ICertificateManager) -> None:
        self._database = database
        self._manager = manager

    async def look(self) -> None:
        """
        Look once at all that was pushed.

        @raise DatabaseUnavailable: not at all of it.
        """
        async with self._database.transaction(read_only=True) as tx:
            uses = await certificates.uses(tx)
        for load_balancer_id, its in groupby(uses, lambda use: use.load_balancer_id):
            try:
                await self._look_at(load_balancer_id, tuple(its))
            except (BeingDeleted, CloudError, NotFound, RequestError) as error:
                # The next one's may be kept elsewhere, or be whole; what runs there, runs on.
                _log.warn(
                    "Load balancer {load_balancer} keeps its certificates for now: {error}",
                    load_balancer=load_balancer_id,
                    error=str(error),
                )

    async def _look_at(self, load_balancer_id: str, uses: tuple[CertificateUse, ...]) -> None:
        settled = uses[0].settled
        if settled is None:
            await self._part_with(uses)
        elif settled:
            async with self._database.transaction(read_only=True) as tx:
                tree = await load_balancers.tree(tx, load_balancer_id)
            if tree is None:
                return
            now = digests(await secrets_of(tree.living(), self._manager))
            await self._part_with(use for use in uses if use.reference not in now)
            await self._tell(use for use in uses if use.reference in now and not use.registered)
            changed = [use.reference for use in uses if now.get(use.reference, use.digest) != use.digest]
            if changed:
                await self._renew(load_balancer_id, changed)

    async def _renew(self, load_balancer_id: str, changed: list[str]) -> None:
        _log.info(
            "Load balancer {load_balancer} gets the new content of {references}",
            load_balancer=load_balancer_id,
            references=", ".join(changed),
        )
        async with self._database.transaction() as tx:
            await load_balancers.change(tx, load_balancer_id)

    async def _tell(self, uses: Iterable[CertificateUse]) -> None:
        for use in uses:
            await self._manager.register(use.reference, _consumer(use))
            async with self._database.transaction() as tx:
                await certificates.registered(tx, use)

    async def _part_with(self, uses: Iterable[CertificateUse]) -> None:
        for use in uses:
            if use.registered:
                await self._manager.unregister(use.reference, _consumer(use))
            async with self._database.transaction() as tx:
                await certificates.forget(tx, use)


def _consumer(use: CertificateUse) -> Consumer:
    return Consumer(kind="loadbalancer", id=use.load_balancer_id)
