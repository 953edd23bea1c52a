"""A modelled cloud, and controllers on it that live and die one after the other; the database is real."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from attrs import evolve

from octavia_tx.controller.boots import BootMaterial
from octavia_tx.controller.convergence import Convergence
from octavia_tx.controller.work import ConvergenceSettings, Means, Work
from octavia_tx.db import amphorae, failover, leases, load_balancers
from octavia_tx.db.database import Database
from octavia_tx.db.leases import Lease
from octavia_tx.db.transaction import Transaction
from octavia_tx.driver.amphora import AmphoraProvider
from octavia_tx.driver.registry import Providers
from octavia_tx.errors import DatabaseUnavailable, DriverError
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.flavor import Terms
from octavia_tx.model.resources import Listener, LoadBalancer
from octavia_tx.model.tree import Tree
from octavia_tx.testing.cloud import Fault, Faults, Killed, ModelAmphorae, ModelCompute, ModelNetwork
from octavia_tx.testing.provider import MemoryProvider

# Retries come at once, as tests don't wait; leases are long enough never to be renewed.
HASTY = ConvergenceSettings(
    lease_seconds=30.0, first_look=0.001, longest_look=0.005, first_retry=0.0, longest_retry=0.0, slow_retry=0.0
)


def tree(**asked_for: Any) -> Tree:
    """What a tenant asks for: a load balancer with a listener."""
    now = datetime.now(UTC)
    load_balancer = LoadBalancer(id=str(uuid4()), project_id="blue", created_at=now, **asked_for)
    listener = Listener(
        id=str(uuid4()),
        project_id="blue",
        load_balancer_id=load_balancer.id,
        protocol="HTTP",
        protocol_port=80,
        created_at=now,
    )
    return Tree(load_balancer=load_balancer, listeners=(listener,))


class MortalDatabase:
    """A database whose every transaction is a point of a L{Faults}; who dies after it, dies after COMMIT."""

    def __init__(self, database: Database, faults: Faults) -> None:
        self._database = database
        self._faults = faults

    @asynccontextmanager
    async def transaction(self) -> AsyncIterator[Transaction]:
        async with self._faults.point("transaction", DatabaseUnavailable), self._database.transaction() as tx:
            yield tx


class MortalProviders(Providers):
    """Providers, of whom each one's call is a point of a L{Faults}."""

    faults: Faults

    async def provide(self, name: str, tree: Tree, terms: Terms) -> None:
        async with self.faults.point("provider.provide", DriverError):
            await super().provide(name, tree, terms)

    async def withdraw(self, name: str, load_balancer_id: str) -> None:
        async with self.faults.point("provider.withdraw", DriverError):
            await super().withdraw(name, load_balancer_id)


class World:
    """@param script: what goes wrong, by the number of the call."""

    def __init__(
        self,
        reactor: Any,
        database: Database,
        boots: BootMaterial,
        script: Mapping[int, Fault] | None = None,
        settings: ConvergenceSettings = HASTY,
        silent_for: int = 0,
    ) -> None:
        self.database = database
        self.faults = Faults(script)
        self.compute = ModelCompute(self.faults)
        self.network = ModelNetwork(self.faults)
        self.amphorae = ModelAmphorae(self.compute, self.faults, silent_for=silent_for)
        self.provider = MemoryProvider()
        providers = MortalProviders((AmphoraProvider(), self.provider), reactor, patience=5.0)
        providers.faults = self.faults
        self.means = Means(
            clock=reactor,
            database=MortalDatabase(database, self.faults),  # type: ignore[arg-type]
            compute=self.compute,
            network=self.network,
            driver=self.amphorae,
            boots=boots,
            providers=providers,
            settings=settings,
        )

    # Tenants.

    async def create(self, **asked_for: Any) -> LoadBalancer:
        asked = tree(**asked_for)
        async with self.database.transaction() as tx:
            await load_balancers.insert(tx, asked)
        return asked.load_balancer

    async def change(self, id: str) -> None:
        async with self.database.transaction() as tx:
            changed = await load_balancers.change(tx, id)
            await load_balancers.update(tx, evolve(changed, name=f"revision {changed.revision}"))

    async def fail_over(self, id: str) -> None:
        async with self.database.transaction() as tx:
            await failover.of_load_balancer(tx, id)

    async def delete(self, id: str) -> None:
        async with self.database.transaction() as tx:
            await load_balancers.delete(tx, id)

    async def show(self, id: str) -> LoadBalancer | None:
        async with self.database.transaction() as tx:
            return await load_balancers.get(tx, id)

    # Controllers.

    async def rows(self) -> tuple[Amphora, ...]:
        async with self.database.transaction() as tx:
            return await amphorae.find(tx)

    async def claim(self) -> Lease | None:
        async with self.database.transaction() as tx:
            return await leases.claim(tx, str(uuid4()), self.means.settings.lease_seconds)

    async def expire(self, lease: Lease) -> None:
        """Let the time of a lease that wasn't given back be over."""
        async with self.database.transaction() as tx:
            await leases.renew(tx, lease, 0.0)

    async def hasten(self) -> None:
        """Let the time be over for which anything was put off."""
        async with self.database.transaction() as tx:
            await tx.script("UPDATE convergence SET due_at = now() WHERE due_at > now()")

    async def live(self) -> bool:
        """One controller's life: what is due, up to its death. Whether anything was."""
        self.faults.revive()
        lease = await self.claim()
        if lease is None:
            return False
        self.work = Work(self.means, lease)
        with suppress(Killed):
            await Convergence(self.work, lambda: 0.5).run()
        await self.expire(lease)
        return True

    async def settle(self) -> int:
        """As many controllers' lives as it takes until nothing is due. How many it took."""
        for lives in range(100):
            if not await self.live():
                return lives
        raise AssertionError("It is never settled.")
