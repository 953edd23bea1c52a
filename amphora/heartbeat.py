"""Heartbeats by UDP: what the amphora knows, every few seconds, and at once when a status has changed."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from itertools import cycle, islice
from typing import Any, Final, Protocol
from uuid import uuid4

from attrs import define, field
from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import MessageLengthError
from twisted.internet.interfaces import IReactorTime
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from amphora.ledger import Ledger, statuses
from amphora.settings import Address, Heartbeat, Settings
from octavia_tx.wire import envelope, heartbeat, openstack
from octavia_tx.wire.heartbeat import Counters, ListenerReport, Report

_KNOWN_LIMIT: Final = 10_000


class Sealer(Protocol):
    """Makes datagrams of reports."""

    repeatable: bool
    """Whether the same may be told to several receivers of one system."""

    def seal(self, report: Report, ledger: Ledger) -> tuple[bytes, ...]:
        """The datagrams that say it."""


@define
class OwnSealer:
    """Our envelope: absolute counters, several small datagrams."""

    amphora_id: str
    key: bytes = field(repr=False)
    clock: IReactorTime
    boot_id: str = field(factory=lambda: str(uuid4()))
    sequence: int = 0
    repeatable: bool = True

    def seal(self, report: Report, ledger: Ledger) -> tuple[bytes, ...]:
        """See L{Sealer.seal}."""
        return tuple(self._seal(body) for body in heartbeat.split(report, envelope.BODY_LIMIT))

    def _seal(self, body: bytes) -> bytes:
        self.sequence += 1
        header = envelope.Header(self.amphora_id, self.boot_id, self.sequence, self.clock.seconds())
        return envelope.seal(self.key, header, body)


@define
class OpenStackSealer:
    """OpenStack's envelope: differences since the datagram before, all in one."""

    amphora_id: str
    key: bytes = field(repr=False)
    sequence: int = 0
    repeatable: bool = False
    _told: dict[tuple[str, str], Counters] = field(factory=dict)

    def seal(self, report: Report, ledger: Ledger) -> tuple[bytes, ...]:
        """See L{Sealer.seal}."""
        earlier = Report(tuple(ListenerReport(i, "OPEN", (c,)) for (i, _epoch), c in self._told.items()))
        said = openstack.differences(earlier, report)
        self.sequence += 1
        datagram = openstack.seal(self.key, self.amphora_id, self.sequence, said, ledger.pool_listeners())
        for listener in report.listeners:
            for counters in listener.counters:
                key = listener.listener_id, counters.epoch
                self._told.pop(key, None)
                self._told[key] = counters
        for key in list(islice(self._told, max(0, len(self._told) - _KNOWN_LIMIT))):
            del self._told[key]
        return (datagram,)


def sealer(amphora_id: str, settings: Heartbeat, clock: IReactorTime) -> Sealer:
    """The one that the settings ask for."""
    if settings.envelope == "openstack":
        return OpenStackSealer(amphora_id, settings.key)
    return OwnSealer(amphora_id, settings.key, clock)


class Heartbeats(Service):
    """
    Sends them while it runs.

    @param interface: the address from which they are sent; empty: the system chooses.
    @param silent: whether the amphora shall count as dead now.
    """

    log = Logger()

    def __init__(
        self,
        reactor: Any,
        settings: Heartbeat,
        seal: Sealer,
        ledger: Ledger,
        interface: str = "",
        silent: Callable[[], bool] = lambda: False,
    ) -> None:
        self._reactor = reactor
        self._settings = settings
        self._sealer = seal
        self._ledger = ledger
        self._interface = interface
        self._silent = silent
        self._turns = cycle(settings.receivers)
        self._ports: dict[int, Any] = {}
        self._said: object = None
        self._unreachable: set[Address] = set()
        self._loop = LoopingCall(self.beat)
        self._loop.clock = reactor

    def startService(self) -> None:
        """Begin, with a first one at once."""
        super().startService()  # type: ignore[no-untyped-call]
        self._begin()

    def _begin(self) -> None:
        families = {ip_address(r.host).version for r in self._settings.receivers}
        for version in families:
            self._ports[version] = self._reactor.listenUDP(0, DatagramProtocol(), interface=self._from(version))
        self._loop.start(self._settings.interval)

    def stopService(self) -> Deferred[None]:
        """Send no more."""
        super().stopService()  # type: ignore[no-untyped-call]
        return Deferred.fromCoroutine(self._end())

    async def renew(self, settings: Settings) -> None:
        """Go by these from now on, with a first one at once."""
        heartbeat, before = settings.heartbeat, self._settings
        if heartbeat == before:
            return
        await self._end()
        if (heartbeat.key, heartbeat.envelope) != (before.key, before.envelope):
            self._sealer = sealer(settings.amphora_id, heartbeat, self._reactor)
        self._settings = heartbeat
        self._turns = cycle(heartbeat.receivers)
        self._unreachable.clear()
        if self.running:
            self._begin()

    async def _end(self) -> None:
        if self._loop.running:
            self._loop.stop()
        ports, self._ports = self._ports, {}
        for port in ports.values():
            await port.stopListening()

    def beat(self) -> None:
        """Tell the receiver whose turn it is."""
        self._tell((next(self._turns),))

    def beat_if_changed(self) -> None:
        """Tell all receivers when a status is another than the one told last."""
        if self.running and statuses(self._ledger.report()) != self._said:
            self.beat_at_once()

    def beat_at_once(self) -> None:
        """Tell all receivers."""
        if self.running and self._ports:
            self._tell(self._settings.receivers if self._sealer.repeatable else (next(self._turns),))

    def _tell(self, receivers: tuple[Address, ...]) -> None:
        if self._silent():
            return
        try:
            report = self._ledger.report()
            self._said = statuses(report)
            datagrams = self._sealer.seal(report, self._ledger)
            self._ledger.reported(report)
            for receiver in receivers:
                self._send(receiver, datagrams)
        except Exception:  # noqa: BLE001 - a boundary: whatever is wrong with this heartbeat, the next must be tried
            self.log.failure("a heartbeat couldn't be sent")

    def _send(self, receiver: Address, datagrams: tuple[bytes, ...]) -> None:
        transport = self._ports[ip_address(receiver.host).version]
        try:
            for datagram in datagrams:
                transport.write(datagram, (receiver.host, receiver.port))
        except (OSError, MessageLengthError) as e:
            if receiver not in self._unreachable:
                self.log.warn("Heartbeats don't reach {receiver}: {reason}", receiver=receiver, reason=str(e))
            self._unreachable.add(receiver)
        else:
            if receiver in self._unreachable:
                self.log.info("Heartbeats reach {receiver} again", receiver=receiver)
            self._unreachable.discard(receiver)

    def _from(self, version: int) -> str:
        if self._interface and ip_address(self._interface).version == version:
            return self._interface
        return "::" if version == 6 else ""
