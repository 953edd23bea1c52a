"""Gathering what a tree refers to."""

from __future__ import annotations

from attrs import evolve
from twisted.internet.defer import CancelledError, Deferred
from twisted.trial.unittest import TestCase

from octavia_tx.controller.secrets import digests, secrets_of
from octavia_tx.errors import CloudError, ReferenceMissing
from octavia_tx.model.certificates import Bundle, Secrets, authorities, from_pkcs12, revocations
from octavia_tx.model.tree import Tree
from octavia_tx.testing.certificates import Material, MemoryCertificates
from tests.db.values import listener, load_balancer, pool
from tests.model.certificates import issue

ROOT = issue("root", authority=True)


class Gathering(TestCase):
    async def _tree(self, memory: MemoryCertificates) -> Tree:
        front, back, authority, crl = [
            await memory.secret_of(payload)
            for payload in (Material.new().pkcs12, Material.new().pkcs12, ROOT.pem, ROOT.revoke(1))
        ]
        balancer = load_balancer()
        used = pool(balancer, tls_enabled=True, tls_container_ref=back, ca_tls_container_ref=authority)
        asking = listener(
            balancer,
            protocol="TERMINATED_HTTPS",
            default_tls_container_ref=front,
            sni_container_refs=(back, front),
            client_ca_tls_container_ref=authority,
            client_crl_container_ref=crl,
        )
        return Tree(load_balancer=balancer, listeners=(asking,), pools=(used,))

    async def test_each_reference_stands_for_what_is_kept(self) -> None:
        memory = MemoryCertificates()
        tree = await self._tree(memory)
        (asking,) = tree.listeners
        secrets = await secrets_of(tree, memory)
        front, (back, _) = asking.default_tls_container_ref, asking.sni_container_refs
        for reference in (front, back):
            payload = await memory.secret(str(reference), "", "")
            self.assertEqual(secrets.bundles[str(reference)], from_pkcs12(payload))
        self.assertEqual(set(secrets.bundles), {front, back})
        authority, crl = asking.client_ca_tls_container_ref, asking.client_crl_container_ref
        self.assertEqual(secrets.authorities, {authority: authorities(ROOT.pem, "")})
        self.assertEqual(secrets.revocations, {crl: revocations(await memory.secret(str(crl), "", ""), "")})

    async def test_a_digest_follows_the_content_alone(self) -> None:
        memory = MemoryCertificates()
        tree = await self._tree(memory)
        (asking,) = tree.listeners
        before = digests(await secrets_of(tree, memory))
        self.assertEqual(digests(await secrets_of(tree, memory)), before)
        for reference, payload in (
            (asking.default_tls_container_ref, Material.new().pkcs12),
            (asking.client_ca_tls_container_ref, Material.new().certificate),
            (asking.client_crl_container_ref, ROOT.revoke(1, 2)),
        ):
            await memory.replace(str(reference), payload)
            after = digests(await secrets_of(tree, memory))
            self.assertEqual({each for each in after if after[each] != before[each]}, {reference})
            before = after

    async def test_what_is_missing_is_told_by_its_field(self) -> None:
        memory = MemoryCertificates()
        tree = await self._tree(memory)
        await memory.delete(str(tree.pools[0].ca_tls_container_ref))
        with self.assertRaises(ReferenceMissing) as caught:
            await secrets_of(evolve(tree, listeners=()), memory)
        self.assertEqual(caught.exception.field, "pool.ca_tls_container_ref")

    async def test_nobody_is_asked_for_nothing(self) -> None:
        memory = MemoryCertificates(silent=True)
        balancer = load_balancer()
        plain = Tree(load_balancer=balancer, listeners=(listener(balancer, sni_container_refs=()),))
        self.assertEqual(digests(await secrets_of(plain, memory)), {})
        secured = await self._tree(MemoryCertificates())
        with self.assertRaises(CloudError):
            await secrets_of(secured, memory)
        self.assertEqual(digests(await secrets_of(secured, None)), {})


class Waiting(MemoryCertificates):
    """Answers when it is told to, and counts who waits."""

    def __init__(self) -> None:
        super().__init__()
        self.waiting: list[Deferred[None]] = []
        self.most = 0

    async def bundle(self, reference: str, project_id: str, where: str) -> Bundle:
        turn: Deferred[None] = Deferred()
        self.waiting.append(turn)
        self.most = max(self.most, len(self.waiting))
        await turn
        return await super().bundle(reference, project_id, where)

    def answer(self) -> None:
        """One of them, the last first."""
        self.waiting.pop().callback(None)


class AtOnceTests(TestCase):
    """They are asked for at the same time."""

    async def made(self, count: int, *gone: int) -> tuple[Waiting, Deferred[Secrets]]:
        manager = Waiting()
        payload = Material.new().pkcs12
        references = [await manager.secret_of(payload) for _ in range(count)]
        for each in gone:
            await manager.delete(references[each])
        balancer = load_balancer()
        # Each twice: nobody is asked twice for the same.
        front = listener(balancer, protocol="TERMINATED_HTTPS", sni_container_refs=(*references, *references))
        tree = Tree(load_balancer=balancer, listeners=(front,))
        return manager, Deferred.fromCoroutine(secrets_of(tree, manager))

    async def test_as_many_as_may_be(self) -> None:
        manager, gathering = await self.made(20)
        self.assertEqual(len(manager.waiting), 8)
        for _ in range(20):
            manager.answer()
        self.assertEqual(len((await gathering).bundles), 20)
        self.assertEqual((manager.most, manager.waiting), (8, []))

    async def test_the_first_of_the_tree_that_is_missing_is_told(self) -> None:
        manager, gathering = await self.made(3, 0, 2)
        first = manager.waiting[0]
        for _ in range(3):
            manager.answer()
        self.assertTrue(first.called)
        error = await self.assertFailure(gathering, ReferenceMissing)
        self.assertEqual(error.field, "listener.sni_container_refs[0]")

    async def test_who_stops_waiting_leaves_nobody_asked(self) -> None:
        manager, gathering = await self.made(9)
        gathering.cancel()
        await self.assertFailure(gathering, CancelledError)
        self.assertEqual([turn.called for turn in manager.waiting], [True] * len(manager.waiting))
