"""The agent's own certificate is replaced while it runs."""

from __future__ import annotations

import stat
from datetime import timedelta
from typing import Any

from cryptography import x509
from twisted.internet.protocol import Factory, Protocol
from twisted.protocols.tls import TLSMemoryBIOFactory
from twisted.web.client import Agent

from octavia_tx.cloud.authority import Authority
from octavia_tx.wire.tls import Credential, MutualTLS, Peer, Role
from tests.integration.agent_process import AMPHORA, LB, AgentCase, Answer, Policy, real, run


def serial(pem: bytes) -> int:
    return x509.load_pem_x509_certificate(pem).serial_number


class _Look(Protocol):
    """Notes by which certificate the agent calls, and hangs up."""

    transport: Any

    def __init__(self, seen: list[int]) -> None:
        self._seen = seen

    def dataReceived(self, data: bytes) -> None:
        self._seen.append(self.transport.getPeerCertificate().get_serial_number())
        self.transport.loseConnection()


class _Looks(Factory[_Look]):
    noisy = False

    def __init__(self) -> None:
        self.seen: list[int] = []

    def buildProtocol(self, addr: object) -> _Look:
        return _Look(self.seen)


class OwnCertificate(AgentCase):
    async def put(self, pem: bytes) -> Answer:
        return await self.call("PUT", "/1.0/certificate", pem)

    async def shown(self) -> int:
        """The serial number of the certificate that the agent shows to a new connection."""
        seen: list[int] = []

        class Policed(MutualTLS):
            def clientConnectionForTLS(self, protocol: Any) -> Any:
                connection = super().clientConnectionForTLS(protocol)
                connection.set_info_callback(
                    lambda c, where, _: (found := c.get_peer_certificate()) and seen.append(found.get_serial_number())
                )
                return connection

        tls = Policed(self.credential, Peer(role=Role.AMPHORA, identifier=AMPHORA))
        await self.request(Agent(real, Policy(tls), 5), "GET", self.url("/"))
        return seen[-1]

    def issue(self) -> Credential:
        return self.authority.issue(Role.AMPHORA, AMPHORA)

    @run
    async def test_it_is_used_for_each_new_connection_at_once_and_after_a_restart(self) -> None:
        child = await self.start()
        new, path = self.issue(), self.agent_directory / "agent.pem"
        self.assertEqual(await self.shown(), serial(path.read_bytes()))
        self.assertEqual((await self.put(new.pem)).status, 202)
        self.assertEqual(await self.shown(), serial(new.pem))
        self.assertEqual(path.read_bytes(), new.pem)
        self.assertEqual(stat.S_IMODE(path.stat().st_mode), 0o600)
        self.assertIsNone(child.poll())
        self.kill(child)
        await self.restart()
        self.assertEqual(await self.shown(), serial(new.pem))

    @run
    async def test_controllers_are_called_by_it_too(self) -> None:
        looks = _Looks()
        tls = MutualTLS(self.credential, Peer(role=Role.AMPHORA))
        port = real.listenTCP(0, TLSMemoryBIOFactory(tls, False, looks), interface="127.0.0.1")
        self.addCleanup(port.stopListening)
        self.controllers = [f"https://127.0.0.1:{port.getHost().port}"]
        await self.start()
        old, new = serial((self.agent_directory / "agent.pem").read_bytes()), self.issue()
        await self.until(lambda: old in looks.seen)
        self.assertEqual((await self.put(new.pem)).status, 202)
        await self.until(lambda: looks.seen[-1] == serial(new.pem))

    @run
    async def test_what_stands_is_left_alone(self) -> None:
        await self.start()
        await self.serve()
        tls = MutualTLS(self.credential, Peer(role=Role.AMPHORA, identifier=AMPHORA))
        connections: list[Any] = []

        class Counting(MutualTLS):
            def clientConnectionForTLS(self, protocol: Any) -> Any:
                connections.append(protocol)
                return tls.clientConnectionForTLS(protocol)

        kept = Agent(real, Policy(Counting(self.credential, Peer(role=Role.AMPHORA))), 5, pool=self.pool)
        await self.request(kept, "GET", self.url("/"))
        master = self.master()
        self.assertEqual((await self.put(self.issue().pem)).status, 202)
        self.assertEqual((await self.request(kept, "GET", self.url("/"))).status, 200)
        self.assertEqual(len(connections), 1)
        self.assertTrue(await self.serves())
        self.assertEqual(self.master(), master)

    @run
    async def test_a_bad_one_changes_nothing(self) -> None:
        await self.start()
        path = self.agent_directory / "agent.pem"
        before = path.read_bytes()
        other = Authority.load_or_create(self.directory / "other")
        ended = Authority.load_or_create(self.directory / "ca", lifetime=timedelta(seconds=-1))
        for pem in (
            b"",
            b"nonsense",
            other.issue(Role.AMPHORA, AMPHORA).pem,
            ended.issue(Role.AMPHORA, AMPHORA).pem,
            self.authority.issue(Role.AMPHORA, LB).pem,
            self.authority.issue(Role.CONTROLLER, AMPHORA).pem,
            self.issue().pem + b"-----BEGIN CERTIFICATE-----\nanVuaw==\n-----END CERTIFICATE-----\n",
        ):
            refused = await self.put(pem)
            self.assertEqual((refused.status, refused.json["message"]), (400, "Invalid request"))
            self.assertTrue(refused.json["details"].startswith("The agent's certificate: "))
            self.assertEqual(path.read_bytes(), before)
        self.assertEqual(await self.shown(), serial(before))
        self.assertNotIn("PRIVATE KEY", self.log())
