"""Heartbeats by UDP: what the amphora knows, every few seconds; and at once what has changed."""

from __future__ import annotations

from collections.abc import Callable
from ipaddress import ip_address
from itertools import cycle
from typing import Any

from twisted.application.service import Service
from twisted.internet.defer import Deferred
from twisted.internet.error import MessageLengthError
from twisted.internet.protocol import DatagramProtocol
from twisted.internet.task import LoopingCall
from twisted.logger import Logger

from amphora.alerts import Alerts
from amphora.ledger import Ledger, statuses
from amphora.sealing import OwnSealer, Sealer, sealer
from amphora.settings import Address, Heartbeat, Settings
from octavia_tx.wire.envelope import Kind


class _Ear(DatagramProtocol):
    """Where receivers' answers come in."""

    def __init__(self, heard: Callable[[bytes], None]) -> None:
        self._heard = heard

    def datagramReceived(self, datagram: bytes, addr: Any) -> None:
        self._heard(datagram)


class Heartbeats(Service):
    """
    Sends them while it runs.

    @param interface: the address from which they are sent; empty: the system chooses.
    @param silent: whether the amphora shall count as dead now.
    @ivar on_notice: called when a receiver says that work is waiting.
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
        self._alerts: Alerts | None = None
        self._noticed = 0
        self.on_notice: Callable[[], None] = lambda: None
        self._loop = LoopingCall(self.beat)
        self._loop.clock = reactor

    def startService(self) -> None:
        """Begin, with a first one at once."""
        super().startService()  # type: ignore[no-untyped-call]
        self._begin()

    def _begin(self) -> None:
        families = {ip_address(r.host).version for r in self._settings.receivers}
        for version in families:
            self._ports[version] = self._reactor.listenUDP(0, _Ear(self._heard), interface=self._from(version))
        if isinstance(self._sealer, OwnSealer):
            receivers = self._settings.receivers
            self._alerts = Alerts(self._reactor, self._sealer, self._ledger, receivers, self._send)
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
            self._noticed = 0
        self._settings = heartbeat
        self._turns = cycle(heartbeat.receivers)
        self._unreachable.clear()
        if self.running:
            self._begin()

    async def _end(self) -> None:
        if self._loop.running:
            self._loop.stop()
        alerts, self._alerts = self._alerts, None
        if alerts is not None:
            alerts.stop()
        ports, self._ports = self._ports, {}
        for port in ports.values():
            await port.stopListening()

    def beat(self) -> None:
        """Tell the receiver whose turn it is."""
        self._tell((next(self._turns),))

    def beat_if_changed(self) -> None:
        """Tell of statuses that changed."""
        if self._alerts is not None:
            self._alerts.look()
        elif self.running and statuses(self._ledger.report()) != self._said:
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
            if self._alerts is None:
                self._ledger.reported(report)
            for receiver in receivers:
                self._send(receiver, datagrams)
        except Exception:  # noqa: BLE001 - a boundary: whatever is wrong with this heartbeat, the next must be tried
            self.log.failure("a heartbeat couldn't be sent")

    def _heard(self, datagram: bytes) -> None:
        """A receiver's answer to one of our reports, or something that isn't believed; one that came before is that."""
        sealed = self._sealer
        answer = sealed.answered(datagram) if isinstance(sealed, OwnSealer) else None
        if answer is None:
            return
        if answer.kind is Kind.ACKNOWLEDGEMENT and self._alerts is not None:
            self._alerts.answered(answer.sequence)
        elif answer.kind is Kind.NOTICE and answer.sequence > self._noticed:
            self._noticed = answer.sequence
            self.on_notice()

    def _send(self, receiver: Address, datagrams: tuple[bytes, ...]) -> None:
        if self._silent():
            return  # neither are alerts sent then: whatever it says counts as a sign of life
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
