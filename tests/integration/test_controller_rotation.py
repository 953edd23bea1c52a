"""Certificates with another content are noticed, and whoever keeps them is told who uses them."""

from __future__ import annotations

from collections.abc import Callable

from attrs import evolve
from twisted.logger import LogEvent, globalLogPublisher

from octavia_tx.controller.rotation import Rotation
from octavia_tx.controller.secrets import digests, secrets_of
from octavia_tx.db import certificates, listeners, load_balancers
from octavia_tx.model.references import Consumer
from octavia_tx.model.resources import LoadBalancer
from octavia_tx.model.statuses import ProvisioningStatus
from octavia_tx.model.tree import Tree
from octavia_tx.testing.certificates import Material, MemoryCertificates
from tests.db.values import listener, load_balancer
from tests.integration.postgres import PostgresCase


class RotationCase(PostgresCase):
    async def _prepare(self) -> None:
        await super()._prepare()
        self.memory = MemoryCertificates()
        self.rotation = Rotation(self.database, self.memory)
        self.reference = await self.memory.secret_of(Material.new().pkcs12)

    async def balancer(self, reference: str, *, pushed: bool = True) -> str:
        """A load balancer with a listener that refers to a certificate, which its amphorae run already."""
        balancer = load_balancer()
        asking = listener(
            balancer, protocol="TERMINATED_HTTPS", default_tls_container_ref=reference, sni_container_refs=()
        )
        async with self.database.transaction() as tx:
            await load_balancers.insert(tx, Tree(load_balancer=balancer, listeners=(asking,)))
        if pushed:
            await self.push(balancer.id)
        return balancer.id

    async def push(self, id: str) -> None:
        """What a controller does when a tree is applied."""
        async with self.database.transaction() as tx:
            tree = await load_balancers.tree(tx, id)
            assert tree is not None
            known = digests(await secrets_of(tree.living(), self.memory))
            await load_balancers.applied(tx, id, tree.load_balancer.revision)
            await certificates.pushed(tx, id, tree.load_balancer.project_id, known)

    async def shown(self, id: str) -> LoadBalancer:
        async with self.database.transaction() as tx:
            found = await load_balancers.get(tx, id)
        assert found is not None
        return found

    async def due(self, id: str) -> bool:
        """Whether the load balancer is to be pushed anew."""
        found = await self.shown(id)
        return found.revision > found.applied_revision

    async def users(self) -> set[str]:
        return {each.id for each in await self.memory.consumers(self.reference)}


class Noticing(RotationCase):
    async def test_as_long_as_nothing_changes_nothing_is_done(self) -> None:
        id = await self.balancer(self.reference)
        for _ in range(2):
            await self.rotation.look()
        self.assertFalse(await self.due(id))

    async def test_another_content_is_pushed_once(self) -> None:
        id, other = await self.balancer(self.reference), await self.balancer(self.reference)
        await self.memory.replace(self.reference, Material.new().pkcs12)
        await self.rotation.look()
        revision = (await self.shown(id)).revision
        for each in (id, other):
            self.assertTrue(await self.due(each))
            self.assertEqual((await self.shown(each)).provisioning_status, ProvisioningStatus.PENDING_UPDATE)
        await self.rotation.look()
        self.assertEqual((await self.shown(id)).revision, revision)
        await self.push(id)
        await self.rotation.look()
        self.assertFalse(await self.due(id))

    async def test_the_controllers_are_told(self) -> None:
        id = await self.balancer(self.reference)
        await self.memory.replace(self.reference, Material.new().pkcs12)
        self.server.run("UPDATE convergence SET settled = true", self.database_name)
        await self.rotation.look()
        self.assertEqual(
            self.server.ask("SELECT load_balancer_id::text, settled FROM convergence", self.database_name),
            [(id, False)],
        )

    async def test_what_cannot_be_used_or_read_now_is_left_as_it_runs_and_others_are_looked_at(self) -> None:
        def denied() -> None:
            self.memory.denied.add(self.reference)

        def gone() -> None:
            self.memory._secrets.pop(self.reference)

        def nonsense() -> None:
            self.memory._secrets[self.reference] = b"nonsense"

        breaks: tuple[Callable[[], None], ...] = (denied, nonsense, gone)
        second = await self.memory.secret_of(Material.new().pkcs12)
        first, other = await self.balancer(self.reference), await self.balancer(second)
        for breaking in breaks:
            breaking()
            await self.memory.replace(second, Material.new().pkcs12)
            await self.rotation.look()
            self.assertFalse(await self.due(first))
            self.assertTrue(await self.due(other))
            await self.push(other)
        self.memory.silent = True
        await self.rotation.look()
        self.assertFalse(await self.due(first))

    async def test_no_key_is_in_the_log(self) -> None:
        events: list[LogEvent] = []
        globalLogPublisher.addObserver(events.append)
        self.addCleanup(globalLogPublisher.removeObserver, events.append)
        parts = {"certificate": Material.new().certificate, "private_key": Material.new().key}
        for payload in (Material.new().pkcs12, *parts.values()):
            reference = await self.memory.secret_of(Material.new().pkcs12)
            await self.balancer(reference)
            await self.memory.replace(reference, payload)
        await self.rotation.look()
        self.assertTrue(events)
        self.assertNotIn("PRIVATE KEY", repr(events))


class Telling(RotationCase):
    async def test_users_are_told_of_and_taken_back_when_they_use_it_no_more(self) -> None:
        id, other = await self.balancer(self.reference), await self.balancer(self.reference)
        await self.balancer(self.reference, pushed=False)
        for _ in range(2):
            await self.rotation.look()
        self.assertEqual(await self.users(), {id, other})
        self.assertIn(Consumer(kind="loadbalancer", id=id), await self.memory.consumers(self.reference))
        async with self.database.transaction() as tx:
            await load_balancers.forget(tx, other)
            (asking,) = await listeners.rows.find(tx, load_balancer_id=id)
            second = await self.memory.secret_of(Material.new().pkcs12)
            await listeners.rows.update(tx, evolve(asking, default_tls_container_ref=second))
        await self.rotation.look()
        self.assertEqual(await self.users(), set())
        async with self.database.transaction() as tx:
            self.assertEqual(await certificates.uses(tx), ())

    async def test_who_does_not_answer_is_told_later(self) -> None:
        id = await self.balancer(self.reference)
        self.memory.silent = True
        await self.rotation.look()
        self.memory.silent = False
        self.assertEqual(await self.users(), set())
        await self.rotation.look()
        self.assertEqual(await self.users(), {id})
