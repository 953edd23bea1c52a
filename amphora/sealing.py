"""Datagrams of what the amphora knows, in the envelope that the settings ask for."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice
from typing import Final, Protocol
from uuid import uuid4

from attrs import define, field
from twisted.internet.interfaces import IReactorTime

from amphora.ledger import Ledger
from amphora.settings import Heartbeat
from octavia_tx.wire import envelope, heartbeat, openstack
from octavia_tx.wire.envelope import Header, Kind
from octavia_tx.wire.heartbeat import Counters, ListenerReport, Report

ANSWER_LIMIT: Final = 60.0  # seconds after which an answer to a report is none any more
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
        return tuple(self._seal(Kind.HEARTBEAT, body)[1] for body in heartbeat.split(report, envelope.BODY_LIMIT))

    def alert(self, report: Report) -> Iterator[tuple[int, Report, bytes]]:
        """The alerts that say it: of each its sequence, what part it has, and the datagram."""
        for body in heartbeat.split(report, envelope.BODY_LIMIT):
            sequence, datagram = self._seal(Kind.ALERT, body)
            yield sequence, heartbeat.decode(body), datagram

    def answered(self, datagram: bytes) -> Header | None:
        """Which report of ours a receiver answers with this, and how; C{None}: it isn't believed."""
        try:
            header, _body = envelope.unseal(self.key, datagram)
        except envelope.Refused:
            return None
        ours = (header.amphora_id, header.boot_id) == (self.amphora_id, self.boot_id)
        age = self.clock.seconds() - header.time
        known = 0 < header.sequence <= self.sequence and age <= ANSWER_LIMIT
        return header if ours and known and header.kind in envelope.ANSWERS else None

    def _seal(self, kind: Kind, body: bytes) -> tuple[int, bytes]:
        self.sequence += 1
        header = Header(self.amphora_id, self.boot_id, self.sequence, self.clock.seconds(), kind)
        return self.sequence, envelope.seal(self.key, header, body)


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
