"""The API for amphorae, on a real database."""

from __future__ import annotations

import json
from typing import Any

from OpenSSL import SSL
from treq.client import HTTPClient
from twisted.internet import reactor
from twisted.internet.defer import maybeDeferred
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.client import Agent, HTTPConnectionPool, ResponseNeverReceived
from twisted.web.iweb import IPolicyForHTTPS
from twisted.web.server import Site
from zope.interface import implementer

from octavia_tx.amphora_driver.tls import files
from octavia_tx.cloud.authority import Authority
from octavia_tx.controller.amphora_api import AmphoraApi
from octavia_tx.db.database import Database
from octavia_tx.model.statuses import ProvisioningStatus
from octavia_tx.model.tree import Tree
from octavia_tx.testing.cloud import Fault
from octavia_tx.wire.logs import LogTerms, encode
from octavia_tx.wire.rest import applied_path
from octavia_tx.wire.tls import MutualTLS, Peer, Role
from tests.controller.world import World
from tests.integration.test_controller_convergence import ConvergenceCase


def render(tree: Tree, amphora_id: str) -> str:
    return f"{amphora_id} serves {tree.load_balancer.id} at {tree.load_balancer.vip_address}, {len(tree.listeners)}"


@implementer(IPolicyForHTTPS)
class As:
    """A client's certificate, shown to controllers alone."""

    def __init__(self, authority: Authority, role: Role, identifier: str) -> None:
        self._tls = MutualTLS(authority.issue(role, identifier), Peer(role=Role.CONTROLLER))

    def creatorForNetloc(self, hostname: bytes, port: int) -> MutualTLS:
        return self._tls


class AmphoraApiCase(ConvergenceCase):
    """Asked over TLS, with the certificate that the test says."""

    async def ask(
        self,
        whom: str,
        about: str,
        database: Database | None = None,
        role: Role = Role.AMPHORA,
        applied: tuple[str, int, int] | None = None,
        *,
        what: str = "load_balancers",
        terms: LogTerms | None = None,
    ) -> tuple[int, Any]:
        """@param applied: load balancer, fence and revision that the amphora tells of, instead of asking."""
        api = AmphoraApi(database or self.database, render, files, None, log_terms=lambda _tree: terms)
        resource = api.resource()
        tls = MutualTLS(self.authority.issue(Role.CONTROLLER, "controller"), Peer(role=Role.AMPHORA))
        factory = TLSMemoryBIOFactory(tls, False, Site(resource), reactor)  # type: ignore[no-untyped-call]
        port = reactor.listenTCP(0, factory, interface="127.0.0.1")  # type: ignore[attr-defined]
        pool = HTTPConnectionPool(reactor, persistent=False)
        client = HTTPClient(Agent(reactor, As(self.authority, role, whom), pool=pool))
        try:
            method, path = "GET", f"/1.0/amphorae/{about}/{what}"
            if applied is not None:
                method, path = "PUT", applied_path(about, *applied)
            answer = await client.request(method, f"https://127.0.0.1:{port.getHost().port}{path}")
            return answer.code, await answer.json()
        finally:
            await maybeDeferred(port.stopListening)

    async def test_a_controllers_certificate_is_not_an_amphoras(self) -> None:
        nobody = "0a1b2c3d-0000-4000-8000-00000000dead"
        with self.assertRaises(ResponseNeverReceived) as raised:
            await self.ask(nobody, nobody, role=Role.CONTROLLER)
        self.assertTrue(any(reason.check(SSL.Error) for reason in raised.exception.reasons))

    async def test_an_amphora_learns_what_it_serves(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        (row,) = await world.rows()
        code, body = await self.ask(row.id, row.id)
        shown = await world.show(lb.id)
        assert shown is not None
        text = f"{row.id} serves {lb.id} at {shown.vip_address}, 1"
        whole = {"haproxy": text, "certificates": {}, "logs": None}
        expected = {"id": lb.id, "fence": 2, "revision": shown.revision, **whole}
        self.assertEqual((code, body), (200, {"load_balancers": [expected]}))

    async def test_an_amphora_learns_on_which_terms_it_ships_logs(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        (row,) = await world.rows()
        terms = LogTerms(targets=(), spool=1, rotate_bytes=2, rotate_after=3, farewell=4)
        said = json.loads(encode(terms))
        _code, whole = await self.ask(row.id, row.id, terms=terms)
        self.assertEqual(whole["load_balancers"][0]["logs"], said)
        asked = await self.ask(row.id, row.id, what="logs", terms=terms)
        self.assertEqual(asked, (200, {"load_balancers": [{"id": lb.id, "fence": 3, "logs": said}]}))
        self.assertEqual(await self.ask(row.id, row.id, what="logs"), (200, {"load_balancers": []}))
        another = "0a1b2c3d-0000-4000-8000-00000000dead"
        self.assertEqual((await self.ask(another, row.id, what="logs", terms=terms))[0], 403)

    async def test_the_fence_is_the_present_leases(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        await world.change(lb.id)
        await world.claim()
        (row,) = await world.rows()
        _code, body = await self.ask(row.id, row.id)
        self.assertEqual(body["load_balancers"][0]["fence"], 2)

    async def test_without_a_lease_it_is_a_new_one_that_refuses_what_was_pushed_before(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        (row,) = await world.rows()
        fences = [(await self.ask(row.id, row.id))[1]["load_balancers"][0]["fence"] for _ in range(2)]
        self.assertEqual(fences, [2, 3])
        await world.change(lb.id)
        lease = await world.claim()
        assert lease is not None
        self.assertEqual(lease.fence, 4)

    async def behind(self) -> tuple[World, str, str, int, int]:
        """A change waits that nobody could push; and what the amphora gets when it asks."""
        world = self.world()
        lb = await world.create()
        await world.settle()
        await world.change(lb.id)
        (row,) = await world.rows()
        (served,) = (await self.ask(row.id, row.id))[1]["load_balancers"]
        return world, lb.id, row.id, served["fence"], served["revision"]

    async def test_an_amphora_that_has_applied_a_change_is_believed(self) -> None:
        world, lb, amphora, fence, revision = await self.behind()
        code, _ = await self.ask(amphora, amphora, applied=(lb, fence, revision))
        self.assertEqual(code, 200)
        shown, (row,) = await world.show(lb), await world.rows()
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.ACTIVE)
        self.assertEqual((shown.applied_revision, row.applied_revision), (revision, revision))
        pushes = world.amphorae.pushes
        await world.settle()
        self.assertEqual(world.amphorae.pushes, pushes)

    async def test_what_is_known_already_changes_nothing(self) -> None:
        world = self.world()
        lb = await world.create()
        await world.settle()
        (row,), before = await world.rows(), await world.show(lb.id)
        (served,) = (await self.ask(row.id, row.id))[1]["load_balancers"]
        code, _ = await self.ask(row.id, row.id, applied=(lb.id, served["fence"], served["revision"]))
        self.assertEqual((code, await world.show(lb.id)), (200, before))
        self.assertIsNone(await world.claim())

    async def test_one_change_more_is_still_waiting(self) -> None:
        world, lb, amphora, fence, revision = await self.behind()
        await world.change(lb)
        await self.ask(amphora, amphora, applied=(lb, fence, revision))
        shown = await world.show(lb)
        assert shown is not None
        self.assertIs(shown.provisioning_status, ProvisioningStatus.PENDING_UPDATE)
        self.assertEqual((shown.applied_revision, shown.revision), (revision, revision + 1))
        await world.settle()
        await self.assert_served(world, lb)

    async def test_it_is_not_believed_once_a_controller_may_have_pushed_something_else(self) -> None:
        world, lb, amphora, fence, revision = await self.behind()
        await world.claim()
        code, _ = await self.ask(amphora, amphora, applied=(lb, fence, revision))
        shown = await world.show(lb)
        assert shown is not None
        self.assertEqual((code, shown.applied_revision), (409, revision - 1))
        self.assertIs(shown.provisioning_status, ProvisioningStatus.PENDING_UPDATE)

    async def test_what_it_got_under_a_lease_is_the_leases_holders_to_record(self) -> None:
        world, lb, amphora, _fence, _revision = await self.behind()
        await world.claim()
        (served,) = (await self.ask(amphora, amphora))[1]["load_balancers"]
        code, _ = await self.ask(amphora, amphora, applied=(lb, served["fence"], served["revision"]))
        self.assertEqual(code, 409)

    async def test_an_amphora_speaks_for_itself_alone_and_of_what_it_serves(self) -> None:
        world, lb, amphora, fence, revision = await self.behind()
        nobody = "0a1b2c3d-0000-4000-8000-00000000dead"
        self.assertEqual((await self.ask(nobody, amphora, applied=(lb, fence, revision)))[0], 403)
        self.assertEqual((await self.ask(nobody, nobody, applied=(lb, fence, revision)))[0], 409)
        self.assertEqual((await self.ask(amphora, amphora, applied=(nobody, fence, revision)))[0], 409)
        self.assertEqual((await self.ask(amphora, amphora, applied=("no-uuid", fence, revision)))[0], 409)
        for fence_, revision_ in ((fence, 0), (fence, revision + 1), (fence, 10**30), (10**30, revision)):
            self.assertEqual((await self.ask(amphora, amphora, applied=(lb, fence_, revision_)))[0], 409)
        self.assertEqual((await self.ask(amphora, amphora, applied=(lb, fence, revision)))[0], 200)
        await world.settle()

    async def test_another_amphoras_certificate_is_refused(self) -> None:
        world = self.world()
        await world.create()
        await world.settle()
        (row,) = await world.rows()
        code, body = await self.ask("0a1b2c3d-0000-4000-8000-00000000dead", row.id)
        self.assertEqual((code, list(body)), (403, ["message"]))

    async def test_an_unknown_amphora_is_not_found(self) -> None:
        nobody = "0a1b2c3d-0000-4000-8000-00000000dead"
        self.assertEqual((await self.ask(nobody, nobody))[0], 404)
        self.assertEqual((await self.ask("no-uuid", "no-uuid"))[0], 404)

    async def test_one_that_does_not_serve_yet_or_any_more_gets_nothing(self) -> None:
        world = self.world(silent_for=10**9)
        lb = await world.create()
        world.faults.script({8: Fault.DIE_BEFORE})
        await world.live()
        (row,) = await world.rows()
        self.assertEqual(await self.ask(row.id, row.id), (200, {"load_balancers": []}))
        world.amphorae.silent_for = 0
        await world.settle()
        self.assertEqual(len((await self.ask(row.id, row.id))[1]["load_balancers"]), 1)
        await world.delete(lb.id)
        self.assertEqual(await self.ask(row.id, row.id), (200, {"load_balancers": []}))

    async def test_without_a_database_it_says_so(self) -> None:
        away = Database(reactor, "host=/nowhere user=octavia dbname=x", deadline=0.2)
        nobody = "0a1b2c3d-0000-4000-8000-00000000dead"
        code, body = await self.ask(nobody, nobody, away)
        self.assertEqual((code, list(body)), (503, ["message"]))
