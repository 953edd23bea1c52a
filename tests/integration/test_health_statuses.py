"""Heartbeats over real UDP, into a real database."""

from __future__ import annotations

import contextlib
import signal
import socket
import time
import uuid
from collections.abc import Awaitable, Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from attrs import evolve
from twisted.internet import reactor
from twisted.internet.defer import Deferred
from twisted.internet.task import deferLater

from octavia_tx.db import amphorae, health_monitors, load_balancers, members, statistics
from octavia_tx.health.receiver import Outcome
from octavia_tx.health.service import HealthService
from octavia_tx.model.amphora import Amphora
from octavia_tx.model.resources import HealthMonitor, Listener, LoadBalancer, Member, Pool, Statistics
from octavia_tx.model.statuses import AmphoraState, OperatingStatus
from octavia_tx.model.tree import Tree
from octavia_tx.wire import envelope, openstack
from octavia_tx.wire.heartbeat import Counters, ListenerReport, MemberReport, Report, split
from octavia_tx.wire.keys import amphora_key
from tests.integration.postgres import PostgresCase

MASTER = b"m" * 32
SHARED = b"one key for all"
NOW = datetime.now(UTC)
SECOND = timedelta(seconds=1)
ONLINE, OFFLINE, DEGRADED, ERROR, NO_MONITOR = (
    OperatingStatus[name] for name in ("ONLINE", "OFFLINE", "DEGRADED", "ERROR", "NO_MONITOR")
)


def identifier() -> str:
    return str(uuid.uuid4())


def new_tree() -> Tree:
    """A load balancer with a listener, a monitored pool, and two members."""
    common: dict[str, Any] = {"project_id": "p", "created_at": NOW}
    load_balancer = LoadBalancer(id=identifier(), **common)
    common["load_balancer_id"] = load_balancer.id
    pool = Pool(id=identifier(), protocol="HTTP", lb_algorithm="ROUND_ROBIN", **common)
    listener = Listener(id=identifier(), protocol="HTTP", protocol_port=80, default_pool_id=pool.id, **common)
    common["pool_id"] = pool.id
    monitor = HealthMonitor(id=identifier(), type="TCP", delay=1, timeout=1, max_retries=1, **common)
    back_ends = tuple(
        Member(id=identifier(), address=f"192.0.2.{n}", protocol_port=80, **common | {"created_at": NOW + n * SECOND})
        for n in (1, 2)
    )
    return Tree(
        load_balancer=load_balancer,
        listeners=(listener,),
        pools=(pool,),
        members=back_ends,
        health_monitors=(monitor,),
    )


def report_of(tree: Tree, *words: str, **counters: int) -> Report:
    """What an amphora that runs the tree reports; a word for each member."""
    zeros = dict.fromkeys(("active_connections", "bytes_in", "bytes_out", "request_errors", "total_connections"), 0)
    return Report(
        tuple(ListenerReport(i.id, "OPEN", (Counters("1", **zeros | counters),)) for i in tree.listeners),
        tuple(MemberReport(m.pool_id, m.id, word) for m, word in zip(tree.members, words, strict=False)),
        (tree.load_balancer.id,),
    )


class HealthCase(PostgresCase):
    """A test with a receiver, and a socket to send to it from."""

    shared_key: bytes | None = None
    deadline = 1.0

    async def _prepare(self) -> None:
        await super()._prepare()
        self.sequence = 0
        self.boot = identifier()
        self.socket = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self.addCleanup(self.socket.close)
        self.tree, self.amphora = await self.made()
        self.health = await self.started()

    async def started(self) -> HealthService:
        health = HealthService(reactor, self.database, MASTER, flush_interval=0.05, shared_key=self.shared_key)
        await health.startService()
        port = reactor.listenUDP(0, health.receiver, interface="127.0.0.1")
        self.address = ("127.0.0.1", port.getHost().port)

        async def stop() -> None:
            await port.stopListening()
            if health.running:
                await health.stopService()

        self.addCleanup(lambda: Deferred.fromCoroutine(stop()))
        return health

    async def made(self, **given: Any) -> tuple[Tree, Amphora]:
        """A load balancer and the amphora that serves it."""
        tree = new_tree()
        fields = {"load_balancer_id": tree.load_balancer.id, "state": AmphoraState.ALLOCATED} | given
        amphora = Amphora(id=identifier(), created_at=NOW, lb_network_ip="127.0.0.1", **fields)
        async with self.database.transaction() as tx:
            await load_balancers.insert(tx, tree)
            await load_balancers.applied(tx, tree.load_balancer.id, tree.load_balancer.revision)
            await amphorae.insert(tx, amphora)
        return tree, amphora

    def send(
        self,
        report: Report,
        amphora: Amphora | None = None,
        key: bytes | None = None,
        kind: envelope.Kind = envelope.Kind.HEARTBEAT,
    ) -> None:
        amphora_id = (amphora or self.amphora).id
        for body in split(report, envelope.BODY_LIMIT):
            self.sequence += 1
            header = envelope.Header(amphora_id, self.boot, self.sequence, time.time(), kind)
            self.socket.sendto(envelope.seal(key or amphora_key(MASTER, amphora_id), header, body), self.address)

    async def statuses(self, tree: Tree | None = None) -> list[OperatingStatus]:
        """Of the load balancer, its listener, its pool, its members."""
        async with self.database.transaction() as tx:
            now = await load_balancers.tree(tx, (tree or self.tree).load_balancer.id)
        assert now is not None
        return [item.operating_status for item in (now.load_balancer, *now.listeners, *now.pools, *now.members)]

    async def until(self, holds: Callable[[], Awaitable[bool]], seconds: float = 5.0) -> float:
        """Wait until something holds; how long that took."""
        started = time.monotonic()
        while not await holds():
            self.assertLess(time.monotonic() - started, seconds, "it never came")
            await deferLater(reactor, 0.01)
        return time.monotonic() - started

    async def until_statuses(self, *expected: OperatingStatus) -> float:
        """Wait until the tree's statuses are these."""

        async def hold() -> bool:
            return await self.statuses() == list(expected)

        return await self.until(hold)

    async def until_count(self, outcome: Outcome, count: int = 1) -> None:
        """Wait until so many datagrams had that outcome."""

        async def hold() -> bool:
            return self.health.counters[outcome] == count

        await self.until(hold)


class Statuses(HealthCase):
    """What a report does to operating statuses."""

    async def test_a_report_reaches_the_rows_within_the_flush_interval(self) -> None:
        self.send(report_of(self.tree, "UP", "UP"))
        taken = await self.until_statuses(ONLINE, ONLINE, ONLINE, ONLINE, ONLINE)
        self.assertLess(taken, 0.5)

    async def test_a_member_that_dies_degrades_all_above_and_comes_back(self) -> None:
        self.send(report_of(self.tree, "UP", "DOWN"))
        await self.until_statuses(DEGRADED, DEGRADED, DEGRADED, ONLINE, ERROR)
        self.send(report_of(self.tree, "DOWN", "DOWN"))
        await self.until_statuses(ERROR, ERROR, ERROR, ERROR, ERROR)
        self.send(report_of(self.tree, "UP", "UP"))
        await self.until_statuses(ONLINE, ONLINE, ONLINE, ONLINE, ONLINE)

    async def test_a_tenants_change_shows_with_the_next_report_that_says_nothing_new(self) -> None:
        report = report_of(self.tree, "UP", "DOWN")
        self.send(report)
        await self.until_statuses(DEGRADED, DEGRADED, DEGRADED, ONLINE, ERROR)
        async with self.database.transaction() as tx:
            load_balancer = await load_balancers.change(tx, self.tree.load_balancer.id)
            await members.update(
                tx, evolve(self.tree.members[1], admin_state_up=False, revision=load_balancer.revision)
            )

        async def shown() -> bool:
            self.send(report)
            return await self.statuses() == [ONLINE, ONLINE, ONLINE, ONLINE, OFFLINE]

        await self.until(shown)

    async def test_an_amphora_cant_speak_of_anothers_load_balancer(self) -> None:
        other, _ = await self.made()
        self.send(report_of(other, "DOWN", "DOWN", bytes_in=1000))
        self.send(report_of(self.tree, "UP", "UP"))
        await self.until_statuses(ONLINE, ONLINE, ONLINE, ONLINE, ONLINE)
        self.assertEqual(await self.statuses(other), [OFFLINE, OFFLINE, OFFLINE, NO_MONITOR, NO_MONITOR])
        async with self.database.transaction() as tx:
            self.assertEqual(await statistics.of_load_balancer(tx, other.load_balancer.id), Statistics())

    async def test_an_amphora_that_is_new_is_known_soon(self) -> None:
        self.tree, amphora = await self.made()

        async def online() -> bool:
            self.send(report_of(self.tree, "UP", "UP"), amphora)
            return await self.statuses() == [ONLINE] * 5

        self.assertLess(await self.until(online), 2)

    async def test_an_amphora_on_its_way_out_says_nothing_of_its_load_balancer(self) -> None:
        async with self.database.transaction() as tx:
            await amphorae.change(tx, self.amphora.id, AmphoraState.ALLOCATED, AmphoraState.DRAINING)
        await deferLater(reactor, 0.3)
        self.send(report_of(self.tree, "DOWN", "DOWN"))
        await self.until(self.heard)
        self.assertEqual((await self.statuses())[3:], [NO_MONITOR, NO_MONITOR])

    async def heard(self) -> bool:
        async with self.database.transaction() as tx:
            amphora = await amphorae.get(tx, self.amphora.id)
        return amphora is not None and amphora.last_heartbeat is not None

    async def test_an_amphora_that_is_heard_is_noted(self) -> None:
        self.assertFalse(await self.heard())
        self.send(Report())
        await self.until(self.heard)
        async with self.database.transaction() as tx:
            amphora = await amphorae.get(tx, self.amphora.id)
        assert amphora is not None and amphora.last_heartbeat is not None
        self.assertLess(abs(datetime.now(UTC) - amphora.last_heartbeat), timedelta(seconds=5))


class Traffic(HealthCase):
    """What a report does to statistics."""

    shared_key = SHARED

    async def until_traffic(self, **expected: int) -> None:
        async def hold() -> bool:
            async with self.database.transaction() as tx:
                return await statistics.of_listener(tx, self.tree.listeners[0].id) == Statistics(**expected)

        await self.until(hold)

    async def test_counters_are_absolute_within_a_run(self) -> None:
        for bytes_in in (10, 30, 20):
            self.send(report_of(self.tree, bytes_in=bytes_in, active_connections=1))
        await self.until_traffic(bytes_in=30, active_connections=1)
        self.send(report_of(self.tree, bytes_in=45))
        await self.until_traffic(bytes_in=45)

    async def test_differences_of_openstacks_agents_are_added_up(self) -> None:
        report = report_of(self.tree, "UP", "UP", bytes_in=10)
        for sequence in (1, 2, 3):
            self.socket.sendto(openstack.seal(SHARED, self.amphora.id, sequence, report), self.address)
        await self.until_traffic(bytes_in=30)
        key = amphora_key(MASTER, self.amphora.id)
        self.socket.sendto(openstack.seal(key, self.amphora.id, 4, report), self.address)
        await self.until_traffic(bytes_in=40)
        self.assertEqual(await self.statuses(), [ONLINE] * 5)


class Dropping(HealthCase):
    """What isn't believed changes nothing, and what comes after it is heard."""

    async def test_bad_datagrams_are_counted_and_harm_nothing(self) -> None:
        self.socket.sendto(b"garbage", self.address)
        self.socket.sendto(b"", self.address)
        await self.until_count(Outcome.MALFORMED, 2)
        self.socket.sendto(envelope.MAGIC + bytes(20_000), self.address)
        await self.until_count(Outcome.OVERSIZED)
        self.send(report_of(self.tree, "DOWN", "DOWN"), key=b"x" * 32)
        await self.until_count(Outcome.BAD_SIGNATURE)
        self.send(report_of(self.tree, "DOWN", "DOWN"), evolve(self.amphora, id=identifier()))
        await self.until_count(Outcome.UNKNOWN_AMPHORA)
        self.send(report_of(self.tree, "UP", "UP"))
        await self.until_statuses(ONLINE, ONLINE, ONLINE, ONLINE, ONLINE)
        self.assertEqual(self.health.counters[Outcome.ACCEPTED], 1)


class Alerts(HealthCase):
    """Statuses that changed, and what an amphora is answered."""

    def answers(self) -> list[envelope.Header]:
        """Those that have come since."""
        self.socket.setblocking(False)
        found = []
        with contextlib.suppress(BlockingIOError):
            while True:
                found.append(envelope.unseal(amphora_key(MASTER, self.amphora.id), self.socket.recv(2000))[0])
        return found

    async def answered(self) -> list[envelope.Header]:
        """The same, once there are some."""
        found: list[envelope.Header] = []

        async def any_there() -> bool:
            found.extend(self.answers())
            return bool(found)

        await self.until(any_there)
        return found

    async def test_it_is_acknowledged_once_it_is_in_the_database(self) -> None:
        self.send(report_of(self.tree, "UP", "DOWN"), kind=envelope.Kind.ALERT)
        (header,) = await self.answered()
        self.assertEqual(await self.statuses(), [DEGRADED, DEGRADED, DEGRADED, ONLINE, ERROR])
        self.assertEqual((header.kind, header.sequence), (envelope.Kind.ACKNOWLEDGEMENT, self.sequence))

    async def test_it_is_written_sooner_than_a_heartbeat(self) -> None:
        self.health._interval = 30.0
        self.send(report_of(self.tree, "UP", "DOWN"), kind=envelope.Kind.ALERT)
        self.assertLess(await self.until_statuses(DEGRADED, DEGRADED, DEGRADED, ONLINE, ERROR), 0.3)

    async def test_it_is_not_acknowledged_before_the_database_is_back(self) -> None:
        self.server.signal(signal.SIGSTOP)
        self.addCleanup(self.server.signal, signal.SIGCONT)
        for word in ("DOWN", "UP"):
            self.send(report_of(self.tree, word, "UP"), kind=envelope.Kind.ALERT)
        await deferLater(reactor, self.deadline + 0.5)
        self.assertEqual(self.answers(), [])
        self.server.signal(signal.SIGCONT)
        self.assertEqual([h.sequence for h in await self.answered()], [1, 2])
        self.assertEqual(await self.statuses(), [ONLINE] * 5)

    async def test_what_another_receiver_wrote_meanwhile_is_written_over(self) -> None:
        one = self.address
        await self.started()
        other = self.address
        for address, word, expected in ((one, "DOWN", ERROR), (other, "UP", ONLINE), (one, "DOWN", ERROR)):
            self.address = address
            self.send(report_of(self.tree, word, "UP"), kind=envelope.Kind.ALERT)
            await self.answered()
            self.assertIs((await self.statuses())[3], expected)

    async def test_one_of_an_amphora_that_nobody_knows_is_not_acknowledged(self) -> None:
        self.send(Report(), evolve(self.amphora, id=identifier()), kind=envelope.Kind.ALERT)
        await self.until_count(Outcome.UNKNOWN_AMPHORA)
        await deferLater(reactor, 0.3)
        self.assertEqual(self.answers(), [])

    async def test_a_heartbeat_is_answered_while_a_change_waits_that_nobody_pushes(self) -> None:
        report = report_of(self.tree, "UP", "UP")
        self.send(report)
        await self.until_statuses(ONLINE, ONLINE, ONLINE, ONLINE, ONLINE)
        async with self.database.transaction() as tx:
            load_balancer = await load_balancers.change(tx, self.tree.load_balancer.id)
        began = time.monotonic()
        found: list[envelope.Header] = []

        async def noticed() -> bool:
            await deferLater(reactor, 0.2)
            self.send(report)
            found.extend(self.answers())
            return bool(found)

        await self.until(noticed)
        self.assertGreater(time.monotonic() - began, 1.9)
        self.assertEqual(found[0].kind, envelope.Kind.NOTICE)
        async with self.database.transaction() as tx:
            await load_balancers.applied(tx, load_balancer.id, load_balancer.revision)
        await deferLater(reactor, 0.5)
        self.answers()
        for _ in range(5):
            self.send(report)
            await deferLater(reactor, 0.1)
        self.assertEqual(self.answers(), [])


class Outage(HealthCase):
    """Nothing that was accepted is lost."""

    async def test_what_was_accepted_while_the_database_was_away_is_written_afterwards(self) -> None:
        self.send(report_of(self.tree, "UP", "UP"))
        await self.until_statuses(ONLINE, ONLINE, ONLINE, ONLINE, ONLINE)
        self.server.signal(signal.SIGSTOP)
        self.addCleanup(self.server.signal, signal.SIGCONT)
        for bytes_in in (10, 30, 20):
            self.send(report_of(self.tree, "DOWN", "UP", bytes_in=bytes_in))
        # Long enough for an attempt to fail.
        await deferLater(reactor, self.deadline + 0.5)
        self.server.signal(signal.SIGCONT)
        await self.until_statuses(DEGRADED, DEGRADED, DEGRADED, ERROR, ONLINE)
        async with self.database.transaction() as tx:
            found = await statistics.of_listener(tx, self.tree.listeners[0].id)
        self.assertEqual(found.bytes_in, 30)

    async def test_a_service_that_stops_writes_what_it_accepted(self) -> None:
        self.send(report_of(self.tree, "UP", "UP"))
        await self.until_count(Outcome.ACCEPTED)
        await self.health.stopService()
        self.assertEqual(await self.statuses(), [ONLINE] * 5)


class WithoutMonitor(HealthCase):
    """Load balancers in which nothing is checked."""

    async def test_members_have_no_monitor_and_all_above_is_online(self) -> None:
        async with self.database.transaction() as tx:
            load_balancer = await load_balancers.change(tx, self.tree.load_balancer.id)
            await health_monitors.delete(tx, self.tree.health_monitors[0].id, load_balancer.revision)
        self.send(report_of(self.tree, "no check", "no check"))
        await self.until_statuses(ONLINE, ONLINE, ONLINE, NO_MONITOR, NO_MONITOR)
