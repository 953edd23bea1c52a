"""Changes of status as they happen, over a real database and real connections."""

from __future__ import annotations

import json
import re
import signal
from collections.abc import Callable
from typing import Any

import psycopg2
from twisted.internet import reactor
from twisted.internet.defer import Deferred, DeferredList
from twisted.internet.endpoints import TCP4ClientEndpoint, connectProtocol
from twisted.internet.protocol import Protocol
from twisted.internet.task import deferLater
from twisted.internet.threads import deferToThread
from twisted.python.failure import Failure
from twisted.web.server import Site

from octavia_tx.api.call import Parts
from octavia_tx.api.front import BoundedRequest
from octavia_tx.api.root import Api
from octavia_tx.db import events
from octavia_tx.db.database import Database
from tests.integration.api import SUBNET
from tests.integration.postgres import Server, newest_binaries, prepare_template
from tests.integration.test_operator_amphorae import OperatorCase

_CHUNK = re.compile(rb"([0-9a-f]+)\r\n")


class Client(Protocol):
    """
    A client of the stream that speaks HTTP by hand.

    @ivar frames: what came, by the blank lines between.
    """

    def __init__(self) -> None:
        self.received = bytearray()
        self.gone: Deferred[None] = Deferred()

    def dataReceived(self, data: bytes) -> None:
        self.received += data

    def connectionLost(self, reason: Failure = Failure(Exception())) -> None:  # noqa: B008
        self.gone.callback(None)

    def body(self) -> str:
        """Without HTTP's chunks."""
        found, at = [], self.received.find(b"\r\n\r\n") + 4
        while match := _CHUNK.match(self.received, at):
            at = match.end() + int(match[1], 16) + 2
            found.append(self.received[match.end() : at - 2])
        return b"".join(found).decode()

    def frames(self) -> list[dict[str, str]]:
        """Fields of each frame that is there as a whole."""
        frames = self.body().split("\n\n")[:-1]
        return [dict(line.split(": ", 1) for line in f.split("\n") if not line.startswith(":")) for f in frames]

    def told(self) -> list[dict[str, Any]]:
        """The events."""
        return [json.loads(frame["data"]) for frame in self.frames() if frame.get("event") == "status"]

    def brief(self) -> list[tuple[str, str]]:
        """Their kinds and statuses."""
        return [(event["kind"], event["provisioning_status"]) for event in self.told()]


class StreamCase(OperatorCase):
    """With clients of the stream, which end with the test."""

    async def follow(self, query: str = "", last: str | None = None, port: Any = None, method: str = "GET") -> Client:
        """Follow the events; comes back once they are followed."""
        client: Client = await connectProtocol(
            TCP4ClientEndpoint(reactor, "127.0.0.1", (port or self.port).getHost().port), Client()
        )
        assert client.transport is not None
        self.addCleanup(self.hang_up, client)
        header = "" if last is None else f"Last-Event-ID: {last}\r\n"
        request = f"{method} /v2/octavia/events{query} HTTP/1.1\r\nHost: x\r\n{header}\r\n"
        client.transport.write(request.encode("latin-1"))
        await self.until(lambda: bool(client.frames()) or b" 4" in client.received[:12] or method == "HEAD")
        return client

    def hang_up(self, client: Client) -> Deferred[None]:
        """As a client does that has had enough."""
        assert client.transport is not None
        client.transport.loseConnection()
        return client.gone

    async def until(self, condition: Callable[[], bool], seconds: float = 10) -> None:
        """Wait for it; the test's own time-out is longer."""
        for _ in range(int(seconds / 0.01)):
            if condition():
                return
            await deferLater(reactor, 0.01)  # type: ignore[arg-type]
        raise AssertionError("It didn't come to that.")

    async def other_api(self, database: Database | None = None) -> Any:
        """A further process' API; gives its port and itself."""
        parts: Parts = self.api._parts
        parts = Parts(
            clock=parts.clock,
            database=database or self.database,
            providers=parts.providers,
            network=parts.network,
            identity=parts.identity,
            preview=parts.preview,
        )
        api = Api(parts)
        port = reactor.listenTCP(0, Site(api.resource(), requestFactory=BoundedRequest), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.addCleanup(lambda: Deferred.fromCoroutine(api.drain()))
        return port, api

    def session(self) -> Any:
        """A connection of its own, in a transaction."""
        connection = psycopg2.connect(self.dsn)
        self.addCleanup(connection.close)
        return connection

    def rename(self, session: Any, identifier: str, status: str) -> None:
        """Change a status in a session's transaction."""
        query = "UPDATE load_balancer SET operating_status = %s WHERE id = %s"
        session.cursor().execute(query, (status, identifier))


class FollowTests(StreamCase):
    """What a follower is told."""

    async def test_what_happens_is_told_as_it_happens(self) -> None:
        before = await self.load_balancer()
        client = await self.follow()
        self.assertIn(b"Content-Type: text/event-stream\r\n", client.received)
        self.assertIn(b"X-Openstack-Request-Id: req-", client.received.title().replace(b"Req-", b"req-"))
        made = await self.make("loadbalancer", vip_subnet_id=SUBNET, project_id="p1")
        await self.listener(made["id"])
        await self.apply(made["id"])
        await self.until(lambda: len(client.told()) >= 4)
        self.assertEqual(
            sorted(client.brief()),
            [
                ("listener", "ACTIVE"),
                ("listener", "PENDING_CREATE"),
                ("load_balancer", "ACTIVE"),
                ("load_balancer", "PENDING_CREATE"),
            ],
        )
        first = client.told()[0]
        self.assertEqual((first["object_id"], first["project_id"]), (made["id"], "p1"))
        self.assertNotIn(before["id"], client.body())
        self.assertEqual([f["id"] for f in client.frames()[1:]], [event["id"] for event in client.told()])
        path = f"/v2/octavia/history/{made['id']}?below=true"
        self.assertEqual((await self.ask("GET", path)).body["history"]["events"], client.told())

    async def test_it_tells_what_is_asked_for(self) -> None:
        mine = await self.make("loadbalancer", vip_subnet_id=SUBNET, project_id="p1")
        one = await self.follow("?project_id=p1")
        two = await self.follow(f"?load_balancer_id={mine['id']}&kind=listener,amphora")
        other = await self.make("loadbalancer", vip_subnet_id=SUBNET, project_id="p2")
        await self.listener(other["id"])
        amphora = await self.amphora(mine["id"])
        await self.listener(mine["id"])
        await self.until(lambda: len(one.told()) >= 2 and len(two.told()) >= 2)
        self.assertEqual([event["kind"] for event in one.told()], ["amphora", "listener"])
        self.assertEqual(one.told(), two.told())
        self.assertEqual(one.told()[0]["object_id"], amphora.id)

    async def test_what_cannot_be_followed_is_refused(self) -> None:
        for query, last in (
            ("?kind=x", None),
            ("?kind=", None),
            ("?load_balancer_id=x", None),
            ("?project_id=%00", None),
            ("?nme=x", None),
            ("?last_event_id=x", None),
            ("", "12"),
            ("", "\u00ff"),
        ):
            client = await self.follow(query, last)
            self.assertTrue(client.received.startswith(b"HTTP/1.1 400 "), (query, client.received))

    async def test_asking_for_the_head_alone_ends(self) -> None:
        client = await self.follow(method="HEAD")
        await self.until(lambda: client.received.endswith(b"\r\n\r\n"))
        self.assertTrue(client.received.startswith(b"HTTP/1.1 200 "))
        self.assertEqual(self.api._parts.hub._readers, {})


class OrderTests(StreamCase):
    """Nothing is lost or told twice, whatever commits when."""

    async def test_a_transaction_that_commits_late_comes_before_the_one_that_began_later(self) -> None:
        early, late = [(await self.make("loadbalancer", vip_subnet_id=SUBNET))["id"] for _ in range(2)]
        client = await self.follow()
        slow, quick = self.session(), self.session()
        self.rename(slow, early, "DEGRADED")
        self.rename(quick, late, "ONLINE")
        quick.commit()
        await deferLater(reactor, 0.3)  # type: ignore[arg-type]
        self.assertEqual(client.told(), [])
        joined = await self.follow()  # the quick one has happened, for who comes now; the slow one hasn't
        slow.commit()
        await self.until(lambda: len(client.told()) == 2 and len(joined.told()) == 1)
        self.assertEqual([event["object_id"] for event in client.told()], [early, late])
        self.assertEqual([event["object_id"] for event in joined.told()], [early])

    async def test_a_transaction_that_is_rolled_back_holds_nothing_up(self) -> None:
        one, two = [(await self.make("loadbalancer", vip_subnet_id=SUBNET))["id"] for _ in range(2)]
        client = await self.follow()
        slow, quick = self.session(), self.session()
        self.rename(slow, one, "DEGRADED")
        self.rename(quick, two, "ONLINE")
        quick.commit()
        slow.rollback()
        await self.until(lambda: len(client.told()) == 1, 2)
        self.assertEqual(client.told()[0]["object_id"], two)

    async def test_many_that_write_at_once_are_told_whole_to_who_comes_and_goes(self) -> None:
        ids = [(await self.make("loadbalancer", vip_subnet_id=SUBNET))["id"] for _ in range(8)]
        whole = await self.follow()
        running = [deferToThread(self.write, identifier, 12) for identifier in ids]
        seen: list[dict[str, Any]] = []
        last: str | None = whole.frames()[0]["id"]
        port, _ = await self.other_api()
        done: list[Any] = []
        DeferredList(running).addCallback(done.append)
        for turn in range(1000):
            client = await self.follow(last=last, port=port if turn % 2 else None)
            await deferLater(reactor, 0.02)  # type: ignore[arg-type]
            frames = client.frames()
            seen += client.told()
            last = frames[-1]["id"]
            await self.hang_up(client)
            if done and len(seen) == 8 * 12:
                break
        await self.until(lambda: len(whole.told()) == 8 * 12)
        self.assertEqual(seen, whole.told())
        places = [tuple(map(int, event["id"].split("-"))) for event in seen]
        self.assertEqual(places, sorted(set(places)))

    def write(self, identifier: str, times: int) -> None:
        """Change a status that often, some of them in transactions that take their time; blocks."""
        connection = psycopg2.connect(self.dsn)
        try:
            for turn in range(times):
                self.rename(connection, identifier, ("DEGRADED", "ONLINE")[turn % 2])
                if turn % 3 == 0:
                    connection.cursor().execute("SELECT pg_sleep(0.03)")
                connection.commit()
        finally:
            connection.close()


class ComingBackTests(StreamCase):
    """Who brings an id goes on behind it."""

    async def test_one_goes_on_where_one_was(self) -> None:
        client = await self.follow()
        await self.load_balancer()
        await self.until(lambda: len(client.told()) == 1)
        await self.hang_up(client)
        made = await self.make("loadbalancer", vip_subnet_id=SUBNET)
        last = client.told()[0]["id"]
        port, _ = await self.other_api()
        for again in (
            await self.follow(last=last),
            await self.follow(f"?last_event_id={last}"),
            await self.follow("?last_event_id=0-0", last),  # the header is the client's own newer word
            await self.follow(last=last, port=port),
        ):
            await self.until(lambda again=again: len(again.told()) == 1)  # type: ignore[misc]
            self.assertEqual(again.told()[0]["object_id"], made["id"])

    async def test_who_was_told_nothing_can_come_back_too(self) -> None:
        client = await self.follow("?project_id=p1")
        (beginning,) = client.frames()
        await self.hang_up(client)
        await self.make("loadbalancer", vip_subnet_id=SUBNET, project_id="p1")
        client = await self.follow("?project_id=p1", beginning["id"])
        await self.until(lambda: len(client.told()) == 1)
        self.assertNotIn("gap", client.body())

    async def test_what_is_forgotten_is_told_as_a_gap(self) -> None:
        client = await self.follow()
        await self.load_balancer()
        await self.until(lambda: len(client.told()) == 1)
        last = client.told()[0]["id"]
        await self.make("loadbalancer", vip_subnet_id=SUBNET)
        async with self.database.transaction() as tx:
            self.assertEqual(await events.forget(tx, -1.0, 1), 1)
        client = await self.follow(last=last)
        await self.until(lambda: len(client.told()) == 1)
        self.assertEqual(client.frames()[0]["event"], "gap")
        self.assertEqual(json.loads(client.frames()[0]["data"])["after"], last)
        ahead = await self.follow(last="99999999-1")
        self.assertEqual(ahead.frames()[0]["event"], "gap")
        await self.make("loadbalancer", vip_subnet_id=SUBNET)
        await self.until(lambda: len(ahead.told()) == 1)


class EndTests(StreamCase):
    """Streams end, and leave nothing."""

    async def test_a_client_that_hangs_up_leaves_nothing(self) -> None:
        hub = self.api._parts.hub
        clients = [await self.follow() for _ in range(5)]
        self.assertEqual(len(hub._readers), 5)
        for client in clients[:4]:
            await self.hang_up(client)
        await self.until(lambda: len(hub._readers) == 1)
        await self.load_balancer()
        await self.until(lambda: len(clients[4].told()) == 1)
        await self.hang_up(clients[4])
        await self.until(lambda: not hub._readers)
        self.assertFalse(hub._poll.running or hub._alive.running)
        self.assertEqual(self.flushLoggedErrors(), [])

    async def test_the_servers_end_is_the_streams(self) -> None:
        port, api = await self.other_api()
        client, slow = await self.follow(port=port), await self.follow(port=port)
        assert slow.transport is not None
        slow.transport.pauseProducing()  # type: ignore[attr-defined]
        await api.drain()
        await client.gone
        self.assertTrue(client.received.endswith(b"0\r\n\r\n"))
        slow.transport.resumeProducing()  # type: ignore[attr-defined]
        await slow.gone

    async def test_a_slow_reader_is_not_waited_for_and_misses_nothing(self) -> None:
        made = await self.load_balancer()
        slow, quick = await self.follow(), await self.follow()
        (reader, _) = self.api._parts.hub._readers
        outlet: Any = reader._outlet
        transport: Any = slow.transport
        transport.pauseProducing()
        name = self.dsn.rpartition("=")[2]
        grow = (
            "INSERT INTO event (kind, object_id, load_balancer_id, provisioning_status, error) "
            f"SELECT 'pool', '{made['id']}', '{made['id']}', 'ACTIVE', repeat('x', 8000) FROM generate_series(1, 1500);"
            "NOTIFY octavia_tx_event"
        )
        await deferToThread(self.server.run, grow, name)
        await self.until(lambda: quick.received.count(b"}\n\n") == 1500, 25)
        channel = outlet._request.channel
        kept = channel.transport.dataBuffer, channel.transport._tempDataLen
        self.assertFalse(outlet.writable)
        self.assertLess(len(kept[0]) + kept[1], 2 * 65536)
        transport.resumeProducing()
        await self.until(lambda: slow.received.count(b"}\n\n") == 1500, 25)
        self.assertEqual(len(slow.told()), 1500)
        self.assertEqual([e["id"] for e in slow.told()], [e["id"] for e in quick.told()])

    test_a_slow_reader_is_not_waited_for_and_misses_nothing.timeout = 60  # type: ignore[attr-defined]


class RestartTests(StreamCase):
    """PostgreSQL goes away in between, with and without its memory."""

    timeout = 60

    async def _prepare(self) -> None:
        self.own = Server(newest_binaries())
        self.addCleanup(self.own.remove)
        self.own.start()
        await prepare_template(self.own)
        await super()._prepare()
        name = self.own.create("octavia_tx_template")
        self.again = Database(reactor, self.own.dsn(name))
        self.again.startService()
        self.addCleanup(self.again.stopService)
        self.name = name

    def crash(self) -> None:
        """End the server without its saying so to itself; blocks."""
        process, self.own._process = self.own._process, None
        assert process is not None
        process.send_signal(signal.SIGQUIT)
        process.wait()

    async def test_a_restart_costs_no_event(self) -> None:
        port, _ = await self.other_api(self.again)
        client = await self.follow(port=port)
        insert = "INSERT INTO event (kind, object_id) VALUES ('pool', gen_random_uuid()); NOTIFY octavia_tx_event"
        for turn in range(3):
            await deferToThread(self.own.run, insert, self.name)
            await self.until(lambda turn=turn: len(client.told()) == 2 * turn + 1)  # type: ignore[misc]
            await deferToThread(self.own.stop if turn % 2 else self.crash)
            await deferToThread(self.own.start)
            await deferToThread(self.own.run, insert, self.name)
            await self.until(lambda turn=turn: len(client.told()) == 2 * turn + 2)  # type: ignore[misc]
        ids = [event["id"] for event in client.told()]
        self.assertEqual(len(set(ids)), 6)
