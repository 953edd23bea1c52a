"""haproxy accepts what is rendered for it, and does what was asked."""

from __future__ import annotations

from pathlib import Path

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred, gatherResults
from twisted.internet.error import ConnectError
from twisted.internet.task import deferLater
from twisted.trial.unittest import TestCase
from twisted.web.client import ResponseNeverReceived

from octavia_tx.amphora_driver.tls import files
from octavia_tx.model.resources import SessionPersistence
from tests.amphora_driver.gallery import GOLDEN, gallery, monitor, tree
from tests.amphora_driver.secrets import secrets
from tests.integration.haproxy_process import MemberServer, ask, checked, place
from tests.integration.traffic import RENDERER, VIP, TrafficCase


class AcceptanceTests(TestCase):
    """What haproxy says of configurations."""

    async def test_it_accepts_the_whole_gallery_without_a_warning(self) -> None:
        for name, shown in gallery().items():
            directory = Path(self.mktemp())
            directory.mkdir()
            path = directory / "haproxy.cfg"
            path.write_text((GOLDEN / f"{name}.cfg").read_text())
            place(directory, files(shown, secrets(shown)))
            if not path.read_text():
                continue  # Nothing is served.
            code, said = await checked(path.absolute())
            self.assertEqual(code, 0, f"{name}: {said}")
            self.assertNotIn("WARNING", said, name)


class TrafficTests(TrafficCase):
    """What clients see."""

    async def test_members_take_turns(self) -> None:
        await self.running(self.tree())
        names = [body for _, body in await self.answers(6)]
        self.assertEqual(sorted(names), ["first"] * 2 + ["second"] * 2 + ["third"] * 2)

    async def test_a_listener_without_a_pool_answers_503(self) -> None:
        await self.running(tree(self.listener(default_pool_id=None), vip_address=VIP))
        self.assertEqual((await ask(VIP, self.port))[0], 503)

    async def test_a_listener_with_a_disabled_pool_answers_503(self) -> None:
        await self.running(self.tree(pool_fields={"admin_state_up": False}))
        self.assertEqual((await ask(VIP, self.port))[0], 503)

    async def test_a_listener_of_tcp_without_a_pool_closes_the_connection(self) -> None:
        await self.running(tree(self.listener(default_pool_id=None, protocol="TCP"), vip_address=VIP))
        await self.assertFailure(Deferred.fromCoroutine(ask(VIP, self.port)), ResponseNeverReceived)

    async def test_a_member_that_dies_costs_no_request(self) -> None:
        for algorithm in ("ROUND_ROBIN", "LEAST_CONNECTIONS", "SOURCE_IP", "SOURCE_IP_PORT"):
            await self.running(self.tree(pool_fields={"lb_algorithm": algorithm}))
            await self.answers(3)
            await self.members.pop().stop()
            statuses = {status for status, _ in await self.answers(20)}
            self.assertEqual(statuses, {200}, algorithm)
            self.members.append(await MemberServer("another").start(self))
            self.another()

    async def test_a_member_that_hangs_up_costs_no_get_and_is_asked_nothing_unsafe_twice(self) -> None:
        self.members[0].hangs_up = True
        await self.running(self.tree())
        self.assertEqual({status for status, _ in await self.answers(6)}, {200})
        asked = sum(len(server.hosts) for server in self.members)
        statuses = [(await ask(VIP, self.port, method="POST"))[0] for _ in range(3)]
        self.assertEqual(sorted(statuses), [200, 200, 502])
        self.assertEqual(sum(len(server.hosts) for server in self.members), asked + 3)

    async def test_a_monitor_takes_out_a_member_that_fails_and_takes_it_in_again(self) -> None:
        check = monitor("HTTP", delay=1, timeout=1, max_retries=1, max_retries_down=1, http_version=1.1)
        await self.running(self.tree(check))
        self.members[0].status = 500
        await self.until({(200, "second"), (200, "third")})
        self.members[0].status = 200
        await self.until({(200, "first"), (200, "second"), (200, "third")})
        self.assertIn(VIP, self.members[0].hosts)

    async def test_persistence_outlives_a_reload(self) -> None:
        shown = self.tree(pool_fields={"session_persistence": SessionPersistence(type="SOURCE_IP")})
        haproxy = await self.running(shown)
        await deferLater(reactor, 5.5)  # In its first 5 s haproxy waits to be taught, and teaches nobody.
        before = {client: await self.answers(2, client) for client in ("127.0.0.2", "127.0.0.3", "127.0.0.4")}
        self.assertEqual(len({body for answers in before.values() for _, body in answers}), 3)
        for limit in (1000, 1001):
            changed = evolve(shown, listeners=(evolve(shown.listeners[0], connection_limit=limit),))
            await haproxy.reload(RENDERER.render(changed, self.amphora_id))
            await deferLater(reactor, 0.3)
            # In another order, so that taking turns anew would give others.
            after = {client: await self.answers(2, client) for client in reversed(before)}
            self.assertEqual(after, before)

    async def test_a_client_stays_with_its_member_by_its_address(self) -> None:
        await self.running(self.tree(pool_fields={"lb_algorithm": "SOURCE_IP"}))
        for client in ("127.0.0.2", "127.0.0.3"):
            self.assertEqual(len(set(await self.answers(5, client))), 1)

    async def test_a_clients_connections_are_spread_by_its_port(self) -> None:
        await self.running(self.tree(pool_fields={"lb_algorithm": "SOURCE_IP_PORT"}))
        self.assertEqual(len(set(await self.answers(60))), 3)

    async def test_only_allowed_networks_get_in(self) -> None:
        await self.running(self.tree(allowed_cidrs=("127.0.0.1/32", "127.0.1.0/24")))
        self.assertEqual((await ask(VIP, self.port, "127.0.1.9"))[0], 200)
        await self.assertFailure(
            Deferred.fromCoroutine(ask(VIP, self.port, "127.0.2.9")), ResponseNeverReceived, ConnectError
        )

    async def test_a_disabled_member_and_one_without_weight_get_nothing(self) -> None:
        shown = self.tree()
        first, second, third = shown.members
        await self.running(
            evolve(shown, members=(evolve(first, admin_state_up=False), evolve(second, weight=0), third))
        )
        self.assertEqual(set(await self.answers(6)), {(200, "third")})

    async def test_backups_serve_together_when_nobody_else_does(self) -> None:
        shown = self.tree(monitor("TCP", delay=1, timeout=1, max_retries=1, max_retries_down=1))
        first, *others = shown.members
        await self.running(evolve(shown, members=(first, *(evolve(other, backup=True) for other in others))))
        self.assertEqual(set(await self.answers(4)), {(200, "first")})
        await self.members[0].stop()
        await self.until({(200, "second"), (200, "third")})

    async def test_requests_at_once_are_all_answered(self) -> None:
        await self.running(self.tree(connection_limit=5))
        answers = await gatherResults([Deferred.fromCoroutine(ask(VIP, self.port)) for _ in range(40)])
        self.assertEqual({status for status, _ in answers}, {200})
